import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from heatproof.stats.tests import architectures
from heatproof.stats.tests.architectures import mixed_model

# nlme's Machines (Pinheiro and Bates 2000, appendix A.14): three scores of six workers on machines A, B, C
A = [52, 52.8, 53.1, 51.8, 52.8, 53.1, 60, 60.2, 58.4, 51.1, 52.3, 50.3, 50.9, 51.8, 51.4, 46.4, 44.8, 49.2]
B = [62.1, 62.6, 64, 59.7, 60, 59, 68.6, 65.8, 69.7, 63.2, 62.8, 62.2, 64.8, 65, 65.4, 43.7, 44.2, 43]
C = [67.5, 67.2, 66.9, 61.5, 61.7, 62.3, 70.8, 70.6, 71, 64.1, 66.2, 64, 72.1, 72, 71.1, 62, 61.4, 60.5]
MACHINES = np.reshape([A, B, C], (3, 6, 3)).transpose(1, 0, 2)


def long(cells):
    group, model, seed = np.indices(cells.shape).reshape(3, -1)
    names = {"group": [f"p{g:02d}" for g in group], "model": [f"m{m}" for m in model], "seed": seed}
    return pd.DataFrame(names | {"value": cells.ravel()})


def components(cells):
    """Analysis-of-variance estimators: mean squares set equal to what they expect (Searle et al. 1992, ch. 4)."""
    groups, models, seeds = cells.shape
    square = {name: value for name, (value, _) in architectures.mean_squares(cells).items()}
    if seeds == 1:
        return {"group": (square["group"] - square["group x model"]) / models, "residual": square["group x model"]}
    return {
        "group": (square["group"] - square["group x model"]) / (models * seeds),
        "group x model": (square["group x model"] - square["residual"]) / seeds,
        "seed": (square["seed"] - square["residual"]) / groups,
        "residual": square["residual"],
    }


def draw(groups=10, models=4, seeds=2, *, seed=1.0, number=0):
    rng = np.random.default_rng(number)
    cells = rng.normal(0, 2, (groups, 1, 1)) + rng.normal(0, 1.5, (groups, models, 1))
    return cells + rng.normal(0, seed, (1, models, seeds)) + rng.normal(0, 0.5, (groups, models, seeds))


def test_machines_as_in_the_literature():
    """score ~ Machine + (1 | Worker / Machine): 22.858, 13.909, .9246, and F = 20.576 (Pinheiro and Bates, 1.3).

    The three scores of a worker and machine are no seeds: their variance is found to be none, which leaves that model.
    """
    found = mixed_model(long(MACHINES))
    assert found["reason"] == "" and found["df1"] == 2
    assert found["components"] == pytest.approx(
        {"group": 22.858, "group x model": 13.909, "seed": 0, "residual": 0.9246}, rel=3e-4, abs=1e-6
    )
    assert found["statistic"] == pytest.approx(20.576, abs=1e-3)
    assert found["p"] == pytest.approx(stats.chi2.sf(2 * 20.576, 2), rel=0.01)


@pytest.mark.parametrize("scale", [1, 1e-3, 100])
def test_complete_cells_give_the_analysis_of_variance(scale):
    """REML equals it where no component is negative; Wald's F is then the F' that quasi_f takes."""
    cells = draw() * scale
    expected = components(cells)
    assert min(expected.values()) > 0
    found = mixed_model(long(cells))
    assert found["components"] == pytest.approx(expected, rel=2e-3)
    error = expected["group x model"] / 10 + expected["seed"] / 2 + expected["residual"] / 20
    assert found["statistic"] == pytest.approx(cells.mean((0, 2)).var(ddof=1) / error, rel=2e-3)


def test_one_seed_leaves_two_components():
    cells = draw(seeds=1)
    expected = components(cells)
    found = mixed_model(long(cells))
    assert found["components"] == pytest.approx({n: expected[n] for n in ("group", "residual")}, rel=2e-3)


def test_missing_cells_are_taken_as_they_come():
    """Complete cells and the same with a tenth missing agree roughly; rows in any order agree exactly."""
    cells = draw(20, 3, 2)
    table = long(cells)
    holes = table.assign(value=table["value"].mask(np.random.default_rng(1).random(len(table)) < 0.1))
    full, less = mixed_model(table), mixed_model(holes)
    assert less["reason"] == "" and holes["value"].isna().sum() > 5
    assert less["components"]["group"] == pytest.approx(full["components"]["group"], rel=0.3)
    assert less["statistic"] != pytest.approx(full["statistic"], rel=1e-3)
    assert mixed_model(holes.dropna().sample(frac=1, random_state=0)) == less


def test_no_warning_leaks():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mixed_model(long(draw(seed=0)))["reason"] == ""


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (draw(models=1), "fewer than two models"),
        (draw(groups=1), "fewer than two groups"),
        (draw() * np.nan, "fewer than two models"),
        (draw() * 0 + 0.3, "all values are equal"),
    ],
)
def test_why_there_is_no_result(cells, reason):
    assert mixed_model(long(cells)) == {"statistic": None, "df1": None, "p": None, "components": {}, "reason": reason}


def test_too_many_cells_are_said(monkeypatch):
    monkeypatch.setattr(architectures, "CELLS", 50)
    assert "80 cells are too many" in mixed_model(long(draw()))["reason"]


def test_cells_without_residual_do_not_pass_as_a_fit():
    found = mixed_model(long(np.repeat(draw(seeds=1), 2, axis=2)))
    assert found["p"] is None and "mixed model" in found["reason"]
