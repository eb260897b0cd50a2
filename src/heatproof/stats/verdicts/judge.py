"""From the tests of one family and method to its verdicts.

And what a model's heatmaps show: localization and faithfulness together, decided where both are.

Each of the two is `yes` (significantly better than every control), `no` (any lead over the strongest control is shown
to be smaller than the margin) or `undecided`. Not significant is never `no`.

The decisions of one method are a family of tests at alpha. Each question has half of it, and of that half a false
`yes` may take one part and a false `no` the other: `yes` is the verdict against controls, whose two-sided p is false on
one side only, and `p_no` is doubled likewise. A single model cannot be both, so that either answer may take the whole
half. All that can be false adds up to alpha at most (Bonferroni between questions, Holm over models).
"""

from collections.abc import Mapping
from math import comb

import pandas as pd

from heatproof.catalogue.families import own_name
from heatproof.catalogue.metrics import needs_lesion
from heatproof.stats.results import (
    Against,
    Combined,
    Decision,
    Largest,
    Omnibus,
    Outcome,
    Pairs,
    Ranks,
    Shares,
    StudyResults,
    number,
    records,
)
from heatproof.stats.tests.analysis import Compared
from heatproof.stats.tests.omnibus import cliques, mean_ranks, smallest_corrected_p
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.rules import Design

NO_DIFFERENCE = "no difference shown"
COUNTS = ("test", "levels", "groups", "dropped")
AGAINST = tuple(Against.__dataclass_fields__)


def judge(one: Compared, design: Design, spread: Mapping[str, float]) -> Outcome:
    """Return what one method's primary metric says of the models that take part.

    Args:
        spread: model -> the largest difference between the means of its seeds.
    """
    settings = design.settings
    of_controls, of_models = rules.levels(design.alpha, one.wide.shape[1], one.controls)
    row = next(row for row in one.omnibus if row["test"] == one.declared)
    omnibus = Omnibus(**{key: value if key in COUNTS else number(value) for key, value in row.items()})
    over_seeds = one.cells is not None or rules.p_column(one.pairs) == "p_seeds"
    apart = _apart(one, omnibus.p, of_models)
    return Outcome(
        population=rules.ARCHITECTURES if over_seeds else rules.CHECKPOINTS,
        shares=Shares(of_controls, of_models),
        controls=by_control(one.controls),
        verdicts=rules.by_model(one.controls),
        omnibus=omnibus,
        pairs=_pairs(one, apart, spread, settings),
        ranks=_ranks(one, design, apart),
    )


def _apart(one: Compared, p: float | None, level: float) -> pd.DataFrame:
    """The pairs that can be told apart; NaN, which lets none through, where the test over all could not be made."""
    return rules.pairs_apart(one.pairs, float("nan") if p is None and one.wide.shape[1] > 2 else p, level)


def by_control(controls: pd.DataFrame) -> dict[str, dict[str, Against]]:
    """Return control -> model -> the comparison, from rows of `omnibus.against_controls`."""
    found: dict[str, dict[str, Against]] = {}
    for row in records(controls):
        known = {key: row[key] for key in AGAINST if key in row}
        found.setdefault(row["control"], {})[row["model"]] = Against(**known)
    return found


def _pairs(one: Compared, apart: pd.DataFrame, spread: Mapping[str, float], settings: dict) -> Pairs:
    column = rules.p_column(one.pairs)
    if one.pairs.empty:
        return Pairs(0, column)
    largest = None
    if len(apart):
        top = apart.loc[apart["difference"].abs().idxmax()]
        largest = Largest(top["a"], top["b"], *(float(top[key]) for key in ("difference", "effect", column)))
    widest = one.pairs["detectable"].astype(float).dropna()
    return Pairs(
        tested=len(one.pairs),
        column=column,
        groups=int(one.pairs["groups"].max()),
        largest=largest,
        told_apart=_names(apart),
        equivalent=_names(rules.equivalent(one.pairs, settings["alpha"])),
        within_seeds=_names(rules.within_seeds(one.pairs.drop(apart.index), spread)),
        detectable_groups=int(one.pairs.loc[widest.idxmax(), "groups"]) if len(widest) else 0,
        # what these checkpoints could show says nothing of architectures
        detectable=number(one.pairs["detectable"].max()) if column == "p_corrected" else None,
        margin=number(one.pairs["margin"].max()),
        smallest_p=_reachable(one, column, settings["test"]),
    )


def _reachable(one: Compared, column: str, test: str) -> float:
    """The smallest corrected p that so many groups can have: t tests of two or more have no such limit."""
    groups = int(one.pairs["groups"].max())
    if column == "p_corrected" and test == "friedman":
        if one.declared == rules.KRUSKAL:  # most splits of the groups in two have the smallest p
            return min(1.0, 2 * len(one.pairs) / comb(groups, groups // 2))
        return smallest_corrected_p(groups, len(one.pairs))
    return 0.0 if groups > 1 else 1.0


def _names(pairs: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    return tuple((a, b) for a, b in pairs[["a", "b"]].to_numpy())


def _ranks(one: Compared, design: Design, apart: pd.DataFrame) -> Ranks | None:
    """What a critical-difference diagram shows; None where there is nothing to compare."""
    complete = one.wide.dropna()
    if complete.shape[1] < 2 or len(complete) < 2:
        return None
    ranks = mean_ranks(complete, (one.family, one.metric) in design.lower)
    joined = cliques(ranks, {frozenset(pair) for pair in _names(apart)})
    return Ranks({name: float(rank) for name, rank in ranks.items()}, tuple(map(tuple, joined)), len(complete))


def words_of(one: Compared, design: Design) -> dict[tuple[str, str], str]:
    """Return (question, subject) -> the verdict in a word or two: what a sensitivity analysis may change."""
    outcome = judge(one, design, {})
    found = {("controls", model): verdict for model, verdict in outcome.verdicts.items()}
    for row in records(one.pairs):
        a, b = row["a"], row["b"]
        over = f"{a} over {b}" if row["difference"] > 0 else f"{b} over {a}"
        found["models", f"{a} - {b}"] = over if (a, b) in outcome.pairs.told_apart else NO_DIFFERENCE
    return found


LOCALIZATION, FAITHFULNESS = QUESTIONS = ("localization", "faithfulness")


def combined(results: StudyResults) -> tuple[Combined, ...]:
    """Return both decisions of every method and model that has scores of both, the lead method first.

    None where localization is not judged by the true region.
    """
    families = results.families
    if not set(QUESTIONS) <= set(families) or not needs_lesion(families[LOCALIZATION].metric):
        return ()
    found = []
    for method in sorted(results.methods, key=lambda name: name != results.lead):
        scored = [results.values(family, method) for family in QUESTIONS]
        for model in (name for name in results.judged if all(name in of for of in scored)):
            found.append(Combined(method, model, *(decide(results, family, method, model) for family in QUESTIONS)))
    return tuple(found)


def decide(results: StudyResults, family: str, method: str, model: str) -> Decision:
    """Answer one question for one model."""
    outcome = results.outcome(family, method)
    rows = {name: of[model] for name, of in outcome.controls.items() if model in of} if outcome else {}
    if not rows:
        return Decision(rules.UNDECIDED)
    of = results.families[family]
    strongest = min(rows, key=lambda name: of.sign * rows[name].difference)
    below = min(rows, key=lambda name: rows[name].p_below)
    has_room = family != LOCALIZATION or _has_room(results, method, model, below)
    level = outcome.shares.controls
    verdict = rules.decides(outcome.verdicts.get(model), rows[strongest].p_no, level, has_room)
    # the model's p that any lead is small is that of the control below which it is clearest
    control = below if verdict != rules.YES and rules.rejects(rows[strongest].p_no, level) else strongest
    row = rows[control]
    return Decision(verdict, control, row.difference, row.low, row.high, row.p_no)


def _has_room(results: StudyResults, method: str, model: str, control: str) -> bool:
    """Whether a map of the lesion itself, at the model's grid, would lead the control by more than the margin.

    Where all lesions lie in one place, the mean of the training masks is as good as a heatmap can be.
    """
    of = results.families[LOCALIZATION]
    ceiling = of.means.get("ceiling", {}).get(model)
    beside = of.means.get(own_name(control, method), of.means.get(control, {})).get(model)
    return None in (ceiling, beside) or of.sign * (ceiling - beside) > of.margin
