"""What a critical-difference diagram shows: mean ranks, and bars over models that are not told apart (Demsar 2006)."""

import pandas as pd


def mean_ranks(wide: pd.DataFrame, lower_is_better: bool = False) -> pd.Series:
    """Mean rank of each model over the groups of a table [groups, models], best first: 1 is best, ties get their mean.

    Raises:
        ValueError: a value is NaN, so that ranks would be among different models in different groups.
    """
    if wide.isna().any(axis=None):
        raise ValueError("ranks need a value of every model in every group")
    return wide.rank(axis=1, ascending=lower_is_better).mean().sort_values(kind="stable")


def cliques(ranks: pd.Series, pairs: pd.DataFrame, alpha: float) -> list[list[str]]:
    """The longest runs of models, neighbours by mean rank, in which no pair is told apart.

    Pairs are told apart by their Holm-corrected p, not by Nemenyi's critical difference, which depends on the other
    models in the diagram (Benavoli, Corani and Mangili 2016). A bar joins all that it covers, so where the first and
    the third of three models are alike but the second differs from one of them, no bar joins the three.

    Args:
        ranks: mean rank by model, as from `mean_ranks`.
        pairs: a, b, p_corrected of all pairs of these models, in any order.

    Returns:
        Runs of two models or more, none within another, best first.

    Raises:
        ValueError: a pair of the models is missing.
    """
    order = ranks.sort_values(kind="stable").index.tolist()
    corrected = zip(pairs["a"], pairs["b"], pairs["p_corrected"], strict=True)
    apart = {frozenset((a, b)): p <= alpha for a, b, p in corrected}
    runs: list[list[str]] = []
    reached = 0  # the end of the last run: a run that ends there too lies within it
    for start, first in enumerate(order):
        end = start + 1
        while end < len(order) and not any(_told(apart, order[end], model) for model in order[start:end]):
            end += 1
        if end > max(reached, start + 1):
            runs.append([first, *order[start + 1 : end]])
            reached = end
    return runs


def _told(apart: dict[frozenset[str], bool], a: str, b: str) -> bool:
    if (pair := frozenset((a, b))) not in apart:
        raise ValueError(f"no test of {a} against {b}")
    return apart[pair]
