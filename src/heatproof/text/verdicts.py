"""Sentences on families of metrics: do heatmaps beat the controls, do models differ, and with what caveats; and on a
candidate beside a baseline."""

from heatproof.catalogue.families import FAMILIES
from heatproof.text import numbers, words
from heatproof.text.words import View, template

NO_VERDICT = "no verdict"
MOST_PAIRS, MOST_CHANGES, MOST_METHODS = 4, 3, 4  # that a sentence names
MEANINGS = {  # (localization, faithfulness) -> what the heatmaps do, and how that shows; {0} and {1} are controls
    ("yes", "yes"): ("show what the model uses: the marked lesion", ""),
    ("no", "yes"): (
        "show what the model uses, which is not the marked lesion",
        "; they locate the lesion no better than {0}",
    ),
    ("yes", "no"): (
        "mark the lesion, but do not show what the model uses",
        "; they identify it no better than {1}",
    ),
    ("no", "no"): (
        "neither mark the lesion nor show what the model uses",
        ": they locate the lesion no better than {0} and identify what the model uses no better than {1}",
    ),
}
DOES = {"localization": "mark the lesion", "faithfulness": "show what the model uses"}
KINDS = {  # in how many models other methods' heatmaps do what is claimed
    "all": "in every evaluated model",
    "some": "in some models",
    "none": "in no model",
}


def scope(view: View) -> str:
    """State what a verdict applies to, as the beginning of its sentence; nothing where the paragraph has said it."""
    if view.scoped:
        return ""
    if view.one("scope") == "architectures":
        return f"Across {view.number('seeds')} training seeds, "
    return "In these training runs, " if view.one("scope") == "trained" else "For these checkpoints, "


def _heatmaps(view: View) -> str:
    """`In these training runs, the heatmaps of a and b`."""
    return words.capital(f"{scope(view)}the heatmaps of {view.listed('models')}")


def claim(view: View) -> str:
    return words.claim(view.one("family"), view.one("metric"))


def controls(view: View) -> str:
    return words.controls(view.names("controls"), view.one("family"))


def _beside(view: View, form: str) -> list[str]:
    """The means of the controls, or of the one that is hardest to beat."""
    ends = list(zip(view.numbers("control_low"), view.numbers("control_high"), strict=True))
    family = view.one("family")
    names = [f"{words.control(name, family)}, the hardest control" for name in view.names("hardest")]
    comma = "," if names and form.startswith("{name} ") else ""
    names = names or [words.control(name, family) for name in view.names("beside")]
    return [form.format(name=f"{name}{comma}", span=numbers.span(of)) for name, of in zip(names, ends, strict=True)]


def _means(view: View) -> str:
    """` (symmetric relevance gain: a 0.41 [0.35, 0.47]; a random map 0.02)`; nothing without numbers."""
    if not view.numbers("mean"):
        return ""
    rows = zip(view.names("models"), *(view.numbers(name) for name in ("mean", "low", "high")), strict=True)
    means = ", ".join(f"{model} {numbers.interval(*ends)}" for model, *ends in rows)
    return f" ({'; '.join([f'{view.metric()}: {means}', *_beside(view, '{name} {span}')])})"


@template("controls.none")
def no_control(view: View) -> str:
    return "There is no control to compare these heatmaps with."


@template("controls.better")
def better(view: View) -> str:
    return f"{_heatmaps(view)} {claim(view)} {controls(view)}{_means(view)}."


@template("controls.worse")
def worse(view: View) -> str:
    family = view.one("family")
    fail = FAMILIES[family].failure if family in FAMILIES else "do worse than"
    by = numbers.listed([words.control(name, family) for name in view.names("beaten_by")])
    return f"{_heatmaps(view)} {fail} {by}{_means(view)}."


@template("controls.no_evidence")
def no_evidence(view: View) -> str:
    models = view.listed("models")
    return f"No evidence that the heatmaps of {models} {claim(view)} {controls(view)}{_means(view)}."


@template("controls.too_few")
def too_few(view: View) -> str:
    return f"There are too few {view.unit} for these tests to reach significance."


@template("controls.blind")
def blind(view: View) -> str:
    return f"{words.capital(blind_clause(view))}."


def blind_clause(view: View) -> str:
    """State that a metric is of no use here."""
    on = f"the images of {view.listed('models')}" if view.names("models") else "these images"
    return f"{NO_VERDICT}: on {on}, {view.metric()} does not separate the true region from a random map"


@template("controls.unvalidated")
def unvalidated(view: View) -> str:
    use = "the model does" if len(view.names("models")) == 1 else "the models do"
    return (
        f"{words.capital(view.metric())} is not validated on the images of {view.listed('models')}: it does not rank "
        f"the true region above a random map. Either the metric fails on these images, or {use} not use the marked "
        f"region."
    )


@template("family.not_judged")
def not_judged(view: View) -> str:
    return f"{words.capital(not_judged_clause(view))}."


def not_judged_clause(view: View) -> str:
    """State why a family has no verdict."""
    why = {
        "not_competent": "no model performs above chance in all its training runs",
        "no_scores": "there are no scores",
    }.get(view.reason) or words.cause(view.reason)
    return f"no verdict on {view.one('family')}: {why}"


@template("sanity.open")
def sanity_open(view: View) -> str:
    return (
        "Undecided whether the heatmaps depend on the trained weights: the sanity check has too few images to reach "
        "significance."
    )


def _who(view: View) -> str:
    return "architectures" if view.one("scope") == "architectures" else "models"


def _largest(view: View) -> str:
    """`b scores 0.10 above a`; and a warning where the ranks, which the test uses, point the other way."""
    high, low = view.one("over"), view.one("under")
    text = f"{high} scores {numbers.number(view.number('difference'))} above {low}"
    if view.number("effect") < 0:
        text += f" on average, because of a few large differences; by ranks, which the test uses, {low} is ahead"
    return text


def _scale(view: View) -> str:
    """Return the means of a comparison, in brackets; nothing without them."""
    if not view.has("lowest"):
        return ""
    direction = ", lower is better" if view.one("better") == "lower" else ""
    ends = numbers.span([view.number("lowest"), view.number("highest")])
    scale = [f"mean {view.metric()}{direction}: {ends}", *_beside(view, "{name}: {span}")]
    return f" ({'; '.join(scale)})"


@template("pairs.single", "pairs.no_common", "pairs.apart", "pairs.as_a_set", "pairs.too_few", "pairs.no_evidence")
def models_compared(view: View) -> str:
    who = _who(view)
    texts = {
        "pairs.single": "There is only one model, so there is nothing to compare",
        "pairs.no_common": f"The models cannot be compared: none of the {view.unit} has a value for every model",
        "pairs.as_a_set": f"The {who} differ as a set, but no single pair differs significantly",
        "pairs.too_few": f"There are too few {view.unit} to compare the {who}",
        "pairs.no_evidence": f"No evidence that the {who} differ, which does not show that they are equal",
    }
    if view.kind in texts:
        return f"{texts[view.kind]}{_scale(view)}."
    if view.number("tested") == 1:
        return f"The two {who} differ: {_largest(view)}{_scale(view)}."
    apart = f"{view.number('apart')} of {view.number('tested')} pairs differ significantly"
    return f"The {who} differ: {apart}. In the pair that differs most, {_largest(view)}{_scale(view)}."


@template("test.over_all")
def over_all(view: View) -> str:
    name = view.one("test")
    if not view.has("df2"):
        effect = f", Kendall's W {view.number('effect'):.2f}" if view.has("effect") else ""
        freedom = f"{view.number('df1'):.0f} degrees of freedom"
        result = f"chi-square {view.number('statistic'):.1f}, {freedom}{effect}"
    else:
        freedom = f"{view.number('df1'):.1f} and {view.number('df2'):.1f} degrees of freedom"
        result = f"F {view.number('statistic'):.1f}, {freedom}"
    return (
        f"{words.TESTS[name]} of {view.metric()} across {view.number('models')} models: {result}, "
        f"{numbers.p_equals(view.number('p'))}, {view.units('groups')}; significance level {view.number('level'):g}."
    )


@template("test.largest")
def effect(view: View) -> str:
    several = view.number("tested") > 1
    of, corrected = ("The largest difference", ", Holm-corrected") if several else ("The difference", "")
    size, p = numbers.number(view.number("effect")), numbers.p_equals(view.number("p"))
    return f"{of} has a rank-biserial correlation of {size}, {p}{corrected}."


def _pairs(view: View) -> tuple[str, bool]:
    """Return `a and b; c and d`, and whether there is only one pair."""
    pairs = [f"{a} and {b}" for a, b in zip(view.names("a"), view.names("b"), strict=True)]
    named = pairs[:MOST_PAIRS] + ([f"{len(pairs) - MOST_PAIRS} more"] if len(pairs) > MOST_PAIRS else [])
    return "; ".join(named), len(pairs) == 1


@template("test.equivalent")
def equivalent(view: View) -> str:
    fixed = " on these checkpoints" if view.one("scope") == "architectures" else ""
    pairs, one = _pairs(view)
    how = f"equivalent within the margin of {view.number('margin'):g} (two one-sided tests{fixed})"
    return f"{pairs} are {how}." if one else f"These pairs are {how}: {pairs}."


@template("test.within_seeds")
def within_seeds(view: View) -> str:
    pairs, one = _pairs(view)
    how = "differ less than two seeds of the same model"
    return f"{pairs} {how}." if one else f"These pairs {how}: {pairs}."


@template("test.too_few")
def too_few_for_pairs(view: View) -> str:
    return (
        f"{view.units('groups')} {'is' if view.number('groups') == 1 else 'are'} too few to test "
        f"{view.count('tested', 'pair')}: with Holm's correction, the smallest possible p is "
        f"{view.number('smallest_p'):.2f}."
    )


@template("test.detectable")
def detectable(view: View) -> str:
    size, power = numbers.number(view.number("detectable")), f"{view.number('power'):.0%}"
    text = f"With {view.units('groups')}, the power to detect a difference of {size} is {power}; smaller differences"
    if not view.has("enough"):
        return f"{text} may exist."
    enough = numbers.counted(numbers.rounded(view.number("enough")), *numbers.UNITS[view.one("unit")])
    return f"{text} may exist. About {enough} would detect the margin of {view.number('margin'):g} with this power."


@template("test.dropped")
def dropped(view: View) -> str:
    why = "only one model has a value" if view.one("test") == "skillings_mack" else "some model has no value"
    return (
        f"The test across all models leaves out {view.number('dropped')} of {view.units('groups')}, because {why} "
        f"there. Pairs of models are compared wherever both have a value."
    )


@template("scores.missing")
def missing(view: View) -> str:
    size = numbers.share(view.number("share"))
    then = "The mean is over the others and may be too favourable"
    if not view.has("mean"):
        then = f"None of the {view.unit} has a score in every seed, so no comparison includes this model"
    missing = f"{words.capital(size)} of the heatmaps of {view.one('models')} have no {view.metric()}"
    return f"{missing} (main reason: {words.cause(view.reason)}). {then}."


@template("scores.worst")
def worst_ranked(view: View) -> str:
    what = f"Counting the {view.count('missing', 'missing score')} as the worst"
    rows = [
        "{} from {} to {}".format(*map(words.compared, row))
        for row in zip(view.raw("of"), view.raw("main"), view.raw("worst"), strict=True)
    ]
    if not rows:
        return f"{what} changes no verdict."
    more = f" and {len(rows) - MOST_CHANGES} more" if len(rows) > MOST_CHANGES else ""
    return f"{what} changes {numbers.counted(len(rows), 'verdict')}: {'; '.join(rows[:MOST_CHANGES])}{more}."


@template("scores.ceiling")
def ceiling(view: View) -> str:
    (low, high), ends = view.names("models"), view.numbers("mean")
    return (
        f"Part of a difference between models may come from the grid of their heatmaps: the true region itself, "
        f"blurred to that grid, scores from {numbers.number(ends[0])} ({low}) to {numbers.number(ends[1])} ({high})."
    )


@template("scores.seed_spread")
def seed_spread(view: View) -> str:
    spread = f"up to {numbers.number(view.number('spread'))} between training seeds of one model ({view.one('models')})"
    beside = f" and by {numbers.number(view.number('apart'))} between models" if view.has("apart") else ""
    return f"The mean {view.metric()} differs by {spread}{beside}."


@template("methods.apart")
def methods_apart(view: View) -> str:
    parts = [
        f"{verb} than {view.one('lead')} for {numbers.listed(models)} (by {_by(view, verb)})"
        for verb in ("better", "worse")
        if (models := view.names(verb))
    ]
    return f"On the same images, {view.one('method')} scores {' and '.join(parts)} in {view.metric()}."


def _by(view: View, verb: str) -> str:
    return numbers.span(view.numbers(verb))


@template("methods.no_evidence")
def methods_alike(view: View) -> str:
    return f"{view.one('method')} and {view.one('lead')} do not differ significantly in {view.metric()} for any model."


@template("methods.others")
def other_methods(view: View) -> str:
    named = {kind: numbers.listed(view.names(kind), MOST_METHODS) for kind in KINDS if view.names(kind)}
    parts = [f"those of {of} {KINDS[kind]}" for kind, of in named.items()]
    if named:
        kind, of = next(iter(named.items()))
        does = f"the heatmaps of {of} {claim(view)} {controls(view)}"
        parts[0] = f"in no model do {does}" if kind == "none" else f"{does} {KINDS[kind]}"
    few = view.listed("few", MOST_METHODS)
    too_few = f"too few images to test {few}" if few else ""
    stated = "; ".join(filter(None, [", ".join(parts), too_few]))
    return f"Other methods{' with a verdict' * view.has('absent')}: {stated}."


@template("methods.others_fail")
def others_fail(view: View) -> str:
    failed = view.names("methods")
    fail = "fails" if len(failed) == 1 else "fail"
    named = numbers.listed(failed, MOST_METHODS)
    return f"{len(failed)} of the other methods {fail} the sanity check in at least one model ({named})."


def _meaning(view: View) -> tuple[str, str]:
    return MEANINGS[view.one("localization"), view.one("faithfulness")]


@template("combined.decided")
def decided(view: View) -> str:
    names = [words.control(name, family) for family, name in zip(DOES, view.names("controls"), strict=True)]
    return f"{_heatmaps(view)} {''.join(_meaning(view)).format(*names)}."


@template("combined.others")
def others_decided(view: View) -> str:
    named = [f"{method} ({numbers.listed(models)})" for method, models in view.paired("methods", "models").items()]
    return f"Other methods whose heatmaps {_meaning(view)[0]}: {numbers.listed(named)}."


@template("combined.open")
def undecided(view: View) -> str:
    parts: dict[str, list[str]] = {}
    for model, *lacking in zip(view.names("models"), *(view.names(family) for family in DOES), strict=True):
        open_to = [does for does, verdict in zip(DOES.values(), lacking, strict=True) if verdict == "undecided"]
        parts.setdefault(" and whether they ".join(open_to), []).append(model)
    questions = [f"whether the heatmaps of {numbers.listed(models)} {does}" for does, models in parts.items()]
    return f"It is undecided {'; '.join(questions)}."


@template("short.unknown")
def no_answer(view: View) -> str:
    return "No conclusion is possible."


@template("short.all", "short.some", "short.worse", "short.no_evidence")
def in_short(view: View) -> str:
    what, count, models = f"{claim(view)} {controls(view)}", view.number("models"), view.count("models", "model")
    heatmaps = f"{method} heatmaps" if (method := view.one("method")) else "heatmaps"
    every = "the evaluated model" if count == 1 else f"all {count} evaluated models"
    return {
        "short.all": f"Yes, by this test: the {heatmaps} of {every} {what}.",
        "short.some": f"Only in part: the {heatmaps} of {view.get('better')} of {models} {what}.",
        "short.worse": f"No: in none of {models} do the {heatmaps} {what}. In each, they do worse than some control.",
        "short.no_evidence": f"No evidence that the {heatmaps} of any model ({count} tested) {what}.",
    }[view.kind]


GATED = {  # what a gate compares
    "localization": "localization",
    "faithfulness": "faithfulness",
    "outside_body": "relevance outside the body",
    "inside_cue": "relevance on the cue",
    "sanity": "dependence on the weights",
    "degenerate": "degenerate maps",
}
GATE = {"non_inferior": "non-inferior", "worse": "worse", "undecided": "undecided", "unmeasured": "not measured"}


@template(*(f"gate.{verdict}" for verdict in GATE))
def gated(view: View) -> str:
    """State one criterion: its verdict, both means, their difference and the margin, and what would decide."""
    verdict, name = GATE[view.kind.removeprefix("gate.")], GATED[view.one("criterion")]
    by = [words.metric(view.one("metric")), *view.names("method")]
    text = f"{words.capital(name)} ({', '.join(one for one in by if one not in ('', name))}): {verdict}"
    if view.reason:
        return f"{text} ({words.cause(view.reason)})."
    ends = [view.get(name) for name in ("baseline", "candidate")]
    before, after = (numbers.number(end, beside=ends) for end in ends)
    difference = numbers.interval(*(view.get(name) for name in ("difference", "low", "high")))
    p = {"worse": ("p_worse",), "non-inferior": ("p_non_inferior",)}.get(verdict, P_VALUES)
    tested = ", ".join(f"{numbers.p_equals(view.number(name))} for {P_VALUES[name]}" for name in p)
    text += (
        f". {before} in the baseline, {after} in the candidate, difference {difference}, margin "
        f"{view.number('margin'):g} ({tested}, {view.units('patients')})"
    )
    if view.has("left_out"):
        text += f". {view.count('left_out', 'image has', 'images have')} a score in only one of the two results"
    if verdict != "undecided":
        return f"{text}."
    least = f"At least {view.number('least')} {view.unit} are needed. " if view.has("least") else ""
    return f"{text}. {least}{_needed(view)}"


P_VALUES = {"p_worse": "inferiority", "p_non_inferior": "non-inferiority"}


def _needed(view: View) -> str:
    if not view.has("needed"):
        return "The difference is too close to the margin for any number to decide."
    return f"About {view.units('needed')} would decide."


@template("gate.is_non_inferior", "gate.is_worse", "gate.is_undecided", "gate.identical")
def gate(view: View) -> str:
    of = f"{view.number('measured')} of {view.count('criteria', 'criterion', 'criteria')} measured"
    if view.kind == "gate.identical":
        return f"Non-inferior: both results have the same scores ({of})."
    if view.kind == "gate.is_worse":
        return f"Worse than the margin: {numbers.listed([GATED[name] for name in view.raw('worse')])} ({of})."
    if view.kind == "gate.is_non_inferior":
        return f"Non-inferior within the margin by every criterion that is measured ({of})."
    return f"Undecided ({of}).{f' {_needed(view)}' if view.has('needed') else ''}"
