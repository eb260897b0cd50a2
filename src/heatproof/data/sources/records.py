"""What every source of images gives: records that are listed first and decoded one by one."""

import hashlib
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa


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
    patient: as its header tells, pseudonymized; uid: SOP instance UID of a DICOM file, to find its regions, likewise;
    about: what the study reads of a DICOM header by name, such as the view.
    """

    pixels: np.ndarray
    mask: np.ndarray | None
    facts: Facts
    sha256: str
    truth: str = "none"
    window: tuple[float, float] | None = None
    patient: str | None = None
    uid: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Region:
    """What one reader drew of one label in an image.

    labels: indices of the label and of all that it is a kind of; draw: takes (height, width) of the image as decoded to
    bool [height, width], raises InputError, None where there are points alone; reader: "" where nobody is named;
    kind: mask or box; instances: how many were drawn, None: as many as there are connected parts; points: takes
    (height, width) to the most representative points, float64 [points, 2], x and y in pixels, or None.
    """

    labels: tuple[int, ...]
    draw: Callable[[tuple[int, int]], np.ndarray] | None
    reader: str
    kind: str
    instances: int | None = None
    points: Callable[[tuple[int, int]], np.ndarray] | None = None


@dataclass(frozen=True, slots=True)
class MarkedBox:
    """A finding that somebody boxed, in pixels of the original image from its upper left corner.

    image: id of its record; label: its name in `data.classes`, "" where that is not declared; reader: who marked it,
    "" where nobody is named; size: width and height of the original image where the source states them, None: those
    of the image as decoded.
    """

    image: str
    label: str
    x0: float
    y0: float
    x1: float
    y1: float
    reader: str = ""
    size: tuple[float, float] | None = None


@dataclass(frozen=True)
class Record:
    """One image to be decoded.

    Its id, where it stands in the source, its label's index (of a multilabel study the indices of all its labels), its
    patient, if known, and its licence, None where the source names none; its split, train, val or test, where that is
    given; the indices of the labels that its mask or box marks, None where that is not declared; its boxes, of several
    labels and readers, where no mask is taken before them; what else a table holds of it, by column, such as the view;
    its regions by label and reader, from annotation files, boxes or masks by label, None where there are none of these;
    and the readers who looked at it, whether they drew or not.
    """

    image_id: str
    source: str
    label: int | tuple[int, ...]
    patient: str | None
    read: Callable[[], Image]
    license: str | None = None
    split: str | None = None
    marks: tuple[int, ...] | None = None
    boxes: tuple[MarkedBox, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[Region, ...] | None = None
    readers: tuple[str, ...] = ()


class Rows:
    """What is known of each image, row by row, in a file that goes by itself: memory does not grow with the images.

    Args:
        most: the most rows there can be.
        several: whether `label` holds the indices of several labels.
    """

    BATCH = 128  # rows that are written together

    def __init__(self, most: int, several: bool = False):
        text, number = pa.large_string(), pa.int64()  # as pandas holds text: nothing is copied
        columns = dict.fromkeys(("image_id", "sha256", "source"), text)
        columns |= {"label": pa.list_(number) if several else number, "patient": text, "truth": text}
        columns |= {"width": number, "height": number, "mode": text, "format": text, "quality": pa.float64()}
        columns |= dict.fromkeys(("bytes", "top", "bottom", "left", "right"), number)
        self._schema = pa.schema(columns | {"truth_kept": pa.float64(), "cue": pa.bool_()})
        self._waiting: list[dict] = []
        self._pixels = np.empty(most, np.uint64)  # the first 64 bits of each digest
        self._count = 0

    def __enter__(self) -> Self:
        self._file = TemporaryFile()
        self._writer = pa.ipc.new_stream(self._file, self._schema)
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, row: dict, pixels: bytes) -> None:
        """Add a row: the columns of the table, and the image's decoded pixels with their shape as bytes."""
        self._pixels[self._count] = int.from_bytes(hashlib.sha256(pixels).digest()[:8])
        self._count += 1
        self._waiting.append(row)
        if len(self._waiting) == self.BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._waiting, schema=self._schema))
            self._waiting = []

    def frame(self) -> pd.DataFrame:
        """All rows, read from the file as they are used, and `same_pixels`: the first row with equal decoded pixels."""
        self._flush()
        self._writer.close()
        self._file.flush()
        found = pa.ipc.open_stream(pa.py_buffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)))
        table = found.read_all()
        frame = table.to_pandas(split_blocks=True, self_destruct=True)
        _, first, which = np.unique(self._pixels[: self._count], return_index=True, return_inverse=True)
        return frame.assign(same_pixels=first[which])
