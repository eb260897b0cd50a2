"""Size and shape of the lesions in a mask: what localization may depend on."""

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

SHAPE = ("lesion_area", "lesion_elongation", "lesion_solidity")
_TOUCHING = np.ones((3, 3), bool)  # pixels that touch at a corner belong to one lesion


def shape(mask: np.ndarray) -> dict[str, float]:
    """Area, elongation and solidity of the lesions of a mask (bool [height, width]).

    Several lesions: the sum of their areas, and of their shapes the mean weighted by area.

    Returns:
        `lesion_area` as a share of the image; `lesion_elongation`, long over short axis of the ellipse with the same
        second moments, 1 for a disc; `lesion_solidity`, area over that of the convex hull, 1 where there is no dent.
        The last two are NaN where nothing is marked.
    """
    labels, _ = ndimage.label(mask, _TOUCHING)
    parts = [np.argwhere(labels[box] == i + 1) for i, box in enumerate(ndimage.find_objects(labels))]
    areas = [len(points) for points in parts]
    if not parts:
        return dict(zip(SHAPE, (0.0, np.nan, np.nan), strict=True))
    shapes = np.array([(elongation(points), len(points) / hull_pixels(points)) for points in parts])
    values = (sum(areas) / mask.size, *np.average(shapes, axis=0, weights=areas))
    return {name: float(value) for name, value in zip(SHAPE, values, strict=True)}


def elongation(points: np.ndarray) -> float:
    """Ratio of the axes of the ellipse with the second moments of pixels (int [pixels, 2]).

    Each pixel is a square of side 1, whose own second moment is 1/12, so that a line of n pixels has a ratio of n.
    """
    centred = points - points.mean(0)
    short, long = np.linalg.eigvalsh(centred.T @ centred / len(points) + np.eye(2) / 12)
    return float(np.sqrt(long / short))


def hull_pixels(points: np.ndarray) -> int:
    """Pixels whose centre lies in the convex hull of the centres of `points` (int [pixels, 2]), its border included.

    Counted by Pick's theorem: area + border / 2 + 1. Unlike the area of the hull of the pixels' corners, it does not
    take the steps of a small disc for dents, so that a disc has a solidity of 1 at any size.
    """
    ends = points[[np.lexsort(points.T[::-1])[place] for place in (0, -1)]]
    along = ends[1] - ends[0]
    if not np.any(along[0] * (points[:, 1] - ends[0, 1]) - along[1] * (points[:, 0] - ends[0, 0])):
        return int(np.gcd(*np.abs(along))) + 1  # all on one line
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    sides = np.abs(np.roll(corners, -1, axis=0) - corners)
    return round(hull.volume + np.gcd(sides[:, 0], sides[:, 1]).sum() / 2 + 1)
