"""Folders and archives of DICOM files with one sub-folder a class.

Nothing that identifies a patient leaves this module: records, images and errors name files and patients by
pseudonyms. Who has the files and the key finds a file again with `python -m heatproof.data.reading.pseudonyms`.
The path of the source stands in errors as the configuration gives it: it must not name a patient.
"""

from pathlib import Path

from heatproof.data.reading.dicom_pixels import Decoded, Unusable, decode_dicom, is_dicom
from heatproof.data.reading.names import clean, listed
from heatproof.data.reading.pseudonyms import Pseudonyms
from heatproof.data.reading.trees import Tree
from heatproof.data.reading.truth import read_mask
from heatproof.data.records import Facts, Image, Record
from heatproof.errors import InputError
from heatproof.progress import line

SUFFIXES = {".dcm", ".dicom"}
_PICTURES = {".bmp", ".gif", ".npy", ".png", ".tif", ".tiff"}


def list_records(
    tree: Tree,
    classes: dict[str, str],
    *,
    key: bytes,
    masks: str | None = None,
    window: tuple[float, float] | None = None,
) -> tuple[list[Record], list[str]]:
    """List the DICOM files of the classes: those called .dcm or .dicom, and of those without such a suffix (or with
    one made of digits, as UIDs have) those with `DICM` at byte 128; not DICOMDIR.

    A file belongs to the class whose folder is the nearest above it. Its mask, PNG or NPY, lies in a folder called
    `masks`, with the name of the file, suffix aside, at the places that `images.list_records` knows.

    Args:
        classes: class name to the name of its folder.
        key: of the pseudonyms (see `pseudonyms.read_key`).
        masks: name of the folder of masks.
        window: the values that become black and white; without it, each file's own.

    Returns:
        records by pseudonym, `<class>/<16 hex digits>`, which is both id and source; patients come with the images,
        as `patient-...`, or `study-...` where a file has no PatientID. And a line for what was left out.

    Raises:
        InputError: a class has no file, a mask fits no file or two, or two masks fit one.
    """
    names = Pseudonyms(key)
    folders = {clean(folder): label for label, folder in enumerate(classes.values())}
    masks = clean(masks) if masks else None
    drawn = _masks(tree, folders, masks, names)
    said: set[str] = set()
    records, used, stems = {}, set(), set()
    elsewhere = left_out = 0
    for name in tree.names:
        parts = name.split("/")
        if masks in parts[:-1]:
            continue
        if not _is_listed(tree, name):
            left_out += 1
            continue
        stems.add(_stem(parts[-1]))
        depth = _class_depth(parts, folders)
        if depth is None:
            elsewhere += 1
            continue
        label = folders[parts[depth]]
        image_id = f"{list(classes)[label]}/{names.file(name)}"
        below = [*parts[depth + 1 : -1], _stem(parts[-1])]
        places = ("/".join([parts[depth], *below]), "/".join(below), "/".join([*parts[:-2], "*", below[-1]]))
        mask = next((drawn[place] for place in places if place in drawn), None)
        if mask in used:
            raise InputError(
                f"{tree.source}: {image_id}: its mask is another file's, too; put masks into class folders"
            )
        used.update([mask] if mask else [])
        records[image_id] = Record(
            image_id=image_id,
            source=image_id,
            label=label,
            patient=None,
            read=lambda name=name, image_id=image_id, mask=mask: _read(tree, name, image_id, mask, names, window, said),
        )
    _check_classes(tree, classes, {record.label for record in records.values()}, elsewhere)
    _check_masks(tree, masks, drawn, used, stems, names)
    return [records[image_id] for image_id in sorted(records)], _notes(tree, left_out, elsewhere)


def _read(tree: Tree, name: str, image_id: str, mask: str | None, names: Pseudonyms, window, said: set[str]) -> Image:
    where = f"{tree.source}: {image_id}"
    content = _content(tree, name, where)
    try:
        decoded = decode_dicom(content, window)
    except Unusable as error:
        raise InputError(f"{where}: {error}") from None
    patient = _patient(decoded, names, where)
    if patient.startswith("study-"):
        _say(said, f"{tree.source}: files without a PatientID: their studies are taken for their patients")
    if decoded.scaled == "range":
        _say(said, f"{tree.source}: files without a window: their full range is shown; data.window sets one for all")
    height, width = decoded.pixels.shape[:2]
    drawn = None
    if mask is not None:
        drawn = read_mask(_content(tree, mask, f"{where}: mask"), f"{where}: mask", (height, width))
        drawn = drawn if drawn.any() else None  # a mask of nothing
    return Image(
        pixels=decoded.pixels,
        mask=drawn,
        facts=Facts(width, height, decoded.mode, "DICOM", bytes=len(content)),
        sha256=names.content(content),
        truth="none" if drawn is None else "mask",
        window=decoded.window,
        patient=patient,
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
    suffix = _suffix(last)
    if suffix in SUFFIXES:
        return True
    if last.upper() == "DICOMDIR" or not (suffix in ("", ".ima") or suffix[1:].isdigit()):
        return False
    try:
        return is_dicom(tree.read(name))
    except InputError:  # its own line comes when it is read
        return True


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower() if "." in name[1:] else ""


def _stem(name: str) -> str:
    """The last part of a file's name without its suffix, if it has one and not the end of a UID."""
    return name[: -len(_suffix(name))] if _suffix(name) in {*SUFFIXES, ".ima"} else name


def _class_depth(parts: list[str], folders: dict[str, int]) -> int | None:
    """Index of the nearest folder above that is a class's."""
    return next((index for index in range(len(parts) - 2, -1, -1) if parts[index] in folders), None)


def _masks(tree: Tree, folders: dict[str, int], masks: str | None, names: Pseudonyms) -> dict[str, str]:
    """Mask files by the places of the files that they fit: from the class on, below it, or with * for a folder."""
    found: dict[str, str] = {}
    for name in tree.names:
        parts = name.split("/")
        if masks not in parts[:-1] or _suffix(parts[-1]) not in _PICTURES:
            continue
        at = parts.index(masks)
        before, after = parts[:at], [*parts[at + 1 : -1], parts[-1][: parts[-1].rfind(".")]]
        above = _class_depth([*before, ""], folders)
        named = above is not None and _class_depth(after, folders) is None
        place = "/".join([*before[above:], *after] if named else after)
        if found.setdefault(place, name) != name:
            both = listed(names.file(mask) for mask in (found[place], name))
            raise InputError(f"{tree.source}: two masks for one file: {both}; remove one of them")
        found.setdefault("/".join([*before, "*", *after]), name)
    return found


def _check_classes(tree: Tree, classes: dict[str, str], seen: set[int], elsewhere: int) -> None:
    for label, (name, folder) in enumerate(classes.items()):
        if label not in seen:
            raise InputError(
                f"{tree.source}: data.classes.{name}: no DICOM file in a folder called {folder!r}; below no class's "
                f"folder there are {elsewhere}"
            )


def _check_masks(
    tree: Tree, masks: str | None, drawn: dict[str, str], used: set[str], stems: set[str], names: Pseudonyms
) -> None:
    """Masks of files that belong to no class are no mistake."""
    if masks is None:
        return
    lost = sorted({name for name in set(drawn.values()) - used if Path(name).name.rpartition(".")[0] not in stems})
    if lost or not drawn:
        what = f"{len(lost)} masks fit no file: {listed(map(names.file, lost))}" if lost else "no mask"
        where = "" if lost else f" below a folder {masks!r}"
        raise InputError(f"{tree.source}: data.masks: {what}{where}; a mask has the name of its file")


def _notes(tree: Tree, left_out: int, elsewhere: int) -> list[str]:
    notes = []
    if left_out:
        notes.append(f"{tree.source}: left out, as they are not DICOM: {left_out} files")
    if elsewhere:
        notes.append(f"{tree.source}: left out, as data.classes names no folder above them: {elsewhere} DICOM files")
    return notes
