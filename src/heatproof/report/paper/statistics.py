"""The statistics part of the methods section: which tests, on what, corrected how."""

from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.paper.references import cite
from heatproof.stats.tests.omnibus import LEAST_GROUPS
from heatproof.text import numbers
from heatproof.text.verdicts import MEANINGS


def write(inputs: Inputs, settings: dict) -> str:
    """Paragraphs on the unit, the tests, equivalence, seeds and claims.

    Args:
        settings: section `stats` of the configuration.
    """
    parts = [_unit(inputs), _tests(inputs, settings), _equivalence(inputs, settings), *_combined(inputs)]
    return "\n\n".join([*parts, _seeds(inputs), *_claims(inputs)])


def _unit(inputs: Inputs) -> str:
    kind = _kind(inputs)
    one, many = numbers.UNITS[kind]
    averaged = "" if kind == "image" else f" Scores of images were averaged for each {one} first."
    caution = {
        "patient": "",
        "lookalike": " Patients are not known: clusters bound the leak but are not patients, so p values may be too "
        "small.",
        "image": " Images of one patient may be among them, so p values may be too small.",
    }[kind]
    return (
        f"The unit of every test is the {one} ({inputs.results.groups_test} in the test part).{averaged}{caution} "
        f"Groups without a value for every model compared do not enter, and are counted. Intervals of scores hold "
        f"{inputs.results.interval:.0%} (Student's t over {many})."
    )


def _tests(inputs: Inputs, settings: dict) -> str:
    friedman = f"Friedman's test{cite(['friedman1937'])} with Kendall's W"
    corrected = f"Greenhouse and Geisser's correction{cite(['greenhouse1959'])}"
    anova = f"repeated-measures analysis of variance with {corrected}"
    wilcoxon = f"Wilcoxon's signed-rank test{cite(['wilcoxon1945'])}"
    declared, beside, pairs = (
        (anova, friedman, "the paired t test") if settings.get("test") == "rm_anova" else (friedman, anova, wilcoxon)
    )
    controls = _controls(inputs)
    compared = (
        f" Whether the models differ was tested by {declared}, as declared before; {beside} stands beside it. Where "
        f"that test rejects, pairs were compared by {pairs}, with the rank-biserial correlation{cite(['kerby2014'])} "
        f"as effect, corrected by Holm's method. In diagrams of mean ranks{cite(['demsar2006'])} bars join models that "
        f"these tests do not tell apart{cite(['benavoli2016'])}."
    )
    return (
        f"Each family of metrics by each method is one family of tests at alpha {settings['alpha']:g}, two-sided. Two "
        f"questions share it, half each: whether the models do better than the controls, and whether they differ; "
        f"where the first is settled for every model, the second has all of it. A model is better than the controls"
        f"{controls} if it is better than each of them (intersection-union: its p is the largest), corrected by Holm's "
        f"method{cite(['holm1979'])} over the models."
        f"{compared if len(inputs.competent) > 1 else ''}"
    )


def _controls(inputs: Inputs) -> str:
    """What the heatmaps of this study were compared with, and in which families, in brackets."""
    by_controls: dict[tuple[str, ...], list[str]] = {}
    for family, of in inputs.results.families.items():
        named = {name for one in of.outcomes.values() for name in one.controls}
        by_controls.setdefault(tuple(name for name in words.CONTROLS if name in named), []).append(family)
    told = [
        f"for {numbers.listed(families)} {numbers.listed([words.CONTROLS[name] for name in names])}"
        for names, families in by_controls.items()
        if names
    ]
    return f" ({'; '.join(told)})" if told else ""


def _equivalence(inputs: Inputs, settings: dict) -> str:
    margins = settings.get("margin") or {}
    named = {of.metric for of in inputs.results.families.values()}
    own = [f"{words.inline(words.metric(name).name)} {margins[name]:g}" for name in margins if name in named]
    told = f"{margins.get('default', 0.05):g}" + (f" ({', '.join(own)})" if own else "")
    return (
        f"That two models are equivalent was tested by two one-sided t tests{cite(['schuirmann1987'])} against a "
        f"margin of {told}, corrected by Holm's method. For each pair the smallest difference is given that a study of "
        f"this size would find in {settings.get('power', 0.8):.0%} of cases: a difference that was not shown is not "
        f"taken for none."
    )


def _combined(inputs: Inputs) -> list[str]:
    """The combined verdicts, where the study has any: the rule, and what it found."""
    rows = inputs.results.combined
    if not rows:
        return []
    found: dict[str, list[str]] = {}
    for row in rows:
        meaning = MEANINGS.get(tuple(answer.verdict for answer in row.answers))
        found.setdefault(meaning[0] if meaning else "", []).append(f"{row.model} by {row.method}")
    left = len(found.pop("", []))
    told = [f"the heatmaps of {numbers.listed(names)} {meaning}" for meaning, names in found.items()]
    told += [f"undecided for {left} of {numbers.counted(len(rows), 'pair')} of a model and a method"] if left else []
    return [
        f"Localization and faithfulness were combined model by model. Each is a yes where the heatmaps are better than "
        f"every control, a no where a one-sided t test{cite(['schuirmann1987'])} shows their lead over the strongest "
        f"control to be smaller than the margin (from {LEAST_GROUPS} {numbers.UNITS[_kind(inputs)][1]} on; Bonferroni "
        f"over controls, Holm over models), and undecided otherwise. The two share alpha for each method, and are "
        f"combined only where both are decided. Result: {'; '.join(told)}."
    ]


def _kind(inputs: Inputs) -> str:
    return inputs.results.groups.kind


def _seeds(inputs: Inputs) -> str:
    count = len(inputs.seeds)
    if inputs.over_seeds:
        return (
            f"With {count} seeds a model, verdicts speak of architectures: models were compared against the variance "
            f"between groups and between seeds as well, by quasi-F{cite(['clark1973'])} with Satterthwaite's "
            f"degrees of freedom{cite(['satterthwaite1946'])}, and pairs by t tests on the same variances."
        )
    seeds = f"{count} seeds" if count > 1 else "one seed"
    return (
        f"With {seeds} a model, tests hold the trained models fixed (means over seeds): verdicts speak of these "
        f"checkpoints, not of architectures."
    )


def _claims(inputs: Inputs) -> list[str]:
    """The claims that were put to this study, and of these the ones that it could not test."""
    known = {"2601.12826": "panboonyuen2026", "2006.02570": "chatterjee2020"}
    told: dict[bool, list[str]] = {True: [], False: []}
    parts = {name for found in inputs.results.findings.values() for name in found.parts}
    for row in inputs.results.claims:
        if row.name in parts:
            continue
        keys = [key for number, key in known.items() if number in row.source]
        source = cite(keys) or f" ({row.source})"
        told[row.verdict != "undecided" or row.effect is not None].append(f'"{row.claim}"{source}')
    heads = {True: "Claims that were checked by name", False: "Claims that this study could not test"}
    return [f"{heads[tested]}: {'; '.join(texts)}." for tested, texts in told.items() if texts]
