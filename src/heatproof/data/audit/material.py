"""What an audit looks at, from a study's artifacts or straight from a folder or an archive, and how."""

import hashlib
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from heatproof.core.messages import InputError, line, steps, using_options
from heatproof.data.audit.probes import View, label_sets
from heatproof.data.prepare.lookalikes import LIMIT
from heatproof.data.prepare.preprocess import OddMasks, margins, preprocess, thumbnail, to_uint8
from heatproof.data.sources.places import pattern_for, split_of, suspects
from heatproof.data.sources.records import SUFFIXES
from heatproof.data.sources.trees import open_tree
from heatproof.store import artifacts
from heatproof.store.artifacts import is_multilabel, truth
from heatproof.text.numbers import counted, listed


@dataclass(frozen=True)
class Material:
    """What the audit looks at; every array has one entry an image.

    labels: int; sha256: of the files; pictures: the same for images whose decoded pixels are equal; groups: any, or
    None for the clusters that the audit finds; group_kind: patient, lookalike or image; split_by: what the split in use
    keeps together, patient, lookalike or random; column or folder where it came with the images; all where every image
    is tested, and unstated where models may have seen them; None where that is not known; patients_known: look-alikes
    are then clustered as whole patients; truth_kept: share of the truth's area that preprocessing left, NaN without
    truth, None where no truth is read; odd_masks: None where none is odd; splits: train, val or test by fold (`fold0`,
    ...; `random0`, ...); raw, fitted: the images as they came and after preprocessing; label_names, truth: of a
    multilabel study the labels, and which of them each image has, bool [images, labels]: `classes` then are the sets of
    labels that images have, and `labels` are theirs. None where an image has one class. about: column of the source's
    table to its cells.
    """

    image_ids: np.ndarray
    labels: np.ndarray
    classes: list[str]
    sha256: np.ndarray
    pictures: np.ndarray
    groups: np.ndarray | None
    group_kind: str
    raw: View
    fitted: View
    split_by: str | None = None
    patients_known: bool = False
    truth_kept: np.ndarray | None = None
    odd_masks: OddMasks | None = None
    splits: dict[str, np.ndarray] = field(default_factory=dict)
    label_names: list[str] | None = None
    truth: np.ndarray | None = None
    about: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What images are counted by: classes, or labels, of which an image may have several."""
        return self.classes if self.label_names is None else self.label_names

    @property
    def held(self) -> np.ndarray:
        """Which of `names` each image has, bool [images, names]."""
        return self.labels[:, None] == np.arange(len(self.classes)) if self.truth is None else self.truth

    @property
    def used(self) -> dict[str, np.ndarray]:
        """The splits in use, without those that are only compared."""
        return {fold: split for fold, split in self.splits.items() if fold.startswith("fold")}


@dataclass(frozen=True)
class Settings:
    """How to look: `draws` random splits, `bootstrap` draws, `folds` of the probes, thresholds to `sweep`.

    shares: of train, val and test, or of each part of a cross-validation; tolerance: how far they may be missed.
    """

    threshold: float
    sweep: tuple[float, ...]
    draws: int = 200
    bootstrap: int = 1000
    folds: int = 5
    shares: tuple[float, ...] = (0.6, 0.2, 0.2)
    tolerance: float = 0.1
    cross_validated: bool = False
    limit: int = LIMIT  # pairs of look-alikes
    option: str = "data.lookalike"  # what a user sets the threshold with
    crop: str = "none"  # as the images were preprocessed: advice names nothing that is set
    fit: str = "crop"

    @property
    def three_shares(self) -> tuple[float, float, float]:
        """Of train, val and test, in a cross-validation too."""
        if not self.cross_validated:
            return self.shares
        one = self.shares[0]
        return 1 - 2 * one, one, one


BRANCHES = {"path": "heatproof.data.sources.images"}  # taken by no job (`workflow.code`)
EDGES = ("top", "bottom", "left", "right")
FACTS = ("width", "height", "mode", "format", "quality", "bytes")
MOST = 50  # classes
OPTIONS = {"data.source": "", "data.window": "--window", "data.patient": "--patient"}  # as who audits a path knows them
DICOM = "; it holds DICOM, which a study with kind: dicom reads"
TRIED = 5  # files of which the first bytes are looked at, where none is an image by its name
MASKS = {"mask", "masks", "groundtruth", "ground_truth", "lungmask", "lungmasks", "lung_masks"}
MASKS |= {"seg", "segmentation", "segmentations", "annotation", "annotations"}  # names of folders, in lower case
MASK_ENDS = re.compile(r"[-_ .]?(lung)?(mask|seg|segmentation|annotation|gt)s?([-_ .]?\d+)?$", re.IGNORECASE)
TOP = "(no folder)"  # the class of images that lie in none


def read_study(study: str, group_kind: str, split_by: str | None = None, patients_known: bool = False) -> Material:
    """The images of a study, from what its data job left; see `Material` for the rest."""
    folder = artifacts.data_dir(study)
    manifest = artifacts.read_table(folder / "manifest.parquet", artifacts.DEALT)
    facts = artifacts.read_table(folder / "facts.parquet", artifacts.FACTS)
    thumbnails, pixels = (artifacts.read_array(folder / name) for name in ("thumbnails.npy", "pixels.npy"))
    counts = {"facts.parquet": len(facts), "thumbnails.npy": len(thumbnails), "pixels.npy": len(pixels)}
    for name, count in counts.items():
        if count != len(manifest):
            raise artifacts.ArtifactError(
                f"{folder / name}: {count} images, and the manifest has {len(manifest)}; delete the file and run again"
            )
    fitted = _Fitted(len(manifest))
    for row, image in enumerate(steps(pixels, len(pixels), f"{study}: preprocessed images")):
        fitted.add(row, image)
    known = pd.concat([manifest[["width", "height"]], facts.drop(columns="image_id")], axis=1)
    classes = artifacts.read_json(folder / "digest.json")["classes"]
    held = truth(manifest, len(classes)) if is_multilabel(manifest) else None
    labels, sets = (manifest["label"].to_numpy(np.int64), classes) if held is None else label_sets(held, classes)
    return Material(
        image_ids=manifest["image_id"].to_numpy(object),
        labels=labels,
        classes=sets,
        label_names=None if held is None else classes,
        truth=held,
        sha256=manifest["sha256"].to_numpy(object),
        pictures=facts["same_pixels"].to_numpy(np.int64),
        groups=manifest["group"].to_numpy(object),
        group_kind=group_kind,
        split_by=split_by,
        patients_known=patients_known,
        truth_kept=facts["truth_kept"].to_numpy(float),
        raw=View(np.asarray(thumbnails), known[list(EDGES)].to_numpy(np.int64), known[list(FACTS)]),
        fitted=fitted.view(),
        odd_masks=_odd_masks(folder, manifest),
        about={
            column.removeprefix(artifacts.ABOUT): facts[column].to_numpy(object)
            for column in facts
            if column.startswith(artifacts.ABOUT)
        },
        splits={name: manifest[name].to_numpy(object) for name in manifest if re.fullmatch(artifacts.FOLD, name)},
    )


def _odd_masks(folder: Path, manifest: pd.DataFrame) -> OddMasks | None:
    """Masks that most likely are mistakes, as preprocessing left them; None where there are none."""
    drawn = np.flatnonzero(manifest["truth"] == "mask")
    if not len(drawn):
        return None
    masks = artifacts.read_array(folder / "masks.npy")
    found = OddMasks()
    for row in drawn:
        found.add(manifest["image_id"].iloc[row], masks[row])
    return found if found.inverted or found.full else None


class _Fitted:
    """What is kept of images after preprocessing, one by one: the pixels themselves are not."""

    def __init__(self, count: int):
        self.thumbnails, self.margins = np.empty((count, 32, 32), np.uint8), np.empty((count, 4), np.int64)

    def add(self, row: int, pixels: np.ndarray) -> None:
        """pixels: uint8 [channels, size, size]."""
        image = pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
        self.thumbnails[row], self.margins[row] = thumbnail(image), margins(image)

    def view(self, rows: slice = slice(None)) -> View:
        return View(self.thumbnails[rows], self.margins[rows])


def read_path(
    path: Path,
    *,
    patient: str | None,
    window: tuple[float, float] | None,
    size: int,
    crop: str,
    fit: str,
    up: int = 1,
) -> tuple[Material, list[dict], list[str]]:
    """The images of a folder or an archive, each in the class that a folder above it is named after.

    Where folders called train and test (and val) stand above all of them, that is the split in use.

    Args:
        patient: pattern whose first group, found in a file's name, is the patient; groups are then patients, else
            clusters of look-alikes, which the audit finds.
        window: the values that become black and white.
        size, crop, fit: of preprocessing.
        up: how many folders up the class is: 1 is the folder directly above.

    Returns:
        the images; the bad files, source and reason of each; the names of files that are not images by their suffix.

    Raises:
        InputError: no image can be read, there are more than `MOST` classes, or a file's name holds no patient.
    """
    rows, bad = [], []
    with using_options(OPTIONS), _open(path) as tree:
        names = [name for name in tree.names if PurePosixPath(name).suffix.lower() in SUFFIXES]
        if drawn := suspects(names):
            mask, image = next(iter(drawn.items()))
            line(
                f"{counted(len(drawn), 'file looks', 'files look')} like masks of images beside them and left aside, "
                f"such as {mask}; a study reads them with data.masks: '{pattern_for(mask, image)}'"
            )
            names = [name for name in names if name not in drawn]
        others = [name for name in tree.names if PurePosixPath(name).suffix.lower() not in SUFFIXES]
        masks = mask_files(names)
        if masks:
            names = [name for name in names if name not in masks]
            folders = listed(sorted({PurePosixPath(name).parent.as_posix() for name in masks})[:3])
            line(f"audit: {counted(len(masks), 'mask')} left out, such as those in {folders}")
        if not names:
            raise InputError(
                f"{path}: no image among {counted(len(others), 'file')} ({', '.join(sorted(SUFFIXES))})"
                f"{DICOM if any(_is_dicom(tree.read(name)) for name in others[:TRIED]) else ''}"
            )
        _check_classes(path, names, up)
        persons = None if patient is None else [_patient(path, patient, name) for name in names]
        fitted = _Fitted(len(names))
        for index, name in enumerate(steps(names, len(names), "audit: images")):
            try:
                image = importlib.import_module(BRANCHES["path"]).read_image(tree, name, window=window)
            except InputError as error:
                bad.append({"source": name, "reason": str(error)})
                continue
            pixels = to_uint8(image, window)
            small = thumbnail(pixels)
            fitted.add(len(rows), preprocess(pixels, None, size=size, channels=1, crop=crop, fit=fit)[0])
            facts = {key: getattr(image.facts, key) for key in FACTS}
            edges = dict(zip(EDGES, margins(pixels), strict=True))
            same = {"sha256": image.sha256, "picture": _picture(image.pixels)}
            rows.append({"name": name, "index": index, "small": small, **same, **facts, **edges})
    if not rows:
        raise InputError(f"{path}: {counted(len(names), 'image')}, and none can be used; the first: {bad[0]['reason']}")
    frame = pd.DataFrame(rows)
    folders = frame["name"].map(lambda name: _folder(name, up))
    labels, classes = pd.factorize(folders, sort=True)
    material = Material(
        image_ids=frame["name"].to_numpy(object),
        labels=labels.astype(np.int64),
        classes=list(classes),
        sha256=frame["sha256"].to_numpy(object),
        pictures=frame["picture"].to_numpy(object),
        groups=None if persons is None else np.array(persons, object)[frame["index"]],
        group_kind="lookalike" if persons is None else "patient",
        patients_known=persons is not None,
        raw=View(np.stack(frame["small"].to_list()), frame[list(EDGES)].to_numpy(np.int64), frame[list(FACTS)]),
        fitted=fitted.view(slice(len(rows))),
        splits=_parts(frame["name"]),
    )
    return material, bad, others


def mask_files(names: Sequence[str]) -> set[str]:
    """Find masks: they lie below a folder called so, and are named after an image that does not.

    A class may be called `masks` too: where half of a folder's files or more are named after no image, they are images.

    >>> sorted(mask_files(["ill/1.png", "ill/2.png", "masks/1_mask.png", "masks/2.png"]))
    ['masks/1_mask.png', 'masks/2.png']
    >>> mask_files(["masks/1.png", "masks/2.png", "caps/3.png", "caps/4.png"])
    set()
    """
    by_folder: dict[str, list[PurePosixPath]] = {}
    images: set[str] = set()
    for path in map(PurePosixPath, names):
        folder = next((part.lower() for part in path.parent.parts if part.lower() in MASKS), None)
        if folder is None:
            images.add(path.stem)
        else:
            by_folder.setdefault(folder, []).append(path)
    found: set[str] = set()
    for paths in by_folder.values():
        known = [path for path in paths if {path.stem, MASK_ENDS.sub("", path.stem)} & images]
        if 2 * len(known) > len(paths):
            found |= {str(path) for path in paths}
    return found


def _open(path: Path):
    try:
        return open_tree(path)
    except InputError as error:
        raise InputError(str(error) + (DICOM if _begins_as_dicom(path) else "")) from None


def _begins_as_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _is_dicom(file.read(132))
    except OSError:
        return False


def _is_dicom(content: bytes) -> bool:
    return content[128:132] == b"DICM"


def _picture(pixels: np.ndarray) -> str:
    """The same for two images only if their decoded pixels are equal; it leaves the memory of the job as a count."""
    kind = f"{pixels.dtype.str} {pixels.shape}".encode()
    return hashlib.blake2b(kind + np.ascontiguousarray(pixels).tobytes(), digest_size=16).hexdigest()


def _folder(name: str, up: int) -> str:
    folders = PurePosixPath(name).parent.parts
    return folders[-up] if len(folders) >= up else TOP


def _check_classes(path: Path, names: list[str], up: int) -> None:
    count = len({_folder(name, up) for name in names})
    if count > MOST:
        raise InputError(
            f"{path}: {count} folders with images, and {MOST} classes are the most; if each is a patient, --up "
            f"{up + 1} takes the folder above it for the class"
        )


def _patient(path: Path, pattern: str, name: str) -> str:
    match = re.search(pattern, PurePosixPath(name).name)
    if not match or not match[1]:
        raise InputError(f"{path}: {name}: --patient {pattern!r} finds no patient in this file name")
    return match[1]


def _parts(names: pd.Series) -> dict[str, np.ndarray]:
    """The split that folders called train, val and test tell, where they stand above every image."""
    found = [next(filter(None, map(split_of, PurePosixPath(name).parent.parts)), None) for name in names]
    return {"fold0": np.array(found, object)} if None not in found and {"train", "test"} <= set(found) else {}
