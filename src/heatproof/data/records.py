"""What every source of images gives: records that are listed first and decoded one by one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Image:
    """One decoded image.

    pixels: uint8 [channels, size, size]; mask: bool [size, size], or None without truth;
    width, height: in pixels, as it came; sha256: of its file, or of its pixels where there is none.
    """

    pixels: np.ndarray
    mask: np.ndarray | None
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """One image to be decoded: its id, where it stands in the source, its label's index and its group."""

    image_id: str
    source: str
    label: int
    group: str
    read: Callable[[], Image]
