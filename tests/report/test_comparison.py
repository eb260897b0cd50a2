"""Random beside grouped split: the numbers of the stage before, in figure, table and words."""

from heatproof.report import inputs
from heatproof.report.sections import data_tables, overview


def read(study):
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


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
    assert "Random and grouped split" not in report(study)
