"""Random beside grouped split: the numbers of the stage before, in figure, table and words."""

import pytest
from report.pages import Page, section, table

from heatproof.report import inputs
from heatproof.report.sections import data_tables, overview
from heatproof.stats.results import read as read_results
from heatproof.store import artifacts, tables
from heatproof.text.sentences import sentence


def read(study):
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


@pytest.mark.slow
def test_both_splits_stand_side_by_side(made, report):
    study = made(compare=True, group_kind="lookalike", published=True)
    source = report(study)
    results = read_results(study.name)
    body = section(source, "models")
    assert sentence(results.about("splits")[0]) in Page(body).text
    assert "What a random split hides" in body and "The split in use" in body
    rows = artifacts.read_table(artifacts.stats_dir(study.name) / "comparison.csv", tables.COMPARISON)
    rows = rows.set_index(["model", "seed", "split"])["balanced_accuracy"]
    head, *cells = table(body, "Balanced accuracy of every training under both splits")
    assert head == ["model", "seed", "random split", "look-alikes kept together", "change"]
    assert [(row[0], int(row[1])) for row in cells] == [(model, seed) for model in study.models for seed in study.seeds]
    for row in cells:
        before, after = (rows[row[0], int(row[1]), split] for split in ("random", "lookalike"))
        assert float(row[2].split()[0]) == pytest.approx(before, abs=0.006)
        assert float(row[3].split()[0]) == pytest.approx(after, abs=0.006)
        assert float(row[4].replace("−", "-")) == pytest.approx(after - before, abs=0.006)


def test_every_seed_is_a_mark_and_the_means_are_beside_the_name(made):
    study = made(compare=True, group_kind="lookalike", published=True)
    data = read(study)
    shown = overview.make_splits(data)
    told = data.results.comparison
    for place, model in enumerate(study.models):
        assert f"{told.random[model]:.2f} → {told.grouped[model]:.2f}" in shown.figure.svg
        for i, kind in enumerate(["random"] * 2 + ["grouped"] * 2):
            assert shown.figure.svg.count(f'id="splits-{kind}-{place}-{i}"') == 1


def test_a_training_without_a_counterpart_is_no_row(made):
    data = read(made(compare=True, group_kind="lookalike", published=True))
    found = data_tables.compared(data.comparison.iloc[1:], data.models)
    assert len(found.rows) == 5


def test_nothing_where_the_study_did_not_compare(made, report):
    study = made()
    assert overview.make_splits(read(study)) is None
    assert "What a random split hides" not in report(study)
