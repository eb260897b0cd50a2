"""Which metric a name in a table of scores means, and which of its values are good.

Case, blanks and punctuation do not matter. Where another tool has the same quantity under another name, heatproof's
name replaces it. A quantity that heatproof lacks, or defines otherwise, keeps its name; its direction is known where
the tools that use the name agree. No direction is guessed.

Sources: the code of Quantus 0.6, Captum 0.9, pytorch-grad-cam 1.5 and TorchCAM, and the papers that they cite. Where
Quantus' `score_direction` contradicts its formula, the name is ambiguous here; a test compares the rest.
"""

from functools import cache
from typing import NamedTuple

from heatproof.catalogue.metrics import BASELINES, METRICS
from heatproof.data.reading.names import bare

# heatproof's metric: what others call the same quantity
SAME = {
    "deletion_auc": ["Deletion", "Deletion score", "Deletion area", "AUC Deletion", "Del AUC", "AUC Del"],
    "insertion_auc": ["Insertion", "Insertion score", "Insertion area", "AUC Insertion", "Ins AUC", "AUC Ins"],
    "srg": ["Symmetric relevance gain"],
    "naopc": ["Normalized AOPC", "Normalised AOPC"],
    "average_drop": ["avg_drop"],
    "increase_in_confidence": ["conf_increase", "Average increase", "Average increase in confidence"],
    "road_morf": ["ROADMostRelevantFirstAverage"],
    "road_lerf": ["ROADLeastRelevantFirstAverage"],
    "road": ["ROADCombined"],
    "relevance_rank_accuracy": ["RRA"],
    "relevance_mass_accuracy": ["RMA"],
    "energy_pointing_game": ["Energy-based pointing game", "EBPG"],
    "pixel_auroc": ["Pixel AUC", "Pixelwise AUROC"],
    "pixel_auprc": ["Pixel AP", "Pixelwise AUPRC"],
    "max_sensitivity": ["sensitivity_max"],
    "sparseness": ["Gini index"],
}
# heatproof's metrics whose name, in another spelling, other tools have for another definition of the same direction
SHARED = ("infidelity", "max_sensitivity")
# quantities of which a high, a low, or no value is better, under the names that they keep
DIRECTIONS = {
    "higher": [
        "Faithfulness Correlation", "Faithfulness Estimate", "Monotonicity", "Monotonicity-Arya", "Monotonicity-Nguyen",
        "Monotonicity Correlation", "Sensitivity-N", "IROF", "MuFidelity", "Comprehensiveness", "Input Invariance",
        "Attribution Localisation", "Attribution Localization", "Top-K Intersection", "Focus", "Dice", "Jaccard",
        "Intersection over union", "AUROC", "ROC AUC", "AUPRC", "PR AUC", "Average Precision", "Average Gain",
        "EfficientMPRT", "Efficient Model Parameter Randomisation Test", "CamMultImageConfidenceChange",
        "ROADLeastRelevantFirst", "BatchSufficiency", "Coherency", "ADCC", "ARCC",
    ],
    "lower": [
        "Pixel-Flipping", "Selectivity", "Avg-Sensitivity", "Average Sensitivity", "Local Lipschitz Estimate",
        "Relative Input Stability", "Relative Output Stability", "Relative Representation Stability",
        "Non-Sensitivity", "MPRT", "Model Parameter Randomisation Test", "SmoothMPRT",
        "Smooth Model Parameter Randomisation Test", "Random Logit", "DropInConfidence", "ROADMostRelevantFirst",
    ],
    "none": ["Complexity", "Effective Complexity"],
}  # fmt: skip
# names of two quantities: the one of which a high, and the one of which a low value is better
AMBIGUOUS = {
    "ROAD": ("LeRF minus MoRF in pytorch-grad-cam", "accuracy after removal in Quantus"),
    "AUC": ("the area of insertion or of localization", "the area of deletion"),
    "AOPC": ("the drop with the most relevant pixels removed first", "the drop with the least relevant removed first"),
    "Region-Perturbation": ("the drop in the order morf", "the drop in the order lerf"),
    "Sufficiency": ("an agreement of predictions in Quantus", "a drop of the probability in ERASER"),
    "Completeness": ("whether relevance adds up to the output", "the gap between them"),
    "Consistency": ("an agreement in Dasgupta et al. 2022", "what Quantus calls lower-is-better"),
    "Continuity": ("a merit in general", "a change of the map in Quantus"),
    "SSIM": ("similarity of maps of seeds or of copies of an image", "similarity after randomization"),
    "Rank correlation": ("similarity of maps of seeds or of copies of an image", "similarity after randomization"),
}


class Metric(NamedTuple):
    """A metric that a table names.

    Attributes:
        name: heatproof's name, or the one in the table where heatproof has no such metric.
        better: `higher`, `lower`, `none` (a description), or "" where that is not known.
        meanings: of an ambiguous name.
    """

    name: str
    better: str
    meanings: tuple[str, str] | None = None


def find_metric(written: str) -> Metric:
    """Find the metric that a name means.

    An arrow in the name states the direction of a metric that is not known. In per cent, a metric keeps its name.

    >>> find_metric("Deletion AUC").name, find_metric("DropInConfidence").better, find_metric("ours").better
    ('deletion_auc', 'lower', '')
    """
    own = _registered()
    if written in own:
        return Metric(written, own[written])
    name = bare(written)
    if meanings := {bare(name): pair for name, pair in AMBIGUOUS.items()}.get(name):
        return Metric(written, _arrow(written), meanings)
    if (metric := _same().get(name)) is not None:
        kept = "%" in written or (metric in SHARED and name == bare(metric))
        return Metric(written if kept else metric, own[metric])
    return Metric(written, _foreign().get(name) or _arrow(written))


def _arrow(written: str) -> str:
    up, down = "\N{UPWARDS ARROW}" in written, "\N{DOWNWARDS ARROW}" in written
    return "higher" if up and not down else "lower" if down and not up else ""


@cache
def _registered() -> dict[str, str]:
    """Heatproof's metrics, with the variants that further baselines make, and the direction of each."""
    own = {name: metric.better for name, metric in METRICS.items()}
    removing = [name for name, metric in METRICS.items() if metric.baselines]
    return own | {f"{name}_{baseline}": own[name] for name in removing for baseline in BASELINES}


@cache
def _same() -> dict[str, str]:
    """Bare name -> heatproof's metric."""
    return {bare(name): name for name in _registered()} | {
        bare(alias): name for name, aliases in SAME.items() for alias in aliases
    }


@cache
def _foreign() -> dict[str, str]:
    """Bare name -> direction of a metric that heatproof lacks."""
    return {bare(name): better for better, names in DIRECTIONS.items() for name in names}
