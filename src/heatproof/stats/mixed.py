"""The mixed model that confirms the tests on complete tables: it takes cells that are missing as they come."""

import warnings

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats

from heatproof.stats.paired import SAME

CELLS = 1000  # 8 seconds on one core; the time grows with the cube of the cells
TERMS = {"group": "0 + C(group)", "group x model": "0 + C(group):C(model)", "seed": "0 + C(model):C(seed)"}


def mixed_model(long: pd.DataFrame) -> dict:
    """Linear mixed model by REML (statsmodels): model fixed; group, group x model and seed within model random.

    Groups and seeds are crossed, so all cells are one group to statsmodels and each term a variance component (Pinheiro
    and Bates 2000, section 4.2.2). Terms that cannot be told from the residual are left out: seed where no model has
    two, group x model where no group has two cells of a model; the residual holds them. On complete cells the
    components equal those of the analysis of variance where none is negative.

    The test is Wald's, with the variances taken as known: its p is too small where there are few groups or few seeds.
    It confirms; it is not what verdicts rest on.

    Args:
        long: columns group, model, seed, value: one row a cell at most; rows without a value are left out.

    Returns:
        statistic (Wald's chi-square / df1), df1, p, components (name -> variance; the last is residual), reason: "", or
        why there is no result, with all numbers None and no components.
    """
    cells = long.dropna(subset=["value"])[["group", "model", "seed", "value"]].sort_values(["group", "model", "seed"])
    cells = cells.assign(**{name: pd.factorize(cells[name])[0] for name in ("group", "model", "seed")})
    spread = cells["value"].std()
    if reason := _unfit(cells, spread):
        return _none(reason)
    # in units of the spread, so that the optimizer's tolerances mean the same for any metric
    cells = cells.assign(value=(cells["value"] - cells["value"].mean()) / spread, all=0)
    terms = {name: TERMS[name] for name in _told_apart(cells)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = smf.mixedlm("value ~ C(model)", cells, groups="all", re_formula="0", vc_formula=terms)
            # by gradient it stops short of a component of zero, and calls that converged
            fit = model.fit(reml=True, method="nm")
            fixed = np.asarray(fit.cov_params())[1 : fit.k_fe, 1 : fit.k_fe]
            effects = np.asarray(fit.fe_params)[1:]
            chi_square = float(effects @ np.linalg.solve(fixed, effects))
        except (np.linalg.LinAlgError, ValueError):
            return _none("the fit of the mixed model failed")
    if not fit.converged or not np.isfinite(chi_square):
        return _none("the fit of the mixed model did not converge")
    found = dict(zip(model.exog_vc.names, fit.vcomp, strict=True)) | {"residual": fit.scale}
    return {
        "statistic": chi_square / len(effects),
        "df1": float(len(effects)),
        "p": float(stats.chi2.sf(chi_square, len(effects))),
        "components": {name: float(found[name] * spread**2) for name in [*terms, "residual"]},
        "reason": "",
    }


def _unfit(cells: pd.DataFrame, spread: float) -> str:
    if cells["model"].nunique() < 2:
        return "fewer than two models"
    if cells["group"].nunique() < 2:
        return "fewer than two groups"
    if len(cells) > CELLS:
        return f"{len(cells)} cells are too many for the mixed model: it takes up to {CELLS}"
    return "" if spread > SAME else "all values are equal"


def _told_apart(cells: pd.DataFrame) -> list[str]:
    names = ["group"]
    if (cells.groupby(["group", "model"]).size() > 1).any():
        names.append("group x model")
    if (cells.groupby("model")["seed"].nunique() > 1).any():
        names.append("seed")
    return names


def _none(reason: str) -> dict:
    return {"statistic": None, "df1": None, "p": None, "components": {}, "reason": reason}
