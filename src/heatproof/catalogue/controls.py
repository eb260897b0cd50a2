"""Controls: maps that know nothing of what the model saw, and yardsticks, made from the truth itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Control:
    """A map that is scored beside the heatmaps. `score/controls.py` makes it.

    Attributes:
        title: its name on the page.
        explained: what it is, for a reader who never heard of it.
        marker, size: of its mark in figures.
        sentence: its name within a verdict.
        single: the same, where single maps are scored and not two of them compared.
        yardstick: whether it is made from the truth, so that no heatmap has to beat it.
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
    Control("random", "random noise", "a heatmap of pure noise", "x", 5, sentence="a random map", key=True),
    Control("center", "centre blob", "one blob in the middle of every image", "+", 6.5,
        sentence="a blob in the centre", key=True),
    Control("lowres_noise", "coarse noise", "noise as coarse as the model's own heatmaps", "^", 4.2,
        sentence="coarse noise"),
    Control("mean_mask", "mean training mask",
        "the mean of all true regions of the training images: where lesions usually are", "v", 4.2,
        sentence="the mean of the training masks", key=True),
    Control("edges", "edges of the image", "the edges in the image, which no model was needed to find", "d", 4.2,
        sentence="the edges of the image", key=True),
    Control("other_image", "another image's map", "the model's heatmap of a different image", "s", 3.6,
        sentence="the heatmaps of two different images", single="the heatmap of another image"),
    Control("ceiling", "the truth at this grid",
        "the true region itself, blurred to the coarse grid on which the model's heatmaps are computed (a yardstick "
        "for what the grid costs; a sharper map can pass it)", "|", 11, yardstick=True, key=True),
    Control("second_reader", "a second reader",
        "the region that another reader drew (a yardstick: what people agree on)", "D", 4.2, yardstick=True, key=True),
    Control("truth", "the truth itself",
        "the true region itself, taken for a heatmap (a yardstick; what a model uses need not be the true region)",
        "|", 11, yardstick=True),
)}  # fmt: skip
YARDSTICKS = tuple(name for name, control in CONTROLS.items() if control.yardstick)
# those that know nothing of what the model saw, in the order of tables
BEATABLE = ("random", "lowres_noise", "center", "mean_mask", "edges", "other_image")


def own_name(control: str, method: str) -> str:
    """Return how a control is called that was made for one method: it stands in for the shared one."""
    return f"{control}:{method}"
