"""Reasons: why a score is missing. A table has the reason's text, which is part of what a job computes."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Reason:
    """Why a score is missing.

    Attributes:
        text: in tables; of one with details the beginning, before a colon or the end of a word.
        stage: that gives it, to a map or to a score.
        page: what the report says in its place, by default the text.
        sentence: what a verdict says in its place, by default the text.
        expected: whether the score was never to be had, so that its absence says nothing about the heatmaps.
        details: whether details follow.
    """

    text: str
    stage: Literal["explain", "score"] = "score"
    page: str = ""
    sentence: str = ""
    expected: bool = False
    details: bool = False

    def of(self, reason: str) -> bool:
        """Whether a reason as a table has it is this one."""
        return reason == self.text or (self.details and reason.startswith(self.text))


LEFT_OUT = Reason(
    "one of the images left out", "explain", "the method was asked to explain a part of the images only",
    expected=True, details=True,
)  # fmt: skip
NOT_SUPPORTED = Reason("not supported", "explain", "the method refuses this model", expected=True, details=True)
NOT_FINITE = Reason("not finite", "explain", "it holds values that are not numbers")
ALL_ZERO = Reason("all zero", "explain", "it is zero everywhere")
CONSTANT = Reason("constant", "explain", "it has the same value everywhere")
INCOMPLETE = Reason("completeness gap", "explain", details=True)
NO_EXTERNAL_MAP = Reason("external map: none for this image", "explain")

NOT_GIVEN = Reason("not given", expected=True, details=True)
DEGENERATE = Reason("degenerate map", page="the heatmap carries no information", details=True)
NO_OTHER_IMAGE = Reason("no other image", page="there is no other image to take a map from")
NO_TRUTH = Reason(
    "no truth", page="the image has no mask that says where the evidence is",
    sentence="no image of this study has a marked region", expected=True,
)  # fmt: skip
EMPTY = Reason("empty truth mask")
COVERED = Reason(
    "truth covers the image", page="the marked region is the whole image, in which every heatmap lies",
    sentence="the marked regions cover the whole images", expected=True,
)  # fmt: skip
UNDECLARED = Reason(
    "no label declared for the truth",
    page="which labels the marked regions are of is not declared (data.marks)",
    sentence="which labels the marked regions are of is not declared (data.marks, or data.columns.marks)",
    expected=True,
)  # fmt: skip
OTHER_LABEL = Reason(
    "truth of another label", page="the marked region of the image is of another label",
    sentence="no explained label has a marked region", expected=True,
)  # fmt: skip
CLASS_NOT_ASKED = Reason(
    "of a class not asked for", page="localization is asked of images of other classes alone", expected=True,
    details=True,
)  # fmt: skip
NO_REGION = Reason("no {region} found")
NO_RELEVANCE = Reason("no positive relevance")
OUTPUT = Reason("output not finite")
EQUAL_ORDERS = Reason("best and worst order are equal")
ONE_SEED = Reason(
    "one seed", page="the model was trained once, so there is no second training to compare with",
    sentence="that takes at least two training seeds", expected=True,
)  # fmt: skip
ONE_MODEL = Reason("one model")
OTHER_CLASSES = Reason("the checkpoints explain different classes")
ONE_FILE_FOR_SEEDS = Reason("external map: one file for all seeds")
ONE_FILE_FOR_MODELS = Reason("external map: one file for all models")
ONE_METHOD = Reason("fewer than two methods have a map")
NO_VARIANT = Reason("external map: cannot be made again")
EVEN = Reason("constant where both maps are defined")

REASONS = {found.text: found for found in list(globals().values()) if isinstance(found, Reason)}


def find_reason(reason: str) -> Reason | None:
    """Find the entry of a reason as a table has it, None where there is none."""
    return next((found for found in REASONS.values() if found.of(reason)), None)
