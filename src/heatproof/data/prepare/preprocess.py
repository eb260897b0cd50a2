"""From an image as it came to the square of grey levels that a model sees, and masks that most likely are mistakes."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps
from scipy import ndimage

from heatproof.data.sources.records import Image


def split(counts: np.ndarray, levels: np.ndarray) -> int | None:
    """The last place of the lower class, where two classes have the least variance within them.

    Source: N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9 (1979) 62.

    Args:
        counts: how many values a level has [levels].
        levels: the levels, rising.

    Returns:
        None where all values have one level.
    """
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * levels)
    parted = (below > 0) & (above > 0)
    if not parted.any():
        return None
    between = np.zeros(len(below))
    apart = sums[:-1][parted] / below[parted] - (sums[-1] - sums[:-1][parted]) / above[parted]
    between[parted] = below[parted] * above[parted] * apart**2
    return int(np.argmax(between))


THUMBNAIL = 32
_BODY_SIDE = 192  # a body is looked for at no more than this side
_SMALLEST_BODY = 0.1  # of the image
_FLAT = 2  # grey levels that a line of a margin may differ by


def to_uint8(image: Image, window: tuple[float, float] | None = None) -> np.ndarray:
    """Pixels [height, width] or [height, width, 3] in 0 to 255: by the window asked for, else by the image's own.

    The window's lower end and all below become 0, its upper end and all above 255.
    """
    low, high = window or image.window or (0, 255)
    if image.pixels.dtype == np.uint8 and (low, high) == (0, 255):
        return image.pixels
    scaled = (image.pixels.astype(np.float32) - low) * np.float32(255 / (high - low))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 [height, width] of pixels with one channel or three (ITU-R 601 luma, as Pillow has it)."""
    return pixels if pixels.ndim == 2 else np.asarray(Pillow.fromarray(pixels).convert("L"))


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """uint8 [32, 32]: the whole image, grey, averaged over boxes; its shape is lost."""
    image = Pillow.fromarray(np.ascontiguousarray(grey(pixels)))
    return np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Pillow.Resampling.BOX))


def margins(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Constant rows at the top and bottom and columns at the left and right edge, counted inwards.

    A line is constant if its grey levels differ by at most 2.
    """
    image = grey(pixels)
    rows, columns = (np.ptp(image, axis=axis) > _FLAT for axis in (1, 0))
    counts = [
        int(lines.argmax()) if lines.any() else len(lines) for lines in (rows, rows[::-1], columns, columns[::-1])
    ]
    return tuple(counts)


def find_body(image: np.ndarray) -> np.ndarray | None:
    """Mask bool [height, width] of the body in a slice: what is brighter than the air around it, lungs included.

    Otsu's threshold (Otsu 1979), thin things such as the table opened away, the largest piece, its holes filled.

    Returns:
        None where the largest piece is less than a tenth of the image.
    """
    height, width = image.shape
    factor = max(1.0, max(height, width) / _BODY_SIDE)
    shape = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = Pillow.fromarray(image).resize(shape, Pillow.Resampling.BOX)
    bright = np.asarray(small) > _otsu(np.asarray(small))
    # the edge is replicated, so that a body which touches it is not eaten from there
    solid = ndimage.binary_opening(np.pad(bright, 4, mode="edge"), iterations=2)[4:-4, 4:-4]
    pieces, count = ndimage.label(solid)
    if not count:
        return None
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    body = ndimage.binary_fill_holes(ndimage.binary_dilation(largest, iterations=1))
    if body.mean() < _SMALLEST_BODY:
        return None
    return np.asarray(Pillow.fromarray(body).resize((width, height), Pillow.Resampling.NEAREST))


def _otsu(image: np.ndarray) -> int:
    """The highest grey level of the darker class of pixels, see `split`; 0 where all are equal."""
    return split(np.bincount(image.ravel(), minlength=256), np.arange(256)) or 0


def preprocess(
    pixels: np.ndarray,
    mask: np.ndarray | None,
    *,
    size: int,
    channels: int,
    crop: str,
    fit: str,
    frame: "Frame | None" = None,
) -> tuple[np.ndarray, np.ndarray | None, float]:
    """Crop an image to the body and make it square; its mask the same way.

    Args:
        pixels: uint8 [height, width] or [height, width, 3].
        mask: bool [height, width], or None.
        crop: `body`: cut to the body's bounding box, what is not body made black, so that neither air nor padding
            tells where the image's edge was (an image without a body stays whole); or `none`.
        fit: `crop` the middle, `pad` with black, or `squash` (its shape is lost).
        frame: of the image, where it is known.

    Returns:
        pixels: uint8 [channels, size, size]; mask: bool [size, size], or None; and the share of the mask's area that is
        still there: 0 where it is cut off or too small to be seen at this size, NaN without a mask.
    """
    image = (
        grey(pixels)
        if channels == 1
        else np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (*pixels.shape[:2], 3))
    )
    frame = frame or Frame.of(pixels, crop, size, fit)
    if frame.body is not None:
        image = np.where(frame.body if image.ndim == 2 else frame.body[..., None], image, 0)[frame.box]
    squared = np.asarray(resize(Pillow.fromarray(np.ascontiguousarray(image)), size, fit))
    squared = squared.reshape(size, size, channels).transpose(2, 0, 1)
    if mask is None or not mask.any():
        return squared, mask if mask is None else np.zeros((size, size), bool), float("nan")
    return squared, *frame.mask(mask)


@dataclass(frozen=True)
class Frame:
    """What of an image of one study becomes its square.

    Attributes:
        shape: height and width of the image; size: side of the square, fit: as for `preprocess`.
        body: bool [height, width], what is left of the image; box: where it lies; both None where all of it is left.
    """

    shape: tuple[int, int]
    size: int
    fit: str
    body: np.ndarray | None = None
    box: tuple[slice, slice] | None = None

    @classmethod
    def of(cls, pixels: np.ndarray, crop: str, size: int, fit: str) -> "Frame":
        """Return the frame of an image, uint8 [height, width] or [height, width, 3]."""
        body = find_body(grey(pixels)) if crop == "body" else None
        box = None if body is None else ndimage.find_objects(body.astype(np.uint8))[0]
        return cls(pixels.shape[:2], size, fit, body, box)

    def mask(self, mask: np.ndarray) -> tuple[np.ndarray, float]:
        """Return a mask of the image, bool [height, width], as bool [size, size], and the share of its area left."""
        area = mask.sum()
        mask = mask if self.body is None else (mask & self.body)[self.box]
        left = mask if self.fit != "crop" else _middle(mask)
        mask = np.asarray(resize(Pillow.fromarray(mask.astype(np.uint8) * 255), self.size, self.fit)) >= 128
        return mask, float(left.sum() / area) if mask.any() else 0.0

    def points(self, points: np.ndarray) -> np.ndarray:
        """Return those of some points [points, 2], x and y in pixels of the image, that lie in the square, there."""
        corner = np.array([0, 0] if self.box is None else [self.box[1].start, self.box[0].start])
        height, width = self.shape if self.box is None else (part.stop - part.start for part in self.box)
        sides = np.array([width, height], float)
        scale = {"crop": sides.min(), "pad": sides.max(), "squash": sides}[self.fit] / self.size
        moved = (points - corner - (sides - scale * self.size) / 2) / scale
        return moved[((moved >= 0) & (moved < self.size)).all(1)]


def _middle(mask: np.ndarray) -> np.ndarray:
    """The square in the middle that the fit `crop` keeps."""
    side = min(mask.shape)
    top, left = ((length - side) // 2 for length in mask.shape)
    return mask[top : top + side, left : left + side]


def resize(image: Pillow.Image, size: int, fit: str) -> Pillow.Image:
    """Make an image square: `crop` its middle, `pad` it with black, or `squash` it."""
    method = Pillow.Resampling.BILINEAR
    if fit == "crop":
        return ImageOps.fit(image, (size, size), method)
    if fit == "pad":
        return ImageOps.pad(image, (size, size), method, color=0)
    return image.resize((size, size), method)


_LARGE = 0.4  # of the image: a mask that covers less is no swapped one
_EDGE = 0.9  # of the outline of a mask's bounding box
_HOLE = 0.01  # of the mask: what is smaller is noise


def looks_inverted(mask: np.ndarray) -> bool:
    """Tell whether a mask looks as if lesion and background were swapped.

    It covers much of the image but not all of it, and either holds nearly all of the outline of its own bounding box,
    or surrounds something that it leaves out. A large lesion does neither.

    Args:
        mask: bool [height, width].

    >>> swapped = np.ones((20, 20), bool)
    >>> swapped[8:12, 8:12] = False
    >>> looks_inverted(swapped), looks_inverted(~swapped), looks_inverted(np.ones((20, 20), bool))
    (True, False, False)
    """
    if mask.mean() < _LARGE or mask.all():
        return False
    box = mask[ndimage.find_objects(mask.astype(np.uint8))[0]]
    edge = np.concatenate([box[0], box[-1], box[1:-1, 0], box[1:-1, -1]])
    if not box.all() and edge.mean() >= _EDGE:
        return True
    return bool((ndimage.binary_fill_holes(mask) & ~mask).sum() >= _HOLE * mask.sum())


@dataclass
class OddMasks:
    """Names of masks that most likely are mistakes, and how many masks were looked at."""

    inverted: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, name: str, mask: np.ndarray) -> None:
        """Look at a mask, bool [height, width]; not at boxes, which are full where they say so."""
        self.count += 1
        if mask.all():
            self.full.append(name)
        elif looks_inverted(mask):
            self.inverted.append(name)
