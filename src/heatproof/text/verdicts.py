"""Sentences on families of metrics: do heatmaps beat the controls, do models differ, and what to know of it."""

from heatproof.catalogue.families import FAMILIES
from heatproof.text import numbers, words
from heatproof.text.words import View, template

NO_VERDICT = "no verdict"
MOST_PAIRS, MOST_CHANGES, MOST_METHODS = 4, 3, 4  # that a sentence names
MEANINGS = {  # (localization, faithfulness) -> what the heatmaps do, and how that shows; {0} and {1} are controls
    ("yes", "yes"): ("show what the model uses, and that is the marked lesion", ""),
    ("no", "yes"): (
        "show what the model uses, and that is not the marked lesion",
        ", which they find no better than {0}",
    ),
    ("yes", "no"): (
        "mark the lesion, but that is not what the prediction depends on",
        ", which they single out no better than {1}",
    ),
    ("no", "no"): (
        "neither mark the lesion nor show what the model uses",
        ": they find the lesion no better than {0}, and what the model uses no better than {1}",
    ),
}
DOES = {"localization": "mark the lesion", "faithfulness": "show what the model uses"}
KINDS = {  # what other methods' heatmaps do, of how many models
    "all": "for every model judged",
    "some": "for some models",
    "none": "for none",
    "few": "with too few images to tell",
}


def scope(view: View) -> str:
    """Say whom a verdict speaks of, as the beginning of its sentence."""
    if view.one("scope") == "architectures":
        return f"Over {view.number('seeds')} training seeds, "
    return "As trained here, " if view.one("scope") == "trained" else "For these checkpoints, "


def claim(view: View) -> str:
    return words.claim(view.one("family"), view.one("metric"))


def controls(view: View) -> str:
    return words.controls(view.names("controls"), view.one("family"))


def _beside(view: View, form: str) -> list[str]:
    """The means of the controls, or of the one that is hardest to beat."""
    ends = list(zip(view.numbers("control_low"), view.numbers("control_high"), strict=True))
    family = view.one("family")
    names = [f"{words.control(name, family)}, the hardest control" for name in view.names("hardest")]
    comma = "," if names and form.startswith("{name}") else ""
    names = names or [words.control(name, family) for name in view.names("beside")]
    return [form.format(name=f"{name}{comma}", span=numbers.span(of)) for name, of in zip(names, ends, strict=True)]


def _means(view: View) -> str:
    """` (symmetric relevance gain: a 0.41 [0.35, 0.47]; a random map 0.02)`; nothing without numbers."""
    if not view.numbers("mean"):
        return ""
    rows = zip(view.names("models"), *(view.numbers(name) for name in ("mean", "low", "high")), strict=True)
    told = ", ".join(f"{model} {numbers.interval(*ends)}" for model, *ends in rows)
    return f" ({'; '.join([f'{view.metric()}: {told}', *_beside(view, '{name} {span}')])})"


@template("controls.none")
def no_control(view: View) -> str:
    return "There is no control to hold these heatmaps against."


@template("controls.better")
def better(view: View) -> str:
    return f"{scope(view)}the heatmaps of {view.listed('models')} {claim(view)} {controls(view)}{_means(view)}."


@template("controls.worse")
def worse(view: View) -> str:
    family = view.one("family")
    fail = FAMILIES[family].failure if family in FAMILIES else "do worse than"
    by = numbers.listed([words.control(name, family) for name in view.names("beaten_by")])
    return f"{scope(view)}the heatmaps of {view.listed('models')} {fail} {by}{_means(view)}."


@template("controls.no_evidence")
def no_evidence(view: View) -> str:
    models = view.listed("models")
    return f"That the heatmaps of {models} {claim(view)} {controls(view)} could not be shown{_means(view)}."


@template("controls.too_few")
def too_few(view: View) -> str:
    return f"There are too few {view.unit} for these tests to find anything."


@template("controls.blind")
def blind(view: View) -> str:
    return f"{words.capital(blind_clause(view))}."


def blind_clause(view: View) -> str:
    """Say that a metric is of no use here."""
    of = f" on the images of {view.listed('models')}" if view.names("models") else " on this data"
    return f"{view.metric()} does not tell the true region from a random map{of}: {NO_VERDICT}"


@template("controls.unvalidated")
def unvalidated(view: View) -> str:
    uses = "model uses" if len(view.names("models")) == 1 else "models use"
    return (
        f"{words.capital(view.metric())} cannot be validated on the images of {view.listed('models')}: it does not "
        f"rank the true region above a random map. Either the metric fails there, or the {uses} something else than "
        f"the marked region."
    )


@template("family.not_judged")
def not_judged(view: View) -> str:
    return f"{words.capital(not_judged_clause(view))}."


def not_judged_clause(view: View) -> str:
    """Say why a family has no verdict."""
    if view.reason == "not_competent":
        return f"{view.one('family')} is not judged: no model is competent with all its trainings"
    why = "there are no scores" if view.reason == "no_scores" else words.cause(view.reason)
    return f"{view.one('family')} cannot be judged: {why}"


@template("sanity.open")
def sanity_open(view: View) -> str:
    what = "whether the heatmaps depend on what was learnt is open"
    return f"The sanity check was too small to find anything: {what}."


def _who(view: View) -> str:
    return "architectures" if view.one("scope") == "architectures" else "models"


def _largest(view: View) -> str:
    """`b over a by 0.10`; where the ranks, which the test uses, point the other way than the mean, that is said."""
    high, low = view.one("over"), view.one("under")
    told = f"{high} over {low} by {numbers.number(view.number('difference'))}"
    if view.number("effect") < 0:
        told += f" in the mean, which a few large differences carry: by ranks, which the test uses, {low} is ahead"
    return told


def _scale(view: View) -> str:
    """The means that a comparison speaks of, in brackets; nothing without them."""
    if not view.has("lowest"):
        return ""
    direction = ", lower is better:" if view.one("better") == "lower" else ""
    ends = numbers.span([view.number("lowest"), view.number("highest")])
    scale = [f"mean {view.metric()}{direction} {ends}", *_beside(view, "{span} for {name}")]
    return f" ({'; '.join(scale)})"


@template("pairs.single", "pairs.no_common", "pairs.apart", "pairs.as_a_set", "pairs.too_few", "pairs.no_evidence")
def models_compared(view: View) -> str:
    who = _who(view)
    told = {
        "pairs.single": "Only one model takes part, so there is nothing to compare",
        "pairs.no_common": f"The models cannot be compared: none of the {view.unit} has a value for every model",
        "pairs.as_a_set": f"As a set the {who} differ, but no single pair can be told apart",
        "pairs.too_few": f"There are too few {view.unit} to tell whether the {who} differ",
        "pairs.no_evidence": f"No difference between {who} could be shown, which does not mean that they are the same",
    }
    if view.kind in told:
        return f"{told[view.kind]}{_scale(view)}."
    if view.number("tested") == 1:
        return f"The two {who} differ: {_largest(view)}{_scale(view)}."
    apart = f"{view.number('apart')} of {view.number('tested')} pairs can be told apart"
    return f"The {who} differ: {apart}; the largest difference is {_largest(view)}{_scale(view)}."


@template("test.over_all")
def over_all(view: View) -> str:
    name = view.one("test")
    if name == "friedman":
        freedom = f"{view.number('df1'):.0f} degrees of freedom"
        found = f"chi-square {view.number('statistic'):.1f}, {freedom}, Kendall's W {view.number('effect'):.2f}"
    else:
        freedom = f"{view.number('df1'):.1f} and {view.number('df2'):.1f} degrees of freedom"
        found = f"F {view.number('statistic'):.1f} on {freedom}"
    return (
        f"{words.TESTS[name]} of {view.metric()} over {view.number('models')} models: {found}, "
        f"{numbers.p_equals(view.number('p'))}, {view.units('groups')}; at most {view.number('level'):g} counts here."
    )


@template("test.largest")
def effect(view: View) -> str:
    several = view.number("tested") > 1
    of, corrected = ("The largest difference", ", Holm-corrected") if several else ("The difference", "")
    size, p = numbers.number(view.number("effect")), numbers.p_equals(view.number("p"))
    return f"{of} has rank-biserial {size}, {p}{corrected}."


def _between(view: View) -> str:
    """`is the difference between a and b`, `are the differences between a and b; c and d`."""
    pairs = [f"{a} and {b}" for a, b in zip(view.names("a"), view.names("b"), strict=True)]
    named = pairs[:MOST_PAIRS] + ([f"{len(pairs) - MOST_PAIRS} more"] if len(pairs) > MOST_PAIRS else [])
    return f"{'is the difference' if len(pairs) == 1 else 'are the differences'} between {'; '.join(named)}"


@template("test.equivalent")
def equivalent(view: View) -> str:
    fixed = ", of these checkpoints" if view.one("scope") == "architectures" else ""
    return (
        f"Smaller than {view.number('margin'):g}, the margin below which nobody would care, {_between(view)} "
        f"(two one-sided tests{fixed})."
    )


@template("test.within_seeds")
def within_seeds(view: View) -> str:
    return f"Smaller than between the seeds of either model {_between(view)}."


@template("test.too_few")
def too_few_for_pairs(view: View) -> str:
    return (
        f"{view.units('groups')} {'is' if view.number('groups') == 1 else 'are'} too few for Holm over "
        f"{view.count('tested', 'pair')} to find anything: the smallest corrected p that can be reached is "
        f"{view.number('smallest_p'):.2f}."
    )


@template("test.detectable")
def detectable(view: View) -> str:
    return (
        f"With {view.units('groups')} a difference of {numbers.number(view.number('detectable'))} would be found "
        f"{view.number('power'):.0%} of the time; smaller ones may be there unseen."
    )


@template("test.dropped")
def dropped(view: View) -> str:
    return (
        f"{view.number('dropped')} of {view.units('groups')} {'was' if view.number('dropped') == 1 else 'were'} left "
        f"out of the test over all models, because not every model has a value there; pairs are compared where both "
        f"have."
    )


@template("scores.missing")
def missing(view: View) -> str:
    size = numbers.share(view.number("share"))
    then = "its mean is over the rest and may flatter it"
    if not view.has("mean"):
        then = f"none of the {view.unit} has one in every seed, and no comparison includes it"
    why = words.cause(view.reason)
    return f"{size} of the heatmaps of {view.one('models')} have no {view.metric()} (mostly: {why}); {then}."


@template("scores.worst")
def worst_ranked(view: View) -> str:
    what = f"Counting the {view.count('missing', 'score')} without a value as the worst"
    rows = [
        f"{subject} from {main} to {worst}"
        for subject, main, worst in zip(view.names("of"), view.names("main"), view.names("worst"), strict=True)
    ]
    if not rows:
        return f"{what} changes no verdict."
    more = f" and {len(rows) - MOST_CHANGES} more" if len(rows) > MOST_CHANGES else ""
    return f"{what} changes {numbers.counted(len(rows), 'verdict')}: {'; '.join(rows[:MOST_CHANGES])}{more}."


@template("scores.ceiling")
def ceiling(view: View) -> str:
    (low, high), ends = view.names("models"), view.numbers("mean")
    return (
        f"The true region itself, blurred to the grids that the heatmaps come from, scores {numbers.number(ends[0])} "
        f"({low}) to {numbers.number(ends[1])} ({high}): part of a difference between models may be the grid."
    )


@template("scores.seed_spread")
def seed_spread(view: View) -> str:
    moved = f"by up to {numbers.number(view.number('spread'))} ({view.one('models')})"
    beside = f"; between models by {numbers.number(view.number('apart'))}" if view.has("apart") else ""
    return f"Between training seeds of one model the mean {view.metric()} moves {moved}{beside}."


@template("methods.apart")
def methods_apart(view: View) -> str:
    told = []
    for verb in ("better", "worse"):
        if models := view.names(verb):
            told.append(f"{verb} than {view.one('lead')} for {numbers.listed(models)} (by {_by(view, verb)})")
    return f"On the same images, {view.one('method')} scores {' and '.join(told)} in {view.metric()}."


def _by(view: View, verb: str) -> str:
    return numbers.span(view.numbers(verb))


@template("methods.no_evidence")
def methods_alike(view: View) -> str:
    return f"By {view.metric()}, {view.one('method')} could be told apart from {view.one('lead')} for no model."


@template("methods.others")
def other_methods(view: View) -> str:
    named = {kind: view.names(kind) for kind in KINDS if view.names(kind)}
    parts = [f"{len(of)} {KINDS[kind]} ({numbers.listed(of, MOST_METHODS)})" for kind, of in named.items()]
    count = numbers.counted(sum(map(len, named.values())), "other method") + " with a verdict" * view.has("absent")
    return f"Of {count}, the heatmaps {claim(view)} {controls(view)}: {numbers.listed(parts)}."


@template("methods.others_fail")
def others_fail(view: View) -> str:
    failed = view.names("methods")
    fail = "fails" if len(failed) == 1 else "fail"
    named = numbers.listed(failed, MOST_METHODS)
    return f"Of the other methods, {len(failed)} {fail} the sanity check for some model ({named})."


def _meaning(view: View) -> tuple[str, str]:
    return MEANINGS[view.one("localization"), view.one("faithfulness")]


@template("combined.decided")
def decided(view: View) -> str:
    names = [words.control(name, family) for family, name in zip(DOES, view.names("controls"), strict=True)]
    return f"{scope(view)}the heatmaps of {view.one('models')} {''.join(_meaning(view)).format(*names)}."


@template("combined.others")
def others_decided(view: View) -> str:
    named = [f"{method} ({numbers.listed(models)})" for method, models in view.paired("methods", "models").items()]
    return f"By other methods, heatmaps {_meaning(view)[0]}: {numbers.listed(named)}."


@template("combined.open")
def undecided(view: View) -> str:
    parts: dict[str, list[str]] = {}
    for model, *lacking in zip(view.names("models"), *(view.names(family) for family in DOES), strict=True):
        open_to = [does for does, verdict in zip(DOES.values(), lacking, strict=True) if verdict == "undecided"]
        parts.setdefault(", and whether they ".join(open_to), []).append(model)
    told = [f"whether the heatmaps of {numbers.listed(models)} {does}" for does, models in parts.items()]
    return f"Undecided: {'; '.join(told)}."


@template("short.unknown")
def cannot_be_told(view: View) -> str:
    return "It cannot be told."


@template("short.all", "short.some", "short.worse", "short.no_evidence")
def in_short(view: View) -> str:
    what, count, models = f"{claim(view)} {controls(view)}", view.number("models"), view.count("models", "model")
    return {
        "short.all": f"Yes, as far as this goes: the heatmaps of all models judged ({count}) {what}.",
        "short.some": f"In part: the heatmaps of {view.get('better')} of {models} {what}.",
        "short.worse": f"No: the heatmaps of none of {models} {what}, and each does worse than some.",
        "short.no_evidence": f"Not shown: of none of {models} it could be shown that the heatmaps {what}.",
    }[view.kind]
