"""The images of a study, wherever they come from, and whether a source holds the very files that it was made for."""

import importlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from heatproof.core.draws import sample_groups
from heatproof.core.messages import InputError, clean, line, listed, reason, setting
from heatproof.data.sources.annotations import attach, check_readers, open_annotations
from heatproof.data.sources.forms import Form
from heatproof.data.sources.places import ELSEWHERE, GIVEN, LABEL, Masks, elsewhere, stem
from heatproof.data.sources.records import SUFFIXES, Record
from heatproof.data.sources.rows import Classes, Findings, LeftOut
from heatproof.data.sources.trees import Tree, open_tree, place
from heatproof.data.sources.truth import Lesion, by_label

Entry = tuple[str, str]  # name, SHA-256 in hex


def read_contents(path: Path) -> list[Entry]:
    """Name and SHA-256 of each file, from lines as `sha256sum` writes them.

    Raises:
        InputError: the file is not there, or a line is not a SHA-256, two spaces and a name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}); set data.contents to a file that sha256sum wrote"
        ) from None
    entries = []
    for number, row in enumerate(lines, 1):
        digest, _, name = row.partition(" ")
        if not row.strip():
            continue
        if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef") or not name[1:].strip():
            raise InputError(f"{path}: line {number}: not a SHA-256, two spaces and a name; write it with sha256sum")
        entries.append((name[1:], digest.lower()))
    if not entries:
        raise InputError(f"{path}: no line in it; write it with sha256sum")
    return entries


def check_contents(expected: list[Entry], found: list[Entry], where: str | Path) -> None:
    """Compare files by digest, whatever the folders above are called. Files of equal bytes count as often as they are.

    Raises:
        InputError: one line that names files which are missing, changed (the same last two parts of the path, another
            digest) or unknown.
    """
    by_tail = defaultdict(list)
    for name in _without(found, expected):
        by_tail[tail(name)].append(name)
    changed, missing = [], []
    for name in _without(expected, found):
        others = by_tail[tail(name)]
        (changed if others else missing).append(name)
        del others[-1:]
    unknown = sorted(name for names in by_tail.values() for name in names)
    parts = [
        f"{len(names)} {what} ({listed(names, 5)})"
        for what, names in (("missing", missing), ("changed", changed), ("unknown", unknown))
        if names
    ]
    if parts:
        raise InputError(
            f"{where}: not the {len(expected)} files of data.contents: {'; '.join(parts)}; get the source again"
        )


def tail(name: str) -> str:
    """The last two parts of a path, by which files are known in whatever folder they lie."""
    return "/".join(name.split("/")[-2:])


def _without(entries: Iterable[Entry], others: Iterable[Entry]) -> list[str]:
    """Names of the entries that no entry of the others stands for: one of equal digest, if it can be of equal name."""
    waiting = defaultdict(list)
    for name, digest in others:
        waiting[digest].append(tail(name))
    left, rest = [], []
    for name, digest in entries:
        if tail(name) in waiting[digest]:
            waiting[digest].remove(tail(name))
        else:
            rest.append((name, digest))
    for name, digest in rest:
        if waiting[digest]:
            waiting[digest].pop()
        else:
            left.append(name)
    return sorted(left)


BRANCHES = {  # kind of a source -> what lists its images; a job depends on the one that it takes (`workflow.code`)
    "phantom": "heatproof.data.synthetic.phantom",
    "xray_phantom": "heatproof.data.synthetic.xray",
    "archive": "heatproof.data.sources.images",
    "folder": "heatproof.data.sources.images",
    "table": "heatproof.data.sources.image_table",
    "dicom": "heatproof.data.sources.dicom",
}


class Listing(NamedTuple):
    """Class names in the order of the labels, the images, and a line for each thing that was left out."""

    classes: list[str]
    records: list[Record]
    notes: list[str]
    left_out: Sequence[LeftOut] = ()  # rows of a table, by the rule that leaves them out
    by_uid: Mapping = MappingProxyType({})  # regions and readers by SOP instance UID, of files that are not read yet
    readers: Sequence[str] = ()  # in the order of `data.readers`


def list_records(study: str, config: dict) -> tuple[list[str], list[Record]]:
    """Class names and images of a study, listed and not yet decoded; says what was left out.

    Args:
        config: the section `data`. Of a planted study: the images that nodules will be planted into.

    Raises:
        InputError: what is wrong with the source as a whole.
    """
    listing = stated(study, config)
    return listing.classes, listing.records


def list_lungs(study: str, config: dict) -> list[Record]:
    """As `list_records`, each image with the mask of its lungs (`data.lungs`) in place of its truth."""
    lungs, apart = config["lungs"], config["masks"]
    columns = config["columns"] | {"mask": lungs, "box": None}
    found = {"masks": lungs, "boxes": None, "columns": columns, "apart": apart, "marked": False}
    found |= {"annotations": {}, "readers": []}
    plain = {"mask_value": None, "mask_threshold": None}  # these are of lesions
    return _plain(study, config | found | plain).records


def stated(study: str, config: dict) -> Listing:
    """As `list_source`; says what was left out."""
    listing = list_source(study, config)
    for note in listing.notes:
        line(f"{study}: {note}")
    return listing


def list_source(study: str, config: dict) -> Listing:
    """As `list_records`, with what was left out and with regions by label and reader; of `data.sample`, too."""
    listing, count = _list_all(study, config), config.get("sample")
    if not count:
        return listing
    records, taken = listing.records, sampled(listing.records, count, study, config["seed"])
    kept = [record for record, one in zip(records, taken, strict=True) if one]
    if len(kept) == len(records):
        return listing
    if len({*map(_turn, kept)}) < len({*map(_turn, records)}):
        raise InputError(f"data.sample: {count}: too few for a patient of each class; raise it")
    rule = LeftOut("data.sample", "", "not drawn", len(records) - len(kept))
    note = f"{config['source']}: {len(kept)} of {len(records)} images are drawn (data.sample: {count})"
    return listing._replace(records=kept, notes=[*listing.notes, note], left_out=(*listing.left_out, rule))


def sampled(records: Sequence[Record], count: int, study: str, seed: int) -> np.ndarray:
    """Return which images `data.sample` takes, bool [images]."""
    groups = [record.patient or record.image_id for record in records]
    return sample_groups(groups, [*map(_turn, records)], count, "sample", study, seed)


def _turn(record: Record) -> int:
    """The class whose turn a record is; of several labels an image there are no turns."""
    return record.label if isinstance(record.label, int) else 0


def _list_all(study: str, config: dict) -> Listing:
    """As `list_source`, all images."""
    listing, named = _plain(study, config), config.get("annotations") or {}
    if not named and not _boxes_tell(listing.records, config):
        return listing
    source, labels = place(config["source"]), _labels(config)
    part = bool(config.get("keep") or config.get("leave_out") or (config["kind"] != "table" and listing.notes))
    table = importlib.import_module(BRANCHES["table"]) if config["kind"] == "table" else None
    inside = config.get("table")
    tree = open_tree(source, config["kind"]) if not table else table.files_beside(source, inside) if inside else None
    files = open_annotations(named, source, tree)
    found = attach(listing.records, files, labels, _classes(config), by_uid=bool(config.get("key_file")), part=part)
    by_uid = {}
    if found.by_uid:
        names = importlib.import_module(BRANCHES["dicom"])
        instance = names.Pseudonyms(names.read_key(config["key_file"])).instance
        by_uid = {instance(uid): drawn for uid, drawn in found.by_uid.items()}
    try:
        readers = check_readers(config.get("readers") or [], found.readers)
    except InputError as error:
        raise InputError(f"{config['source']}: {error}") from None
    notes = [*listing.notes, *found.notes]
    if left := [name for name in found.readers if name and name not in readers]:
        notes.append(f"{config['source']}: left out, as data.readers does not list them: regions of {listed(left, 8)}")
    return Listing(listing.classes, found.records, notes, listing.left_out, by_uid, readers)


def _boxes_tell(records: Sequence[Record], config: dict) -> bool:
    """Whether boxes are of several labels an image, or of several readers; others are read with their images."""
    boxes = [box for record in records for box in record.boxes if box.label]
    return bool(boxes) and (config.get("task") == "multilabel" or len({box.reader for box in boxes}) > 1)


def _classes(config: dict) -> dict[str, str]:
    """Classes and their words in the order of the labels; the section comes as JSON with its keys sorted."""
    classes = config["classes"]
    names = classes if config["kind"] == "planted" else config.get("class_names", classes)
    return {name: classes[name] for name in names}


def _labels(config: dict) -> Classes | Findings:
    """What words of annotations and of names of masks mean."""
    classes = _classes(config)
    if config.get("task") == "multilabel":
        return Findings(classes, config.get("parents", {}), config.get("synonyms", {}))
    return Classes(classes, config.get("synonyms", {}))


def _lines(config: dict) -> dict[str, tuple[int, ...]]:
    """Names and words of labels, each with the indices of the label and of all that it is a kind of."""
    labels, classes = _labels(config), _classes(config)
    words = {**{word: word for word in (*classes.values(), *config.get("synonyms", {}))}, **classes}
    lines = {word: labels.of(meant) for word, meant in words.items()}
    return {word: (line,) if isinstance(line, int) else line for word, line in lines.items()}


def _lesion(config: dict) -> Lesion:
    """Which values of masks are lesion."""
    value = config.get("mask_value")
    if not isinstance(value, dict):
        return Lesion(value, config.get("mask_threshold"))
    lines = _lines(config)
    return Lesion(labels=tuple((lines[name], tuple(np.atleast_1d(of).tolist())) for name, of in value.items()))


def _beside(records: list[Record], tree: Tree, config: dict, lesion: Lesion) -> list[Record]:
    """Records of a table with the regions of the masks that `data.masks` finds beside their images."""
    lines, (tree, where) = _lines(config), _with_masks(tree, config["masks"])
    drawn = Masks(tree, clean(where), {}, SUFFIXES | {".npy"}, words=lines)
    found = []
    for record in records:
        parts = record.source.split("/")
        name = stem(parts[-1])
        masks = drawn.take(parts, 0, name)
        regions = by_label(tree.read, drawn, masks, name, lambda mask: f"{tree.source}: {mask}", lesion, lines)
        others = {"boxes": (), "readers": ()} if regions else {}  # masks go before boxes
        found.append(replace(record, regions=(*(record.regions or ()), *regions), **others))
    if not (config.get("keep") or config.get("leave_out")):
        drawn.check({stem(record.source.rpartition("/")[2]) for record in records})
    return found


def _plain(study: str, config: dict) -> Listing:
    """As `list_source`, without annotations."""
    kind = config["planted"]["kind"] if config["kind"] == "planted" else config["kind"]
    reader = importlib.import_module(BRANCHES[kind])
    if kind in ("phantom", "xray_phantom"):
        options = {"size": config["size"], **config["phantom"]}
        return Listing(list(reader.CLASSES), reader.list_records(study, config["seed"], **options), [])
    source, classes = place(config["source"]), _classes(config)
    window = config["window"] and tuple(config["window"])
    lesion, by = _lesion(config), config["split"]["by"]
    if kind == "table":
        options = {key: config[key] for key in ("keep", "leave_out", "boxes", "patient", "key_file") if config.get(key)}
        options |= {"inside": config.get("table"), "others": "skip" if config["kind"] == "planted" else "refuse"}
        options |= {key: config[key] for key in ("uncertain", "blank", "marked") if key in config}
        options |= {"joined": config.get("join", ()), "about": config.get("about", ())}
        if config.get("task") == "multilabel":
            options["findings"] = partial(Findings, classes, config.get("parents", {}), config.get("synonyms", {}))
        columns = config["columns"]
        if by == "column":
            columns = columns | {"split": columns.get("split") or "split"}
        options |= {"window": window, "lesion": lesion}
        records, notes, left_out, form = reader.list_records(source, columns, classes, **options)
        if config["masks"] and (LABEL in config["masks"] or lesion.labels):
            records = _beside(records, reader.files_beside(source, config.get("table")), config, lesion)
        column, pattern = columns.get("patient"), config.get("patient")
        what = (
            f"{setting('data.patient')} '{pattern}' finds no patient"
            if pattern
            else f"column {column!r} holds no patient"
        )
        if column or pattern:
            notes += _without_patient(config, records, what, "rows")
        elif form.patient:
            notes.append(_patients_at_hand(config, form))
        return Listing(list(classes), records, notes, left_out)
    tree, masks = _with_masks(open_tree(source, kind), config["masks"])
    if kind == "dicom":
        options = {"key": reader.read_key(config["key_file"]), "masks": masks}
        options |= {"window": window, "lesion": lesion, "labels": _lines(config), "about": config.get("about", ())}
        return Listing(list(classes), *reader.list_records(tree, classes, **options))
    options = {key: config[key] for key in ("boxes", "patient")} | {"masks": masks}
    options["apart"] = [folder for folder in (config.get("lungs"), config.get("apart")) if folder]
    options |= {"window": window, "lesion": lesion, "given": by == "folder", "labels": _lines(config)}
    records, notes = reader.list_records(tree, classes, **options)
    pattern = config["patient"]
    what = f"{setting('data.patient')} '{pattern}' finds no patient"
    lost = _without_patient(config, records, what, "file names") if pattern else []
    return Listing(list(classes), records, notes + lost)


def _with_masks(tree: Tree, where: str | None) -> tuple[Tree, str | None]:
    """Return the files of a source with those of a folder of masks elsewhere, and the place of the masks among them."""
    found = elsewhere(where)
    if found is None:
        return tree, where
    folder, inside = found
    if not folder.exists():
        raise InputError(f"{folder}: not found; {setting('data.masks', 'the folder of the masks')}")
    return tree.including(ELSEWHERE, open_tree(folder)), inside


def _patients_at_hand(config: dict, form: Form) -> str:
    """A line on a table that names patients which the study does not read.

    Raises:
        InputError: the study keeps look-alikes together for want of patients.
    """
    said = f"{config['source']}: a table of {form.name} names patients, and the study reads none; set {form.patient}"
    if config["split"]["by"] == "auto":
        raise InputError(f"{said}, or data.split.by: lookalike to do without")
    return said


def _without_patient(config: dict, records: list[Record], what: str, where: str) -> list[str]:
    """A line on the images whose patients are not known, if there are any.

    Raises:
        InputError: there are, and the groups are patients.
    """
    lost = [record.source for record in records if record.patient is None]
    if not lost:
        return []
    said = f"{config['source']}: {what} in {len(lost)} {where}: {listed(lost)}"
    if config["group_kind"] == "patient":
        by = "" if config["split"]["by"] in GIVEN else setting("data.split.by")
        first = "correct the pattern" if config.get("patient") else "fix them"
        fix = f"leave {setting('data.patient')} out" if config.get("patient") else "leave the patients out"
        raise InputError(f"{said}; {first}, or {fix}{f' ({by}: lookalike)' if by else ''}")
    return [said]
