"""Pixels as pictures of a page: heat laid over them, the true region outlined, enlarged, as a data URI."""

import base64
import io

import matplotlib
import numpy as np
from PIL import Image
from scipy import ndimage

COLORMAP = "inferno"  # perceptually uniform: equal steps of heat look equal
_LEAST, _MOST = 128, 192  # pixels a side: small images are enlarged by whole steps, large ones reduced
_HEAT = 0.6  # opacity of the heat
_OUTLINE = (86, 180, 233)


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
    """PNG of at most 256 colours (a third of the bytes) as a data URI."""
    image = Image.fromarray(picture).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def scale() -> str:
    """The colours of heat from least to most, as a data URI."""
    return uri(overlay(np.full((6, 256, 3), 128, np.uint8), np.tile(np.arange(256.0), (6, 1))))
