"""From the tests of one family and method to what the summary says of it, by the rules of `verdicts`."""

import pandas as pd

from heatproof.stats import verdicts
from heatproof.stats.analysis import Compared
from heatproof.stats.cliques import cliques, mean_ranks
from heatproof.stats.compare import smallest_corrected_p
from heatproof.stats.design import Design
from heatproof.stats.summary import number, records

NO_DIFFERENCE = "no difference shown"
COUNTS = ("test", "levels", "groups", "dropped")


def judge(one: Compared, design: Design, spread: dict[str, float]) -> dict:
    """What one method's primary metric says of the models that take part.

    Args:
        spread: model -> the largest difference between the means of its seeds.

    Returns:
        `population`, `shares` of alpha of the two questions, `controls` (control -> model -> row), `verdicts`
        (model -> word),
        `omnibus` (the test that was declared), `pairs` and `ranks`.
    """
    settings = design.settings
    of_controls, of_models = verdicts.levels(settings["alpha"], one.wide.shape[1], one.controls)
    declared = verdicts.QUASI_F if one.cells is not None else settings["test"]
    omnibus = next(row for row in one.omnibus if row["test"] == declared)
    omnibus = {key: number(value) if key not in COUNTS else value for key, value in omnibus.items()}
    return {
        "population": population(one),
        "shares": {"controls": of_controls, "models": of_models},
        "controls": _by_control(one.controls),
        "verdicts": verdicts.by_model(one.controls),
        "omnibus": omnibus,
        "pairs": _pairs(one, _gate(one, omnibus["p"]), of_models, spread, settings),
        "ranks": _ranks(one, design, _gate(one, omnibus["p"]), of_models),
    }


def population(one: Compared) -> str:
    """Whom its verdicts speak of: the `checkpoints` at hand, or from five seeds on the `architectures`."""
    over_seeds = one.cells is not None or verdicts.p_column(one.pairs) == "p_seeds"
    return "architectures" if over_seeds else "checkpoints"


def _gate(one: Compared, p: float | None) -> float | None:
    """The p of the test over all models; NaN, which lets no pair through, where it could not be made."""
    return float("nan") if p is None and one.wide.shape[1] > 2 else p


def _by_control(controls: pd.DataFrame) -> dict[str, dict[str, dict]]:
    found: dict = {}
    for row in records(controls):
        found.setdefault(row.pop("control"), {})[row.pop("model")] = row
    return found


def _pairs(one: Compared, p: float | None, alpha: float, spread: dict[str, float], settings: dict) -> dict:
    """Counts and names; `largest` is the largest difference of those that can be told apart."""
    apart = verdicts.told_apart(one.pairs, p, alpha)
    rest = one.pairs.drop(apart.index)
    first = apart.loc[[apart["difference"].abs().idxmax()]] if len(apart) else apart
    column = verdicts.p_column(one.pairs)
    return {
        "tested": len(one.pairs),
        "groups": int(one.pairs["groups"].max()) if len(one.pairs) else 0,
        "different": len(apart),
        "largest": next(iter(records(first)), None),
        "p": column,
        "told_apart": _names(apart),
        "equivalent": _names(verdicts.equivalent(one.pairs, settings["alpha"])),
        "within_seeds": _names(verdicts.within_seeds(rest, spread)),
        "detectable_groups": _groups_of_detectable(one.pairs),
        # what these checkpoints could show says nothing of architectures
        "detectable": number(one.pairs["detectable"].max()) if column == "p_corrected" else None,
        "margin": number(one.pairs["margin"].max()) if len(one.pairs) else None,
        "smallest_p": _reachable(one.pairs, column, settings["test"]) if len(one.pairs) else None,
    }


def _groups_of_detectable(pairs: pd.DataFrame) -> int:
    """The groups of the pair in which only the largest difference would be found; 0 where none could be."""
    found = pairs["detectable"].astype(float).dropna()
    return int(pairs.loc[found.idxmax(), "groups"]) if len(found) else 0


def _reachable(pairs: pd.DataFrame, column: str, test: str) -> float:
    """The smallest corrected p that so many groups can have: t tests of two or more have no such limit."""
    groups = int(pairs["groups"].max())
    if column == "p_corrected" and test == "friedman":
        return smallest_corrected_p(groups, len(pairs))
    return 0.0 if groups > 1 else 1.0


def _names(pairs: pd.DataFrame) -> list[list[str]]:
    return pairs[["a", "b"]].to_numpy().tolist()


def _ranks(one: Compared, design: Design, p: float | None, alpha: float) -> dict | None:
    """What a critical-difference diagram shows; None where there is nothing to compare."""
    complete = one.wide.dropna()
    if complete.shape[1] < 2 or len(complete) < 2:
        return None
    ranks = mean_ranks(complete, (one.family, one.metric) in design.lower)
    apart = verdicts.told_apart(one.pairs, p, alpha)
    # a pair that is not declared is not told apart, whatever its own p
    shown = one.pairs.assign(p_corrected=1.0)
    shown.loc[apart.index, "p_corrected"] = 0.0
    return {
        "models": {name: float(rank) for name, rank in ranks.items()},
        "cliques": [list(names) for names in cliques(ranks, shown, alpha)],
        "groups": len(complete),
    }


def words_of(one: Compared, design: Design) -> dict[tuple[str, str], str]:
    """(question, subject) -> the verdict in a word or two: what a sensitivity analysis may change."""
    found = {("controls", model): verdict for model, verdict in verdicts.by_model(one.controls).items()}
    told = judge(one, design, {})
    apart = {(a, b) for a, b in told["pairs"]["told_apart"]}
    for row in records(one.pairs):
        a, b = row["a"], row["b"]
        over = f"{a} over {b}" if row["difference"] > 0 else f"{b} over {a}"
        found["models", f"{a} - {b}"] = over if (a, b) in apart else NO_DIFFERENCE
    return found
