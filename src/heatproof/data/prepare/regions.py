"""`heatproof job regions`: where body and lungs are in each image of a study, for what needs no lesion's truth."""

import argparse
import importlib
import json
from collections.abc import Callable

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from heatproof.core.messages import InputError, line, steps
from heatproof.data.prepare.preprocess import preprocess, split, to_uint8
from heatproof.data.prepare.shortcut import zone
from heatproof.data.sources.opening import list_lungs
from heatproof.store import artifacts

_LEAST_LUNG = 0.01  # of the image: lungs that are smaller are none
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
        if lungs.mean() >= _LEAST_LUNG:
            return lungs
    return np.zeros(pixels.shape, bool)


def _inside(smooth: np.ndarray, solid: np.ndarray, gap: float) -> np.ndarray:
    """Lungs in the largest solid object, where its wall has gaps of less than twice `gap`."""
    side = min(smooth.shape)
    tissue = _largest_parts(solid, 1)[0]
    body = ndimage.binary_fill_holes(_close(tissue, gap))
    threshold, around = otsu(smooth[body]), otsu(smooth)
    air, flesh = np.median(smooth[smooth <= around]), np.median(smooth[tissue])
    if threshold > air + _FAT * (flesh - air):  # it parts fat, muscle and bone
        threshold = around
    lungs = np.zeros(smooth.shape, bool)
    for lung in _largest_parts(_open(body & (smooth <= threshold), side / 100), 2):
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


def _largest_parts(region: np.ndarray, count: int) -> list[np.ndarray]:
    """Its `count` largest connected parts, the largest first."""
    labels, _ = ndimage.label(region)
    areas = np.bincount(labels.ravel())[1:]
    return [labels == 1 + index for index in np.argsort(-areas, kind="stable")[:count]]


def read_lungs(study: str, config: dict) -> Callable[[int], np.ndarray]:
    """Return what reads the lungs of the image in a row of the manifest from the masks of `data.lungs`.

    They are bool [height, width], cut and scaled as the image was; nowhere True where an image has no such mask.
    """
    records = {record.image_id: record for record in list_lungs(study, config)}
    ids = artifacts.read_manifest(study)["image_id"]
    options = {key: config[key] for key in ("size", "channels", "crop", "fit")}

    def read(row: int) -> np.ndarray:
        image = records[ids[row]].read()
        pixels, mask, _ = preprocess(to_uint8(image, config["window"]), image.mask, **options)
        return np.zeros(pixels.shape[1:], bool) if mask is None else mask

    return read


BRANCHES = {"lungs": "heatproof.data.prepare.regions"}  # taken where lungs are given as masks (`workflow.code`)
REGIONS = ("body", "lungs")  # that are looked for
CUE, BORDER = "cue", "border"
_KNOWN = (*REGIONS, BORDER, CUE)
_BAND = 0.05  # of the shorter side: how wide the border is
_BLACK = 8  # grey levels: what is no brighter was not exposed, or was blackened
_DARK = 0.5  # of Otsu's threshold of what is brighter than black: lungs are above it, air beside the body is not
_LEAST = 0.1  # of the image: a body that is smaller is none
_PART = 0.005  # of the image: what is smaller is no part of a lung, but a windpipe or gas
_GAIN = 1.05  # with that much more lung, opening had taken the chest wall off, not a couch alone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--study", required=True)
    parser.add_argument(
        "--config",
        required=True,
        type=json.loads,
        help='what to find in what, as {"regions": ["body"], "modality": "ct"}; lungs are read from masks with "data", '
        "the section",
    )


def run(args: argparse.Namespace) -> None:
    """Write `results/data/<study>/regions.npy`, bool [regions, images, height, width], in the order of the config.

    Raises:
        InputError: a region has a name that is not known, the study's pixels are missing, or no image has the lungs
            that `data.lungs` names.
    """
    names, looked = args.config["regions"], LOOKED[args.config.get("modality", "ct")]
    kind = args.config.get("cue", "corner_mark")
    for name in names:
        if name not in _KNOWN:
            raise InputError(f"data.regions: {name!r} is not known; allowed: {', '.join(_KNOWN)}")
    folder = artifacts.data_dir(args.study)
    pixels = artifacts.read_array(folder / "pixels.npy")
    shape = (len(names), len(pixels), *pixels.shape[2:])
    given = args.config.get("data")
    lungs = importlib.import_module(BRANCHES["lungs"]).read_lungs(args.study, given) if given else None
    with artifacts.writing_array(folder / "regions.npy", shape, "bool") as regions:
        for i, image in enumerate(steps(pixels, len(pixels), f"{args.study}: regions, images")):
            found = {BORDER: border(image.shape[1:])} | ({CUE: zone(len(image[0]), kind)} if CUE in names else {})
            found |= looked(grey(image)) if set(names) & set(REGIONS) else {}
            if lungs is not None:
                found["lungs"] = lungs(i)
            for place, name in enumerate(names):
                regions[place, i] = found[name]
        if lungs is not None:
            _tell_lungs(args.study, args.config["data"]["lungs"], regions[names.index("lungs")].any((1, 2)))


def _tell_lungs(study: str, named: str, there: np.ndarray) -> None:
    if not there.any():
        raise InputError(f"data.lungs: {named}: holds no mask of the lungs of any image; fix it, or leave the key out")
    if not there.all():
        line(f"{study}: {(~there).sum()} of {len(there)} images have no mask of their lungs (data.lungs: {named})")


def grey(image: np.ndarray) -> np.ndarray:
    """uint8 [height, width] of preprocessed pixels, uint8 [channels, height, width]: the channels' mean."""
    return image[0] if len(image) == 1 else np.rint(image.mean(0)).astype(np.uint8)


def find_regions(image: np.ndarray) -> dict[str, np.ndarray]:
    """Body and lungs of an axial CT slice.

    The body is the hull of the largest bright object (Otsu's threshold; thin things such as the couch opened away,
    unless the chest wall goes with them and a lung with it). Where `find_lungs` finds lungs, once the wall is made
    whole along the body's outline, they are the hulls of the air on its left and on its right.

    Args:
        image: uint8 [height, width], air darker than tissue.

    Returns:
        For each of `REGIONS` bool [height, width]; all False where the image has none.
    """
    side = min(image.shape)
    smooth = ndimage.gaussian_filter(image.astype(float), side / 200)
    bright = smooth > otsu(smooth)
    best = {name: np.zeros(image.shape, bool) for name in REGIONS}
    for solid in (_opened(bright, side / 100), bright):
        tissue = _largest(solid)
        body = hull(tissue)
        if body.mean() < _LEAST:
            continue
        lungs = _lungs(image, body, int(np.median(image[tissue])))
        if not best["body"].any() or lungs.sum() > _GAIN * best["lungs"].sum():
            best = {"body": body, "lungs": lungs}
    return best


def find_film(image: np.ndarray) -> dict[str, np.ndarray]:
    """Body of a frontal chest X-ray, without lungs: those must be given as masks.

    The hull of the largest object that is brighter than half of Otsu's threshold, itself taken without what is black:
    lungs are darker than the rest of the body, so the threshold alone would part them from it. Black bars, collimated
    borders and the air beside the body lie outside; bars and borders that are white do not.

    Args:
        image: uint8 [height, width], air darker than tissue.

    Returns:
        `body`, bool [height, width]; all False where the image has none.
    """
    side = min(image.shape)
    smooth = ndimage.gaussian_filter(image.astype(float), side / 200)
    exposed = smooth[smooth > _BLACK]
    if not len(exposed):
        return {"body": np.zeros(image.shape, bool)}
    dark, bright = exposed[exposed <= otsu(exposed)].max(), exposed[exposed > otsu(exposed)].min(initial=255)
    least = max(_DARK * (dark + bright) / 2, _BLACK)  # the middle of the gap between the two, if there is one
    body = hull(_largest(_opened(smooth > least, side / 50)))  # thin letters come off
    return {"body": body if body.mean() >= _LEAST else np.zeros(image.shape, bool)}


LOOKED = {"ct": find_regions, "xray": find_film}  # `data.modality`


def border(shape: tuple[int, int]) -> np.ndarray:
    """Bool [height, width]: the band along the image's edges, 5 % of the shorter side wide, at least a pixel."""
    width = max(1, round(_BAND * min(shape)))
    found = np.ones(shape, bool)
    found[width:-width, width:-width] = False
    return found


def _lungs(image: np.ndarray, body: np.ndarray, flesh: int) -> np.ndarray:
    """Hulls of what is air on either side of a body whose wall may have gaps, if there are lungs in it."""
    side, inner = min(image.shape), erode(body, min(image.shape) / 50)
    wall = dilate(body, side / 20) & ~erode(body, side / 100)
    found = find_lungs(np.where(wall, np.maximum(image, np.uint8(flesh)), image))
    if not found.any():
        return found
    air = inner & (image <= (np.median(image[found]) + flesh) / 2)  # find_lungs has two parts; a tumour may make three
    parts, _ = ndimage.label(dilate(found | _opened(air, side / 100), side / 100) & body)  # it leaves out the rim, too
    areas = np.bincount(parts.ravel())
    large = 1 + np.flatnonzero(areas[1:] >= _PART * image.size)
    middle = np.argwhere(body)[:, 1].mean()
    sides = [[], []]
    for part, (_, column) in zip(large, ndimage.center_of_mass(parts > 0, parts, large), strict=True):
        sides[int(column > middle)].append(part)
    return np.any([hull(np.isin(parts, chosen)) for chosen in sides], axis=0) & body


def hull(region: np.ndarray) -> np.ndarray:
    """Bool [height, width]: the pixels whose centres lie in the convex hull of a region's pixels' centres."""
    points = np.argwhere(region)
    try:
        equations = ConvexHull(points).equations
    except (QhullError, ValueError):  # fewer than three pixels, or all of them on a line: a hull without area
        return region
    rows, columns = np.ogrid[: region.shape[0], : region.shape[1]]
    inside = np.ones(region.shape, bool)
    for a, b, c in equations:
        inside &= a * rows + b * columns + c <= 1e-9
    return inside


def _opened(region: np.ndarray, radius: float) -> np.ndarray:
    return dilate(erode(region, radius), radius)


def _largest(region: np.ndarray) -> np.ndarray:
    parts, count = ndimage.label(region)
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]) if count else region
