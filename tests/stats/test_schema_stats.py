"""The section `stats` of the configuration: findings, what is published of labels and ensembles."""

import pytest
from pydantic import ValidationError

from heatproof.config.stages import Finding, Published

FINDING = {
    "source": "P",
    "claim": "so",
    "models": ["resnet18"],
    "than": ["densenet161"],
    "parts": [{"family": "faithfulness"}, {"family": "agreement", "metric": "iou_methods"}],
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parts": [{"family": "faithfulness"}]}, "needs at least two"),
        ({"parts": [{"family": "faithfulness"}] * 2}, "twice"),
        ({"parts": [{"family": "agreement", "metric": "srg"}, {"family": "sanity"}]}, "srg is none of agreement"),
        ({"than": ["resnet18"]}, "a model is not compared with itself"),
        ({"than": []}, "needs `models`"),
        ({"models": ["resnet5"]}, "unknown name"),
    ],
)
def test_mistakes_in_a_finding(change, said):
    with pytest.raises(ValidationError, match=said):
        Finding.model_validate(FINDING | change)


def test_what_is_published_of_labels():
    told = Published(source="P", f1_micro={"resnet18": 0.8, "ours": 0.9}, f1={"ours": {"viral": 0.8}})
    assert told.unknown(["ours"], ["viral"]) is None
    assert told.unknown([], ["viral"]) == "f1_micro.ours: is neither a timm architecture nor one of `ensembles`"
    assert told.unknown(["ours"], ["flu"]) == "f1.ours.viral: is no label; allowed: flu"
    for given in ({}, {"f1_macro": {"resnet18": 0.5}}):
        with pytest.raises(ValidationError, match="gives no number"):
            Published(source="P", **given)
    with pytest.raises(ValidationError, match=r"such as 0.85 for 85%"):
        Published(source="P", f1={"resnet18": {"viral": 85}})
