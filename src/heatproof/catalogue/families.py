"""Families of metrics: what each asks, what its heatmaps are held against, and what its job takes."""

from dataclasses import dataclass

from heatproof.catalogue.controls import BEATABLE, CONTROLS


@dataclass(frozen=True)
class Family:
    """A family of metrics. `score/jobs/<name>.py` computes them.

    Attributes:
        title: the question that it answers, as the heading of its section.
        question: what is compared, for a reader who never heard of it.
        short: its heading in a table of all families.
        controls: shown beside its scores, as they are fair to its metrics; the yardstick too, where there is one.
        judged: the controls that a verdict asks for, none where nothing is tested.
        claim: what heatmaps do that beat the controls; `failure`: what those do that a control beats.
        beaten: what a count of its models with a good verdict counts.
        by_truth: whether its metrics ask how well the true region is found, so that the true region has to score best.
        rates_maps: whether its metrics rate any single map, so that maps, images and metrics can be ranked by them.
        shardable: whether it takes all images, one by one.
        needs_variants: whether it compares heatmaps with those of changed images or models.
        pairs: whether it compares two heatmaps with each other, of seeds, images or weights.
        across_seeds: whether its scores are of a model, not of a checkpoint.
        loads_model: whether it queries the model.
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

    @property
    def job(self) -> str:
        """The module of its job."""
        return f"heatproof.score.jobs.{self.name}"


_SHOWN = tuple(name for name, control in CONTROLS.items() if not control.yardstick)
# Centre blobs agree with themselves by construction, and the agreement of noise depends on its area: where two maps
# are compared, only the map of another image is a fair control. Agreement has every control, as each is held against
# the methods: none agrees with itself.
_PAIR = ("other_image",)
FAMILIES = {family.name: family for family in (
    Family("localization", "Do the heatmaps mark the right place?",
        "Localization compares the hot area of a heatmap with the region that the image's truth mask marks.",
        "right place", (*_SHOWN, "ceiling", "second_reader"), BEATABLE,
        claim="find the marked region better than", by_truth=True, rates_maps=True, shardable=True),
    Family("faithfulness", "Do the models use what the heatmaps mark?",
        "Faithfulness covers parts of the image in the order of the heatmap and asks the model again: if the hot parts "
        "matter to the model, its certainty must fall.",
        "used by the model", (*_SHOWN, "truth"), BEATABLE,
        claim="single out what the model uses better than", rates_maps=True, shardable=True, loads_model=True),
    Family("consistency", "Does training again give the same heatmaps?",
        "Consistency compares the heatmaps of one architecture that was trained several times from different random "
        "starts, image by image.",
        "same when trained again", _PAIR, _PAIR,
        claim="agree between training seeds more closely than", pairs=True, across_seeds=True),
    Family("agreement", "Do the methods agree with each other?",
        "Agreement compares the heatmaps that different methods make of one image and one model. Where they mark "
        "different places, not all of them can show what the model uses; where they agree, all may still be wrong.",
        "same by other methods", _SHOWN, BEATABLE,
        claim="agree with those of the other methods more closely than"),
    Family("robustness", "Do the heatmaps follow the image when it is changed a little?",
        "Robustness flips, shifts, turns or scales an image, adds noise or changes its brightness window, and compares "
        "the new heatmap with the first one, changed in the same way: they should be alike.",
        "same when the image is changed", _PAIR, _PAIR,
        claim="agree between an image and its changed copies more closely than", pairs=True, needs_variants=True),
    Family("sanity", "Do the heatmaps depend on what the model learnt?",
        "The sanity check destroys what the model learnt, by random weights in more and more layers from the top down, "
        "and compares the new heatmaps with the first ones: they should no longer be alike, so lower is better. A "
        "heatmap that stays as it was shows the image, not the model.",
        "gone with random weights", _PAIR, _PAIR,
        claim="change when the model's weights are randomized: they end up less like the originals than",
        failure="fail the sanity check: when the model's weights are randomized they stay more like the originals "
        "than",
        beaten="changed more than from image to image", pairs=True, needs_variants=True),
    Family("complexity", "How much of the image do the heatmaps mark?",
        "Complexity describes how concentrated the heat is. No value is good or bad, so nothing is tested.",
        "concentrated", (*_SHOWN, "truth"), shardable=True),
)}  # fmt: skip


def families_with(flag: str) -> tuple[str, ...]:
    """Return the names of the families of which something holds: `needs_variants`, or `judged` by any control."""
    return tuple(name for name, family in FAMILIES.items() if getattr(family, flag))
