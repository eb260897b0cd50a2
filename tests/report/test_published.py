"""What others report, on the page beside what was measured; and the setting wherever numbers stand."""

import pytest
from report.pages import Page, section, table

from heatproof.report import inputs
from heatproof.report.paper import files
from heatproof.report.sections import overview
from heatproof.stats.results import read as read_results
from heatproof.store import artifacts, tables
from heatproof.text.sentences import sentence


def read(study):
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def test_the_published_table_stands_beside_both_splits(made, report):
    study = made(compare=True, group_kind="lookalike", published=True)
    body = section(report(study), "models")
    results = read_results(study.name)
    text = Page(body).text
    assert "Beside what a paper reports" in text and "Its images are others." in text
    assert sentence(results.about("published")[0]) in text
    rows = artifacts.read_table(artifacts.stats_dir(study.name) / "published.csv", tables.PUBLISHED)
    rows = rows[rows["measure"] == "accuracy"].set_index(["model", "split"])
    head, *cells = table(body, "Accuracy as a paper reports it (Table 1) and as it is here under both splits")
    assert head == ["classifier", "published", "random split", "look-alikes kept together"]
    names = [*study.models, "other_net", "nearest thumbnail", "most frequent class"]
    assert [row[0] for row in cells] == names
    assert cells[0][1] == "0.90" and [row[1] for row in cells[1:3]] == ["–", "–"]
    assert cells[3][1:] == ["0.80", "–", "–"]  # reported of a model that is not here
    for row in cells[:3]:
        for cell, split in zip(row[2:], ("random", "lookalike"), strict=True):
            assert float(cell.split()[0]) == pytest.approx(rows.loc[(row[0], split), "value"], abs=0.006)
    for row, name in zip(cells[4:], ("nearest neighbour", "most frequent class"), strict=True):
        assert float(row[2].split()[0]) == pytest.approx(rows.loc[(name, "random"), "value"], abs=0.006)
    assert table(body, "Macro F1 here under both splits")[0] == [head[0], *head[2:]]  # none is published
    assert not Page(body).faults


@pytest.mark.slow
def test_the_caption_says_what_the_brackets_hold(made):
    (found,) = overview.make_published(read(made(published=True)))
    assert found.tables[0].caption.endswith(
        "as it is here: mean over 2 seeds, from the lowest end of their 95% intervals to the highest"
    )
    (found,) = overview.make_published(read(made(published=True, seeds=(0,))))
    assert found.tables[0].caption.endswith("as it is here, with 95% intervals")


@pytest.mark.slow
def test_without_a_source_the_simple_classifiers_stand_beside_the_comparison(made, report):
    study = made(compare=True, group_kind="lookalike")
    (found,) = overview.make_published(read(study))
    assert (found.title, found.sentence, found.note) == ("What needs no network", "", "")
    assert found.tables[0].head == ["classifier", "random split", "look-alikes kept together"]
    assert "What needs no network" in section(report(study), "models")


@pytest.mark.slow
def test_nothing_where_there_is_neither(made, report):
    study = made()
    assert overview.make_published(read(study)) == []
    assert "nearest thumbnail</th>" not in section(report(study), "models")


SENTENCE = "Trained from scratch, without pretrained weights, on 32 x 32 pixels for 3 epochs, from 2 seeds."
SHORT = (
    "In the setting of this study: trained from scratch without pretrained weights, 32 x 32 pixels, 3 epochs, 2 seeds."
)


@pytest.mark.slow
def test_a_setting_with_a_name_stands_wherever_numbers_do(made, report):
    study = made(setting="Smaller than it should be.")
    source = report(study)
    assert f"{SENTENCE} Smaller than it should be." in source
    for name in ("models", *study.families, "claims", "overview", "agreement", "relations", "gallery", "method"):
        if f'<section id="{name}">' in source:
            assert SHORT in section(source, name), name
    text = files.table(read(study), "models")
    assert SHORT in text.replace("\n", " ")
