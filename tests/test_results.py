"""What is committed below results/stats is what the README and the issue tracker promise of the default study."""

from pathlib import Path

import pytest

from heatproof.stats import results
from heatproof.store import artifacts, tables

ROOT = Path(__file__).parents[1]
STATS = ROOT / "results" / "stats"


@pytest.fixture(autouse=True)
def project(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("study", sorted(path.name for path in STATS.iterdir()))
@pytest.mark.slow
def test_committed_tables_have_their_schema(study):
    for name, schema in tables.TABLES.items():
        artifacts.read_table(STATS / study / f"{name}.csv", schema)
    assert results.read(study).study == study


@pytest.mark.parametrize("study", ["quickstart", "phantom"])
def test_every_model_of_the_synthetic_studies_performs_above_chance(study):
    found = results.read(study)
    assert len(found.models) == len(found.judged) == 5
    assert {"contradicted", "supported"} <= {claim.verdict for claim in found.claims}


def test_the_real_archive_has_no_truth_to_point_at():
    metrics = artifacts.read_table(STATS / "iq_oth_nccd" / "metrics.csv", tables.METRICS)
    localization = metrics[metrics["family"] == "localization"]
    regions = localization["metric"].str.startswith("outside_")
    assert localization.loc[~regions, "mean"].isna().all() and (localization.loc[~regions, "groups"] == 0).all()
    outside = localization[regions & (localization["method"] == "gradcam")]
    assert set(outside["metric"]) == {"outside_body", "outside_lungs"} and outside["mean"].between(0, 1).all()
    missing = artifacts.read_table(STATS / "iq_oth_nccd" / "missing.csv", tables.MISSING)
    assert "no_truth" in set(missing["reason"])


def test_a_network_rests_on_a_mark_that_always_goes_with_the_disease_and_on_none_that_tells_nothing():
    found = {}
    for rate in ("050", "100"):
        table = artifacts.read_table(STATS / f"planted_ct_mark_{rate}" / "cue.csv", tables.CUE)
        found[rate] = set(table.loc[(table["metric"] == "accuracy") & table["seed"].isna(), "verdict"])
    assert found == {"050": {"unclear"}, "100": {"relies"}}
