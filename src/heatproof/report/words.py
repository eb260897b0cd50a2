"""What metrics, controls and reasons are called on the page, for a reader who never heard of them."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Metric(NamedTuple):
    """`asks` is the question that the metric answers; `better` the direction of a good value."""

    name: str
    asks: str
    better: str = "higher"


class Family(NamedTuple):
    """`controls` are those that are fair to its metrics, and the ceiling, a yardstick, where there is one."""

    title: str
    asks: str
    controls: tuple[str, ...] = ("random", "center", "lowres_noise", "other_image", "ceiling")


ACCURACY = "Do the models know what they are looking at?"
FAMILIES = {
    "localization": Family(
        "Do the heatmaps mark the right place?",
        "Localization compares the hot area of a heatmap with the region that the image's truth mask marks.",
    ),
    "faithfulness": Family(
        "Do the models use what the heatmaps mark?",
        "Faithfulness covers parts of the image in the order of the heatmap and asks the model again: if the hot "
        "parts matter to the model, its certainty must fall.",
    ),
    "consistency": Family(
        "Does training again give the same heatmaps?",
        "Consistency compares the heatmaps of one architecture that was trained several times from different "
        "random starts, image by image.",
        ("other_image",),  # a blob agrees with itself, and two noises by how much of the image they cover
    ),
}

METRICS = {
    "localization_accuracy": Metric(
        "Localization accuracy",
        "How much of the marked region is at least half hot? A map that is hot everywhere scores 1, so read it "
        "only beside the others.",
    ),
    "iou": Metric("Overlap (IoU)", "How large is the overlap of the half-hot area and the marked region, of 1?"),
    "pointing_game": Metric("Pointing game", "How often is the hottest point inside the marked region?"),
    "relevance_mass_accuracy": Metric(
        "Relevance mass accuracy", "Which share of all heat lies inside the marked region?"
    ),
    "relevance_rank_accuracy": Metric(
        "Relevance rank accuracy",
        "Take as many of the hottest pixels as the marked region has: which share of them lies inside it?",
    ),
    "faithfulness_probability": Metric(
        "Drop in probability",
        "How far does the probability of the true class fall when the hot parts are dimmed?",
    ),
    "faithfulness_logit": Metric(
        "Drop in logit",
        "How far does the model's raw output for the true class fall when the hot parts are dimmed?",
    ),
    "deletion_auc": Metric(
        "Deletion area",
        "How certain does the model stay while the hottest pixels are covered first?",
        "lower",
    ),
    "insertion_auc": Metric(
        "Insertion area", "How certain does the model become while the hottest pixels are uncovered first?"
    ),
    "srg": Metric(
        "Symmetric relevance gain",
        "How much more does the model lose when the hottest pixels are covered first than when the coldest are? "
        "A map without meaning gets about 0.",
    ),
    "iou_seeds": Metric(
        "Overlap between trainings", "How large is the overlap of the half-hot areas of two trainings, of 1?"
    ),
    "iou_reference": Metric(
        "Overlap with the first training",
        "How large is the overlap of the half-hot areas with the first training's?",
    ),
    "rank_correlation_seeds": Metric(
        "Rank correlation between trainings",
        "Do two trainings rank the pixels of an image in the same order? 1 is the same order, 0 is no relation.",
    ),
}

CONTROLS = {
    "random": "random noise",
    "center": "centre blob",
    "lowres_noise": "coarse noise",
    "other_image": "another image's map",
    "ceiling": "the truth at this grid",
}
CONTROLS_EXPLAINED = {
    "random": "a heatmap of pure noise",
    "center": "one blob in the middle of every image",
    "lowres_noise": "noise as coarse as the model's own heatmaps",
    "other_image": "the model's heatmap of a different image",
    "ceiling": "the true region itself, blurred to the coarse grid on which the model's heatmaps are computed (a "
    "yardstick for what the grid costs; a sharper map can pass it)",
}

GROUPS = {
    "patient": ("patient", "patients"),
    "lookalike": ("cluster of look-alike images", "clusters of look-alike images"),
    "image": ("image", "images"),
}

_ZERO = 1e-12
_REASONS = {
    "no truth": "the image has no mask that says where the evidence is",
    "one seed": "the model was trained once, so there is no second training to compare with",
    "degenerate map": "the heatmap carries no information",
    "all zero": "it is zero everywhere",
    "constant": "it has the same value everywhere",
    "not finite": "it holds values that are not numbers",
}


def metric(name: str) -> Metric:
    """A metric's words; one that is not known here goes by its own name."""
    return METRICS.get(name, Metric(name.replace("_", " ").capitalize(), ""))


def family(name: str) -> Family:
    """A family's words; one that is not known here goes by its own name."""
    return FAMILIES.get(name, Family(name.replace("_", " ").capitalize(), ""))


def reason(text: str) -> str:
    """A reason in plain words: each of its parts (`degenerate map: all zero`), or as it stands."""
    return ": ".join(_REASONS.get(part.strip(), part.strip()) for part in text.split(":"))


def precision(*values: float) -> str:
    """The format that tells values of this size from zero: two decimals, three below 0.1, three significant digits
    below 0.01. Smaller than rounding leaves of zero is zero."""
    size = max(abs(value) for value in values)
    if size >= 0.1 or size < _ZERO:
        return ".2f"
    if size >= 0.01:
        return ".3f"
    return f".{2 - math.floor(math.log10(size))}f" if size >= 0.0001 else ".2e"


def number(value: float | None, *, sign: bool = False, form: str | None = None) -> str:
    """A number with a true minus sign, written as `precision` says unless `form` does; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = format(value, ("+" if sign else "") + (form or precision(value)))
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def share(value: float | None) -> str:
    """A share as a percentage that is 0% or 100% only where it is exactly that."""
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < value < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= value < 1 else f"{value:.0%}"


def p_value(p: float | None) -> str:
    if p is None or not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(mean: float, low: float, high: float) -> str:
    """`0.52 [0.41 to 0.63]`, without brackets where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(mean)
    mean, low, high = (number(value, form=precision(mean, low, high)) for value in (mean, low, high))
    return f"{mean} [{low} to {high}]"


def inline(name: str) -> str:
    """A name inside a sentence."""
    return name[:1].lower() + name[1:]


def count(amount: int, one: str, many: str | None = None) -> str:
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
