"""Section `profiles` of the configuration."""

import pytest
from pydantic import ValidationError
from shipped import checked

from heatproof.config.stages import Profiles


def test_a_model_is_told_its_own_layers_alone():
    section = checked(Profiles, "profiles", layers={"resnet18": ["layer1", "layer2"]})
    assert section.of("resnet18")["layers"] == ["layer1", "layer2"]
    assert section.of("resnet34") == checked(Profiles, "profiles").of("resnet34")
    assert section.of("resnet34")["layers"] == []
    assert "top" not in section.of("resnet18"), "what the page shows runs no network again"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"by": ["labels"]}, "'label', 'prediction' or 'outcome'"),
        ({"by": ["label", "label"]}, "label appears twice"),
        ({"layers": {"resnet18": []}}, "at least 1 item"),
        ({"layers": {"resnet1": ["layer1"]}}, "resnet1"),
        ({"dead": -1}, "greater than or equal to 0"),
        ({"bootstrap": 3}, "greater than or equal to 20"),
    ],
)
def test_what_cannot_be_is_refused(section, said):
    with pytest.raises(ValidationError, match=said):
        checked(Profiles, "profiles", **section)
