"""The statistics part of the methods section: which tests, on what, corrected how."""

from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.paper.references import cite
from heatproof.stats.tests.omnibus import LEAST_GROUPS
from heatproof.text import numbers
from heatproof.text.verdicts import MEANINGS
from heatproof.text.words import called


def write(inputs: Inputs, settings: dict) -> str:
    """Return paragraphs on the unit, the tests, equivalence, seeds and claims.

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
        "lookalike": " Patients are unknown: clusters limit the leak but are not patients, so p values may be too "
        "small.",
        "image": " Several images may belong to one patient, so p values may be too small.",
    }[kind]
    return (
        f"The unit of every test is the {one} ({inputs.results.groups_test} in the test set).{averaged}{caution} "
        f"Groups without a value for every compared model are excluded and counted. Intervals of scores are "
        f"{inputs.results.interval:.0%} intervals (Student's t over {many})."
    )


def _tests(inputs: Inputs, settings: dict) -> str:
    friedman = f"Friedman's test{cite(['friedman1937'])} with Kendall's W"
    corrected = f"Greenhouse and Geisser's correction{cite(['greenhouse1959'])}"
    anova = f"repeated-measures ANOVA with {corrected}"
    wilcoxon = f"Wilcoxon's signed-rank test{cite(['wilcoxon1945'])}"
    declared, other, pairs = (
        (anova, friedman, "the paired t test") if settings.get("test") == "rm_anova" else (friedman, anova, wilcoxon)
    )
    controls = _controls(inputs)
    compared = (
        f" Differences between models were tested by {declared}, declared in advance; {other} is also reported. Where "
        f"that test rejects, pairs were compared by {pairs} with Holm's correction, with the rank-biserial "
        f"correlation{cite(['kerby2014'])} as effect size. In diagrams of mean ranks{cite(['demsar2006'])}, bars join "
        f"models that do not differ significantly{cite(['benavoli2016'])}."
    )
    return (
        f"Each family of metrics by each method is one family of two-sided tests at alpha {settings['alpha']:g}. Two "
        f"questions have half of it each: do the heatmaps beat the controls, and do the models differ? If the first "
        f"is settled for every model, the second has all of it. A model beats the controls{controls} if it is better "
        f"than each of them (intersection-union test: the largest p counts), with Holm's "
        f"correction{cite(['holm1979'])} over models."
        f"{compared if len(inputs.competent) > 1 else ''}"
    )


def _controls(inputs: Inputs) -> str:
    """List the controls of each family, in brackets."""
    by_controls: dict[tuple[str, ...], list[str]] = {}
    for family, of in inputs.results.families.items():
        named = {name for one in of.outcomes.values() for name in one.controls}
        by_controls.setdefault(tuple(name for name in words.CONTROLS if name in named), []).append(family)
    lists = [
        f"{numbers.listed(families)}: {numbers.listed([words.CONTROLS[name] for name in names])}"
        for names, families in by_controls.items()
        if names
    ]
    return f" ({'; '.join(lists)})" if lists else ""


def _equivalence(inputs: Inputs, settings: dict) -> str:
    margins = settings.get("margin") or {}
    named = {of.metric for of in inputs.results.families.values()}
    own = [f"{words.inline(words.metric(name).name)} {margins[name]:g}" for name in margins if name in named]
    margin = f"{margins.get('default', 0.05):g}" + (f" ({', '.join(own)})" if own else "")
    return (
        f"Equivalence of two models was tested by two one-sided t tests{cite(['schuirmann1987'])} with a margin of "
        f"{margin} and Holm's correction. For each pair, the report gives the smallest difference that a study of this "
        f"size would detect with a power of {settings.get('power', 0.8):.0%}: absence of evidence is not taken as "
        f"equality."
    )


def _combined(inputs: Inputs) -> list[str]:
    """Describe the combined verdicts, where the study has any: rule and results."""
    rows = inputs.results.combined
    if not rows:
        return []
    found: dict[str, list[str]] = {}
    for row in rows:
        meaning = MEANINGS.get(tuple(answer.verdict for answer in row.answers))
        found.setdefault(meaning[0] if meaning else "", []).append(f"{called(row.model)} ({called(row.method)})")
    left = len(found.pop("", []))
    verdicts = [f"the heatmaps of {numbers.listed(names)} {meaning}" for meaning, names in found.items()]
    if left:
        verdicts.append(f"undecided for {left} of {numbers.counted(len(rows), 'pair')} of a model and a method")
    return [
        f"Localization and faithfulness were combined for each model. Each is yes if the heatmaps are better than "
        f"every control, no if a one-sided t test{cite(['schuirmann1987'])} shows that their lead over the strongest "
        f"control is smaller than the margin (at least {LEAST_GROUPS} {numbers.UNITS[_kind(inputs)][1]}; Bonferroni "
        f"over controls, Holm over models), and undecided otherwise. Both share alpha for each method and are "
        f"combined only if both are decided. Result: {'; '.join(verdicts)}."
    ]


def _kind(inputs: Inputs) -> str:
    return inputs.results.groups.kind


def _seeds(inputs: Inputs) -> str:
    count = len(inputs.seeds)
    if inputs.over_seeds:
        return (
            f"With {count} seeds per model, verdicts apply to architectures: tests between models account for the "
            f"variance between groups and between seeds, by quasi-F{cite(['clark1973'])} with Satterthwaite's "
            f"degrees of freedom{cite(['satterthwaite1946'])}, and for pairs by t tests with the same variances."
        )
    seeds = f"{count} seeds" if count > 1 else "one seed"
    return (
        f"With {seeds} per model, tests treat the trained models as fixed (means over seeds): verdicts apply to these "
        f"checkpoints, not to architectures."
    )


def _claims(inputs: Inputs) -> list[str]:
    """List the published claims that this study tested, and those that it could not test."""
    known = {"2601.12826": "panboonyuen2026", "2006.02570": "chatterjee2020"}
    texts: dict[bool, list[str]] = {True: [], False: []}
    parts = {name for found in inputs.results.findings.values() for name in found.parts}
    for row in inputs.results.claims:
        if row.name in parts:
            continue
        keys = [key for number, key in known.items() if number in row.source]
        source = cite(keys) or f" ({row.source})"
        texts[row.verdict != "undecided" or row.effect is not None].append(f'"{row.claim}"{source}')
    heads = {True: "Published claims tested", False: "Published claims that this study could not test"}
    return [f"{heads[tested]}: {'; '.join(claims)}." for tested, claims in texts.items() if claims]
