"""Pixels as pictures of a page: heat laid over them, the true region outlined, enlarged, as a data URI."""

import base64
import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from contourpy import contour_generator
from PIL import Image
from scipy import ndimage

COLORMAP = "inferno"  # perceptually uniform: equal steps of heat look equal
_LEAST, _MOST = 128, 192  # pixels a side: small images are enlarged by whole steps, large ones reduced
_HEAT = 0.6  # opacity of the heat
_OUTLINE = (86, 180, 233)
SIDE = 160  # pixels a side of an image that heat is laid over by the browser, at most
TILE, EDGE = 32, 2  # pixels a side of a heatmap in a sprite; and of its edge, repeated so that no neighbour bleeds in
_QUALITY = 75  # of WebP: a grey image of 160 pixels has about 4 kB, a heatmap 200 bytes
_HEAVY = 12_000  # bytes of PNG from which a picture is carried as WebP, which blurs it a little


def picture(pixels: np.ndarray) -> np.ndarray:
    """uint8 [channels, height, width] as uint8 [height, width, 3]."""
    moved = np.moveaxis(np.asarray(pixels), 0, -1)
    return np.repeat(moved, 3, axis=-1) if moved.shape[-1] == 1 else moved


def overlay(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a heatmap over a picture, its range in this image stretched from 0 to 1.

    Args:
        picture: uint8 [height, width, 3].
        heat: float [height, width], finite and not constant.
    """
    low, high = float(heat.min()), float(heat.max())
    unit = (heat.astype(np.float64) - low) / (high - low)
    colors = matplotlib.colormaps[COLORMAP](unit)[..., :3] * 255
    return np.round((1 - _HEAT) * picture + _HEAT * colors).astype(np.uint8)


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Whole steps up until the picture can be seen, or down until it is light enough to carry."""
    side = max(picture.shape[:2])
    if side > _MOST:
        height, width = (max(1, round(length * _MOST / side)) for length in picture.shape[:2])
        return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))
    return np.kron(picture, np.ones((-(-_LEAST // side),) * 2 + (1,), np.uint8))


def outlined(picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The true region's outline, drawn just outside it so that it hides nothing of it."""
    if not truth.any():
        return picture
    height, width = picture.shape[:2]
    resized = Image.fromarray(truth.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    inside = np.asarray(resized) >= 0.5
    inside = inside if inside.any() else np.asarray(resized) > 0  # a region smaller than a pixel
    picture = picture.copy()
    picture[ndimage.binary_dilation(inside, np.ones((3, 3))) & ~inside] = _OUTLINE
    return picture


def uri(picture: np.ndarray) -> str:
    """PNG of at most 256 colours (a third of the bytes) as a data URI; WebP where that would be heavy."""
    image = Image.fromarray(picture).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    if buffer.tell() >= _HEAVY:
        return _webp(Image.fromarray(picture))
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def scale() -> str:
    """The colours of heat from least to most, as a data URI."""
    return uri(overlay(np.full((6, 256, 3), 128, np.uint8), np.tile(np.arange(256.0), (6, 1))))


def photo(picture: np.ndarray) -> str:
    """WebP of at most `SIDE` pixels a side, as a data URI; a small one is enlarged by the browser."""
    image = Image.fromarray(picture)
    scale = min(1.0, SIDE / max(image.size))
    return _webp(image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.BOX))


def tile(heat: np.ndarray) -> np.ndarray:
    """A heatmap at the size of a tile, its range there stretched from 0 to 1.

    Args:
        heat: float [height, width], finite.

    Returns:
        float64 [TILE, TILE]; zero where the reduced map is constant.
    """
    small = Image.fromarray(np.asarray(heat, np.float32)).resize((TILE, TILE), Image.Resampling.BOX)
    values = np.asarray(small, np.float64)
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def sprite(tiles: Sequence[np.ndarray], columns: int) -> str:
    """Tiles in rows of `columns`, coloured, as one WebP in a data URI. Each has an edge of `EDGE` pixels around it."""
    step = TILE + 2 * EDGE
    sheet = np.zeros((-(-len(tiles) // columns) * step, columns * step))
    for place, one in enumerate(tiles):
        row, column = divmod(place, columns)
        sheet[row * step : (row + 1) * step, column * step : (column + 1) * step] = np.pad(one, EDGE, mode="edge")
    return _webp(Image.fromarray(np.round(matplotlib.colormaps[COLORMAP](sheet)[..., :3] * 255).astype(np.uint8)))


def outline_path(truth: np.ndarray) -> str:
    """The true region's outline as the path of an SVG whose box is 100 by 100; "" where there is no region.

    Args:
        truth: bool [height, width].
    """
    if not truth.any():
        return ""
    height, width = truth.shape
    x, y = (np.arange(-1, side + 1) + 0.5 for side in (width, height))
    lines = contour_generator(x, y, np.pad(truth, 1).astype(float)).lines(0.5)
    return "".join(_closed(line * (100 / width, 100 / height)) for line in lines)


def _closed(line: np.ndarray) -> str:
    points = [f"{x:.4g} {y:.4g}" for x, y in np.round(line, 1)]
    kept = [point for point, before in zip(points, [None, *points], strict=False) if point != before]
    return f"M{'L'.join(kept[:-1])}Z"


def _webp(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=_QUALITY, method=6, use_sharp_yuv=True)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
