"""From the tests of one family and method to its verdicts."""

from collections.abc import Mapping

import pandas as pd

from heatproof.stats.results import Against, Largest, Omnibus, Outcome, Pairs, Ranks, Shares, number, records
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
    declared = rules.QUASI_F if one.cells is not None else settings["test"]
    row = next(row for row in one.omnibus if row["test"] == declared)
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
        smallest_p=_reachable(one.pairs, column, settings["test"]),
    )


def _reachable(pairs: pd.DataFrame, column: str, test: str) -> float:
    """The smallest corrected p that so many groups can have: t tests of two or more have no such limit."""
    groups = int(pairs["groups"].max())
    if column == "p_corrected" and test == "friedman":
        return smallest_corrected_p(groups, len(pairs))
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
