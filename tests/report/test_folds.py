"""Several folds are read as one study: each image is counted, scored and shown once, with the map of its own fold."""

import numpy as np
import pytest
from report.pages import Page, section, table

from heatproof.report import inputs, tables
from heatproof.report.sections import data_tables, gallery
from heatproof.store import artifacts

FOLDS = {"folds": 3}


@pytest.fixture
def data(made):
    study = made(**FOLDS)
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def test_every_image_is_tested_once_and_has_one_map_a_model(data):
    images = sorted(data.manifest["image_id"])
    assert sorted(data.tested["image_id"]) == images and len(images) == 30
    for model in data.models:
        assert sorted(data.index[model]["image_id"]) == images
    one = data.predictions[(data.predictions["model"] == "beta_net") & (data.predictions["seed"] == 1)]
    assert sorted(one["image_id"]) == images


def test_a_map_comes_from_the_fold_that_tested_its_image(data):
    index = data.index["beta_net"]
    for place in (0, 11, 29):
        image, found = index["image_id"][place], []
        for fold in data.folds:
            folder = artifacts.Checkpoint(data.study, "beta_net", 0, fold).heatmaps
            rows = artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS)["image_id"].tolist()
            found += [artifacts.read_array(folder / "maps.npy")[rows.index(image)]] if image in rows else []
        assert len(found) == 1 and np.array_equal(data.heat("beta_net", place), found[0])


def test_the_gallery_draws_the_map_of_the_right_fold(data):
    shown = gallery.make(data, 6)
    folds = set()
    for case in shown.cases:
        place = data.index["alpha_net"].index[data.index["alpha_net"]["image_id"] == case.image_id][0]
        row = int(np.flatnonzero(data.manifest["image_id"] == case.image_id)[0])
        heated = gallery.overlay(gallery.picture(data.pixels[row]), data.heat("alpha_net", place))
        expected = gallery.uri(gallery.outlined(gallery.enlarged(heated), np.asarray(data.masks[row])))
        (cell,) = [cell for cell in case.cells if cell.title == "alpha_net"]
        assert cell.source == expected
        folds.add(data.index["alpha_net"]["fold"][place])
    assert len(folds) > 1


def test_images_are_listed_by_fold(data):
    found = data_tables.images(data)
    assert found.caption.startswith("Images by fold and class. Every fold is the test set once")
    assert found.head[:3] == ["fold", "images", "patients"]
    assert [row[0] for row in found.rows] == ["fold0", "fold1", "fold2", "all"]
    for column in range(1, 6):
        assert sum(int(row[column]) for row in found.rows[:3]) == int(found.rows[3][column])
    assert found.rows[3][1:3] == ["30", "15"]


def test_recall_counts_the_test_images_of_all_folds(data):
    assert [row[1] for row in tables.recall(data).rows] == data_tables.images(data).rows[-1][3:]


@pytest.mark.slow
def test_the_page_speaks_of_folds_and_counts_over_all(made, report):
    source = report(made(**FOLDS))
    text = Page(source).text
    assert "Heatmaps exist for 30 of 30 test images." in text
    assert "Faithfulness was scored on 30 images of 15 patients." in text
    assert "The images were split into 3 folds." in Page(section(source, "method")).text
    assert "Seed: 0; each image by the training run that tested it." in text
    assert "Dot: one seed, all folds together" in text
    assert len(table(source, "All seeds, each over all folds")) == 7
    cards = table(source, "Training runs")[1:]
    assert [row[0] for row in cards[:4]] == [f"alpha_net, seed 0, fold{i}" for i in range(3)] + [
        "alpha_net, seed 1, fold0"
    ]


@pytest.mark.slow
def test_leak_of_every_fold_is_a_dot(made):
    from heatproof.report.sections import data as data_section

    study = made(**FOLDS, alarming=True, group_kind="lookalike")
    figure = data_section.leak_figure(
        inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    )
    assert "the split in use: 25% to 75%" in figure.svg and figure.caption.endswith("a dot is one fold.")
    assert all(f'id="leak-grouped-0-{i}"' in figure.svg for i in range(3))
