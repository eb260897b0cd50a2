"""What verdicts on a family of metrics are held against, and in which direction each metric is good."""

from collections.abc import Iterable

from heatproof.registry import attributes

CONTROLS = ("random", "lowres_noise", "center", "mean_mask", "edges", "other_image")
LEAST_GROUPS = 20  # from which a t test may say that nothing is gained: fewer often miss all of a few large gains
YARDSTICKS = ("ceiling", "truth")  # made from the truth itself: no heatmap has to beat them

# The controls that a verdict asks for: all maps that know nothing of what the model saw. Centre blobs agree with
# themselves by construction, and the agreement of noise depends on its area: where two maps are compared, only the map
# of another image is a fair control.
JUDGED_CONTROLS = {
    "localization": CONTROLS,
    "faithfulness": CONTROLS,
    "consistency": ("other_image",),
    "robustness": ("other_image",),
    "sanity": ("other_image",),
    "agreement": CONTROLS,  # each is held against the methods: none agrees with itself
}
WITHOUT_TRUTH = ("outside_", "inside_", "on_")  # how metrics of localization begin that need no lesion's truth
COMPARED = ("localization", "faithfulness")  # families whose metrics claim the same and are held against each other


def judged_by_truth(family: str, metric: str) -> bool:
    """Return whether the true region has to score well: by localization, and by a metric that nothing is known of.

    What a model uses need not be the true region, so that other families are judged whatever the true region scores.
    """
    if family in JUDGED_CONTROLS:
        return family == "localization"
    found = attributes("score", "metric")
    names = [name for name in found if metric == name or metric.startswith(f"{name}_")]
    return not names or found[max(names, key=len)]["module"].endswith(".localization")


def better(family: str, metric: str) -> str:
    """Return `higher`, `lower` or `none` (descriptive), as the metric's registration says.

    A variant of a metric (another baseline, `deletion_auc_blur`; a layer, a transformation) is named after it and
    has its direction: that of the longest registered name which it starts with, of its own family if there is one.
    A family whose metrics all have one direction gives it to the variants that start with none of them.

    Raises:
        KeyError: neither is so; a direction is never guessed.
    """
    found = attributes("score", "metric")
    own = {name: row for name, row in found.items() if row["module"].rpartition(".")[2] == family}
    if metric in found:
        return found[metric].get("better", "higher")
    for table in (own, found):
        if names := [name for name in table if metric.startswith(f"{name}_")]:
            return table[max(names, key=len)].get("better", "higher")
    directions = {row.get("better", "higher") for row in own.values()}
    if len(directions) != 1:
        raise KeyError(f"{metric}: a metric of {family} that is not registered; its direction is not known")
    return directions.pop()


def own(control: str, method: str) -> str:
    """How a control is called that was made for one method: where there is one, it stands in for the shared one."""
    return f"{control}:{method}"


def plain_names(metrics: Iterable[str]) -> list[str]:
    """The metrics registered by this very name, in the order given: no variants."""
    found = attributes("score", "metric")
    return [name for name in metrics if name in found]
