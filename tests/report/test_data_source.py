"""What the data section says of the source: rows left out, licences, labels in few groups, several labels an image."""

from dataclasses import replace

import pandas as pd
import pytest
from report.pages import Page, section

from heatproof.report.sections import data as data_section
from heatproof.report.sections import data_tables
from heatproof.store import artifacts
from heatproof.store.artifacts import multihot

SOURCE = {
    "fingerprint": "x",
    "left_out": [
        {"key": "data.keep.modality", "column": "modality", "value": "CT", "rows": 1049},
        {"key": "data.leave_out", "column": "finding", "value": "", "rows": 3},
    ],
    "licenses": [{"license": "CC BY <4.0>", "images": 20}, {"license": "CC0", "images": 2}],
    "unlicensed": ["images/a<b>.png", "images/c.png"],
    "few_groups": {"SARS": 3, "Lipoid": 1},
}


@pytest.mark.slow
def test_the_page_shows_what_the_source_tells(copied, rewrite):
    artifacts.write_json(artifacts.data_dir(copied.name) / "source.json", SOURCE)
    body = section(rewrite(copied), "data")
    text = Page(body).text
    assert "Images excluded by the study" in text and "Licences of the images" in text
    assert "No licence is stated for images/a<b>.png, images/c.png." in text
    assert "Rare labels are not stratified in the split (number of groups): Lipoid (1), SARS (3)." in text
    assert "<b>" not in body and "<4.0>" not in body


def test_tables_of_rows_and_licences():
    assert data_tables.left_out(SOURCE).rows == [
        ["modality", "CT", "1,049", "data.keep.modality"],
        ["finding", "(blank)", "3", "data.leave_out"],
    ]
    assert data_tables.licenses(SOURCE).rows == [["CC BY <4.0>", "20"], ["CC0", "2"], ["(blank)", "2"]]
    assert data_tables.licenses({"unlicensed": ["a"]}).rows == [["(blank)", "1"]]
    assert data_tables.left_out({}) is data_tables.licenses({}) is None


def test_images_are_counted_by_label(data):
    held = [[True, True, False], [False, True, False]]
    manifest = data.manifest.iloc[:2].assign(label=pd.NA, split=["train", "test"], group=["a", "b"])
    manifest = pd.concat([manifest, multihot("label", held, manifest.index)], axis=1)
    found = data_tables.images(replace(data, manifests={data.folds[0]: manifest}, folds=data.folds[:1]))
    assert found.caption == "Images by split and label (an image may have several)"
    assert [row[-3:] for row in found.rows] == [["1", "1", "0"], ["0", "0", "0"], ["0", "1", "0"], ["1", "2", "0"]]


def test_classifiers_of_several_labels_say_which(data):
    audit = replace(data.audit, multilabel=True, classes=("a", "b", "c"), probed=("a", "c"))
    said = " Each classifier predicts one label at a time (a, c); the accuracy is the mean over them."
    assert data_tables.probed(audit) == said and data_section.probe_figure(audit).caption.endswith(said)
    assert "(every label)" in data_tables.probed(replace(audit, probed=("a", "b", "c")))
    assert data_tables.probed(replace(audit, probed=())) == data_tables.probed(data.audit) == ""
