"""The Python API: one table of scores for all methods and controls, by the numbers of the pipeline."""

from types import SimpleNamespace
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

import heatproof as hp
from heatproof.catalogue.families import CONTROLS as EVERY
from heatproof.catalogue.metrics import metrics_of
from heatproof.catalogue.registry import explanation_methods
from heatproof.core.geometry import upsample
from heatproof.core.messages import InputError
from heatproof.explain.methods import Batch
from heatproof.score import controls
from heatproof.score.metrics import complexity, confidence, faithfulness, infidelity, localization, naopc, road
from heatproof.score.queries import of_class
from heatproof.score.scene import Scene
from heatproof.store import artifacts
from heatproof.train.checkpoint import load_trained
from heatproof.train.layers import read_layer
from heatproof.train.model import build, save

IMAGES, TARGETS = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
CONTROLS = [name for name in EVERY if name != "second_reader"]  # of a study alone
MASKS = torch.zeros(4, 64, 64, dtype=torch.bool)
MASKS[:, 10:20, 10:20] = True
NOISE = torch.rand(4, 64, 64, generator=torch.Generator().manual_seed(1))
KEYS = [("python", str(i)) for i in range(4)]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return hp.Classifier(timm.create_model("test_resnet", num_classes=3))


@pytest.fixture(scope="module")
def given(model):
    return {"model": model, "images": IMAGES, "targets": TARGETS}


@pytest.fixture(scope="module")
def maps(given):
    return hp.heatmaps(**given, methods=["gradcam", "saliency"])


def values(table, method, metric):
    return table.query("method == @method and metric == @metric")["value"].to_numpy()


def wide(table):
    """A row an image and a column a metric, of a table of one method."""
    return table.pivot(index="image", columns="metric", values="value")


def test_the_table_is_tidy_and_has_all_methods_and_controls(maps, given):
    maps["blank"] = torch.zeros(4, 64, 64)
    groups, ids = ["ann", "ann", "bob", "cat"], list("wxyz")
    table = hp.scores(maps, masks=MASKS, **given, steps=2, groups=groups, ids=ids, training_masks=MASKS[:2])
    del maps["blank"]
    assert list(table) == ["image", "group", "method", "metric", "value", "reason"]
    assert not table.duplicated(["image", "method", "metric"]).any()
    assert table.groupby("image")["group"].first().to_dict() == dict(zip(ids, groups, strict=True))
    assert {*maps, "blank", *CONTROLS} <= set(table["method"])
    costly = {"naopc", "infidelity", "road", "road_morf", "road_lerf"}
    regions = {name for name, metric in metrics_of("localization").items() if metric.region or metric.tuned}
    families = ("localization", "faithfulness", "complexity", "agreement")
    assert set(table["metric"]) == {name for family in families for name in metrics_of(family)} - costly - regions
    assert (table["value"].isna() == (table["reason"] != "")).all()
    assert set(table.query("method == 'blank'")["reason"]) == {"all_zero"}
    assert set(table.query("value.isna()")["method"]) == {"blank", "other_image:blank"}
    order = table.query("metric == 'srg'")
    assert order["method"].unique().tolist()[:3] == ["gradcam", "saliency", "blank"]
    assert order["image"].tolist()[:5] == ["w", "x", "y", "z", "w"]


def test_values_are_those_of_the_functions_of_the_pipeline(maps, model, given):
    costly = ["road", "naopc", "infidelity"]
    names = ["localization", "complexity", "agreement", "faithfulness", "srg_blur", *costly]
    options = {"steps": 4, "road": {"percentiles": [50, 90]}, "naopc": {"cells": 2}, "infidelity": {"samples": 4}}
    table = hp.scores(maps, masks=MASKS, **given, metrics=names, controls=False, **options)
    for method, of in maps.items():
        for name, metric in complexity.METRICS.items():
            np.testing.assert_array_equal(values(table, method, name), metric(of))
        scene = Scene(of, MASKS)
        for name in metrics_of("localization"):
            if name in set(table["metric"]):
                np.testing.assert_array_equal(values(table, method, name), localization.METRICS[name](scene))
    np.testing.assert_array_equal(
        values(table, "gradcam", "iou_methods"), hp.metrics.iou_methods(maps["gradcam"], maps["saliency"][None])
    )

    def cases():
        stacks = torch.stack(list(maps.values()), 1)
        return zip(IMAGES, stacks, TARGETS.tolist(), strict=True)

    asked = {"batch_size": 64, "probability": of_class}
    drawn = {"keys": KEYS} | asked
    curves = [*faithfulness.responses(model, cases(), steps=4, baselines=["mean", "blur"], **asked)]
    expected = {name: [metric(one.curves["mean"]) for one in curves] for name, metric in faithfulness.METRICS.items()}
    expected |= {name: [metric(one) for one in curves] for name, metric in confidence.METRICS.items()}
    expected["srg_blur"] = [faithfulness.srg(one.curves["blur"]) for one in curves]
    found = road.road_responses(model, cases(), percentiles=[50, 90], noise=0.01, **drawn)
    expected["road"] = [road.METRICS["road"](one) for one in found]
    found = naopc.orders(model, cases(), cells=2, beam=1, baseline="mean", **asked)
    expected["naopc"] = [naopc.naopc(one) for one in found]
    found = infidelity.perturbed(model, cases(), samples=4, baseline="mean", **drawn)
    expected["infidelity"] = [infidelity.infidelity(one) for one in found]
    for name, by_image in expected.items():
        for place, method in enumerate(maps):
            np.testing.assert_array_equal(values(table, method, name), [one[place] for one in by_image])


def test_controls_are_those_of_the_pipeline(maps, given):
    table = hp.scores(maps, masks=MASKS, **given, metrics=["pixel_auroc"], training_masks=MASKS[:1])
    partners = controls.other_images("python", [key for _, key in KEYS], [key for _, key in KEYS])
    made = {
        "random": controls.random_maps(KEYS, (64, 64)),
        "lowres_noise": controls.lowres_noise(KEYS, maps.grid, (64, 64)),
        "center": controls.center_blob((64, 64)).expand(4, 64, 64),
        "edges": controls.edges(IMAGES),
        "mean_mask": MASKS[:1].float().expand(4, 64, 64),
        "other_image": maps["gradcam"][partners],
        "ceiling": controls.ceiling(MASKS, maps.grid),
        "truth": MASKS.float(),
    }
    assert set(made) == set(CONTROLS)
    for name, of in made.items():
        np.testing.assert_array_equal(values(table, name, "pixel_auroc"), hp.metrics.pixel_auroc(of, MASKS))
    assert table["method"].unique().tolist() == [*maps, *CONTROLS]


def test_a_control_that_cannot_be_made_has_a_reason():
    table = hp.scores(NOISE[:1])
    reasons = {"edges": {"no_images"}, "mean_mask": {"no_training_masks"}}
    reasons |= {"other_image": {"no_other_image"}, "truth": {"no_masks"}}
    reasons |= {"lowres_noise": {"no_model"}, "random": {""}, "center": {""}, "heatmap": {""}}
    assert {name: set(rows["reason"]) for name, rows in table.groupby("method")} == reasons
    some = hp.scores(NOISE, metrics=["sparseness"], controls=["center", "random"])
    assert some["method"].unique().tolist() == ["heatmap", "random", "center"]


def test_regions_have_their_metrics(maps):
    body = torch.zeros(4, 64, 64)
    body[:, 8:56, 8:56] = 255
    table = hp.scores(maps, regions={"body": body}, controls=False)
    assert set(metrics_of("localization")) & set(table["metric"]) == {"outside_body"}
    found = hp.metrics.outside_body(maps["saliency"], body)
    np.testing.assert_array_equal(values(table, "saliency", "outside_body"), found)
    inside = (maps["saliency"] * (body > 0)).sum((1, 2)) / maps["saliency"].sum((1, 2))
    torch.testing.assert_close(found, 1 - inside.double())


def test_single_functions_are_rows_of_the_table(model, given):
    table = hp.scores(NOISE, masks=MASKS, **given, metrics=["iou", "entropy", "srg"], controls=False, steps=2)
    np.testing.assert_array_equal(values(table, "heatmap", "iou"), hp.metrics.iou(NOISE.numpy(), MASKS.numpy() * 255))
    np.testing.assert_array_equal(values(table, "heatmap", "entropy"), hp.metrics.entropy(NOISE[:, None]))
    np.testing.assert_array_equal(values(table, "heatmap", "srg"), hp.metrics.srg(NOISE, **given, steps=2))
    torch.testing.assert_close(hp.methods.gradcam(**given), hp.heatmaps(**given)["gradcam"])
    seeds = torch.stack([NOISE, NOISE.flip(0)])
    assert hp.metrics.iou_seeds(seeds, others=seeds.numpy()).shape == (4,)
    with pytest.raises(InputError, match=r"^iou_seeds: maps of different images or sizes, .* and \[1, 4, 64, 64\]$"):
        hp.metrics.iou_seeds(seeds[:, :3], seeds[:1])


def scored(net, targets=TARGETS, task="multiclass", output=None):
    """Scores of random maps by a network that takes pixels, and how its answers were read."""
    model = hp.Classifier(net, mean=[0], std=[1], task=task, output=output)
    names = ["deletion_auc", "insertion_auc", "srg", "average_drop", "faithfulness_logit"]
    table = hp.scores(NOISE, model=model, images=IMAGES, targets=targets, metrics=names, controls=False, steps=4)
    return wide(table), model.outputs


class Answering(nn.Module):
    """What `form` makes of logits that follow the mean brightness of the quarters of an image."""

    def __init__(self, form, columns=3):
        super().__init__()
        self.form, self.columns = form, columns
        self.scale = nn.Parameter(torch.tensor([20.0, -7.0, 9.0, 3.0])[:columns])

    def forward(self, images):
        quarters = images.mean(1).unflatten(1, (2, -1)).unflatten(3, (2, -1)).mean((2, 4)).flatten(1)
        return self.form((quarters - 0.5)[:, : self.columns] * self.scale)


FORMS = {
    "dict": lambda logits: {"features": logits.sum(1), "logits": logits},
    "nameless dict": lambda logits: {"out": logits},
    "tuple": lambda logits: (logits, logits[:, :1]),
    "object": lambda logits: SimpleNamespace(logits=logits),
    "half precision": lambda logits: logits.double(),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_an_answer_does_not_matter(form):
    plain, outputs = scored(Answering(lambda logits: logits))
    pd.testing.assert_frame_equal(scored(Answering(FORMS[form]))[0], plain)
    assert (outputs.kind, outputs.activation) == ("logits", "softmax") and plain["srg"].abs().min() > 1e-4


@pytest.mark.parametrize("squeeze", [False, True])
def test_one_score_is_a_sigmoid_and_its_complement(squeeze):
    one = Answering(lambda z: z[:, 0] if squeeze else z, 1)
    two = Answering(lambda z: torch.cat([torch.zeros_like(z), z], 1), 1)
    (single, outputs), (both, _) = scored(one, TARGETS % 2), scored(two, TARGETS % 2)
    assert (outputs.kind, outputs.activation) == ("logits", "sigmoid")
    pd.testing.assert_frame_equal(single.drop(columns="faithfulness_logit"), both.drop(columns="faithfulness_logit"))
    (of_one, _), (of_other, _) = scored(one, 1), scored(one, 0)
    np.testing.assert_allclose(of_one["srg"], -of_other["srg"])
    model = hp.Classifier(timm.create_model("test_resnet", num_classes=1))
    for_it, against_it = (hp.methods.input_x_gradient(model, IMAGES, target) for target in (1, 0))
    torch.testing.assert_close(for_it, -against_it)


def test_several_labels_are_scored_by_their_own_sigmoid():
    table, outputs = scored(Answering(lambda logits: logits, 4), task="multilabel")
    assert outputs.activation == "sigmoid"
    for i, target in enumerate(TARGETS):
        alone, _ = scored(Answering(lambda z, t=target: z[:, t], 4), 1)
        pd.testing.assert_series_equal(alone.loc[i].drop("faithfulness_logit"), table.loc[i].drop("faithfulness_logit"))


def _opaque(probabilities):
    return torch.from_numpy(probabilities.detach().numpy())


PROBABILITIES = {
    "softmax": (lambda z: z.softmax(1), {}),
    "softmax, averaged": (lambda z: (z.softmax(1) + z.softmax(1)) / 2, {}),
    "softmax, without autograd": (lambda z: _opaque(z.softmax(1)), {}),
    "sigmoid of labels": (lambda z: z.sigmoid(), {"task": "multilabel"}),
    "sigmoid of labels, without autograd": (lambda z: _opaque(z.sigmoid()), {"task": "multilabel"}),
    "sigmoid of one score": (lambda z: z[:, :1].sigmoid(), {}),
    "sigmoid of one score, squeezed": (lambda z: z[:, 0].sigmoid().squeeze(), {}),
}


@pytest.mark.parametrize("form", PROBABILITIES)
def test_probabilities_are_not_made_probabilities_again(form):
    make, options = PROBABILITIES[form]
    kind = form.split()[0].rstrip(",")
    targets = TARGETS % 2 if "one score" in form else TARGETS
    with pytest.warns(UserWarning, match=rf"^the model returns probabilities \({kind}\), and they are read as such"):
        found, outputs = scored(Answering(make), targets, **options)
    logits = Answering(lambda z: z[:, 0] if "one score" in form else z)
    expected, plain = scored(logits, targets, **options)
    assert (outputs.kind, outputs.activation) == (kind, plain.activation)
    columns = ["deletion_auc", "insertion_auc", "srg", "average_drop"]
    pd.testing.assert_frame_equal(found[columns], expected[columns], rtol=1e-5)
    with catch_warnings():
        simplefilter("error")
        assert scored(Answering(make), targets, output=kind, **options)[1] == outputs
        assert scored(Answering(make), targets, output="logits", **options)[1].kind == "logits"


def test_logits_that_lie_between_zero_and_one_by_chance_are_logits():
    with catch_warnings():
        simplefilter("error")
        assert scored(Answering(lambda z: 0.5 + z / 1000), task="multilabel")[1].kind == "logits"
        assert scored(Answering(lambda z: 0.5 + z[:, 0] / 1000), TARGETS % 2)[1].kind == "logits"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (lambda z: z.softmax(0), "the model ends in a softmax, but its classes do not sum to 1"),
        (lambda z: z[:, :, None, None].expand(-1, -1, 8, 8), r"the model returns \[4, 3, 8, 8\] for 4 images"),
        (lambda z: {"a": z, "b": z}, r"the model returns dict with 2 tensors \[images, classes\]: name one with part"),
        (lambda z: None, "the model returns NoneType with no tensors"),
    ],
)
def test_what_holds_no_class_scores_is_refused(form, message):
    with pytest.raises(InputError, match=f"^{message}"):
        scored(Answering(form))


WRAPPED = {
    "DataParallel": lambda net: nn.DataParallel(net),
    "compiled": lambda net: torch.compile(net),
    "one channel": lambda net: net,
    "bfloat16": lambda net: net.bfloat16(),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_ordinary_networks_are_explained_and_scored(case):
    torch.manual_seed(0)
    net = timm.create_model("test_resnet", num_classes=3, in_chans=1 if case == "one channel" else 3)
    mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
    images = IMAGES[:, :1] if case == "one channel" else IMAGES
    model = hp.Classifier(WRAPPED[case](net), mean, std)
    maps = hp.heatmaps(model, images, TARGETS, ["gradcam", "saliency"])
    assert all(of.dtype == torch.float32 and of.isfinite().all() and of.any() for of in maps.values())
    given = {"model": model, "images": images, "targets": TARGETS, "steps": 2, "metrics": ["srg"]}
    assert hp.scores(maps["saliency"], controls=False, **given)["value"].notna().all()
    if case == "one channel":
        with pytest.raises(InputError, match=r"^images: 3 channels; ResNet takes 1$"):
            hp.heatmaps(model, IMAGES, TARGETS)


def test_what_is_around_a_call_does_not_reach_it(model):
    methods, options = ["gradcam", "integrated_gradients"], {"integrated_gradients": {"steps": 2}}

    def compute():
        own = hp.Classifier(model.net)  # made in here, and so are the images
        images = IMAGES[:2] * 1
        maps = hp.heatmaps(own, images, TARGETS[:2], methods, options=options)
        given = {"model": own, "images": images, "targets": TARGETS[:2], "steps": 2}
        scores = hp.scores(maps, metrics=["srg", "average_drop"], **given)
        return maps, scores

    expected, scores = compute()
    for around in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)):
        with around:
            maps, again = compute()
        pd.testing.assert_frame_equal(again, scores)
        for name, of in expected.items():
            torch.testing.assert_close(maps[name], of)


def test_a_model_made_in_inference_mode_is_refused():
    with torch.inference_mode():
        net = timm.create_model("test_resnet", num_classes=3)
    with pytest.raises(InputError, match=r"^the model was made in inference mode, so it has no gradients"):
        hp.heatmaps(hp.Classifier(net), IMAGES, TARGETS)


def test_arrays_and_maps_with_a_channel_are_scored(maps, given):
    names = ["iou", "srg"]
    expected = hp.scores(maps["gradcam"], masks=MASKS, **given, metrics=names, steps=2)
    arrays = {"images": IMAGES.numpy().astype("float64"), "targets": TARGETS.numpy().astype("int16")}
    of = maps["gradcam"].numpy()[:, None]
    found = hp.scores(of, masks=MASKS.numpy(), model=given["model"], metrics=names, steps=2, **arrays)
    pd.testing.assert_frame_equal(found, expected)
    made = hp.methods.gradcam(given["model"], arrays["images"], arrays["targets"].tolist())
    torch.testing.assert_close(made, maps["gradcam"])
    assert hp.metrics.iou(maps["gradcam"].bfloat16(), MASKS).isfinite().all()


def test_masks_are_binary_or_have_a_threshold_and_are_neither_empty_nor_full():
    soft = torch.zeros(3, 64, 64)
    soft[0, 10:30, 10:30], soft[0, 15:25, 15:25], soft[1] = 0.2, 0.9, 1
    with pytest.raises(InputError, match=r"^masks: values from 0 to 1 that are neither .*: give mask_threshold"):
        hp.scores(NOISE[:3], masks=soft)
    table = hp.scores(NOISE[:3], masks=soft, mask_threshold=0.5, metrics=["localization"], controls=False)
    assert table.groupby("image")["reason"].first().tolist() == ["", "mask_covers_image", "empty_mask"]
    for same in (soft > 0.5, (soft > 0.5) * 255, (soft > 0.5).byte(), (soft > 0.5).double()):
        again = hp.scores(NOISE[:3], masks=same, metrics=["localization"], controls=False)
        pd.testing.assert_frame_equal(again, table)


WRONG = {
    "maps of another size": (
        {"masks": MASKS[:, :32]},
        "masks: bool [4, 32, 64]; they must be [4, 64, 64], as the maps",
    ),
    "fewer masks": ({"masks": MASKS[:2]}, "masks: bool [2, 64, 64]; they must be [4, 64, 64], as the maps are"),
    "empty masks": ({"masks": MASKS & False}, "masks: all 4 are empty, so nothing can be localized; leave masks out"),
    "one map": ({"maps": NOISE[0]}, "maps['heatmap']: float32 [64, 64]; they must be [images, height, width]"),
    "no maps": ({"maps": {}}, "maps: there are none; give at least one method's"),
    "unequal maps": (
        {"maps": {"a": NOISE, "b": NOISE[:, :9]}},
        "maps: 'a' are [4, 64, 64] and 'b' [4, 9, 64]; make them equal",
    ),
    "a control": ({"maps": {"random": NOISE}}, "maps: 'random' is the name of a control; call the method otherwise"),
    "no images": ({"images": None, "targets": None}, "model: faithfulness queries it; give images and targets with it"),
    "fewer images": (
        {"images": IMAGES[:3], "targets": TARGETS[:3]},
        "maps are [4, 64, 64], and images [3, 3, 64, 64]; they must be as many and of one height and width",
    ),
    "class": ({"targets": TARGETS + 3}, "targets: class 5 of a model of 3 classes, counted from 0"),
    "metric": ({"metrics": ["pixel_auc"]}, "no metric 'pixel_auc'; did you mean pixel_auroc or "),
    "metrics": ({"metrics": "iou"}, "metrics: 'iou'; give a list of names"),
    "no masks": ({"metrics": ["iou"]}, "metrics: iou needs masks"),
    "no family": ({"metrics": ["localization"]}, "metrics: localization needs masks"),
    "no region": ({"metrics": ["outside_body"]}, "metrics: outside_body needs regions={'body': ...}"),
    "no second": ({"metrics": ["iou_methods"]}, "metrics: iou_methods needs the maps of two methods or more"),
    "seeds": ({"metrics": ["iou_seeds"]}, "metrics: iou_seeds needs the maps of other models or images; call hp.met"),
    "variant": ({"metrics": ["srg_mean"]}, "metrics: srg_mean is srg here, as mean is the first of the baselines"),
    "variant of none": ({"metrics": ["entropy_blur"]}, "no metric 'entropy_blur'; did you mean entropy"),
    "control": ({"controls": ["edge"]}, "no control 'edge'; did you mean edges"),
    "region": ({"regions": {"lung": MASKS}}, "no region 'lung'; did you mean lungs?"),
    "ids": ({"ids": [1, 2, 1, 3]}, "ids: 1 appears twice; give each row of the maps a name of its own"),
    "one id": ({"ids": 3}, "ids: 3; give one for each image"),
    "one group": ({"groups": "ann"}, "groups: 'ann'; give one for each image"),
    "no number": ({"naopc": {"cells": "a"}}, "naopc: cells is 'a'; give a number, such as 5"),
    "groups": ({"groups": ["a"]}, "groups: 1 for 4 images"),
    "option": ({"step": 3}, "no option of scores 'step'; did you mean steps"),
    "option within": ({"road": {"noises": 0}}, "no option of road 'noises'; did you mean noise?"),
    "no options": ({"naopc": 5}, "naopc: 5; give its options, such as {'beam': 1, 'cells': 5}"),
    "steps": ({"steps": 0}, "steps: 0; it must be a whole number from 1 on"),
    "baseline": ({"baselines": ["grey"]}, "no baseline 'grey'; choose from blur, imputation, mean, zero"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_one_line(given, case):
    wrong, line = WRONG[case]
    with pytest.raises(InputError) as caught:
        hp.scores(**({"maps": NOISE} | given | wrong))
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_a_model_with_a_module_in_training_mode_is_not_scored(model, given):
    try:
        model.net.layer1[0].bn1.train()
        with pytest.raises(
            InputError, match=r"^model: it, its module net\.layer1\.0\.bn1, is in training mode, .*eval"
        ):
            hp.scores(NOISE, **given)
    finally:
        model.eval()


def test_options_are_scored_and_noise_is_smoothed_alike(model, given):
    options = {"gradcam": {"layer": ["layer2", "layer3"]}, "integrated_gradients": {"steps": [2, 4]}, "saliency": {}}
    more = {"masks": MASKS, "metrics": ["relevance_rank_accuracy"], "groups": list("aabc")}
    table = hp.score_options(**given, options=options, smoothing=[0, 1.5], controls=["random", "center"], **more)
    found = {name: rows["option"].unique().tolist() for name, rows in table.groupby("method", sort=False)}
    widths = ["smoothing=0", "smoothing=1.5"]
    assert found == {
        "gradcam": [f"layer={layer}, {width}" for layer in ("layer2", "layer3") for width in widths],
        "integrated_gradients": [f"steps={steps}, {width}" for steps in (2, 4) for width in widths],
        "saliency": widths,
        "random": widths,
        "center": [""],
    }
    assert (table.groupby(["method", "option"]).size() == 4).all()
    scored = table.set_index(["method", "option"])["value"]
    maps = hp.heatmaps(**given, methods=["gradcam"], layer="layer2")
    plain = hp.scores(maps, controls=["random", "center"], **more)
    metric = "relevance_rank_accuracy"
    np.testing.assert_array_equal(scored["gradcam", "layer=layer2, smoothing=0"], values(plain, "gradcam", metric))
    np.testing.assert_array_equal(scored["random", "smoothing=0"], values(plain, "random", metric))
    np.testing.assert_array_equal(scored["center", ""], values(plain, "center", metric))
    soft = torch.from_numpy(gaussian_filter(controls.random_maps(KEYS, (64, 64)).numpy(), (0, 1.5, 1.5)))
    expected = localization.METRICS[metric](Scene(soft, MASKS)).numpy()
    np.testing.assert_array_equal(scored["random", "smoothing=1.5"], expected)
    single = hp.score_options(**given, options={"gradcam": {"layer": ["layer3"]}}, controls=False, **more)
    assert single["option"].unique().tolist() == [""] and single["method"].unique().tolist() == ["gradcam"]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (
            {"options": {}},
            "options: {}; give methods with the values to try, such as {'gradcam': {'layer': ['layer3', ",
        ),
        ({"options": {"gradcam": ["layer3"]}}, "options: gradcam is ['layer3']; give the values of its options, such"),
        ({"options": {"gradcam": {"layer": "layer3"}}}, "options: layer of gradcam is 'layer3'; give a list of values"),
        ({"options": {"gradcam": {"steps": [3]}}}, "gradcam has no options"),
        ({"smoothing": [-1]}, "smoothing: [-1]; give a list of widths in pixels from 0 on, such as [0, 2]"),
        ({"controls": ["randm"]}, "no control 'randm'; did you mean random"),
    ],
)
def test_what_cannot_be_tried_gets_one_line(given, wrong, line):
    with pytest.raises(InputError) as caught:
        hp.score_options(**({"options": {"gradcam": {"layer": ["layer3"]}}} | given | wrong), masks=MASKS)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A folder with the checkpoints of a study: a network of two folds, whose validation patients differ."""
    folder, count = tmp_path_factory.mktemp("studied"), 48
    rng, parts = np.random.default_rng(0), np.array(["train", "val", "test"])
    patient = np.arange(count) // 2
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        columns = {"image_id": [f"i{place:02}" for place in range(count)], "sha256": "0", "source": "made"}
        columns |= {"label": patient % 3, "group": [f"p{one:02}" for one in patient], "width": 64, "height": 64}
        columns |= {"truth": np.where(patient % 6 == 5, "none", "mask")}
        columns |= {f"fold{fold}": parts[(patient + fold) % 3] for fold in (0, 1)}
        artifacts.write_manifest("made", pd.DataFrame(columns))
        masks = np.zeros((count, 64, 64), bool)
        masks[:, 8:30, 8:30] = True
        data = artifacts.data_dir("made")
        artifacts.write_array(data / "masks.npy", masks)
        artifacts.write_array(data / "pixels.npy", rng.integers(0, 256, (count, 1, 64, 64), np.uint8))
        for fold in ("fold0", "fold1"):
            one = artifacts.Checkpoint("made", "test_resnet", 0, fold)
            one.folder.mkdir(parents=True)
            torch.manual_seed(0)
            network = build("test_resnet", 3, 64)
            torch.nn.init.uniform_(network.net.get_classifier().weight)  # so that no class has a map of zeros
            save(network, one.weights)
            card = {"architecture": "test_resnet", "classes": [*"abc"], "size": 64}
            artifacts.write_json(one.card, card | {"sha256": artifacts.digest(one.weights)})
    return folder


OPTIONS = {"gradcam": {"layer": ["layer2", "layer3"]}}


def test_options_of_a_study_are_scored_for_each_checkpoint(studied, monkeypatch):
    monkeypatch.chdir(studied)
    metrics, more = ["relevance_rank_accuracy"], {"smoothing": [0, 2], "controls": ["random", "mean_mask"]}
    validation, test = hp.study_options("made", OPTIONS, metrics=metrics, images=6, **more)
    for table, split in ((validation, "val"), (test, "test")):
        for fold in ("fold0", "fold1"):
            manifest = artifacts.read_manifest("made", fold).set_index("image_id")
            rows = table[table["fold"] == fold]
            there = manifest.loc[rows["image"].unique()]
            assert len(there) == 6 and set(there["split"]) == {split} and set(there["truth"]) == {"mask"}
            assert (rows.groupby("method")["option"].nunique() == [4, 1, 2]).all() and rows["value"].notna().all()
    first = test[
        (test["fold"] == "fold0") & (test["method"] == "gradcam") & (test["option"] == "layer=layer3, smoothing=0")
    ]
    loaded, _ = load_trained(artifacts.Checkpoint("made", "test_resnet", 0, "fold0"), torch.device("cpu"))
    manifest = artifacts.read_manifest("made")
    places = [manifest["image_id"].tolist().index(image) for image in first["image"]]
    pixels = torch.from_numpy(artifacts.read_array(artifacts.data_dir("made") / "pixels.npy")[places]).float() / 255
    layer = read_layer(loaded, "layer3", 64)
    batch = Batch(loaded.requires_grad_(False), layer, pixels, torch.from_numpy(manifest["label"].to_numpy()[places]))
    maps = upsample(explanation_methods(["gradcam"])["gradcam"](batch), (64, 64))
    masks = torch.from_numpy(artifacts.read_array(artifacts.data_dir("made") / "masks.npy")[places])
    expected = localization.METRICS["relevance_rank_accuracy"](Scene(maps, masks))
    np.testing.assert_allclose(first["value"], expected, atol=1e-6)
    found = hp.analyze(test, validation=validation)
    assert len(found.tables["options"].query("method == 'gradcam' and chosen")) == 2  # of each fold
    assert set(found.controls["control"]) == {"random (smoothing=0)", "random (smoothing=2)", "mean_mask"}


def test_without_a_metric_of_localization_all_images_count(studied, monkeypatch):
    monkeypatch.chdir(studied)
    _, test = hp.study_options("made", OPTIONS, metrics=["srg"], controls=["center"], steps=2)
    assert test.groupby("fold")["image"].nunique().tolist() == [16, 16] and test["value"].notna().any()


def test_each_label_of_an_image_is_a_case(studied, monkeypatch):
    monkeypatch.chdir(studied)
    manifest = artifacts.read_table(artifacts.data_dir("made") / "manifest.parquet", artifacts.DEALT)
    held = np.random.default_rng(1).random((len(manifest), 3)) < 0.5
    several = pd.concat([manifest.assign(label=pd.NA), artifacts.multihot("label", held)], axis=1)
    monkeypatch.setattr(artifacts, "read_manifest", lambda study, fold: several.assign(split=several[fold]))
    _, test = hp.study_options("made", OPTIONS, metrics=["srg"], controls=["center"], steps=2, images=5)
    for fold, rows in test.groupby("fold"):
        images = rows["image"].str.partition(": ")[0].unique()
        of = held[several["image_id"].isin(images)]
        assert len(images) == 5 and set(several.set_index("image_id").loc[images, fold]) == {"test"}
        assert rows["image"].nunique() == of.sum()
    with pytest.raises(InputError, match="for localization, call score_options for each label"):
        hp.study_options("made", OPTIONS, metrics=["iou"])


def test_a_study_without_checkpoints_gets_one_line(studied, monkeypatch):
    monkeypatch.chdir(studied)
    with pytest.raises(InputError, match=r"^mode: no checkpoint in .*results; run the study, or dvc pull$"):
        hp.study_options("mode", OPTIONS, metrics=["iou"])
    with pytest.raises(InputError, match=r"^no model of made 'resnet50'; did you mean test_resnet"):
        hp.study_options("made", OPTIONS, metrics=["iou"], models=["resnet50"])
    with pytest.raises(InputError, match="layer9"):
        hp.study_options("made", {"gradcam": {"layer": ["layer9"]}}, metrics=["iou"])
