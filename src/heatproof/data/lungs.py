"""Where the lungs are in an axial CT slice: the air inside the body, whatever the window of grey levels."""

import numpy as np
from scipy import ndimage

from heatproof.data.otsu import split

_LEAST = 0.01  # of the image: lungs that are smaller are none
_SMALLEST = 0.005  # of the image: what is smaller is a windpipe, or gas in the stomach
_FAT = 0.85  # of the way from air to muscle: there fat is no less
_PARTNER = 0.25  # the second lung has at least this share of the larger one's area


def find_lungs(pixels: np.ndarray) -> np.ndarray:
    """Lungs of one slice, with the vessels in them and without their outermost pixels.

    The body is the largest bright object, gaps in the chest wall closed and holes filled; the lungs are the two
    largest dark areas in it (or the one, where they meet or one is cut off), closed over their vessels and eroded.
    Each threshold is Otsu's: one parts body and air around it, another, from the body's own values, tissue and lung.

    Args:
        pixels: uint8 [height, width], air darker than tissue.

    Returns:
        bool [height, width]; all False where there is no lung.
    """
    side = min(pixels.shape)
    smooth = ndimage.gaussian_filter(pixels.astype(float), side / 200)
    bright = smooth > otsu(smooth)
    opened = _open(bright, side / 100)  # the couch comes off the back
    # what opening breaks is tried without it, and where lungs reach the air around, the wall is closed more widely
    for solid, gap in ((opened, side / 32), (bright, side / 32), (opened, side / 8), (bright, side / 8)):
        lungs = _inside(smooth, solid, gap) if solid.any() else solid
        if lungs.mean() >= _LEAST:
            return lungs
    return np.zeros(pixels.shape, bool)


def _inside(smooth: np.ndarray, solid: np.ndarray, gap: float) -> np.ndarray:
    """Lungs in the largest solid object, where its wall has gaps of less than twice `gap`."""
    side = min(smooth.shape)
    tissue = _largest(solid, 1)[0]
    body = ndimage.binary_fill_holes(_close(tissue, gap))
    threshold, around = otsu(smooth[body]), otsu(smooth)
    air, flesh = np.median(smooth[smooth <= around]), np.median(smooth[tissue])
    if threshold > air + _FAT * (flesh - air):  # it parts fat, muscle and bone
        threshold = around
    lungs = np.zeros(smooth.shape, bool)
    for lung in _largest(_open(body & (smooth <= threshold), side / 100), 2):
        if lung.sum() >= max(_SMALLEST * smooth.size, _PARTNER * lungs.sum()):
            lungs |= _close(lung, side / 32)  # a hole too wide for that is the heart between lungs that meet
    return erode(lungs & body, side / 100)


def otsu(values: np.ndarray) -> float:
    """The threshold that parts values into two classes, see `split`: the end of a bin of 256, and the highest value
    where all are equal."""
    counts, edges = np.histogram(values, bins=256)
    place = split(counts, (edges[:-1] + edges[1:]) / 2)
    return float(edges[-1 if place is None else place + 1])


def dilate(region: np.ndarray, radius: float) -> np.ndarray:
    """The pixels within `radius` (at least 1) of a region; by distances, since a large disc is slow otherwise."""
    if not region.any():
        return region
    return ndimage.distance_transform_edt(~region) <= max(1.0, radius)


def erode(region: np.ndarray, radius: float) -> np.ndarray:
    """The pixels of a region farther than `radius` (at least 1) from any other; beyond the image nothing counts."""
    return ~dilate(~region, radius)


def _open(region: np.ndarray, radius: float) -> np.ndarray:
    return dilate(erode(region, radius), radius)


def _close(region: np.ndarray, radius: float) -> np.ndarray:
    """Padded, so that nothing closes against the image's edge."""
    reach = int(radius) + 2
    inner = (slice(reach, -reach),) * 2
    return erode(dilate(np.pad(region, reach), radius), radius)[inner]


def _largest(region: np.ndarray, count: int) -> list[np.ndarray]:
    """Its `count` largest connected parts, the largest first."""
    labels, _ = ndimage.label(region)
    areas = np.bincount(labels.ravel())[1:]
    return [labels == 1 + index for index in np.argsort(-areas, kind="stable")[:count]]
