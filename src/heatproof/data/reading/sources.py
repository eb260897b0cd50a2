"""The images of a study, wherever they come from."""

from typing import NamedTuple

from heatproof.data.reading.trees import open_tree, place
from heatproof.data.records import Record
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

        return Listing(list(classes), table.list_records(source, config["columns"], classes, window=window), [])
    if kind == "dicom":
        from heatproof.data.reading import dicom, pseudonyms

        options = {"key": pseudonyms.read_key(config["key_file"]), "masks": config["masks"], "window": window}
        return Listing(list(classes), *dicom.list_records(open_tree(source), classes, **options))
    from heatproof.data.reading import images

    options = {key: config[key] for key in ("masks", "boxes", "patient")}
    return Listing(list(classes), *images.list_records(open_tree(source, kind), classes, window=window, **options))
