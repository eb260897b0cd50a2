"""The sensitivity analysis of what has no value: a heatmap that cannot be scored counts as the worst one seen."""

import pandas as pd

from heatproof.stats.words import expected


def worst_ranked(scores: pd.DataFrame, lower_is_better: bool = False) -> tuple[pd.DataFrame, int]:
    """Scores in which each value that is missing for a reason of the heatmap's own is the worst that was observed.

    A degenerate map says something about its method and model, so leaving it out favours them (Lachin 1999, worst-rank
    score analysis). Tests read the ranks of group means, and a mean does depend on the value put in: one far below all
    scores would make any group with a single such image the last, however good its others. The worst observed score
    keeps the scale of the metric, and no image ranks below it. A score that was never to be had (`words.expected`)
    stays missing.

    Args:
        scores: per-image scores of one metric, columns as in `artifacts.SCORES` and family: of the methods and models
            that are compared, since the worst is taken over all of them.

    Returns:
        A copy with the values put in, their reasons kept; and how many were.
    """
    reasons = scores["reason"].astype(str)
    told = {reason: not expected(reason) for reason in reasons.unique()}
    informative = scores["value"].isna() & reasons.map(told).astype(bool)
    observed = scores["value"].dropna()
    if observed.empty or not informative.any():
        return scores.copy(), 0
    worst = observed.max() if lower_is_better else observed.min()
    return scores.assign(value=scores["value"].mask(informative, worst)), int(informative.sum())
