"""Noise of an image: told from structure, and made anew."""

import numpy as np
from scipy import ndimage

_SPLIT_SIGMA = 1.5  # pixels; what is finer is noise or an edge
_PASSES = 3
_EDGE = 2.5  # standard deviations: what differs more from its surroundings is an edge or a vessel
_LAGS = 4  # pixels: how far noise is correlated


def split_noise(pixels: np.ndarray, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The noise of an image, and where it can be told from structure.

    Args:
        pixels: uint8 [height, width].
        region: bool [height, width], where the noise's spread is measured.

    Returns:
        noise: float [height, width], fine differences from the surroundings, 0 where they are an edge or a vessel.
        smooth: float [height, width], 1 where there is noise, 0 where there is structure.
    """
    values, smooth = pixels.astype(float), np.ones(pixels.shape)
    for _ in range(_PASSES):  # an edge or a vessel found shifts the mean around it no more
        weight = np.maximum(ndimage.gaussian_filter(smooth, _SPLIT_SIGMA), 1e-3)
        fine = values - ndimage.gaussian_filter(values * smooth, _SPLIT_SIGMA) / weight
        spread = 1.4826 * np.median(np.abs(fine[region])) if region.any() else 0.0
        smooth = (np.abs(fine) <= _EDGE * max(spread, 0.5)).astype(float)
    return fine * smooth, smooth


def new_noise(rng: np.random.Generator, noise: np.ndarray, smooth: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Gaussian noise [height, width] with the amplitude that an image's has at each place, and its correlation.

    The correlation is measured in a region, at lags of up to 4 pixels; the power of the new noise's waves is the
    Fourier transform of it (Wiener and Khinchin).

    Args:
        noise, smooth: of `split_noise`.
        region: bool [height, width].
    """
    where = smooth * region
    shape = [2 * side for side in where.shape]  # so that an edge does not correlate with the opposite one
    pairs = np.fft.irfft2(np.abs(np.fft.rfft2(where, shape)) ** 2, shape)
    products = np.fft.irfft2(np.abs(np.fft.rfft2(noise * where, shape)) ** 2, shape)
    lags = [np.minimum(np.arange(side), side - np.arange(side)) for side in shape]
    taper = np.clip(2 - np.hypot(*np.meshgrid(*lags, indexing="ij")) / _LAGS, 0, 1)  # whole up to _LAGS
    waves = np.sqrt(np.maximum(np.fft.rfft2(products / np.maximum(pairs, 1) * taper).real, 0))
    amplitude = np.sqrt((np.fft.irfft2(waves, shape) ** 2).sum()) or 1.0
    field = np.fft.irfft2(np.fft.rfft2(rng.normal(size=shape)) * waves, shape) / amplitude
    weight = np.maximum(ndimage.gaussian_filter(smooth, _LAGS), 1e-3)
    spread = np.sqrt(ndimage.gaussian_filter(noise**2, _LAGS) / weight)
    return field[: where.shape[0], : where.shape[1]] * spread
