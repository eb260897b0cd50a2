"""Folders and archives of DICOM files with one sub-folder a class.

Nothing that identifies a patient leaves this module: records, images and errors name files and patients by
pseudonyms. Who has the files and the key finds a file again with `python -m heatproof.data.sources.pseudonyms`.
The path of the source stands in errors as the configuration gives it: it must not name a patient.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from heatproof.core.messages import InputError, clean, line
from heatproof.data.sources.dicom_pixels import ABOUT, Decoded, Unusable, decode_dicom, is_dicom
from heatproof.data.sources.places import Masks, class_depth, stem, suffix
from heatproof.data.sources.pseudonyms import Pseudonyms, read_key  # noqa: F401 (`opening` reads them from here)
from heatproof.data.sources.records import Facts, Image, Record
from heatproof.data.sources.trees import Tree
from heatproof.data.sources.truth import PLAIN, Lesion, Line, by_label, read_mask

SUFFIXES = {".dcm", ".dicom"}
_PICTURES = {".bmp", ".gif", ".npy", ".png", ".tif", ".tiff"}


def list_records(
    tree: Tree,
    classes: dict[str, str],
    *,
    key: bytes,
    masks: str | None = None,
    window: tuple[float, float] | None = None,
    lesion: Lesion = PLAIN,
    labels: Mapping[str, Line] | None = None,
    about: Sequence[str] = (),
) -> tuple[list[Record], list[str]]:
    """List the DICOM files of the classes: those called .dcm or .dicom, and of those without such a suffix (or with
    one made of digits, as UIDs have) those with `DICM` at byte 128; not DICOMDIR.

    A file belongs to the class whose folder is the nearest above it. Its mask, PNG or NPY, lies in a folder called
    `masks`, with the name of the file, suffix aside, at the places that `images.list_records` knows.

    Args:
        classes: class name to the name of its folder.
        key: of the pseudonyms (see `pseudonyms.read_key`).
        masks: name of the folder of masks, or a pattern (see `places.parsed`).
        window: the values that become black and white; without it, each file's own.
        lesion: which values of a mask are lesion.
        labels: as in `images.list_records`.
        about: keywords of the header, from `ABOUT`, that `Image.about` holds.

    Returns:
        records by pseudonym, `<class>/<16 hex digits>`, which is both id and source; patients come with the images,
        as `patient-...`, or `study-...` where a file has no PatientID. And a line for what was left out.

    Raises:
        InputError: a class has no file, a mask fits no file or two, or two masks fit one.
    """
    if unknown := [name for name in about if name not in ABOUT]:
        raise InputError(
            f"data.audit.columns: {unknown[0]}: not read from the header of DICOM files; choose from {', '.join(ABOUT)}"
        )
    names = Pseudonyms(key)
    folders = {clean(folder): label for label, folder in enumerate(classes.values())}
    drawn = Masks(tree, clean(masks) if masks else None, folders, _PICTURES, names.file, _stem, words=labels or ())
    said: set[str] = set()
    records, stems = {}, set()
    elsewhere = left_out = 0
    for name in tree.names:
        parts = name.split("/")
        if drawn.hold(name):
            continue
        if not _is_listed(tree, name):
            left_out += 1
            continue
        stems.add(_stem(parts[-1]))
        depth = class_depth(parts, folders)
        if depth is None:
            elsewhere += 1
            continue
        label = folders[parts[depth]]
        image_id = f"{list(classes)[label]}/{names.file(name)}"
        found, said_of = drawn.take(parts, depth, _stem(parts[-1])), f"{tree.source}: {image_id}: mask"
        regions = by_label(
            lambda mask, said_of=said_of: _content(tree, mask, said_of),
            drawn,
            found,
            _stem(parts[-1]),
            lambda _, said_of=said_of: said_of,
            lesion,
            labels,
        )
        records[image_id] = Record(
            image_id=image_id,
            source=image_id,
            label=label,
            patient=None,
            read=lambda name=name, image_id=image_id, found=() if regions else found: read_dicom(
                tree, name, image_id, found, names=names, window=window, lesion=lesion, said=said, about=about
            ),
            regions=regions,
        )
    _check_classes(tree, classes, {record.label for record in records.values()}, elsewhere)
    drawn.check(stems)
    return [records[image_id] for image_id in sorted(records)], _notes(tree, left_out, elsewhere)


def read_dicom(
    tree: Tree,
    name: str,
    image_id: str,
    masks: tuple[str, ...],
    *,
    names: Pseudonyms,
    said: set[str],
    window: tuple[float, float] | None = None,
    lesion: Lesion = PLAIN,
    named: bool = True,
    about: Sequence[str] = (),
) -> Image:
    """Decode one file of a tree with its masks, at its own size.

    Args:
        image_id: names the file in errors.
        said: lines that were written, which are not written again.
        named: whether the header names the patient.
        about: as in `list_records`.

    Raises:
        InputError: what is wrong with the file or a mask, in one line.
    """
    where = f"{tree.source}: {image_id}"
    content = _content(tree, name, where)
    try:
        decoded = decode_dicom(content, window, about)
    except Unusable as error:
        raise InputError(f"{where}: {error}") from None
    patient = _patient(decoded, names, where) if named else None
    if patient and patient.startswith("study-"):
        _say(said, f"{tree.source}: files without a PatientID: each study counts as a patient")
    if decoded.scaled == "range":
        _say(said, f"{tree.source}: files without a window: their full range is shown; data.window sets one for all")
    height, width = decoded.pixels.shape[:2]
    drawn = None
    if masks:
        said_of = f"{where}: mask"
        read = [read_mask(_content(tree, mask, said_of), said_of, (height, width), lesion) for mask in masks]
        drawn = np.logical_or.reduce(read)
        drawn = drawn if drawn.any() else None  # a mask of nothing
    return Image(
        pixels=decoded.pixels,
        mask=drawn,
        facts=Facts(width, height, decoded.mode, "DICOM", bytes=len(content)),
        sha256=names.content(content),
        truth="none" if drawn is None else "mask",
        window=decoded.window,
        patient=patient,
        uid=names.instance(decoded.uid) if decoded.uid else None,
        about=decoded.about,
    )


def _content(tree: Tree, name: str, where: str) -> bytes:
    try:
        return tree.read(name)
    except InputError:  # it names the file
        raise InputError(f"{where}: cannot be read; get it again or remove it") from None


def _patient(decoded: Decoded, names: Pseudonyms, where: str) -> str:
    if decoded.patient:
        return names.patient(decoded.patient)
    if decoded.study:
        return names.study(decoded.study)
    raise InputError(
        f"{where}: neither PatientID nor StudyInstanceUID, so that its group is not known; add one or remove it"
    )


def _say(said: set[str], text: str) -> None:
    """One line, once."""
    if text not in said:
        said.add(text)
        line(text)


def _is_listed(tree: Tree, name: str) -> bool:
    last = name.rpartition("/")[2]
    end = suffix(last)
    if end in SUFFIXES:
        return True
    if last.upper() == "DICOMDIR" or not (end in ("", ".ima") or end[1:].isdigit()):
        return False
    try:
        return is_dicom(tree.read(name))
    except InputError:  # its own line comes when it is read
        return True


def _stem(name: str) -> str:
    """The last part of a file's name without its suffix, if it has one and not the end of a UID."""
    return stem(name) if suffix(name) in {*SUFFIXES, ".ima"} else name


def _check_classes(tree: Tree, classes: dict[str, str], seen: set[int], elsewhere: int) -> None:
    for label, (name, folder) in enumerate(classes.items()):
        if label not in seen:
            raise InputError(
                f"{tree.source}: data.classes.{name}: no DICOM file in a folder called {folder!r}; below no class's "
                f"folder there are {elsewhere}"
            )


def _notes(tree: Tree, left_out: int, elsewhere: int) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"{tree.source}: left out, as they are not DICOM: {left_out} files")
    if elsewhere:
        notes.append(f"{tree.source}: left out, as data.classes names no folder above them: {elsewhere} DICOM files")
    return notes
