"""Reasons, metrics and methods in words."""

import json
import re

import pytest

from heatproof.catalogue.metrics import METRICS
from heatproof.report import words
from heatproof.report.sections import explorer


def test_reasons_in_parts_and_unknown_ones_as_they_are():
    assert words.reason("constant") == "the heatmap has the same value everywhere"
    assert words.reason("gap above 1 %") == "gap above 1 %"


def test_a_metric_of_the_users_own_goes_by_its_name():
    assert words.metric("my_score") == ("My score", "", "higher")


def test_what_methods_do_with_their_sign():
    sign = "; signed: negative values are evidence against the class"
    assert words.method("occlusion") == f"drop of the output when a square is covered{sign}"
    assert words.method("saliency").endswith("how much a small change there changes the output, in either direction")
    assert words.method("elsewhere") == "user-supplied heatmaps"


def test_variants_are_named_after_their_metric():
    assert words.metric("deletion_auc_blur", "lower") == (
        "Deletion area (covered by the blurred image)",
        METRICS["deletion_auc"].question,
        "lower",
    )
    assert words.metric("road_morf_my_way").name == "ROAD, most relevant first (my way)"


def test_directions():
    told = [words.metric("x", better).direction for better in ("higher", "lower", "none")]
    assert told == ["higher is better", "lower is better", "no direction is better"]


NAMED = ("resnet50", "densenet121", "vit_base_patch16_224")
METHODS = ("gradcam", "integrated_gradients", "guided_backprop")


@pytest.mark.slow
def test_models_and_methods_go_by_their_usual_names(made, report):
    study = made(models=NAMED, methods=METHODS, seeds=(0, 1), compare=True, group_kind="lookalike", extra=("iou_half",))
    source = re.sub(r'<pre.*?</pre>|<script id="library">.*?</script>', "", report(study), flags=re.DOTALL)
    hidden = r'<(?:style|script).*?</(?:style|script)>|\s(?:id|href|xlink:href|value|clip-path)="[^"]*"'
    shown = re.sub(hidden, "", source, flags=re.DOTALL)
    assert not [shown[found.start() - 80 : found.end()] for found in re.finditer("|".join(NAMED + METHODS), shown)]
    data = json.loads(re.search(r'id="look-data">(.*?)</script>', source, re.DOTALL)[1])
    assert data["models"] == ["ResNet-50", "DenseNet-121", "ViT-Base/16"]
    assert data["named"] == dict(zip(METHODS, ("Grad-CAM", "Integrated Gradients", "Guided backprop"), strict=True))
    assert data["spec"]["layer"][0]["encoding"]["y"]["scale"]["domain"] == data["models"]


def test_names_that_would_look_alike_stay_as_they_are():
    both = ["efficientnet_b0", "tf_efficientnet_b0"]
    assert explorer.named([*both, "resnet50"]) == [*both, "ResNet-50"]
    assert explorer.named(["efficientnet_b0", "resnet50"]) == ["EfficientNet-B0", "ResNet-50"]
