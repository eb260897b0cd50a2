"""The vocabulary of the sentences: units, controls, claims, reasons, and how numbers are written."""

UNITS = {"patient": "patients", "lookalike": "clusters of look-alike images", "image": "images", "group": "groups"}
ONE = {many: many.replace("clusters", "cluster") if " " in many else many[:-1] for many in UNITS.values()}
KEPT_TOGETHER = {"patient": "each patient's images", "lookalike": "look-alike images"}
CONTROL_NAMES = {
    "random": "a random map",
    "center": "a blob in the centre",
    "lowres_noise": "coarse noise",
    "mean_mask": "the mean of the training masks",
    "edges": "the edges of the image",
    "other_image": "the heatmaps of two different images",
}
CLAIMS = {
    "localization": "find the marked region better than",
    "faithfulness": "single out what the model uses better than",
    "consistency": "agree between training seeds more closely than",
    "robustness": "agree between an image and its changed copies more closely than",
    "agreement": "agree with those of the other methods more closely than",
    "sanity": "change when the model's weights are randomized: they end up less like the originals than",
}
# what is said where a family's control does better; elsewhere that they `do worse than` it
FAILURES = {
    "sanity": "fail the sanity check: when the model's weights are randomized they stay more like the originals than",
}
METRIC_NAMES = {
    "srg": "symmetric relevance gain",
    "iou": "IoU",
    "iou_seeds": "IoU between seeds",
    "rank_correlation_transforms": "rank correlation between changed images",
    "rank_correlation_cascade": "rank correlation with the maps of randomized weights",
    "inside_cue": "heat on the mark",
    "outside_body": "heat outside the body",
    "outside_lungs": "heat outside the lungs",
    "on_border": "heat on the border",
    "rank_correlation_methods": "rank correlation with the maps of other methods",
    "iou_methods": "IoU with the maps of other methods",
}
CLASSLESS = ("attention_rollout", "eigencam")  # methods that ask for no class
ZERO = 1e-12  # below it a number is what rounding left of zero
OUTSIDE = {
    "outside_lungs": "keep to the lungs better than",
    "outside_body": "keep to the body better than",
    "on_border": "keep off the border better than",
}
REASONS = {
    "no truth": "no image of this study has a marked region",
    "one seed": "that takes at least two training seeds",
    "truth covers the image": "the marked regions cover the whole images",
    "no label declared for the truth": "which labels the marked regions are of is not declared (data.marks, or "
    "data.columns.marks)",
    "truth of another label": "no explained label has a marked region",
}
# how the reasons begin that were asked for
LEFT_OUT, REFUSED, OTHER_CLASS = "one of the images left out", "not supported", "of a class not asked for"


def expected(reason: str) -> bool:
    """Whether a score was never to be had, so that its absence says nothing about the heatmaps."""
    return reason in REASONS or reason.startswith((LEFT_OUT, REFUSED, OTHER_CLASS))


def control_name(name: str, family: str = "") -> str:
    """A control in words; one that a user brought goes by its own name."""
    if name == "other_image" and family in ("localization", "faithfulness", "agreement"):
        return "the heatmap of another image"
    return CONTROL_NAMES.get(name, name)


def controls_named(names: list[str], family: str) -> str:
    """The controls that heatmaps are held against: by name where they are few."""
    return joined([control_name(name, family) for name in names]) if len(names) < 3 else "every control"


def claim_of(summary: dict, family: str) -> str:
    """What heatmaps do that beat the controls of a family, by its primary metric."""
    metric = summary.get("primary", {}).get(family, {}).get("metric", "")
    return OUTSIDE.get(metric) or CLAIMS.get(family, "score better than")


def interval(mean: float, low: float | None, high: float | None) -> str:
    """`0.41 [0.35, 0.47]`, or the mean alone."""
    if low is None or high is None:
        return shown(mean)
    size = max(mean, low, high, key=abs)
    return f"{shown(mean, size)} [{shown(low, size)}, {shown(high, size)}]"


def joined(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def shown(value: float, beside: float = 0.0) -> str:
    """A score or difference with two decimals, three below 0.1, three significant digits below 0.01.

    It gets the digits of a larger number that stands `beside` it.
    """
    size = max(abs(value), abs(beside))
    if size < ZERO:
        return "0.00"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}" if size >= 0.01 else f"{value:.3g}"


def unit(summary: dict) -> str:
    """What the tests of a study rest on, in the plural."""
    return UNITS[summary["groups"]["kind"]]


def units(number: int, plural: str) -> str:
    """`1 patient`, `2 clusters of look-alike images`."""
    return f"{number} {plural if number != 1 else ONE.get(plural, plural)}"


def shown_p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def plain(metric: str) -> str:
    """A metric's name as text."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def span(values: list[float]) -> str:
    """`0.41 to 0.55`, or one number where both ends look alike."""
    size = max(values, key=abs)
    low, high = shown(min(values), size), shown(max(values), size)
    return low if low == high else f"{low} to {high}"


def counted(number: int, noun: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
