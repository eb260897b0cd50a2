"""Tests between models on group means: Friedman over all, Holm-corrected Wilcoxon over pairs (pingouin).

On images these tests would be wrong: images of one patient share what made them easy, and with a patient x
model effect Friedman on images rejects a true null hypothesis in most studies.
"""

from itertools import combinations

import numpy as np
import pandas as pd
import pingouin as pg

DECIMALS = 12  # rounding that makes equal scores tie although their sums were taken in another order


def wide_table(means: pd.DataFrame, metric: str, method: str, models: list[str]) -> pd.DataFrame:
    """Group means of one metric and method as [groups, models], NaN where a model has none for a group.

    Models without any value are no column, groups without any (no truth, say) no row; rows by group name.
    """
    chosen = means[(means["metric"] == metric) & (means["method"] == method)]
    wide = chosen.pivot(index="group", columns="model", values="value").reindex(columns=models)
    return wide.dropna(axis=1, how="all").dropna(how="all").round(DECIMALS).sort_index()


def signed_rank(differences: np.ndarray) -> tuple[float, float]:
    """Two-sided Wilcoxon signed-rank test of differences [groups] (finite).

    Returns:
        p and the matched-pairs rank-biserial correlation (Kerby 2014), positive where positive differences
        prevail. Zero differences are left out (Wilcoxon 1945), so that p stays exact for up to 50 untied
        ones. Where all are zero every flip of signs gives the same statistic: p = 1, effect 0.
    """
    moved = differences[differences != 0]
    if not moved.size:
        return 1.0, 0.0
    test = pg.wilcoxon(moved).iloc[0]
    return float(test["p_val"]), float(test["RBC"])


def holm(p: list[float]) -> np.ndarray:
    """Holm's step-down correction of a family of p values."""
    return pg.multicomp(p, method="holm")[1]


def smallest_corrected_p(groups: int, tests: int) -> float:
    """The smallest Holm-corrected p that two-sided signed-rank tests on so many groups can reach."""
    return min(1.0, tests * 2.0 ** (1 - groups))


def compare_pairs(wide: pd.DataFrame) -> pd.DataFrame:
    """All pairs of models of a table [groups, models] without NaN: a, b, difference, effect, p_corrected.

    `difference` is the mean over groups of a - b, `effect` the rank-biserial correlation, `p_corrected`
    Holm's over all pairs of the table. No rows for fewer than two models or without groups.
    """
    rows = []
    for a, b in combinations(wide.columns if len(wide) else [], 2):
        differences = (wide[a] - wide[b]).round(DECIMALS).to_numpy()
        p, effect = signed_rank(differences)
        rows.append({"a": a, "b": b, "difference": differences.mean(), "effect": effect, "p_corrected": p})
    table = pd.DataFrame(rows, columns=["a", "b", "difference", "effect", "p_corrected"])
    if rows:
        table["p_corrected"] = holm(table["p_corrected"].tolist())
    return table


def friedman(wide: pd.DataFrame) -> dict[str, float] | None:
    """Friedman's test of a table [groups, models] without NaN: statistic (chi-square), df, kendall_w, p.

    None for fewer than three models (the pair stands alone) or fewer than two groups. Where every group gives
    all models the same value each permutation gives the same statistic: statistic and W are 0, p = 1.
    """
    groups, models = wide.shape
    if models < 3 or groups < 2:
        return None
    if (wide.nunique(axis=1) == 1).all():
        return {"statistic": 0.0, "df": models - 1.0, "kendall_w": 0.0, "p": 1.0}
    long = wide.melt(var_name="model", value_name="value", ignore_index=False).rename_axis("group").reset_index()
    test = pg.friedman(long, dv="value", within="model", subject="group").iloc[0]
    return {
        "statistic": float(test["Q"]),
        "df": float(test["ddof1"]),
        "kendall_w": float(test["W"]),
        "p": float(test["p_unc"]),
    }


def compare_control(
    model_means: pd.DataFrame, control_means: pd.DataFrame, alpha: float, *, lower_is_better: bool = False
) -> dict[str, dict]:
    """Each model against a control of the same images, tables [groups, models] that may hold NaN.

    Two-sided signed-rank tests on group differences model - control, Holm over the models. Two-sided, because
    a map that does worse than the control is a finding as well.

    Returns:
        model -> difference (mean over groups), effect (rank-biserial), p_corrected, smallest_p (the smallest
        that so many groups can reach), groups, and verdict: `better` or `worse` where p_corrected <= alpha
        and effect and difference have one sign, else `unclear`. Models that share no group with the control
        are not there.
    """
    rows: dict[str, dict] = {}
    for model in model_means.columns.intersection(control_means.columns, sort=False):
        differences = (model_means[model] - control_means[model]).dropna().round(DECIMALS).to_numpy()
        if differences.size:
            p, effect = signed_rank(differences)
            rows[model] = {"difference": float(differences.mean()), "effect": effect, "p_corrected": p}
            rows[model]["groups"] = differences.size
    corrected = holm([row["p_corrected"] for row in rows.values()]) if rows else []
    for row, p in zip(rows.values(), corrected, strict=True):
        side, better = np.sign(row["effect"]), -1 if lower_is_better else 1
        found = p <= alpha and side == np.sign(row["difference"])
        row["p_corrected"] = float(p)
        row["smallest_p"] = smallest_corrected_p(row["groups"], len(rows))
        row["verdict"] = ("better" if side == better else "worse") if found else "unclear"
    return rows
