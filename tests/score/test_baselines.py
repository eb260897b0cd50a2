"""What stands where pixels were removed."""

import math

import pytest
import torch

from heatproof.core.geometry import BLUR, filled
from heatproof.score.imputation import impute
from heatproof.score.queries import BASELINES, EMPTIED, remover


@pytest.fixture
def pixels():
    return torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(0))


def test_baselines(pixels):
    assert filled(pixels, "zero").count_nonzero() == 0
    mean = filled(pixels, "mean")
    assert mean.shape == pixels.shape
    assert mean[:, 3, 7].tolist() == pytest.approx(pixels.flatten(1).mean(1).tolist())
    blurred = filled(pixels, "blur")
    sigma = BLUR * 32
    kernel = [math.exp(-(d**2) / (2 * sigma**2)) for d in range(-4, 5)]  # cut at 3 sigma
    expected = sum(
        kernel[dy + 4] * kernel[dx + 4] * pixels[1, 16 + dy, 16 + dx].item()
        for dy in range(-4, 5)
        for dx in range(-4, 5)
    )
    assert blurred[1, 16, 16].item() == pytest.approx(expected / sum(kernel) ** 2, abs=1e-5)


@pytest.mark.parametrize("baseline", BASELINES)
def test_what_is_kept_is_untouched_and_the_rest_is_replaced(pixels, baseline):
    keep = torch.rand(5, 32, 32, generator=torch.Generator().manual_seed(1)) < 0.5
    found = remover(pixels, baseline)(keep)
    assert found.shape == (5, 2, 32, 32) and found.dtype == pixels.dtype
    for one, kept in zip(found, keep, strict=True):
        assert torch.equal(one[:, kept], pixels[:, kept])
        if baseline == "imputation":
            expected = impute(pixels[None], ~kept[None])[0]
            torch.testing.assert_close(one, expected, atol=1e-5, rtol=0)
        else:
            assert torch.equal(one[:, ~kept], filled(pixels, baseline)[:, ~kept])


@pytest.mark.parametrize("baseline", BASELINES)
def test_all_or_nothing_kept(pixels, baseline):
    keep = torch.stack([torch.zeros(32, 32, dtype=torch.bool), torch.ones(32, 32, dtype=torch.bool)])
    nothing, everything = remover(pixels, baseline)(keep)
    assert torch.equal(everything, pixels)
    # where no pixel is left to fill in from, imputation is the mean
    torch.testing.assert_close(nothing, filled(pixels, EMPTIED.get(baseline, baseline)), atol=1e-6, rtol=0)


def test_an_unknown_baseline_is_refused(pixels):
    with pytest.raises(ValueError, match="zero, mean, blur or imputation, not 'grey'"):
        remover(pixels, "grey")
