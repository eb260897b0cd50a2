"""That every method fails a criterion: by hand, on means that do and do not differ, and on a study."""

import numpy as np
import pandas as pd
import pytest
from minimal import results
from scipy import stats

from heatproof.stats.claims.checks import check_criteria
from heatproof.stats.results import Model
from heatproof.stats.tables.groups import KEYS, describe
from heatproof.stats.tests.paired import holm
from heatproof.text.claims import clauses

LOCAL = {"family": "localization", "metric": "pixel_auprc", "yardstick": "mean_mask"}
CHANGED = {"family": "sanity", "metric": "ssim_cascade", "yardstick": "other_image"}
FINDING = {"source": "P", "claim": "all fail", "methods": [], "criteria": [LOCAL, CHANGED]}
FOUND = results(
    methods=("gradcam", "saliency"),
    models={"net": Model(competent=True), "weak": Model(competent=False)},
    better={"localization": {"pixel_auprc": "higher"}, "sanity": {"ssim_cascade": "lower"}},
)


def metrics(rows: dict[tuple[str, str], float], error: float = 0.02, groups: int = 20) -> pd.DataFrame:
    """Means by metric and method, each with the t interval that this standard error has; of both models the same."""
    half = error * stats.t.ppf(0.975, groups - 1)
    family = {"pixel_auprc": "localization", "ssim_cascade": "sanity"}
    return pd.DataFrame(
        [
            {"family": family[metric], "metric": metric, "method": method, "model": model, "mean": mean}
            | {"low": mean - half, "high": mean + half, "groups": groups}
            for (metric, method), mean in rows.items()
            for model in ("net", "weak")
        ]
    )


def means(gradcam: tuple[float, float], saliency: tuple[float, float], **own: float) -> pd.DataFrame:
    """Yardsticks of .3 (the more the better) and .4 (the less the better), and what the methods have."""
    rows = {("pixel_auprc", "mean_mask"): 0.3, ("ssim_cascade", "other_image"): 0.4}
    for method, values in (("gradcam", gradcam), ("saliency", saliency)):
        rows |= dict(zip((("pixel_auprc", method), ("ssim_cascade", method)), values, strict=True))
    return metrics(rows | {("ssim_cascade", f"other_image:{name[4:]}"): value for name, value in own.items()})


@pytest.mark.parametrize(
    ("gradcam", "saliency", "verdict", "told"),
    [
        (
            (0.1, 0.1),
            (0.5, 0.8),
            "supported",
            "2 fail at least one of 2 criteria and 0 pass all; the deciding pair is ",
        ),
        ((0.1, 0.1), (0.5, 0.1), "contradicted", "1 fails at least one of 2 criteria and 1 passes all; the deciding"),
        ((0.1, 0.1), (0.5, 0.4), "undecided", "1 fails at least one of 2 criteria and 0 pass all"),
        ((0.1, 0.1), (0.31, 0.41), "undecided", "1 fails at least one of 2 criteria and 0 pass all"),
    ],
)
def test_the_verdict_follows_from_every_method(gradcam, saliency, verdict, told):
    *parts, whole = check_criteria("f", FINDING, means(gradcam, saliency), FOUND)
    assert whole["verdict"] == verdict and told in clauses(whole["evidence"])
    assert [row["method"] for row in parts] == ["gradcam", "gradcam", "saliency", "saliency"]  # `weak` is left out
    assert parts[0]["verdict"] == "supported" and parts[1]["verdict"] == "contradicted"


def test_numbers_by_hand():
    table = means((0.18, 0.52), (0.35, 0.4), own_saliency=0.45)
    first, second, _, own, _ = check_criteria("f", FINDING, table, FOUND)
    assert first["effect"] == pytest.approx(0.12) and second["effect"] == pytest.approx(0.12)  # above where low is good
    raw = 2 * stats.t.sf(0.12 / 0.04, 19)  # the errors add up
    assert first["p"] == pytest.approx(holm([raw, raw])[0])
    half = 0.04 * stats.t.ppf(0.975, 19)
    assert (first["low"], first["high"]) == pytest.approx((0.12 - half, 0.12 + half)) and first["groups"] == 20
    assert own["effect"] == pytest.approx(-0.05), "a control that was made for the method goes first"
    assert "is 0.12 below that of the mean training mask (p = 0.0" in clauses(first["evidence"])
    assert "is 0.12 above that of the heatmaps of two different images" in clauses(second["evidence"])


def test_a_criterion_that_is_not_measured_lets_nothing_pass():
    table = means((0.5, 0.1), (0.5, 0.1))
    table = table[table["family"] == "localization"]
    *parts, whole = check_criteria("f", FINDING, table, FOUND)
    assert len(parts) == 2 and whole["verdict"] == "undecided" and whole["effect"] is None
    assert "the study does not measure 1 more criterion" in clauses(whole["evidence"])
    (alone,) = check_criteria("f", FINDING, table[:0], FOUND)
    assert alone["verdict"] == "undecided" and clauses(alone["evidence"]) == "this study measures no part of it"
    nobody = results(methods=("gradcam",), models={"net": Model(competent=False)})
    (alone,) = check_criteria("f", FINDING, table, nobody)
    assert clauses(alone["evidence"]) == "no model of the study performs above chance"


@pytest.mark.slow
@pytest.mark.parametrize("shared", [-0.9, 0.0, 0.9])
def test_without_any_difference_a_method_rarely_fails(shared):
    """Whatever the correlation of heatmap and yardstick over patients; and a difference is found."""
    rng, failed = np.random.default_rng(1), {0.0: 0, 1.0: 0}
    of = results(methods=("gradcam",), models={"net": Model(competent=True)})
    one = FINDING | {"criteria": [LOCAL, LOCAL | {"metric": "iou"}]}
    for _ in range(100):
        for lead in failed:
            rows = []
            for metric in ("pixel_auprc", "iou"):
                values = rng.multivariate_normal([0, lead], [[1, shared], [shared, 1]], size=60)
                for method, column in (("gradcam", values[:, 0]), ("mean_mask", values[:, 1])):
                    keys = {"family": "localization", "metric": metric, "method": method, "model": "net"}
                    rows.append(pd.DataFrame(keys | {"group": range(60), "value": column}))
            table = describe(pd.concat(rows)[[*KEYS, "group", "value"]], 0.95)
            failed[lead] += check_criteria("f", one, table, of)[-1]["verdict"] == "supported"
    assert failed[0.0] <= 5 and failed[1.0] >= 80
