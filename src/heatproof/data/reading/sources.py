"""The images of a study, wherever they come from."""

from typing import NamedTuple

from heatproof.data.reading.names import listed
from heatproof.data.reading.trees import open_tree, place
from heatproof.data.records import Record
from heatproof.errors import InputError
from heatproof.progress import line


class Listing(NamedTuple):
    """Class names in the order of the labels, the images, and a line for each thing that was left out."""

    classes: list[str]
    records: list[Record]
    notes: list[str]


def list_records(study: str, config: dict) -> tuple[list[str], list[Record]]:
    """Class names and images of a study, listed and not yet decoded; says what was left out.

    Args:
        config: the section `data`. Of a planted study: the images that nodules will be planted into.

    Raises:
        InputError: what is wrong with the source as a whole.
    """
    listing = list_source(study, config)
    for note in listing.notes:
        line(f"{study}: {note}")
    return listing.classes, listing.records


def list_source(study: str, config: dict) -> Listing:
    """As `list_records`, with what was left out."""
    kind = config["planted"]["kind"] if config["kind"] == "planted" else config["kind"]
    if kind == "phantom":
        from heatproof.data import phantom

        options = {"size": config["size"], **config["phantom"]}
        return Listing(list(phantom.CLASSES), phantom.list_records(study, config["seed"], **options), [])
    source, classes = place(config["source"]), config["classes"]
    if config["kind"] != "planted":  # the section comes as JSON with its keys sorted
        classes = {name: classes[name] for name in config.get("class_names", classes)}
    window = config["window"] and tuple(config["window"])
    if kind == "table":
        from heatproof.data.reading import table

        others = "skip" if config["kind"] == "planted" else "refuse"
        records, notes = table.list_records(source, config["columns"], classes, window=window, others=others)
        column = config["columns"]["patient"]
        lost = _without_patient(config, records, f"column {column!r} holds no patient", "rows") if column else []
        return Listing(list(classes), records, notes + lost)
    if kind == "dicom":
        from heatproof.data.reading import dicom, pseudonyms

        options = {"key": pseudonyms.read_key(config["key_file"]), "masks": config["masks"], "window": window}
        return Listing(list(classes), *dicom.list_records(open_tree(source, kind), classes, **options))
    from heatproof.data.reading import images

    options = {key: config[key] for key in ("masks", "boxes", "patient")}
    records, notes = images.list_records(open_tree(source, kind), classes, window=window, **options)
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
        raise InputError(f"{said}; mend them, or set data.split.by: lookalike")
    return [said]
