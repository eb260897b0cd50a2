"""What others report, on the page beside what was measured; and the setting wherever numbers stand."""

import pytest
from report.pages import check_text, section, text_of

from heatproof.report import inputs
from heatproof.report.paper import files
from heatproof.report.sections import overview


def read(study):
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def test_the_text_of_a_section_with_both_splits_and_what_is_published(made, report):
    study = made(compare=True, group_kind="lookalike", published=True)
    check_text("splits.txt", text_of(section(report(study), "models")))


@pytest.mark.slow
def test_the_caption_says_what_the_brackets_hold(made):
    (found,) = overview.make_published(read(made(published=True)))
    assert found.tables[0].caption.endswith(
        "and measured here: mean over 2 seeds, with the lowest and the highest end of their 95% intervals"
    )
    (found,) = overview.make_published(read(made(published=True, seeds=(0,))))
    assert found.tables[0].caption.endswith("and measured here, with 95% intervals")


@pytest.mark.slow
def test_without_a_source_the_simple_classifiers_stand_beside_the_comparison(made, report):
    study = made(compare=True, group_kind="lookalike")
    (found,) = overview.make_published(read(study))
    assert (found.title, found.sentence, found.note) == ("Accuracy without a network", "", "")
    assert found.tables[0].head == ["classifier", "random split", "look-alikes kept together"]
    assert "Accuracy without a network" in section(report(study), "models")


@pytest.mark.slow
def test_nothing_where_there_is_neither(made, report):
    study = made()
    assert overview.make_published(read(study)) == []
    assert "nearest thumbnail</th>" not in section(report(study), "models")


SENTENCE = "Trained from scratch (no pretrained weights), 32 x 32 pixels, 3 epochs, 2 seeds."
SHORT = "Setting: trained from scratch (no pretrained weights), 32 x 32 pixels, 3 epochs, 2 seeds."


@pytest.mark.slow
def test_a_setting_with_a_name_is_stated_once_and_in_the_tables_for_a_paper(made, report):
    study = made(setting="Smaller than it should be.")
    source = report(study)
    assert source.count(f"{SENTENCE} Smaller than it should be.") == 1 and SHORT not in source
    assert source.index(SENTENCE) < source.index("<main>")
    text = files.table(read(study), "models")
    assert SHORT in text.replace("\n", " ")
