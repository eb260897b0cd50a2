"""Which images belong together: those of a patient, or those that look alike, by a high Pearson correlation of
thumbnails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import pandas as pd

from heatproof.core.messages import InputError
from heatproof.data.prepare.split import crossing

LIMIT = 10_000_000  # pairs that are held in memory, 16 bytes each
_DECIMALS = 6  # of a correlation
_BLOCK = 2048  # images


@dataclass(frozen=True)
class Pairs:
    """Rows `a` < `b` of two images and the correlation of their thumbnails, sorted by `a`, then `b`."""

    a: np.ndarray
    b: np.ndarray
    similarity: np.ndarray

    def __len__(self) -> int:
        return len(self.a)

    def __getitem__(self, which: np.ndarray) -> "Pairs":
        return Pairs(self.a[which], self.b[which], self.similarity[which])

    def above(self, threshold: float) -> "Pairs":
        return self[self.similarity >= threshold]


@dataclass(frozen=True)
class Centred:
    """Thumbnails less their rounded means.

    values: float32 [images, pixels], integers; rest: float64 [images], their sums, at most half the number of
    pixels; norm: float64 [images], standard deviation times the number of pixels.
    """

    values: np.ndarray
    rest: np.ndarray
    norm: np.ndarray


def centre(thumbnails: np.ndarray) -> Centred:
    """Centre thumbnails, uint8 [images, height, width], of at most 1024 pixels."""
    flat = thumbnails.reshape(len(thumbnails), prod(thumbnails.shape[1:]))
    count = flat.shape[1]
    if flat.dtype != np.uint8 or not 1 <= count <= 1024:
        raise ValueError(f"thumbnails must be uint8 with at most 1024 pixels, not {flat.dtype} with {count}")
    total = flat.sum(1, dtype=np.int64)
    mean = np.rint(total / count)
    values = flat.astype(np.float32) - mean.astype(np.float32)[:, None]
    rest = total - count * mean
    squares = np.einsum("ij,ij->i", values, values).astype(float)
    return Centred(values, rest, np.sqrt(count * squares - rest**2))


def pairs(thumbnails: np.ndarray, threshold: float, *, block: int = _BLOCK, limit: int = LIMIT) -> Pairs:
    """All pairs of images that look alike.

    A constant thumbnail has no correlation; it looks like one that is constant and as bright (similarity 1), and
    like no other.

    Args:
        thumbnails: uint8 [images, 32, 32].
        threshold: Pearson correlation from which two images look alike, above 0; rounded to 6 decimals.
        block: images compared with as many others at a time; it bounds the memory and changes nothing else.
        limit: the most pairs that are held.

    Raises:
        InputError: more pairs than that.
    """
    floor, found = pairs_down_to(thumbnails, [threshold], block=block, limit=limit)
    if floor is None:
        raise too_many(threshold, limit)
    return found


def too_many(threshold: float, limit: int, option: str = "data.lookalike") -> InputError:
    """What to say where more pairs look alike than can be held; `option` is what the user can set."""
    return InputError(f"{option}: more than {limit:,} pairs of images look alike at {threshold:g}: raise it")


def pairs_down_to(
    thumbnails: np.ndarray, thresholds: Sequence[float], *, block: int = _BLOCK, limit: int = LIMIT
) -> tuple[float | None, Pairs]:
    """The lowest of several thresholds at which at most `limit` pairs look alike, and those pairs; see `pairs`.

    None and no pairs where every threshold has more.
    """
    waiting = sorted(thresholds, reverse=True)
    kept = [_constant_pairs(thumbnails, limit)]
    for found in _blocks(thumbnails, lambda: waiting[-1] if waiting else 2.0, block):
        kept.append(found)
        while waiting and sum(map(len, kept)) > limit:
            waiting.pop()
            kept = [part.above(waiting[-1] if waiting else 2.0) for part in kept]
    merged = Pairs(*(np.concatenate([getattr(part, name) for part in kept]) for name in ("a", "b", "similarity")))
    order = np.lexsort((merged.b, merged.a))
    return (waiting[-1] if waiting else None), merged[order]


def _blocks(thumbnails, threshold, block: int) -> Iterator[Pairs]:
    """Pairs of thumbnails that are not constant, block by block; `threshold()` is asked for before each."""
    count = len(thumbnails)
    pixels = prod(thumbnails.shape[1:])
    for start in range(0, count, block):
        rows = centre(thumbnails[start : start + block])
        for other in range(start, count, block):
            lowest = threshold()
            if lowest > 1:
                return
            columns = rows if other == start else centre(thumbnails[other : other + block])
            product = rows.values @ columns.values.T
            # d * product - rest * rest >= threshold * norm * norm, a little lower: few are left to be computed well
            bound = np.stack([(lowest - 1e-6) * rows.norm, rows.rest], 1) @ np.stack([columns.norm, columns.rest])
            bound /= pixels
            candidates = np.greater_equal(product, bound)
            candidates &= (rows.norm > 0)[:, None] & (columns.norm > 0)
            a, b = np.nonzero(np.triu(candidates, 1) if other == start else candidates)
            covariance = pixels * product[a, b].astype(float) - rows.rest[a] * columns.rest[b]
            similarity = np.round(covariance / (rows.norm[a] * columns.norm[b]), _DECIMALS)
            keep = similarity >= lowest
            yield Pairs((a[keep] + start).astype(np.int32), (b[keep] + other).astype(np.int32), similarity[keep])


def _constant_pairs(thumbnails: np.ndarray, limit: int) -> Pairs:
    """Pairs of thumbnails that are constant and equally bright; of more than `limit` of them, `limit` + 1."""
    flat = thumbnails.reshape(len(thumbnails), prod(thumbnails.shape[1:]))
    rows = np.flatnonzero(flat.max(1) == flat.min(1)) if flat.size else np.empty(0, int)
    a, b, left = [np.empty(0, np.int32)], [np.empty(0, np.int32)], limit + 1
    for level in np.unique(flat[rows, 0]):
        members = rows[flat[rows, 0] == level]
        for index, row in enumerate(members[:-1]):
            others = members[index + 1 :][:left]
            left -= len(others)
            a.append(np.full(len(others), row, np.int32))
            b.append(others.astype(np.int32))
    a, b = np.concatenate(a), np.concatenate(b)
    return Pairs(a, b, np.ones(len(a)))


def clusters(count: int, a: np.ndarray, b: np.ndarray, also: Sequence | None = None) -> np.ndarray:
    """Clusters of images that are linked, through others or directly.

    Args:
        count: number of images.
        a, b: rows of linked images.
        also: one id an image, such as its patient; images with one id are linked too, those without (None) are not.

    Returns:
        int64 [count]: the cluster of each image, numbered from 0 in the order of their first images.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if also is not None:
        ids = pd.factorize(pd.Series(list(also), dtype=object))[0]
        known = np.flatnonzero(ids >= 0)
        first = known[np.unique(ids[known], return_index=True)[1]]
        a, b = np.concatenate([a, known]), np.concatenate([b, first[ids[known]]])
    links = coo_array((np.ones(len(a), bool), (a, b)), shape=(count, count))
    labels = connected_components(links, directed=False)[1]
    return pd.factorize(labels)[0]


def group_names(labels: np.ndarray) -> list[str]:
    """Names of clusters for a manifest: `look-0001` for cluster 0."""
    return [f"look-{label + 1:04d}" for label in labels.tolist()]


def group_images(
    frame: pd.DataFrame, thumbnails: np.ndarray, kind: str, threshold: float
) -> tuple[pd.Series, Pairs | None]:
    """The group of each image, and the pairs of images that look alike, where the groups rest on them.

    Args:
        frame: one row an image, with image_id and patient (None where unknown).
        thumbnails: uint8 [images, 32, 32].
        kind: `patient`; `lookalike`: connected clusters of images that look alike, patients united where they are
            known; or `image`.
        threshold: similarity from which two images look alike.

    Raises:
        InputError: patients are asked for and an image has none.
    """
    if kind == "image":
        return frame["image_id"], None
    if kind == "patient":
        lost = frame.loc[frame["patient"].isna(), "source"]
        if len(lost):
            more = f" and {len(lost) - 1} more images" if len(lost) > 1 else ""
            raise InputError(
                f"data.split.by: {lost.iloc[0]}{more}: no patient is known; fix the source, or set by: lookalike"
            )
        return frame["patient"], None
    alike = pairs(thumbnails, threshold)
    patients = frame["patient"].where(frame["patient"].notna(), None)
    labels = clusters(len(frame), alike.a, alike.b, also=patients)
    return pd.Series(group_names(labels), frame.index), alike


def check_apart(splits: pd.DataFrame, pairs: Pairs) -> None:
    """Make sure that no two images that look alike stand in two splits of any fold.

    Raises:
        AssertionError: they do, which whole groups exclude: a fault of the program.
    """
    for fold in splits.filter(regex=r"^fold\d+$"):
        found = crossing(pairs.a, pairs.b, splits[fold].to_numpy())
        if found:
            raise AssertionError(f"{found} pairs of images that look alike stand in two splits of {fold}")


def check_patients(splits: pd.DataFrame, patients: pd.Series) -> None:
    """Make sure that no patient's images stand in two splits of any fold.

    Raises:
        AssertionError: they do, which whole groups exclude: a fault of the program.
    """
    for fold in splits.filter(regex=r"^fold\d+$"):
        found = splits[fold].groupby(patients).nunique()
        if (found > 1).any():
            raise AssertionError(f"images of patient {found.idxmax()} stand in two splits of {fold}")
