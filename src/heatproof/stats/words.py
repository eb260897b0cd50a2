"""The vocabulary of the sentences: units, controls, claims, reasons, and how numbers are written."""

UNITS = {"patient": "patients", "lookalike": "clusters of look-alike images", "image": "images"}
CONTROL_NAMES = {
    "random": "a random map",
    "center": "a blob in the centre",
    "lowres_noise": "coarse noise",
    "other_image": "the heatmaps of two different images",
}
CLAIMS = {
    "localization": "find the marked region better than",
    "faithfulness": "single out what the model uses better than",
    "consistency": "agree between training seeds more closely than",
}
METRIC_NAMES = {"srg": "symmetric relevance gain", "iou": "IoU", "iou_seeds": "IoU between seeds"}
REASONS = {
    "no truth": "no image of this study has a marked region",
    "one seed": "that takes at least two training seeds",
}


def joined(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def shown(value: float) -> str:
    """A score or difference with two decimals, three where it is small."""
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3f}"


def shown_p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def plain(metric: str) -> str:
    """A metric's name as text."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def span(values: list[float]) -> str:
    """`0.41 to 0.55`, or one number where both ends look alike."""
    low, high = shown(min(values)), shown(max(values))
    return low if low == high else f"{low} to {high}"


def counted(number: int, noun: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
