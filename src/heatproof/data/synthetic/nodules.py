"""Nodules in a lung, with outlines from smooth to spiculated, and an image's noise, told from structure and made
anew."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from heatproof.data.synthetic.phantom import Lesion

SHAPES = ("smooth", "lobed", "spiculated")
_REACH = 2.3  # radii: no spike or lobe is longer
_CLEARANCE = 1.15  # radii between a nodule's centre and the edge of its lung


@dataclass(frozen=True)
class Nodule:
    """A nodule in a slice: its outline, and the blur of its edge in pixels."""

    outline: Lesion
    blur: float


def largest_radius(lungs: np.ndarray) -> float:
    """Radius of the largest nodule that lungs, bool [size, size], have room for, as a share of the side."""
    return float(_depth(lungs).max() / len(lungs) / _CLEARANCE)


def draw_nodule(
    rng: np.random.Generator, lungs: np.ndarray, structure: np.ndarray, radius: tuple[float, float]
) -> Nodule:
    """Draw a nodule that lies in a lung, spikes and lobes aside, and not on a large vessel.

    Args:
        rng: source of what is drawn.
        lungs: bool [size, size], with room for the smallest radius.
        structure: float [size, size], grey levels without noise.
        radius: lowest and highest, of the side.
    """
    size = len(lungs)
    depth = _depth(lungs)
    wished = rng.uniform(radius[0], min(radius[1], largest_radius(lungs)))
    places = np.argwhere(depth >= min(_CLEARANCE * wished * size, depth.max()))
    level = ndimage.gaussian_filter(structure, wished * size / 2)[tuple(places.T)]
    places = places[level <= np.quantile(level, 0.75)]
    row, column = places[rng.integers(len(places))] + rng.uniform(0, 1, 2)
    waves, spikes = _outline(rng, SHAPES[rng.integers(len(SHAPES))])
    outline = Lesion(
        x=column / size * 2 - 1, y=row / size * 2 - 1, radius=2 * wished, density=0.0, waves=waves, spikes=spikes
    )
    return Nodule(outline, blur=rng.uniform(0.5, 0.7) + wished * size * rng.uniform(0, 0.05))


def _outline(rng: np.random.Generator, shape: str) -> tuple[tuple, tuple]:
    """Waves and spikes of an outline: nearly an ellipse, lobes, or rays."""

    def waves(low: float, high: float, orders: tuple[int, ...]) -> tuple:
        return tuple((order, 2 / order * rng.uniform(low, high), rng.uniform(0, 2 * np.pi)) for order in orders)

    if shape == "smooth":
        return waves(0.02, 0.12, (2,)), ()
    if shape == "lobed":
        return waves(0.08, 0.18, (2, 3, 4, 5)), ()
    count = int(rng.integers(6, 12))
    turns = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(count) / count + rng.uniform(-0.3, 0.3, count)
    return waves(0.03, 0.10, (2, 3, 5)), tuple(zip(turns, rng.uniform(1.4, 2.2, count), strict=True))


def render(nodule: Nodule, size: int) -> np.ndarray:
    """Share of each pixel that is nodule, float [size, size] in 0 to 1, blurred as a scanner blurs an edge."""
    outline = nodule.outline
    finer = max(2, 512 // size)
    share = np.zeros((size, size))
    near = []  # pixels that the nodule may reach; rendering all of them takes most of the time
    for centre in (outline.y, outline.x):
        middle, reach = (centre + 1) / 2 * size, _REACH * outline.radius / 2 * size + 1
        near.append(slice(max(0, int(middle - reach)), min(size, int(middle + reach) + 1)))
    rows, columns = ((np.arange(part.start * finer, part.stop * finer) + 0.5) / (size * finer) * 2 - 1 for part in near)
    inside = outline.inside(*np.meshgrid(columns, rows), scale=1.0)
    share[tuple(near)] = inside.reshape(len(rows) // finer, finer, len(columns) // finer, finer).mean(axis=(1, 3))
    return ndimage.gaussian_filter(share, nodule.blur)


def _depth(lungs: np.ndarray) -> np.ndarray:
    """Distance of each pixel of the lungs to what is not lung, in pixels."""
    return ndimage.distance_transform_edt(np.pad(lungs, 1))[1:-1, 1:-1]


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
