"""Reasons: codes in tables for why a number is missing, and the words for them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Reason:
    """Why a number is missing.

    Attributes:
        code: as in tables.
        stage: the stage that sets it: for a map, a score, a probe of the audit, or a test.
        text: its words in the report.
        sentence: its words within a verdict, by default the text.
        expected: whether the score was never possible, so that its absence says nothing about the heatmaps.
        unsupported: whether the method does not support the network: no image has a map.
    """

    code: str
    stage: Literal["explain", "score", "audit", "stats"]
    text: str
    sentence: str = ""
    expected: bool = False
    unsupported: bool = False

    def __post_init__(self):
        object.__setattr__(self, "sentence", self.sentence or self.text)


LEFT_OUT = Reason("left_out", "explain", "the method is configured to explain only part of the images", expected=True)
NOT_FINITE = Reason("not_finite", "explain", "the heatmap contains values that are not finite")
ALL_ZERO = Reason("all_zero", "explain", "the heatmap is zero everywhere")
CONSTANT = Reason("constant", "explain", "the heatmap has the same value everywhere")
INCOMPLETE = Reason("incomplete", "explain", "the completeness gap exceeds 1% of the output difference")
NO_EXTERNAL_MAP = Reason("no_external_map", "explain", "there is no external heatmap of this image")


def _unsupported(code: str, text: str) -> Reason:
    return Reason(code, "explain", text, expected=True, unsupported=True)


NOT_SUPPORTED = _unsupported("not_supported", "the method does not support this architecture")
NO_ATTENTION = _unsupported("no_attention", "the model has no attention over tokens with readable weights")
OTHER_ATTENTION = _unsupported(
    "other_attention", "the model's attention layers do not form one chain over one sequence of tokens"
)
NEGATIVE_ATTENTION = _unsupported(
    "negative_attention", "the model mixes attention heads after the softmax, so its weights are not a distribution"
)
NO_RULE = _unsupported("no_rule", "AttnLRP has no rule for one of the model's functions")
NO_PATCHES = _unsupported("no_patches", "the model has no patch embedding on a grid, where relevance would be read")
NO_RELU = _unsupported(
    "no_relu", "the model has activations other than ReLU, where guided backprop equals the plain gradient"
)
HIDDEN_RELU = _unsupported(
    "hidden_relu", "the model has ReLUs that are not called in Python, which guided backprop cannot change"
)
NO_GRADIENT = _unsupported("no_gradient", "a majority vote has no gradient")
NO_LAYER = _unsupported("no_layer", "an ensemble has no layer to explain")
RUNTIME_GRADIENT = _unsupported("runtime_gradient", "an ONNX model has no gradient")
RUNTIME_LAYER = _unsupported(
    "runtime_layer", "an ONNX model, or one exported for a fixed batch size, has no readable layers"
)
NO_REDRAW = Reason("no_redraw", "score", "the model file does not say how its weights are initialized", expected=True)

DEGENERATE_CHANGED = Reason(
    "degenerate_changed", "score", "the heatmap of the changed image or model is constant, zero or not finite"
)
NO_OTHER_IMAGE = Reason("no_other_image", "score", "there is no other image to take a heatmap from")
NOT_GIVEN = {
    what: Reason(f"no_{what}", "score", f"not available: {what.replace('_', ' ')}", expected=True)
    for what in ("model", "images", "masks", "training_masks")
}
NO_TRUTH = Reason(
    "no_truth", "score", "the image has no mask of the true region",
    sentence="no image of this study has a mask of the true region", expected=True,
)  # fmt: skip
EMPTY = Reason("empty_mask", "score", "the mask of the true region is empty")
COVERED = Reason(
    "mask_covers_image", "score", "the marked region covers the whole image, so every heatmap lies inside it",
    sentence="the marked regions cover the whole images", expected=True,
)  # fmt: skip
UNDECLARED = Reason(
    "label_undeclared", "score", "the labels of the marked regions are not declared (data.marks)",
    sentence="the labels of the marked regions are not declared (data.marks, or data.columns.marks)",
    expected=True,
)  # fmt: skip
OTHER_LABEL = Reason(
    "other_label", "score", "the marked region of the image belongs to another label",
    sentence="no explained label has a marked region", expected=True,
)  # fmt: skip
NO_READER = Reason("no_reader", "score", "no second reader looked at the image", expected=True)
NOT_TUNED = Reason("not_tuned", "score", "no validation image has a marked region of this label", expected=True)
NOTHING_DRAWN = Reason(
    "nothing_drawn", "score", "the second reader drew nothing, which has no such score", expected=True
)
CLASS_NOT_ASKED = Reason(
    "class_not_requested", "score", "localization is configured for other classes only", expected=True
)
NO_REGION = {
    "body": Reason("no_body", "score", "no body was detected in the image"),
    "lungs": Reason("no_lungs", "score", "no lungs were detected in the image"),
    "border": Reason("no_border", "score", "the image has no border"),
    "cue": Reason("no_cue", "score", "the image has no cue"),
}
NO_RELEVANCE = Reason("no_relevance", "score", "the heatmap has no positive relevance")
OUTPUT = Reason("output_not_finite", "score", "the model's output is not finite")
EQUAL_ORDERS = Reason("equal_orders", "score", "the best and the worst order are equal")
UNDEFINED = Reason("undefined", "score", "the metric is not defined here")
ONE_SEED = Reason(
    "one_seed", "score", "the model was trained once, so there is no second training run to compare with",
    sentence="at least two training seeds are needed", expected=True,
)  # fmt: skip
ONE_MODEL = Reason("one_model", "score", "there is no other model to compare with")
OTHER_CLASSES = Reason("other_classes", "score", "the checkpoints explain different classes")
ONE_FILE_FOR_SEEDS = Reason("one_file_for_seeds", "score", "all seeds share one file of external heatmaps")
ONE_FILE_FOR_MODELS = Reason("one_file_for_models", "score", "all models share one file of external heatmaps")
ONE_METHOD = Reason("one_method", "score", "fewer than two methods have a heatmap")
NO_VARIANT = Reason("no_variant", "score", "external heatmaps cannot be recomputed")
EVEN = Reason("even_overlap", "score", "the maps are constant where both are defined")
NO_VALUE = Reason("no_value", "score", "the table has no value")

ONE_CLASS = Reason("one_class", "audit", "there is only one class")
FEW_GROUPS = Reason("few_groups", "audit", "fewer than two groups, one to learn from and one to test on, have class")
NO_LABEL = Reason("no_label", "audit", "no label is present in enough groups and absent in as many")
NO_INTERVAL = Reason("no_interval", "audit", "too few groups for an interval")
SAME_PIXELS = Reason("same_pixels", "audit", "these pixels are the same in all images")
NO_MARGIN = Reason("no_margin", "audit", "no margin is left")
TOO_MANY_PAIRS = Reason("too_many_pairs", "audit", "too many pairs")

NO_LABEL_COUNTED = Reason("no_label_counted", "stats", "no label has enough test images")
NO_CONTRAST = Reason("no_contrast", "stats", "no class has images where the cue agrees and where it conflicts")
NOT_SCORED = Reason("not_scored", "stats", "the study does not compute these scores")
IN_ONE = Reason("in_one_result", "stats", "only one of the two results has these scores")
ONE_GROUP = Reason("one_group", "stats", "a class has images of fewer than two groups")

_entries = [*globals().values(), *NO_REGION.values(), *NOT_GIVEN.values()]
REASONS = {entry.code: entry for entry in _entries if isinstance(entry, Reason)}


def find_reason(code: str) -> Reason | None:
    """Find the entry of a code, None where there is none, as in a user-supplied table.

    >>> find_reason("all_zero").stage
    'explain'
    """
    return REASONS.get(code)


def is_unsupported(code: str) -> bool:
    """Return whether a map is missing because the method does not support the architecture."""
    return code in REASONS and REASONS[code].unsupported
