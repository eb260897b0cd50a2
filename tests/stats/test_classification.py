"""Confusion, ROC curves and calibration: scikit-learn, plain loops, values by hand, and models whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from heatproof.stats.accuracy import classification

CLASSES = ["normal", "benign", "malignant"]


def table(label, probability, group=None):
    probability = np.asarray(probability, float)
    frame = pd.DataFrame({"label": label, "predicted": probability.argmax(1), "group": group or range(len(label))})
    return frame.assign(**{f"p_{k}": column for k, column in enumerate(probability.T)})


def drawn(images=400, seed=0, sharper=1.0, classes=3):
    """A model whose probabilities are true; `sharper` than 1 makes it claim too much."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.2, (images, classes))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = (rng.random((images, 1)) > true.cumsum(1)).sum(1).clip(max=classes - 1)
    claimed = np.exp(sharper * logits)
    return table(label, claimed / claimed.sum(1, keepdims=True))


def test_confusion_counts_as_scikit_learn_does():
    one, other = drawn(60, 1), drawn(40, 2)
    found = classification.confusion({("a", 0): one, ("b", 3): other}, CLASSES)
    for (model, seed), rows in {("a", 0): one, ("b", 3): other}.items():
        of = found[(found["model"] == model) & (found["seed"] == seed)]
        wide = of.pivot(index="label", columns="predicted", values="images").loc[CLASSES, CLASSES]
        assert (wide.to_numpy() == confusion_matrix(rows["label"], rows["predicted"], labels=[0, 1, 2])).all()


def test_auroc_is_the_macro_mean_of_scikit_learn():
    rows = drawn(200, 3)
    names = ["p_0", "p_1", "p_2"]
    expected = roc_auc_score(rows["label"], rows[names], multi_class="ovr", average="macro")
    assert classification.auroc({("a", 0): rows})["a", 0] == pytest.approx(expected)


def test_a_class_without_an_image_has_no_curve_and_no_row():
    rows = drawn(120, 4)
    rows = rows[rows["label"] != 1].reset_index(drop=True)
    found = classification.roc({("a", 0): rows}, CLASSES)
    assert set(found["label"]) == {"normal", "malignant"}
    expected = np.mean([roc_auc_score(rows["label"] == k, rows[f"p_{k}"]) for k in (0, 2)])
    assert classification.auroc({("a", 0): rows})["a", 0] == pytest.approx(expected)
    assert set(classification.confusion({("a", 0): rows}, CLASSES)["label"]) == {"normal", "malignant"}


def test_one_class_alone_and_no_probabilities_are_no_numbers():
    alone = table([1, 1], [[0.2, 0.8, 0], [0.1, 0.9, 0]])
    assert classification.roc({("a", 0): alone}, CLASSES).empty
    assert np.isnan(classification.auroc({("a", 0): alone})["a", 0])
    bare = {("a", 0): drawn(20)[["label", "predicted", "group"]]}
    assert np.isnan(classification.auroc(bare)["a", 0]) and np.isnan(classification.calibration_error(bare)["a", 0])
    assert classification.roc(bare, CLASSES).empty and classification.calibration(bare).empty
    assert classification.confidence(bare, 0.95, "s", 0) == {}
    assert classification.confusion(bare, CLASSES)["images"].sum() == 20


def test_a_short_curve_is_scikit_learns():
    rows = drawn(30, 5)
    found = classification.roc({("a", 0): rows}, CLASSES)
    fpr, tpr, threshold = roc_curve(rows["label"] == 2, rows["p_2"])
    of = found[found["label"] == "malignant"]
    assert np.allclose(of["fpr"], fpr) and np.allclose(of["tpr"], tpr)
    assert np.isnan(of["threshold"].iloc[0]) and np.allclose(of["threshold"].iloc[1:], threshold[1:])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(50, 3000), st.floats(0, 3), st.floats(0.05, 0.95))
def test_a_thinned_curve_keeps_its_ends_and_its_area(seed, images, apart, share):
    rng = np.random.default_rng(seed)
    truth = rng.random(images) < share
    truth[:2] = True, False
    score = rng.normal(0, 1, images) + apart * truth
    fpr, tpr, _ = roc_curve(truth, score, drop_intermediate=False)
    kept = classification.thin(fpr, tpr, 100)
    assert len(kept) <= 100 and (np.diff(kept) > 0).all()
    assert (fpr[kept[0]], tpr[kept[0]], fpr[kept[-1]], tpr[kept[-1]]) == (0, 0, 1, 1)
    area = np.trapezoid(tpr[kept], fpr[kept])
    assert area == pytest.approx(roc_auc_score(truth, score), abs=0.02)
    if 0.2 < share < 0.8 and images > 500:  # long steps are what the bound is for
        assert area == pytest.approx(roc_auc_score(truth, score), abs=0.002)


def test_calibration_by_hand():
    """20 images, two a bin: the surest are right, each bin's least sure is wrong."""
    sure = np.linspace(0.5, 0.95, 20)
    label = [0 if i % 2 else 1 for i in range(20)]
    rows = table(label, np.stack([sure, 1 - sure], 1))
    found = classification.calibration({("a", 0): rows})
    assert found["bin"].tolist() == list(range(10)) and (found["images"] == 2).all()
    assert found["confidence"].tolist() == pytest.approx((sure[::2] + sure[1::2]) / 2)
    assert found["accuracy"].tolist() == pytest.approx([0.5, *[0.5] * 9])
    error = classification.calibration_error({("a", 0): rows})["a", 0]
    assert error == pytest.approx(np.mean((sure[::2] + sure[1::2]) / 2 - 0.5))


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.4, 0.5, 0.7, 0.9, 0.99, 1.0]), min_size=1, max_size=60), st.randoms())
def test_equal_confidences_share_a_bin_whatever_the_order(values, random):
    sure = np.array(values)
    found = classification.bins(sure)
    assert found.min() >= 0 and found.max() < 10
    for value in np.unique(sure):
        assert len(set(found[sure == value])) == 1
    assert (np.diff(found[np.argsort(sure)]) >= 0).all()
    order = list(range(len(values)))
    random.shuffle(order)
    assert (classification.bins(sure[order]) == found[order]).all()


def test_error_is_the_sum_over_the_bins_that_are_shown():
    one = {("a", 0): drawn(153, 6, sharper=2)}
    shown = classification.calibration(one)
    gaps = (shown["confidence"] - shown["accuracy"]).abs() * shown["images"]
    assert classification.calibration_error(one)["a", 0] == pytest.approx(gaps.sum() / 153)


def test_true_probabilities_are_taken_at_their_word_and_sharp_ones_not():
    honest = classification.confidence({("a", s): drawn(400, s) for s in (0, 1)}, 0.95, "s", 0)["a"]
    assert honest.low < 0 < honest.high
    assert honest.error == pytest.approx(honest.error_by_chance, rel=0.5)
    sharp = classification.confidence({("a", 0): drawn(400, 0, sharper=3)}, 0.95, "s", 0)["a"]
    assert sharp.low > 0.1 and sharp.error > 2 * sharp.error_by_chance
    assert sharp.confidence - sharp.accuracy == pytest.approx(sharp.difference)


def test_the_interval_is_over_groups():
    rows = drawn(200, 8)
    copies = pd.concat([rows] * 5, ignore_index=True)  # five equal images a group say no more than one
    once, often = (classification.confidence({("a", 0): t}, 0.95, "s", 0)["a"] for t in (rows, copies))
    assert once.groups == often.groups == 200
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_error_by_chance_agrees_with_a_plain_loop():
    sure = np.linspace(0.4, 1, 50)
    rng, gaps = np.random.default_rng(1), []
    for _ in range(1000):
        right = rng.random(50) < sure
        gaps.append(sum(abs((sure[b] - right[b]).sum()) for b in np.arange(50).reshape(10, 5)) / 50)
    rows = table([0] * 50, np.stack([sure, 1 - sure], 1))
    rows.loc[sure < 0.5, "predicted"] = 0
    rows["p_0"], rows["p_1"] = sure, 0.0
    found = classification.confidence({("a", 0): rows}, 0.95, "s", 0)["a"].error_by_chance
    assert found == pytest.approx(np.mean(gaps), rel=0.05)
