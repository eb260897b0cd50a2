"""The heatmaps of one checkpoint, read a few images at a time, with the controls beside them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from heatproof.catalogue.reasons import CLASS_NOT_ASKED, NO_OTHER_IMAGE, NO_TRUTH, UNDEFINED
from heatproof.core.geometry import degeneracy
from heatproof.score import controls
from heatproof.store import artifacts
from heatproof.store.kept import recipe

CHUNK = 64  # images read at a time
BESIDE = (controls.EDGES, controls.MEAN_MASK, controls.TRUTH)  # controls that look at images and masks

Stack = tuple[Tensor, list[str]]  # maps [images, height, width], and why each cannot be scored ("" if it can)


@dataclass(frozen=True)
class Beside:
    """What some controls read of a study beside its heatmaps.

    Attributes:
        pixels: uint8 [all images, channels, height, width], mapped from disk; or float in [0, 1].
        masks: bool [all images, height, width], mapped from disk.
        places: int [images], where in both the explained images lie.
        untrue: str [images], why they have no truth, of cases none of their label; "" where they have one.
        labels: int [images], their true classes; of cases, their labels.
        present: bool [images], whether a case's label is there; None where an image has one class.
        mean_mask: float32 [height, width], the mean mask of the training images; or of each label [labels, height,
            width].
        drawn: int [images], where in `masks` the truth of a case lies, where it has its own; by default `places`.
        readings: of each image or case the rows of `read`, -1 for nothing drawn, and points of other readers; None
            where there is one reader.
        read: bool [rows, height, width], mapped from disk: what readers drew.
    """

    pixels: np.ndarray
    masks: np.ndarray
    places: np.ndarray
    untrue: np.ndarray
    labels: np.ndarray
    present: np.ndarray | None
    mean_mask: Tensor
    drawn: np.ndarray | None = None
    readings: Sequence[Sequence[tuple[int, str]]] | None = None
    read: np.ndarray | None = None

    def truth(self, images: np.ndarray) -> Tensor:
        """Return the true regions of some images, bool [images, height, width]; empty where there is none."""
        rows = (self.places if self.drawn is None else self.drawn)[images]
        return torch.from_numpy(self.masks[rows] & self.true[images][:, None, None])

    @property
    def true(self) -> np.ndarray:
        """Bool [images], which of them have a truth."""
        return self.untrue == ""

    def of_classes(self, images: np.ndarray, labels: list[int] | None) -> list[str]:
        """Why an image is not scored, if only those of some classes are; "" if it is."""
        return ["" if labels is None or label in labels else CLASS_NOT_ASKED.code for label in self.labels[images]]

    def control(self, name: str, images: np.ndarray) -> Stack:
        """Return one of the controls `BESIDE` for some images; it is the same for all models."""
        places, why = self.places[images], [""] * len(images)
        if name == controls.EDGES:
            maps = controls.edges(torch.from_numpy(self.pixels[places]))
        elif name == controls.MEAN_MASK:
            maps = self.mean_mask[self.labels[images]] if self.mean_mask.ndim == 3 else self.mean_mask
            maps = maps.expand(len(images), *self.mean_mask.shape[-2:])
            why = ["" if known else NO_TRUTH.code for known in maps.any(2).any(1).tolist()]
        else:
            maps = controls.truth(self.truth(images))
            why = self.untrue[images]
        return maps, [first or reason for first, reason in zip(why, checked(maps)[1], strict=True)]


@dataclass(frozen=True)
class Heatmaps:
    """What the explain stage left for one checkpoint.

    Where an image can have several labels, an "image" here is a case: an image and one of its labels.

    Attributes:
        study: the study's name, which fixes the controls.
        images: one row an image: image_id, group, target; and label, the label that a case is of, if it is one.
        methods: in the study's order.
        grid: rows and columns of the layer that the first method explains.
        rows: int [methods, images], where in `array` a map lies, or -1 where there is none.
        flags: str [methods, images], the explain stage's reason why a map cannot be scored, or "".
        partners: int [methods, images], whose map is the control `other_image`: of those that have one.
        array: float32 [rows, height, width], mapped from disk.
        beside: for the controls that look at images and masks; without it they are left out.
    """

    study: str
    images: pd.DataFrame
    methods: tuple[str, ...]
    grid: tuple[int, int]
    rows: np.ndarray
    flags: np.ndarray
    partners: np.ndarray
    array: np.ndarray
    beside: Beside | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def multilabel(self) -> bool:
        """Whether images can have several labels."""
        return "label" in self.images

    @property
    def leader(self) -> int:
        """Return the first method that made a map: its maps stand in for another image's."""
        return int((self.rows >= 0).any(1).argmax())

    @cached_property
    def scene(self) -> str:
        """Return a digest of what a control sees that looks at no heatmap: images, targets, the grid."""
        return recipe(self.study, self.images.to_json(orient="split"), self.grid, self.array.shape[1:])

    def content(self, method: str) -> str:
        """Return a digest of the heatmaps of one method, and of which images have one."""
        place = self.methods.index(method)
        rows = self.rows[place]
        found = hashlib.sha256(recipe((rows >= 0).tolist(), list(self.flags[place])).encode())
        for row in rows[rows >= 0]:
            found.update(self.array[row].tobytes())
        return found.hexdigest()

    def shown(self, name: str) -> str | None:
        """Return the method whose maps a method or control shows, those of other images too; None if it shows none."""
        _, other, method = name.partition(controls.OTHER_IMAGE)
        if other:
            return method.removeprefix(":") or self.methods[self.leader]
        return name if name in self.methods else None

    def read(self, method: int, images: np.ndarray) -> Stack:
        """Maps of one method; one that its own stage has flagged is not read, and is NaN."""
        flags, rows = self.flags[method, images], self.rows[method, images]
        maps = torch.full((len(images), *self.array.shape[1:]), torch.nan)
        read = flags == ""
        maps[torch.from_numpy(read)] = torch.from_numpy(self.array[rows[read]])
        return maps, [flag or reason for flag, reason in zip(flags, degeneracy(maps), strict=True)]

    @property
    def names(self) -> list[str]:
        """Return the names of the methods and controls that are scored."""
        plain = [controls.RANDOM, controls.LOWRES_NOISE, controls.CENTER, controls.OTHER_IMAGE]
        return [*self.methods, *plain, *(BESIDE if self.beside else [])]

    @property
    def others(self) -> list[str]:
        """Return the names of the controls of comparisons between maps, one a method: `other_image` of the leader,
        `other_image:<method>` of any other."""
        every = [f"{controls.OTHER_IMAGE}:{method}" for method in self.methods]
        return [controls.OTHER_IMAGE if i == self.leader else name for i, name in enumerate(every)]

    def stacks(self, images: np.ndarray, *draw: int | str, names: Iterable[str] | None = None) -> dict[str, Stack]:
        """Return the maps of methods and controls for some images.

        Args:
            draw: makes the random controls differ.
            names: those wanted; by default all of `names`.
        """
        return {name: self.stack(name, images, *draw) for name in (self.names if names is None else names)}

    def stack(self, name: str, images: np.ndarray, *draw: int | str) -> Stack:
        """Return the maps of one method or control for some images."""
        if name in self.methods:
            return self.read(self.methods.index(name), images)
        if method := self.shown(name):
            return self.other(method, images)
        if name in BESIDE:
            return self.beside.control(name, images)
        size = self.array.shape[1:]
        keys = [(self.study, image_id, *draw) for image_id in self.images.image_id.iloc[images]]
        if name == controls.RANDOM:
            return checked(controls.random_maps(keys, size))
        if name == controls.LOWRES_NOISE:
            return checked(controls.lowres_noise(keys, self.grid, size))
        return checked(controls.center_blob(size).expand(len(images), *size))

    def other(self, method: str, images: np.ndarray) -> Stack:
        """Return the maps of other images by one method, in place of those of some images."""
        place = self.methods.index(method)
        partners = self.partners[place, images]
        maps, reasons = self.read(place, partners)
        alone = partners == images
        maps[torch.from_numpy(alone)] = torch.nan
        return maps, [NO_OTHER_IMAGE.code if a else r for a, r in zip(alone, reasons, strict=True)]

    def chunks(self) -> list[np.ndarray]:
        """Indices of the images, a few at a time."""
        return [np.arange(start, min(start + CHUNK, len(self))) for start in range(0, len(self), CHUNK)]

    def of_cases(self, images: pd.DataFrame, absent: str) -> "Heatmaps":
        """The maps of these cases, in their order; one that is not here has `absent` for its reason."""
        places = cases(self.images).get_indexer(cases(images))
        rows = np.where(places < 0, -1, self.rows[:, places])
        flags = np.where(places < 0, absent, self.flags[:, places])
        return replace(self, images=images, rows=rows, flags=flags, partners=_all_partners(self.study, images, rows))


def checked(maps: Tensor) -> Stack:
    """Maps made here, with the reason for each that is degenerate."""
    return maps, degeneracy(maps)


def read(study: str, folder: Path) -> Heatmaps:
    """Open the heatmaps of one checkpoint.

    Raises:
        ArtifactError: a file is missing or damaged, or index and maps do not fit each other.
    """
    path = folder / "index.parquet"
    index = artifacts.read_table(path, artifacts.HEATMAPS)
    array = artifacts.read_array(folder / "maps.npy")
    maps = index["row"][index["row"] >= 0]
    if array.ndim != 3 or not len(index) or maps.duplicated().any() or (len(maps) and maps.max() >= len(array)):
        raise artifacts.ArtifactError(
            f"{path}: {len(index)} rows, and maps.npy of shape {array.shape} beside it; delete both and run again"
        )
    key = case_key(index)
    images = index.drop_duplicates(key)[list(dict.fromkeys(["image_id", "group", "target", *key]))]
    images = images.reset_index(drop=True)
    methods = tuple(index.method.unique())
    order = pd.MultiIndex.from_arrays([index["method"], cases(index)])
    wanted = pd.MultiIndex.from_product([methods, cases(images)])
    if not order.is_unique or len(order) != len(wanted):
        raise artifacts.ArtifactError(f"{path}: not one map for each image and method; delete the file and run again")
    places = order.get_indexer(wanted).reshape(len(methods), len(images))
    first, rows = index.iloc[places[0, 0]], index["row"].to_numpy("int64")[places]
    flags = index["degenerate"].to_numpy(object)[places]
    if ((rows < 0) & (flags == "")).any():
        raise artifacts.ArtifactError(f"{path}: a map is missing without a reason; delete the file and run again")
    return Heatmaps(
        study=study,
        images=images,
        methods=methods,
        grid=(int(first.grid_height), int(first.grid_width)),
        rows=rows,
        flags=flags,
        partners=_all_partners(study, images, rows),
        array=array,
    )


def of_maps(
    study: str, images: pd.DataFrame, maps: Mapping[str, Tensor], grid: tuple[int, int], beside: Beside
) -> Heatmaps:
    """Return maps that were not read from files, to be scored like those that were.

    Args:
        study: what the random controls are drawn from, together with the images.
        images: image_id, group and target of each.
        maps: by method, float [images, height, width].
    """
    rows = np.arange(len(maps) * len(images)).reshape(len(maps), -1)
    return Heatmaps(
        study=study,
        images=images,
        methods=tuple(maps),
        grid=grid,
        rows=rows,
        flags=np.full(rows.shape, "", object),
        partners=_all_partners(study, images, rows),
        array=torch.cat(list(maps.values())).float().numpy(),
        beside=beside,
    )


def case_key(frame: pd.DataFrame) -> list[str]:
    """The columns that tell one case from another: the image, and the label where it can have several."""
    return ["image_id", "label"] if "label" in frame else ["image_id"]


def cases(frame: pd.DataFrame) -> pd.Index:
    """What each row is of, to be looked up: its image, or the pair of its image and label."""
    key = case_key(frame)
    return (
        pd.Index(frame["image_id"])
        if len(key) == 1
        else pd.Index(list(frame[key].itertuples(False, None)), tupleize_cols=False)
    )


def _all_partners(study: str, images: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    return np.stack([_partners(study, images, of_method >= 0) for of_method in rows])


def _partners(study: str, images: pd.DataFrame, made: np.ndarray) -> np.ndarray:
    """For each image another one, among those of which a map was made; its own index where it has no map."""
    here, partners = np.flatnonzero(made), np.arange(len(images))
    if len(here):
        chosen = images.iloc[here]
        partners[here] = here[controls.other_images(study, list(chosen.image_id), list(chosen.group))]
    return partners


def named_columns(images: pd.DataFrame) -> list[str]:
    """Columns of images, or cases, that their scores carry."""
    return [column for column in ("image_id", "group", "label") if column in images]


def scores(
    images: pd.DataFrame,
    method: str,
    values: dict[str, Tensor],
    reasons: list[str],
    undefined: str = UNDEFINED.code,
) -> pd.DataFrame:
    """Rows of the score table, without model and seed, for one method's values of some images.

    Args:
        images: image_id and group of each image, and the label of a case.
        values: per metric, float [images].
        reasons: why an image has no value for any metric, or "".
        undefined: the reason where a single metric has none.
    """
    parts, stated = [], named_columns(images)
    for metric, value in values.items():
        reason = np.array(reasons, object)
        number = np.where(reason == "", value.numpy(), np.nan)
        reason[(reason == "") & np.isnan(number)] = undefined
        part = images[stated].assign(method=method, metric=metric, value=number, reason=reason)
        parts.append(part)
    return pd.concat(parts)
