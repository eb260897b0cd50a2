"""Nodules planted into real slices, and sham plants: exact truth on real anatomy, and no seam that tells.

A plant splits the slice, around its place in a lung, into structure and noise. The structure gets the nodule's
density where that is denser (a vessel in it vanishes, as in a solid nodule), the noise is exchanged for new noise
of the same amplitude and correlation. A sham plant does all this, from the same random numbers, but for the
density. So the two differ in the nodule's own pixels alone, and what the plant left around them, its seam, is the
same in both.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.core.messages import InputError, line, steps
from heatproof.data.prepare.regions import dilate, find_lungs
from heatproof.data.synthetic.phantom import Lesion

CLASSES = ("normal", "planted")
_LEAST_CONTRAST = 10  # grey levels between lung and tissue
_FAINTEST = 0.1  # of the full density: less is lost in the noise and does not count as nodule


def assign(groups: pd.Series, share: float, *seed: str | int) -> np.ndarray:
    """Which images get a nodule: whole groups, as near to `share` of the images as can be.

    The groups are shuffled and dealt from large to small, each to the side that keeps the share of nodules among
    the images dealt so far nearest to `share` (a coin decides a tie), so that the sizes of groups do not tell the
    class. The share that comes out differs from the wished one by at most half the largest group's.

    Args:
        groups: the group of each image.
        share: of the images, above 0 and below 1.
        seed: what the shuffle is keyed by.

    Returns:
        int64 [images]: 1 where a nodule is planted, 0 where a sham plant is.

    Raises:
        InputError: there are too few groups for two classes.
    """
    sizes = groups.value_counts().sort_index()
    rng = generator("planted", "assign", *seed)
    sizes = sizes.iloc[rng.permutation(len(sizes))].sort_values(ascending=False, kind="stable")
    chosen, planted, seen = {}, 0, 0
    for name, size in sizes.items():
        seen += size
        gain = abs(planted - share * seen) - abs(planted + size - share * seen)
        chosen[name] = int(gain > 1e-9 or (abs(gain) <= 1e-9 and rng.random() < 0.5))
        planted += size * chosen[name]
    if len(set(chosen.values())) < len(CLASSES):
        raise InputError(
            f"data.planted.share: {share:g} of {len(sizes)} group(s) leaves a class without images; "
            f"take more images, or a share nearer to 0.5"
        )
    return groups.map(chosen).to_numpy(np.int64)


@dataclass(frozen=True)
class Ground:
    """What a slice offers: all but the numbers are arrays [size, size].

    lungs: bool, off the image's edge, so that a seam closes; noise: float grey levels; smooth: float, 1 where noise
    can be told from structure and 0 elsewhere; structure: float, the slice without its noise; tissue: grey level
    around the lungs.
    """

    lungs: np.ndarray
    noise: np.ndarray
    smooth: np.ndarray
    structure: np.ndarray
    tissue: float


def survey(pixels: np.ndarray, radius: tuple[float, float]) -> Ground:
    """Look for lungs in a slice, uint8 [size, size], that have room for a nodule.

    Raises:
        InputError: no lung, none with room for the smallest radius (of the side), or none darker than tissue; to be
            put behind the image's name.
    """
    size = len(pixels)
    margin = seam_width(size)
    lungs = np.zeros(pixels.shape, bool)
    within = (slice(margin, -margin),) * 2
    lungs[within] = find_lungs(pixels)[within]
    room = largest_radius(lungs)
    if room < radius[0]:
        if not room:
            raise InputError("no lung found; leave the image out")
        raise InputError(
            f"a lung has room for a radius of {room:.3f} of the side at most, data.planted.radius starts at "
            f"{radius[0]:g}; lower it or leave the image out"
        )
    noise, smooth = split_noise(pixels, lungs)
    structure = pixels - noise
    around = dilate(lungs, size / 12) & ~dilate(lungs, size / 40)
    tissue = float(np.median(structure[around])) if around.any() else 0.0
    level = float(np.median(structure[lungs]))
    if tissue - level < _LEAST_CONTRAST:
        raise InputError(
            f"the lung has grey level {level:.0f} and the tissue around it {tissue:.0f}, too alike for a nodule; "
            f"change data.window or leave the image out"
        )
    return Ground(lungs, noise, smooth, structure, tissue)


def plant(
    pixels: np.ndarray,
    rng: np.random.Generator,
    *,
    lesion: bool,
    radius: tuple[float, float],
    contrast: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plant a nodule into a lung of a slice, or the sham of one.

    Args:
        pixels: uint8 [size, size], air darker than tissue.
        rng: of this image alone; an equal one gives the same place, outline and noise for nodule and sham.
        lesion: a nodule, or a sham plant.
        radius: lowest and highest, of the image's side; less where the lungs have no room for it.
        contrast: lowest and highest, in grey levels above the lung around it; never denser than the tissue around
            the lungs.

    Returns:
        pixels: uint8 [size, size], beyond the seam those that came.
        mask: bool [size, size], the pixels that the nodule changes; empty for a sham.
        seam: bool [size, size], the closed ring around the nodule where old noise passes into new.

    Raises:
        InputError: the slice has no place for a nodule, see `survey`.
    """
    ground = survey(pixels, radius)
    nodule = draw_nodule(rng, ground.lungs, ground.structure, radius)
    profile = render(nodule, len(pixels)) * dilate(ground.lungs, 1)  # at most a pixel beyond its lung
    profile[profile < _FAINTEST] = 0
    distance = ndimage.distance_transform_edt(profile == 0)
    blended = distance <= seam_width(len(pixels))
    fresh = new_noise(rng, ground.noise, ground.smooth, ground.lungs)
    share = np.where(blended, np.cos(np.pi / 2 * distance / (seam_width(len(pixels)) + 1)) ** 2, 0)
    density = _density(rng, ground, distance, contrast)

    def blend(structure: np.ndarray, smooth: np.ndarray) -> np.ndarray:
        noise = np.sqrt(1 - share**2) * ground.noise + share * smooth * fresh
        return np.where(blended, np.rint(np.clip(structure + noise, 0, 255)), pixels).astype(np.uint8)

    sham = blend(ground.structure, ground.smooth)
    raised = ground.structure + profile * np.maximum(density - ground.structure, 0)
    covered = np.where(raised > ground.structure, profile, 0)  # vessels that hid the noise are gone
    planted = blend(raised, np.maximum(ground.smooth, covered))
    mask = planted != sham
    if not mask.any():
        low, high = contrast
        raise InputError(f"a nodule of data.planted.contrast [{low:g}, {high:g}] changes no pixel; raise it")
    seam = blended & (profile == 0)
    return (planted, mask, seam) if lesion else (sham, np.zeros_like(mask), seam)


def check(where: str, pixels: np.ndarray, config: dict) -> None:
    """Make sure that an image, uint8 [1, size, size], can be planted into.

    Args:
        where: names it in the error.
        config: section `data.planted`.

    Raises:
        InputError: it has no place for a nodule, see `survey`.
    """
    try:
        survey(pixels[0], tuple(config["radius"]))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def plant_all(
    study: str, config: dict, frame: pd.DataFrame, pixels: np.ndarray, masks: np.ndarray, seams: np.ndarray
) -> None:
    """Make a planted study of images without lesions, in place: labels and truth of `frame`, pixels and masks.

    What happens to an image depends on its own id and pixels, and on the class that its group drew.

    Args:
        config: section `data`.
        frame: one row an image, with image_id, source and group.
        pixels: uint8 [at least images, 1, size, size].
        masks, seams: bool [at least images, size, size].

    Raises:
        InputError: an image cannot be planted into, see `check`; or the groups do not allow two classes.
    """
    options = {key: tuple(config["planted"][key]) for key in ("radius", "contrast")}
    frame["label"] = assign(frame["group"], config["planted"]["share"], study, config["seed"])
    for row, item in enumerate(steps(frame.itertuples(), len(frame), f"{study}: plants")):
        rng = generator("planted", study, config["seed"], item.image_id)
        try:
            planted = plant(pixels[row, 0], rng, lesion=bool(item.label), **options)
        except InputError as error:
            raise InputError(f"{config['source']}: {item.source}: {error}") from None
        pixels[row, 0], masks[row], seams[row] = planted
    frame["truth"] = np.where(frame["label"] == 1, "mask", "none")
    share = config["planted"]["share"]
    line(f"{study}: {frame['label'].sum()} of {len(frame)} images have a nodule ({share:.0%} were requested)")


def seam_width(size: int) -> int:
    """Width of the ring where old noise passes into new, in pixels."""
    return max(2, round(0.03 * size))


def _density(
    rng: np.random.Generator, ground: Ground, distance: np.ndarray, contrast: tuple[float, float]
) -> np.ndarray:
    """Grey levels of the nodule, [size, size], a little uneven; `distance` to it in pixels."""
    level = np.median(ground.structure[ground.lungs & (distance <= 3 * seam_width(len(distance)))])
    uneven = ndimage.gaussian_filter(rng.normal(size=distance.shape), len(distance) / 16, mode="wrap")
    reached = min(level + rng.uniform(*contrast), max(ground.tissue, level + _LEAST_CONTRAST))
    return reached + 0.05 * (reached - level) * uneven / uneven.std()


# nodules with outlines from smooth to spiculated, and an image's noise, told from structure and made anew

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
