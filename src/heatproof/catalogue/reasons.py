"""Reasons: codes of why a number is missing, as tables have them, and what is said in its place."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Reason:
    """Why a number is missing.

    Attributes:
        code: as tables have it.
        stage: that gives it: to a map, a score, a probe of the audit, or a test.
        text: what the report says.
        sentence: what a verdict says in its place, by default the text.
        expected: whether the score was never to be had, so that its absence says nothing about the heatmaps.
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


LEFT_OUT = Reason("left_out", "explain", "the method was asked to explain a part of the images only", expected=True)
NOT_FINITE = Reason("not_finite", "explain", "the heatmap carries no information: it holds values that are not numbers")
ALL_ZERO = Reason("all_zero", "explain", "the heatmap carries no information: it is zero everywhere")
CONSTANT = Reason("constant", "explain", "the heatmap carries no information: it has the same value everywhere")
INCOMPLETE = Reason("incomplete", "explain", "its completeness gap is above 1% of the output difference")
NO_EXTERNAL_MAP = Reason("no_external_map", "explain", "there is no external map of this image")


def _unsupported(code: str, text: str) -> Reason:
    return Reason(code, "explain", text, expected=True, unsupported=True)


NOT_SUPPORTED = _unsupported("not_supported", "the method does not support this network")
NO_ATTENTION = _unsupported("no_attention", "it has no attention over tokens whose weights can be read")
OTHER_ATTENTION = _unsupported(
    "other_attention", "its attentions are not over one sequence of tokens, one after another"
)
NEGATIVE_ATTENTION = _unsupported(
    "negative_attention", "its attention heads are mixed after the softmax, so that weights are no distribution"
)
NO_RULE = _unsupported("no_rule", "AttnLRP has no rule for one of its functions")
NO_PATCHES = _unsupported("no_patches", "it has no patch embedding on a grid, where relevance is read")
NO_RELU = _unsupported("no_relu", "it has activations other than ReLU: guided backprop would be the plain gradient")
HIDDEN_RELU = _unsupported(
    "hidden_relu", "it has ReLUs that are not called in Python, which guided backprop cannot reach"
)
NO_GRADIENT = _unsupported("no_gradient", "a majority vote has no gradient")
NO_LAYER = _unsupported("no_layer", "an ensemble has no layer of its own")
RUNTIME_GRADIENT = _unsupported("runtime_gradient", "a model of ONNX has no gradient")
RUNTIME_LAYER = _unsupported(
    "runtime_layer", "a model of ONNX, or one exported for batches of one length, has no layers that can be read"
)
NO_REDRAW = Reason(
    "no_redraw", "score", "the model came in a file that does not say how its weights are drawn anew", expected=True
)

DEGENERATE_CHANGED = Reason(
    "degenerate_changed", "score", "the heatmap of the changed image or model carries no information"
)
NO_OTHER_IMAGE = Reason("no_other_image", "score", "there is no other image to take a map from")
NOT_GIVEN = {
    what: Reason(f"no_{what}", "score", f"it is made of what was not given: {what}", expected=True)
    for what in ("model", "images", "masks", "training_masks")
}
NO_TRUTH = Reason(
    "no_truth", "score", "the image has no mask that says where the evidence is",
    sentence="no image of this study has a marked region", expected=True,
)  # fmt: skip
EMPTY = Reason("empty_mask", "score", "the mask of the true region is empty")
COVERED = Reason(
    "mask_covers_image", "score", "the marked region is the whole image, in which every heatmap lies",
    sentence="the marked regions cover the whole images", expected=True,
)  # fmt: skip
UNDECLARED = Reason(
    "label_undeclared", "score", "which labels the marked regions are of is not declared (data.marks)",
    sentence="which labels the marked regions are of is not declared (data.marks, or data.columns.marks)",
    expected=True,
)  # fmt: skip
OTHER_LABEL = Reason(
    "other_label", "score", "the marked region of the image is of another label",
    sentence="no explained label has a marked region", expected=True,
)  # fmt: skip
NO_READER = Reason("no_reader", "score", "no second reader looked at the image", expected=True)
NOT_TUNED = Reason("not_tuned", "score", "no validation image has a marked region of this label", expected=True)
NOTHING_DRAWN = Reason(
    "nothing_drawn", "score", "the second reader drew nothing, which has no such score", expected=True
)
CLASS_NOT_ASKED = Reason(
    "class_not_requested", "score", "localization is asked of images of other classes alone", expected=True
)
NO_REGION = {
    "body": Reason("no_body", "score", "no body was found in the image"),
    "lungs": Reason("no_lungs", "score", "no lungs were found in the image"),
    "border": Reason("no_border", "score", "the image has no border"),
    "cue": Reason("no_cue", "score", "the image has no cue"),
}
NO_RELEVANCE = Reason("no_relevance", "score", "no relevance is positive")
OUTPUT = Reason("output_not_finite", "score", "the model's output is not finite")
EQUAL_ORDERS = Reason("equal_orders", "score", "the best and the worst order are equal")
UNDEFINED = Reason("undefined", "score", "the metric is not defined here")
ONE_SEED = Reason(
    "one_seed", "score", "the model was trained once, so there is no second training to compare with",
    sentence="that takes at least two training seeds", expected=True,
)  # fmt: skip
ONE_MODEL = Reason("one_model", "score", "there is no other model to compare with")
OTHER_CLASSES = Reason("other_classes", "score", "the checkpoints explain different classes")
ONE_FILE_FOR_SEEDS = Reason("one_file_for_seeds", "score", "the external maps are one file for all seeds")
ONE_FILE_FOR_MODELS = Reason("one_file_for_models", "score", "the external maps are one file for all models")
ONE_METHOD = Reason("one_method", "score", "fewer than two methods have a map")
NO_VARIANT = Reason("no_variant", "score", "external maps cannot be made again")
EVEN = Reason("even_overlap", "score", "the maps are constant where both are defined")
NO_VALUE = Reason("no_value", "score", "the table has no value")

ONE_CLASS = Reason("one_class", "audit", "there is but one class")
FEW_GROUPS = Reason("few_groups", "audit", "fewer than two groups, to learn from and to test on, have class")
NO_LABEL = Reason("no_label", "audit", "no label is in enough groups and missing in as many")
NO_INTERVAL = Reason("no_interval", "audit", "too few groups for an interval")
SAME_PIXELS = Reason("same_pixels", "audit", "these pixels are the same in all images")
NO_MARGIN = Reason("no_margin", "audit", "no margin is left")
TOO_MANY_PAIRS = Reason("too_many_pairs", "audit", "too many pairs")

NO_LABEL_COUNTED = Reason("no_label_counted", "stats", "no label is counted")
NO_CONTRAST = Reason("no_contrast", "stats", "no class has images where the cue agrees and where it conflicts")
ONE_GROUP = Reason("one_group", "stats", "a class has images of fewer than two groups")

_found = [*globals().values(), *NO_REGION.values(), *NOT_GIVEN.values()]
REASONS = {found.code: found for found in _found if isinstance(found, Reason)}


def find_reason(code: str) -> Reason | None:
    """Find the entry of a code, None where there is none, as in a table of a user's own.

    >>> find_reason("all_zero").stage
    'explain'
    """
    return REASONS.get(code)


def is_unsupported(code: str) -> bool:
    """Return whether a map is missing because the method does not support the network."""
    return code in REASONS and REASONS[code].unsupported
