"""Controls: maps that ignore the model or the image, and yardsticks, made from the true region."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """A map that is scored in the same way as the heatmaps. `score/controls.py` makes it.

    Attributes:
        title: its name on the page.
        explained: what it is, for a reader who is new to it.
        marker, size: of its mark in figures.
        sentence: its name within a verdict.
        single: the same, where single maps are scored and not two of them compared.
        yardstick: whether it is made from the true region, so that no heatmap has to beat it.
        key: whether the first figure of a report shows it.
    """

    name: str
    title: str
    explained: str
    marker: str
    size: float
    sentence: str = ""
    single: str = ""
    yardstick: bool = False
    key: bool = False


CONTROLS = {control.name: control for control in (
    Control("random", "random noise", "pure noise instead of a heatmap", "x", 5, sentence="a random map", key=True),
    Control("center", "centre blob", "one blob in the middle of every image", "+", 6.5,
        sentence="a centre blob", key=True),
    Control("lowres_noise", "coarse noise", "noise as coarse as the model's own heatmaps", "^", 4.2,
        sentence="coarse noise"),
    Control("mean_mask", "mean training mask",
        "the mean of all true regions in the training set: where lesions usually are", "v", 4.2,
        sentence="the mean training mask", key=True),
    Control("edges", "image edges", "the edges in the image, found without a model", "d", 4.2,
        sentence="the image edges", key=True),
    Control("other_image", "another image's map", "the model's heatmap of a different image", "s", 3.6,
        sentence="the heatmaps of two different images", single="the heatmap of another image"),
    Control("ceiling", "true region at this grid",
        "the true region, blurred to the coarse grid of the model's heatmaps (a yardstick for the cost of the grid; "
        "a sharper map can exceed it)", "|", 11, yardstick=True, key=True),
    Control("second_reader", "second reader",
        "the region that another reader drew (a yardstick: the agreement between people)", "D", 4.2, yardstick=True,
        key=True),
    Control("truth", "true region",
        "the true region used as a heatmap (a yardstick; a model need not use the true region)",
        "|", 11, yardstick=True),
)}  # fmt: skip
YARDSTICKS = tuple(name for name, control in CONTROLS.items() if control.yardstick)
# controls that heatmaps have to beat, in the order of tables
BEATABLE = ("random", "lowres_noise", "center", "mean_mask", "edges", "other_image")


def own_name(control: str, method: str) -> str:
    """Return the name of a control that was made for one method, and replaces the shared one."""
    return f"{control}:{method}"
