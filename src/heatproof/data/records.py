"""What every source of images gives: records that are listed first and decoded one by one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Facts:
    """What a file tells about itself.

    width, height: in pixels; mode: Pillow's, or a DICOM photometric interpretation; format: JPEG, PNG, DICOM, ...;
    quality: estimate of the JPEG quality, 1 to 100, NaN where there is none; bytes: size of the file.
    """

    width: int
    height: int
    mode: str
    format: str = ""
    quality: float = float("nan")
    bytes: int = 0


@dataclass(frozen=True)
class Image:
    """One decoded image, at its own size.

    pixels: [height, width] or [height, width, 3], uint8, or of another number type with a window;
    mask: bool [height, width], or None without truth; truth: mask, box or none;
    sha256: of its file, or of its pixels where there is none; window: the values that become 0 and 255;
    patient: as its header tells, pseudonymized.
    """

    pixels: np.ndarray
    mask: np.ndarray | None
    facts: Facts
    sha256: str
    truth: str = "none"
    window: tuple[float, float] | None = None
    patient: str | None = None


@dataclass(frozen=True)
class Record:
    """One image to be decoded.

    Its id, where it stands in the source, its label's index (of a multilabel study the indices of all its labels), its
    patient, if known, and its licence, None where the source names none.
    """

    image_id: str
    source: str
    label: int | tuple[int, ...]
    patient: str | None
    read: Callable[[], Image]
    license: str | None = None
