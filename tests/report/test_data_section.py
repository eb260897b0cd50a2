"""What the section on the data says of made-up audits, and what the first screen says of it."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from report.audits import probe, step
from report.pages import Page, check_text, section, text_of

from heatproof.data.audit.results import Copies, Duplicates, Leak, Spread
from heatproof.report.page import render
from heatproof.report.paper import provenance
from heatproof.report.sections import data as data_section

CONFIG = {"title": None, "question": "May anyone believe it?", "gallery": 4, "images": 12}


def test_where_nothing_is_found_all_figures_are_folded(made, report):
    assert "<details open>" not in section(report(made()), "data")


def test_the_text_of_a_section_of_alarms(made, report):
    check_text("alarms.txt", text_of(section(report(made(alarming=True)), "data")))


def test_a_random_split_in_use_looks_like_one(bad):
    figure = data_section.leak_figure(replace(bad, audit=replace(bad.audit, group_kind="patient", split_by="random")))
    assert 'id="leak-random-0-0"' in figure.svg and 'id="leak-random-1-0"' in figure.svg


def test_leak_without_random_draws_or_without_a_number(bad):
    leak = Leak({"fold0": 0.5}, Spread(None, None, None, 0))
    figure = data_section.leak_figure(replace(bad, audit=replace(bad.audit, leak=leak)))
    assert figure.caption == "A model can recognize such an image from memory." and "a random split" not in figure.svg
    leak = Leak({"fold0": None}, Spread(0.5, 0.4, 0.6, 10))
    assert "the split in use" not in data_section.leak_figure(replace(bad, audit=replace(bad.audit, leak=leak))).svg


@pytest.mark.parametrize(
    ("row", "alarming"),
    [
        (probe("facts", "raw", "grouped", 0.6, p=0.0125), True),
        (probe("border", "preprocessed", "grouped", 0.6, p=0.025), True),
        (probe("border", "preprocessed", "grouped", 0.6, p=0.0375), False),
        (probe("border", "preprocessed", "grouped", 0.9, p=None), False),
        (probe("border", "preprocessed", "random", 0.9, 0.05), False),  # look-alikes may be all that helps
        (probe("neighbour", "raw", "grouped", 0.9, 0.05), False),  # it sees the image
    ],
)
@pytest.mark.slow
def test_probes_are_shown_open_where_one_found_a_shortcut(data, row, alarming):
    shown = data_section.make(replace(data, audit=replace(data.audit, probes=(row,))))
    assert shown.alarming_probes == alarming


@pytest.mark.slow
def test_probes_explain_balanced_accuracy_where_it_comes_first(made, report):
    meaning = "Brackets show 95% intervals; chance is the score of guessing."
    source = report(made())
    assert meaning not in source[: source.index("</header>")] and meaning in section(source, "data")
    source = report(made(wrong=("alpha_net", "beta_net", "gamma_net"), group_kind="lookalike"))
    assert meaning in source[: source.index("</header>")] and meaning not in section(source, "data")


def test_a_sweep_of_one_step_is_a_table_and_none_is_nothing(data):
    one, none = (data_section.make(replace(data, audit=replace(data.audit, sweep=s))) for s in ((step(0.95),), ()))
    assert one.sweep is None and one.sweep_table is not None
    assert none.sweep is None and none.sweep_table is None


def test_pairs_across_classes_are_shown_as_pictures(bad):
    shown, told = data_section.conflicts(bad)
    assert told == "12 pairs of identical or look-alike images have different labels. The 8 most similar are shown."
    assert len(shown) == 8
    assert [pair.note for pair in shown[:2]] == ["Identical files, similarity 0.999", "Look-alikes, similarity 0.998"]
    for pair, row in zip(shown, bad.audit.conflicts, strict=False):
        assert [side.label for side in pair.pictures] == [row.label_a, row.label_b]
        for side, place in zip(pair.pictures, (row.row_a, row.row_b), strict=True):
            drawn = Image.open(io.BytesIO(base64.b64decode(side.source.split(",", 1)[1]))).convert("L")
            assert np.abs(np.asarray(drawn)[::4, ::4].astype(int) - bad.pixels[place, 0]).max() <= 2  # 256 colours
            assert side.image_id == bad.manifest["image_id"][place]


def test_plants_make_classes_so_their_pairs_are_no_conflicts(bad):
    assert data_section.conflicts(replace(bad, audit=replace(bad.audit, kind="planted"))) == ([], "")


def test_few_pairs_across_classes_are_all_shown(bad):
    same = Copies(1, 2, 1)
    audit = replace(bad.audit, conflicts=bad.audit.conflicts[:1], duplicates=Duplicates(same, same, same))
    shown, told = data_section.conflicts(replace(bad, audit=audit))
    assert told == "1 pair of identical or look-alike images has different labels." and len(shown) == 1


@pytest.mark.slow
def test_patients_that_are_known_are_told_by_what_the_split_does_with_them(data):
    """A split of whole patients with their look-alikes, and one that ignores patients, are neither of clusters."""
    united = replace(data.audit, group_kind="lookalike", split_by="lookalike", patients_known=True)
    text = Page(render(replace(data, audit=united), CONFIG, {})).text
    assert "All images of a patient, and look-alike images, are in the same part." in text
    assert "(all images of a patient, and look-alikes, in one part)" in text
    assert "not patients" not in text
    text = Page(render(replace(data, audit=replace(data.audit, split_by="random")), CONFIG, {})).text
    assert "Single images were assigned at random, so images of one patient may be in different parts." in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host.org:8/a/b.zip?sig=secret#secret", "https://host.org:8/a/b.zip"),
        ("https://[secret/x", "(not an address)"),
    ],
)
def test_the_configuration_keeps_the_secrets_of_an_address(url, shown):
    config = {"data": {"download": {"url": url, "sha256": "0"}, "kind": "archive"}}
    text = provenance.parameters(config)
    assert shown in text and "secret" not in text and config["data"]["download"]["url"] == url
    assert provenance.parameters({"data": {"download": None}}).count("null") == 1
