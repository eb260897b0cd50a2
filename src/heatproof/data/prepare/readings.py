"""Truth by label and reader: whose regions are the truth, and the table and masks of all of them."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from heatproof.core.draws import derive
from heatproof.data.prepare.preprocess import Frame
from heatproof.data.sources.records import Image, Record, Region
from heatproof.store.tables import READINGS

Regions = tuple[tuple[Region, ...], tuple[str, ...]]  # of one image, and the readers who looked at it


class Readings:
    """The regions of a study by label and reader, as they are drawn image by image.

    Args:
        study: its name, which the reader whose regions are an image's truth is drawn from, where readers rotate.
        readers: in the order of `data.readers`; the first one's regions are the truth.
        rotating: whether any of them may have drawn the truth.
        several: whether images have several labels.
    """

    def __init__(self, study: str, readers: Sequence[str], rotating: bool, several: bool):
        self._study, self._readers, self._rotating, self._several = study, list(readers), rotating, several
        self._rows: list[tuple] = []
        self.count = 0  # of masks
        self.of_absent = 0  # images with regions of labels alone that they do not have
        self.marked: dict[str, list[int]] = {}  # image -> the labels of its truth
        self.seen: set[int] = set()  # labels with a region

    def order(self, image_id: str, present: Sequence[str]) -> list[str]:
        """Return the readers who looked at an image, the one whose regions are its truth first."""
        if not self._readers:
            return list(dict.fromkeys(present))
        here = [name for name in self._readers if name in present]
        if self._rotating:
            return sorted(here, key=lambda name: derive("reader", self._study, image_id, name))
        return here if here[:1] == self._readers[:1] else []

    def add(self, record: Record, image: Image, found: Regions, frame: Frame, masks: np.ndarray) -> tuple:
        """Draw the regions of an image, and fill in rows and masks.

        Args:
            masks: bool [readings, size, size], of which the first `count` are filled.

        Returns:
            The image's truth of all its labels, bool [height, width], or None, and its kind, mask, box or none.
        """
        (regions, present), shape = found, image.pixels.shape[:2]
        held = sorted(record.label) if self._several else [record.label]
        self.of_absent += any(region.instances and not {*held} & {*region.labels} for region in regions)
        readers = self.order(record.image_id, present)
        whole, kind, marked, rows, count = None, "none", [], [], self.count
        for label, reader in product(held, readers):
            truth = reader == readers[0]
            if not truth and label not in marked:
                continue  # nothing that it could be compared with
            mine = [region for region in regions if label in region.labels and region.reader == reader]
            drawn = [region for region in mine if region.draw is not None]
            mask = np.zeros(shape, bool)
            for region in drawn:
                mask |= region.draw(shape)
            points = [frame.points(region.points(shape)) for region in mine if region.points is not None]
            small = frame.mask(mask)[0] if mask.any() else mask[:0]
            kind_here = (
                "none" if not mask.any() else "mask" if any(region.kind == "mask" for region in drawn) else "box"
            )
            if mask.any():
                self.seen.add(label)
            if truth and small.any():
                marked.append(label)
                whole = mask if whole is None else whole | mask
                kind = kind_here if kind != "mask" else kind
            if (not small.any() and truth) or (not self._several and len(self._readers) < 2):
                continue  # no truth, or one that the image's own mask holds
            counts = [region.instances for region in mine if region.instances is not None]
            if small.any():
                masks[count] = small
            row = count if small.any() else -1
            number = sum(counts) if counts and mask.any() else pd.NA
            shown = ";".join(f"{x:.3f} {y:.3f}" for part in points for x, y in part)
            rows.append((record.image_id, label, reader, readers.index(reader), row, kind_here, number, shown))
            count += bool(small.any())
        self._rows += rows
        self.count, self.marked[record.image_id] = count, marked  # together, as an image may turn out to be bad
        return whole, kind

    def frame(self) -> pd.DataFrame:
        """Return a row a reading, columns `READINGS`."""
        return pd.DataFrame(self._rows, columns=list(READINGS))
