"""The report of a study whose images can have several labels, with an ensemble beside its models."""

import json

import numpy as np
import pandas as pd
import pytest
from report.pages import Page, check_text, section, text_of

from heatproof.report import inputs, tables
from heatproof.report.paper import methods
from heatproof.report.sections import classification, explorer, gallery, overview, statements, trust
from heatproof.store import artifacts
from heatproof.store.artifacts import case_name
from heatproof.text.sentences import sentence

CLASSES = ("No finding", "COVID-19", "Other <b>")
ASKED = {
    "several": True,
    "classes": CLASSES,
    "ensembles": ("together",),
    "families": ("localization", "faithfulness", "consistency", "robustness", "complexity"),
    "methods": ("gradcam", "saliency"),
    "published": True,
}


@pytest.fixture
def study(made):
    return made(**ASKED)


@pytest.fixture
def read(study):
    return inputs.read(study.name, study.everyone, study.seeds, study.methods, study.fold_names)


def test_the_text_of_a_page(study, report):
    check_text("multilabel.txt", text_of(report(study)))


def test_decisions_are_two_a_label():
    assert inputs.decisions(["a", "b"]) == ["a", "not a", "b", "not b"]
    assert inputs.decided(pd.Series([0, 0, 1, 1]), np.array([True, False, True, False])).tolist() == [0, 1, 2, 3]


def test_answers_are_a_row_a_case():
    table = pd.DataFrame(
        {"image_id": ["x", "y"], "label_0": [True, False], "label_1": [True, True]}
        | {"predicted_0": [False, False], "predicted_1": [True, False]}
    )
    found = inputs.answers(table, ["a", "b"])
    assert found.to_dict("list") == {
        "image_id": ["x [a]", "x [b]", "y [a]", "y [b]"],
        "label": [0, 2, 1, 2],
        "predicted": [1, 2, 1, 3],
    }


def test_the_page_shows_the_cases_that_statistics_compare(read, study, monkeypatch):
    kept = {family: set(of["image_id"]) for family, of in read.scores.groupby("family")}
    assert {family: len(found) for family, found in kept.items()} == {
        family: count.kept for family, count in read.results.cases.items()
    }
    assert set(read.scores["seed"].dropna()) == {study.seeds[0]}
    every = artifacts.read_table

    def lacking(path, schema):  # the second training of a model explains a case less than the first
        table = every(path, schema)
        if schema is not artifacts.SCORES:
            return table
        case = (table["image_id"] == "test_00_0") & (table["label"] == 0) & (table["model"] == "beta_net")
        return table[~(case & table["seed"].eq(study.seeds[1]).fillna(False))]

    monkeypatch.setattr(artifacts, "read_table", lacking)
    again = inputs.read(study.name, study.everyone, study.seeds, study.methods, study.fold_names)
    gone = case_name("test_00_0", CLASSES[0])
    for family, of in again.scores.groupby("family"):
        assert set(of["image_id"]) == kept[family] - ({gone} if family != "consistency" else set())


@pytest.mark.slow
def test_cases_know_their_image_and_what_they_are(read):
    found, manifest = read.cases, read.manifest
    assert found.index.is_unique and read.models == ("alpha_net", "beta_net", "gamma_net", "together")
    for name, row in found.iterrows():
        image, label = manifest.iloc[row["place"]], row["label"] // 2
        assert name == case_name(image["image_id"], CLASSES[label]) and row["group"] == image["group"]
        assert (row["label"] % 2 == 0) == image[f"label_{label}"]
    assert {label % 2 for label in found["label"]} == {0, 1}  # some are false alarms
    index = pd.concat(read.index.values())
    assert set(found.index) == set(index["image_id"])
    by_model = read.predictions[read.predictions["seed"] == 0].set_index(["model", "image_id"])["predicted"]
    for model, rows in read.index.items():
        known = rows.drop_duplicates("image_id")
        assert (by_model.loc[model].loc[known["image_id"]].to_numpy() == known["predicted"].to_numpy()).all()


def test_ensembles_are_no_competitors(read):
    assert read.trained == ["alpha_net", "beta_net", "gamma_net"] and "together" not in read.competent
    assert "together" not in set(read.scores.loc[read.scores["family"] == "robustness", "model"])
    assert "together" in set(read.scores.loc[read.scores["family"] == "localization", "model"])
    found = overview.make_ensembles(read)
    assert found.made[0][0] == "together" and "majority vote" in found.made[0][1]
    first = found.table.rows[0]
    assert first[:2] == ["together", "Micro F1"] and first[2] in read.trained
    assert found.sentences == [sentence(one) for one in read.results.about("ensemble", ensemble="together")] != []


def test_tables_of_the_labels_are_those_of_the_stage_before(read):
    found = classification.make_labels(read)
    table = read.tables["labels"].set_index(["model", "seed", "label"])
    f1, auroc, sensitivity, specificity = found.each
    assert [row[0] for row in f1.rows] == list(CLASSES) and f1.head[-4:] == list(read.models)
    value = table["f1"].xs(("beta_net", "COVID-19"), level=["model", "label"]).mean()
    assert f1.rows[1][f1.head.index("beta_net")].startswith(f"{value:.2f} [")
    value = table["specificity"].xs(("together", "No finding"), level=["model", "label"]).mean()
    assert specificity.rows[0][-1] == f"{value:.2f}" and "[" in auroc.rows[0][-1] and "[" not in sensitivity.rows[0][-1]
    together = read.tables["multilabel"].query("model == 'alpha_net' and measure == 'f1_micro'")["value"].mean()
    column = found.together.head.index("micro F1")
    assert found.together.rows[0][column].startswith(f"{together:.2f} [")


@pytest.mark.slow
def test_the_measure_of_competence_is_that_of_the_table_of_models(read):
    assert read.measure == "macro AUROC" and tables.models(read).head[2] == "macro AUROC"
    found = read.tables["models"].set_index(["model", "seed"])["auroc"]
    assert tables.models(read).rows[0][2].startswith(f"{found.loc['alpha_net', 0]:.2f} [")


@pytest.mark.slow
def test_gallery_and_explorer_show_cases_with_what_they_were_taken_for(read):
    shown = gallery.make(read, 4)
    assert {case.image_id for case in shown.cases} <= set(read.cases.index)
    for case in shown.cases:
        assert case.label == read.decisions[read.cases.loc[case.image_id, "label"]]
        assert [cell.title for cell in case.cells[-4:]] == list(read.models)
    data = json.loads(str(explorer.make(read, 8).data))
    assert data["classes"] == ["No finding", "not No finding", "COVID-19", "not COVID-19", "Other <b>", "not Other <b>"]
    assert set(data["images"]["id"]) <= set(read.scores["image_id"])
    labels, predicted = data["images"]["label"], data["images"]["predicted"]
    for place, name in enumerate(data["images"]["id"]):
        assert labels[place] == read.cases.loc[name, "label"]
        assert all(of[place] // 2 == labels[place] // 2 for of in predicted)
    assert data["models"][-1] == "together" and len(data["competent"]) == 4


def test_every_published_f1_stands_beside_ours_in_one_table(read):
    (beside,) = overview.make_published(read)
    (table,) = beside.tables
    assert table.head == ["classifier", "micro, published", "micro, here", "No finding, published", "No finding, here"]
    by = {row[0]: row[1:] for row in table.rows}
    assert by["alpha_net"][0] == "0.83" and by["alpha_net"][2] == "0.91" and by["together"][0] == "0.87"
    assert by["beta_net"][0] == "–" and "[" in by["beta_net"][1] and "[" in by["beta_net"][3]
    assert "reported by a paper (Figure 5) and measured here" in table.caption


def test_a_finding_has_its_parts_and_its_verdict_among_the_claims(read):
    parts = [claim for claim in trust.claims(read) if claim.source == "a paper"]
    assert [claim.place for claim in parts] == ["faithfulness", ""]
    assert parts[0].verdict == "supported" and parts[1].verdict == read.results.findings["best"].verdict
    assert parts[0].text == "Alpha_net has the best heatmaps: by symmetric relevance gain"
    assert parts[1].text == "Alpha_net has the best heatmaps (all measures together, in margins)"


def test_ensembles_speak_in_their_own_part(read, study, report):
    texts = [row.text for row in statements.cautions(read)]
    first = sentence(read.results.about("ensemble")[0])
    assert first not in texts and first in Page(section(report(study), "models")).text


@pytest.mark.slow
def test_a_page_of_profiles_is_linked_where_it_is_there(study, rewrite):
    path = artifacts.report_path(study.name).with_name(f"{study.name}_profiles.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("there")
    try:
        assert f'<a href="{path.name}">' in rewrite(study)
    finally:
        path.unlink()


def test_the_methods_section_names_labels_and_ensembles(read):
    config = {"kind": "table", "crop": "none", "fit": "pad", "size": 32, "channels": 1}
    said = methods.data(read, {"data": config})
    assert "3 labels (an image may have several)" in said
    count = int(read.manifest["label_1"].sum())
    assert f"COVID-19 ({count})" in said
    assert "together (majority vote" in methods._ensembles(read)
