"""Families of metrics: the question each answers, the controls it compares with, and what its job needs."""

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


@dataclass(frozen=True)
class Family:
    """A family of metrics. `score/jobs/<name>.py` computes them.

    Attributes:
        title: its name and the question that it answers, as the heading of its section.
        question: what is compared, for a reader who is new to it.
        short: its heading in a table of all families.
        controls: shown next to its scores, if they are fair to its metrics; the yardstick too, where there is one.
        judged: the controls that a verdict compares with, none where nothing is tested.
        claim: what heatmaps do that beat the controls; `failure`: what those do that a control beats.
        beaten: what a count of its models with a good verdict counts.
        by_truth: whether its metrics measure how well the true region is located, so that it has to score best.
        rates_maps: whether its metrics rate any single map, so that maps, images and metrics can be ranked by them.
        shardable: whether it processes images independently.
        needs_variants: whether it compares heatmaps with those of changed images or models.
        pairs: whether it compares two heatmaps with each other, of seeds, images or weights.
        across_seeds: whether its scores belong to a model, not to a checkpoint.
        loads_model: whether it queries the model.
        curves: whether its job stores curves beside the scores.
    """

    name: str
    title: str
    question: str
    short: str
    controls: tuple[str, ...]
    judged: tuple[str, ...] = ()
    claim: str = ""
    failure: str = "do worse than"
    beaten: str = "better than the controls"
    by_truth: bool = False
    rates_maps: bool = False
    shardable: bool = False
    needs_variants: bool = False
    pairs: bool = False
    across_seeds: bool = False
    loads_model: bool = False
    curves: bool = False

    @property
    def job(self) -> str:
        """The module of its job."""
        return f"heatproof.score.jobs.{self.name}"


_SHOWN = tuple(name for name, control in CONTROLS.items() if not control.yardstick)
# Centre blobs agree with themselves by construction, and the agreement of noise depends on its area: where two maps
# are compared, only the map of another image is a fair control. Agreement has every control, because each is compared
# with the methods, never with itself.
_PAIR = ("other_image",)
FAMILIES = {family.name: family for family in (
    Family("localization", "Localization: do the heatmaps mark the right region?",
        "Localization compares the most relevant area of a heatmap with the true region, given by the image's mask.",
        "localization", (*_SHOWN, "ceiling", "second_reader"), BEATABLE,
        claim="locate the marked region better than", by_truth=True, rates_maps=True, shardable=True),
    Family("faithfulness", "Faithfulness: do the heatmaps show what the model uses?",
        "Faithfulness covers parts of the image in the order of the heatmap and queries the model again. If the most "
        "relevant parts matter to the model, its confidence must fall.",
        "faithfulness", (*_SHOWN, "truth"), BEATABLE,
        claim="identify what the model uses better than", rates_maps=True, shardable=True, loads_model=True,
        curves=True),
    Family("consistency", "Consistency: does retraining give the same heatmaps?",
        "Consistency compares, image by image, the heatmaps of one architecture trained several times with different "
        "random seeds.",
        "consistency across seeds", _PAIR, _PAIR,
        claim="agree across training seeds more closely than", pairs=True, across_seeds=True),
    Family("agreement", "Agreement: do the methods agree with each other?",
        "Agreement compares the heatmaps of different methods for the same image and model. If they mark different "
        "places, not all of them can show what the model uses. If they agree, all may still be wrong.",
        "agreement of methods", _SHOWN, BEATABLE,
        claim="agree with those of other methods more closely than"),
    Family("robustness", "Robustness: are the heatmaps stable when the image changes slightly?",
        "Robustness flips, shifts, rotates or scales an image, adds noise or changes its brightness window. It "
        "compares the new heatmap with the original one, transformed in the same way. They should be similar.",
        "robustness", _PAIR, _PAIR,
        claim="stay more similar under small image changes than", pairs=True, needs_variants=True),
    Family("sanity", "Sanity check: do the heatmaps depend on the trained weights?",
        "The sanity check randomizes the model's weights, layer by layer from the top down, and compares the new "
        "heatmaps with the original ones. They should differ, so lower is better. A heatmap that stays the same shows "
        "the image, not the model.",
        "sanity check", _PAIR, _PAIR,
        claim="pass the sanity check: after weight randomization they resemble the originals less than",
        failure="fail the sanity check: after weight randomization they resemble the originals more than",
        beaten="pass the sanity check", pairs=True, needs_variants=True),
    Family("complexity", "Complexity: how concentrated are the heatmaps?",
        "Complexity describes how concentrated the relevance is. No value is good or bad, so nothing is tested.",
        "complexity", (*_SHOWN, "truth"), shardable=True),
)}  # fmt: skip


def families_with(flag: str) -> tuple[str, ...]:
    """Return the names of the families with a property: `needs_variants`, or `judged` by any control."""
    return tuple(name for name, family in FAMILIES.items() if getattr(family, flag))
