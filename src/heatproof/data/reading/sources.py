"""The images of a study, wherever they come from."""

import importlib
from collections.abc import Sequence
from typing import NamedTuple

from heatproof.data.reading.findings import Findings, LeftOut
from heatproof.data.reading.given import GIVEN
from heatproof.data.reading.names import listed
from heatproof.data.reading.trees import open_tree, place
from heatproof.data.reading.truth import Lesion
from heatproof.data.records import Record
from heatproof.errors import InputError
from heatproof.progress import line

BRANCHES = {  # kind of a source -> what lists its images; a job depends on the one that it takes (`workflow.code`)
    "phantom": "heatproof.data.phantom",
    "archive": "heatproof.data.reading.images",
    "folder": "heatproof.data.reading.images",
    "table": "heatproof.data.reading.table",
    "dicom": "heatproof.data.reading.dicom",
}


class Listing(NamedTuple):
    """Class names in the order of the labels, the images, and a line for each thing that was left out."""

    classes: list[str]
    records: list[Record]
    notes: list[str]
    left_out: Sequence[LeftOut] = ()  # rows of a table, by the rule that leaves them out


def list_records(study: str, config: dict) -> tuple[list[str], list[Record]]:
    """Class names and images of a study, listed and not yet decoded; says what was left out.

    Args:
        config: the section `data`. Of a planted study: the images that nodules will be planted into.

    Raises:
        InputError: what is wrong with the source as a whole.
    """
    listing = told(study, config)
    return listing.classes, listing.records


def list_lungs(study: str, config: dict) -> list[Record]:
    """As `list_records`, each image with the mask of its lungs (`data.lungs`) in place of its truth."""
    lungs, apart = config["lungs"], config["masks"]
    columns = config["columns"] | {"mask": lungs, "box": None}
    found = {"masks": lungs, "boxes": None, "columns": columns, "apart": apart}
    plain = {"mask_value": None, "mask_threshold": None}  # these are of lesions
    return list_source(study, config | found | plain).records


def told(study: str, config: dict) -> Listing:
    """As `list_source`; says what was left out."""
    listing = list_source(study, config)
    for note in listing.notes:
        line(f"{study}: {note}")
    return listing


def list_source(study: str, config: dict) -> Listing:
    """As `list_records`, with what was left out."""
    kind = config["planted"]["kind"] if config["kind"] == "planted" else config["kind"]
    reader = importlib.import_module(BRANCHES[kind])
    if kind == "phantom":
        options = {"size": config["size"], **config["phantom"]}
        return Listing(list(reader.CLASSES), reader.list_records(study, config["seed"], **options), [])
    source, classes = place(config["source"]), config["classes"]
    if config["kind"] != "planted":  # the section comes as JSON with its keys sorted
        classes = {name: classes[name] for name in config.get("class_names", classes)}
    window = config["window"] and tuple(config["window"])
    lesion, by = Lesion(config.get("mask_value"), config.get("mask_threshold")), config["split"]["by"]
    if kind == "table":
        options = {key: config[key] for key in ("keep", "leave_out") if config.get(key)}
        options |= {"inside": config.get("table"), "others": "skip" if config["kind"] == "planted" else "refuse"}
        if config.get("task") == "multilabel":
            options["findings"] = Findings(classes, config.get("parents", {}), config.get("synonyms", {}))
        columns = config["columns"]
        if by == "column":
            columns = columns | {"split": columns.get("split") or "split"}
        options |= {"window": window, "lesion": lesion}
        records, notes, left_out = reader.list_records(source, columns, classes, **options)
        column = columns["patient"]
        lost = _without_patient(config, records, f"column {column!r} holds no patient", "rows") if column else []
        return Listing(list(classes), records, notes + lost, left_out)
    if kind == "dicom":
        options = {"key": reader.read_key(config["key_file"]), "masks": config["masks"]}
        options |= {"window": window, "lesion": lesion}
        return Listing(list(classes), *reader.list_records(open_tree(source, kind), classes, **options))
    options = {key: config[key] for key in ("masks", "boxes", "patient")}
    options["apart"] = [folder for folder in (config.get("lungs"), config.get("apart")) if folder]
    options |= {"window": window, "lesion": lesion, "given": by == "folder"}
    records, notes = reader.list_records(open_tree(source, kind), classes, **options)
    pattern = config["patient"]
    what = f"data.patient {pattern!r} finds no patient"
    lost = _without_patient(config, records, what, "file names") if pattern else []
    return Listing(list(classes), records, notes + lost)


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
        given = config["split"]["by"] in GIVEN
        mend = "leave the patients out" if given else "set data.split.by: lookalike"
        raise InputError(f"{said}; mend them, or {mend}")
    return [said]
