"""The rules that turn the numbers of tests into verdicts, all in one place; `sentences` and its like put them in words.

A family of tests is one metric family by one method. Two questions share its alpha: do the models beat the controls,
and do they differ? Each has half; where the first is settled for every model, the second has all of it (Bonferroni
between the questions, handed on where nothing is left to reject: Dmitrienko & Tamhane 2007). Within the first, one p a
model and Holm over models (`compare.against_controls`); within the second, pairs are looked at only where the test
over all models rejects, with Holm over pairs. So no sentence of a family is false in more than alpha of studies.
"""

from collections.abc import Sequence

import pandas as pd

NO_VERDICT = "no verdict"
QUASI_F = "quasi_f"  # the test over all models against the variance between seeds


def control_level(alpha: float, models: int) -> float:
    """Return the alpha of the question about controls: all of it where there is no second model to compare."""
    return alpha / 2 if models > 1 else alpha


def levels(alpha: float, models: int, controls: pd.DataFrame) -> tuple[float, float]:
    """The alpha of the question about controls, and that of the question about differences.

    Args:
        models: how many are compared.
        controls: rows of (model, control) as `against_controls` gives them at half of alpha, with `verdict`.
    """
    if controls.empty:
        return alpha, alpha  # no control to beat: the second question has all of it
    first = control_level(alpha, models)
    return first, alpha if settled(controls) else first


def settled(controls: pd.DataFrame) -> bool:
    """Whether every model is better than all its controls or worse than some."""
    return bool(controls.groupby("model")["verdict"].agg(lambda found: (found != "unclear").any()).all())


def by_model(controls: pd.DataFrame) -> dict[str, str]:
    """Model -> `better` than all its controls, `worse` than some, else `unclear`."""
    found = {}
    for model, rows in controls.groupby("model", sort=False):
        seen = set(rows["verdict"])
        found[model] = "better" if seen == {"better"} else "worse" if "worse" in seen else "unclear"
    return found


def told_apart(pairs: pd.DataFrame, p_omnibus: float | None, alpha: float) -> pd.DataFrame:
    """The pairs that can be told apart: none where the test over all models does not reject. Two models have no such
    test, and the pair stands alone."""
    if p_omnibus is not None and not p_omnibus <= alpha:
        return pairs[:0]
    return pairs[pairs[p_column(pairs)] <= alpha]


def p_column(pairs: pd.DataFrame) -> str:
    """The corrected p that verdicts read: against the variance between seeds where there is one."""
    return "p_seeds" if pairs["p_seeds"].notna().any() else "p_corrected"


def equivalent(pairs: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """The pairs whose difference is smaller than the margin: two one-sided tests, Holm over pairs.

    These hold the checkpoints fixed, also where there are seeds enough to speak of architectures.
    """
    return pairs[pairs["p_equivalent"] <= alpha]


def within_seeds(pairs: pd.DataFrame, spread: dict[str, float]) -> pd.DataFrame:
    """Of some pairs, those whose means lie closer together than the means of the seeds of either model.

    Args:
        spread: model -> the largest difference between the means of its seeds.
    """
    of_seeds = pairs[["a", "b"]].map(lambda model: spread.get(model, 0.0)).min(axis=1).astype(float)
    return pairs[pairs["difference"].abs() < of_seeds]


def separates(truth: pd.DataFrame) -> dict[str, bool]:
    """Model -> whether the metric tells the truth from a random map on its images: without that, no verdict on
    localization, and a remark on what else is judged.

    Args:
        truth: rows as `against_controls` gives them of the truth in the place of a heatmap; none where it is not
            scored.
    """
    return {model: verdict == "better" for model, verdict in by_model(truth).items()}


def most(found: Sequence[str], verdict: str) -> bool:
    """Whether more than half of some verdicts are `verdict`."""
    return sum(one == verdict for one in found) > len(found) / 2
