"""`heatproof check`: read and check the configuration, open what it names, and say what would run."""

import argparse
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from heatproof.config.load import load
from heatproof.config.study import Study
from heatproof.core.messages import InputError
from heatproof.data.sources.places import STEM
from heatproof.data.sources.records import Record
from heatproof.data.sources.rows import is_table
from heatproof.text.numbers import counted

MOST = 50  # classes
DICOM = (".dcm", ".dicom")
OPTIONS = {  # what errors name in place of keys of a study
    "data.source": "",
    "data.patient": "--patient",
    "data.split.by": "",
    "data.masks": "--masks",
    "data.key_file": "--key",
    "classes": "--classes",
}
LAYOUTS = "images must be in one folder per class, or listed in a table (CSV) with the columns path and label"


def file_of(path: str, option: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(f"{option}: {path}: not found; give the path of a file")
    return str(found.resolve())


def data_of(args: argparse.Namespace, option: str = "") -> tuple[dict[str, Any], dict[str, int | str]]:
    """Return the section `data`, and the output of each class where the options give it.

    A table whose images may have several labels has a key `task` too.

    Args:
        args: `images`, `masks`, `patient`, `key` and `classes`.
        option: what errors say before the path of the images, such as `--images: `.

    Raises:
        InputError: an option is out of bounds, or the images are not in classes.
    """
    path = Path(args.images).expanduser()
    if not path.exists():
        raise InputError(f"{option}{args.images}: not found; give a folder, an archive or a table of images")
    pairs = [one.partition("=") for one in args.classes]
    if len({bool(equals) for _, equals, _ in pairs}) > 1:
        raise InputError("--classes: give NAME=OUTPUT for all classes, or for none")
    outputs = {name: int(value) if value.isdecimal() else value for name, equals, value in pairs if equals}
    named = [name for name, *_ in pairs]
    data, there = (_table if is_table(path) else _folder)(path, args, option)
    if len(there) < 2:
        raise InputError(f"{option}{args.images}: only one class ({there[0]}); at least two are needed: {LAYOUTS}")
    if lost := [name for name in named if name not in there]:
        raise InputError(f"--classes: {lost[0]}: no such class in {args.images}; choose from {', '.join(there)}")
    if len(named or there) > MOST:
        raise InputError(f"{option}{args.images}: {len(there)} classes; name at most {MOST} with --classes")
    return {"source": str(path.resolve())} | data | {"classes": {name: name for name in named or there}}, outputs


def _masks(where: str, images: Path, names: Iterable[str]) -> str:
    """Return `data.masks`: a folder or pattern inside the images, or the whole path of a folder elsewhere."""
    folder, _, pattern = where.rpartition("/") if STEM in where else (where, "", "")
    inside = any(folder in PurePosixPath(name).parts[:-1] for name in names)
    if not folder or inside:
        return where
    there = Path(folder).expanduser()
    if not there.exists():
        raise InputError(f"--masks: {folder}: not found, neither inside the images nor as a folder; fix the path")
    there = there.resolve()
    within = there != images.resolve() and there.is_relative_to(images.resolve())
    return "/".join(filter(None, [there.name if within else str(there), pattern]))


def _table(path: Path, args: argparse.Namespace, option: str) -> tuple[dict[str, Any], list[str]]:
    """Return the section of a table, known by its columns or with the usual names of others, and its labels, sorted."""
    from heatproof.data.sources.image_table import find_labels
    from heatproof.data.sources.rows import read_sheet
    from heatproof.data.sources.trees import read_file

    if args.masks:
        raise InputError("--masks: not read for a table; name the masks in its column mask")
    patient = args.patient or "patient"
    required = [patient] if args.patient else []
    sheet = read_sheet(read_file(path), f"{option}{path}", required, [patient, "mask", "box"])
    wanted = {"patient": patient, "mask": "mask", "box": "box"}
    data: dict[str, Any] = {"kind": "table"}
    if columns := {key: name for key, name in wanted.items() if name in sheet.columns}:
        data["columns"] = columns
    if args.key:
        data["key_file"] = file_of(args.key, "--key")
    there, several, bare = find_labels(path, columns)
    if bare:  # then they may lie in any folder below the table
        data |= {"source": str(path.resolve().parent), "table": path.name}
    if several:
        data["task"] = "multilabel"
    chosen = {one.partition("=")[0] for one in args.classes}
    if chosen and not several and (others := [label for label in there if label not in chosen]):
        data["leave_out"] = others
    return data, there or ["none"]


def _folder(path: Path, args: argparse.Namespace, option: str) -> tuple[dict[str, Any], list[str]]:
    """Return the section of a folder or an archive, and its classes (the folders directly above the images), sorted."""
    from heatproof.core.messages import listed
    from heatproof.data.audit.material import MASKS, mask_files
    from heatproof.data.sources.places import pattern_for, suspects
    from heatproof.data.sources.records import SUFFIXES
    from heatproof.data.sources.trees import open_tree

    try:
        with open_tree(path) as tree:
            names = list(tree.names)
    except InputError as error:
        raise InputError(f"{option}{error}") from None
    dicom = [name for name in names if PurePosixPath(name).suffix.lower() in DICOM]
    kind = "dicom" if dicom else "folder" if path.is_dir() else "archive"
    if dicom and not args.key:
        raise InputError("--key: DICOM needs a file with a secret: head -c 32 /dev/urandom > heatproof.key")
    pictures = dicom or [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]
    beside = suspects(pictures)
    drawn = mask_files(pictures) | {*beside}
    if drawn and not args.masks:
        mask = min(drawn)
        place = (
            pattern_for(mask, beside[mask])
            if mask in beside
            else next(part for part in PurePosixPath(mask).parts if part.lower() in MASKS)
        )
        raise InputError(
            f"--masks: {counted(len(drawn), 'file')} such as {mask} look like masks: add --masks '{place}'"
        )
    pictures = [name for name in pictures if name not in drawn]
    if not pictures:
        raise InputError(
            f"{option}{path}: no image among {counted(len(names), 'file')} ({listed(sorted(SUFFIXES), 9)})"
        )
    folders = [PurePosixPath(name).parent.name for name in pictures]
    if bare := folders.count(""):
        raise InputError(
            f"{option}{path}: {counted(bare, 'image')} without a label: {LAYOUTS}. Images without labels are not "
            f"judged: without accuracy it is unknown whether a model performs above chance"
        )
    data = {"kind": kind, "masks": args.masks and _masks(args.masks, path, names), "patient": args.patient}
    data["key_file"] = file_of(args.key, "--key") if dicom else None
    return {key: value for key, value in data.items() if value}, sorted(set(folders))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="name of a study (default: those of params.yaml)")


def run(args: argparse.Namespace) -> None:
    mistakes, studies = [], load(studies=args.studies)
    for name, study in studies.items():
        for said in runs(study):
            print(f"{name}: {said}")
        print(
            f"{name}: {len(study.models)} models x {len(study.seeds)} seeds, {len(study.explain.methods)} methods, "
            f"{', '.join(study.score.families)}; images of {study.data.size} px from {study.data.source or 'a phantom'}"
        )
        for note in unusable(name, study, studies):
            if isinstance(note, Understood):
                print(f"{name}: {note}")
            else:
                mistakes.append(f"{name}: {note}")
    if mistakes:
        raise InputError("\n".join(dict.fromkeys(mistakes)))


def runs(study: Study) -> list[str]:
    """Return what of the user's code a run executes: functions that make models, and files that are unpickled."""
    found = []
    for model, network in study.networks.items():
        code = ", ".join(str(path) for path in network.spec.files()) if network.spec.runs else ""
        found += [f"models.{model} runs {network.spec.runs} ({code})"] if code else []
        found += [f"models.{model} may unpickle {path}, which can run any code" for path in network.trust]
    return found


class Understood(str):
    """What was read, in place of a mistake."""


def understood(records: Sequence[Record], classes: Sequence[str]) -> str:
    """Return how many images, patients, labels and boxes a source has as it is read.

    >>> from heatproof.data.sources.records import Record
    >>> understood([Record("a", "a", (0, 1), "p", None), Record("b", "b", (1,), None, None)], ["mass", "edema"])
    '2 images of 1 known patient (1 image without); mass 1, edema 2; 0 boxes'
    """
    patients = {record.patient for record in records} - {None}
    without = sum(record.patient is None for record in records) if patients else 0
    held = Counter(k for record in records for k in ([record.label] if isinstance(record.label, int) else record.label))
    marked = {(box.x0, box.y0, box.x1, box.y1, box.reader, box.image) for record in records for box in record.boxes}
    parts = [
        counted(len(records), "image")
        + (f" of {counted(len(patients), 'known patient')}" if patients else ", patients unknown before they are read")
        + (f" ({counted(without, 'image')} without)" if without else ""),
        ", ".join(f"{name} {held[k]:,}" for k, name in enumerate(classes)),
        counted(len(marked), "box", "boxes"),
    ]
    return "; ".join(parts)


def unusable(name: str, study: Study, beside: Collection[str], models: bool = True) -> Iterator[str]:
    """Open what a study names: source, table, class folders, masks, boxes, lungs, key, contents and checkpoints.

    Everything is listed, and one image of each class is read. What is still to be downloaded is left out, and so are
    checkpoints of the studies `beside`, which the same run makes, and without `models` all models trained elsewhere.

    Yields:
        what was `Understood`, and a line for each thing that a job would stop at.
    """
    yield from _weights(study, beside)
    for model in study.networks if models else ():
        yield from unopened(study, model)
    data = study.data
    if data.drawn or to_download(study):
        return
    try:
        if data.contents:
            from heatproof.data.sources.opening import read_contents

            read_contents(Path(data.contents).expanduser())
        records = records_of(name, study)
        if data.lungs:
            from heatproof.data.sources.opening import list_lungs

            list_lungs(name, section_of(study))
    except InputError as error:
        yield from str(error).splitlines()
        return
    yield Understood(understood(records, data.class_names))
    if data.on_bad == "error":
        for record in {record.label: record for record in reversed(records)}.values():
            try:
                record.read()
            except InputError as error:
                yield str(error)


def to_download(study: Study) -> bool:
    """Whether the images are not there yet, and will be."""
    data = study.data
    return bool(data.download) and not Path(data.source).expanduser().exists()


def records_of(name: str, study: Study) -> list[Record]:
    """List the images of a study without decoding any.

    Raises:
        InputError: what is wrong with the source as a whole.
    """
    from heatproof.data.sources.opening import list_records

    return list_records(name, section_of(study))[1]


def section_of(study: Study) -> dict:
    """The section `data` as a job has it."""
    data = study.data
    return data.model_dump() | {"class_names": data.class_names, "group_kind": data.group_kind, "task": study.task}


def unopened(study: Study, model: str) -> Iterator[str]:
    """Open each checkpoint of a model that was trained elsewhere, and let it answer noise of the study's size.

    Yields:
        a line for each that cannot be judged, named by the model.
    """
    from heatproof.train.sources import load as open_model

    seeds = study.seeds if study.networks[model].checkpoints != 1 else study.seeds[:1]
    for seed in seeds:
        try:
            network = study.recipe(model, seed)
            found = open_model(
                network.source,
                network.model_dump(exclude={"source"}),
                classes=study.data.class_names,
                task=study.task,
            )
            found.net.resize = f"set models.{model}.size to"
            found.check(study.data.size)
            layer = study.explaining(model, "external")["layers"].get(model)
            replace(found, wanted=layer).layer_at(study.data.size, study.explain.min_grid)
        except InputError as error:
            yield f"models.{model}: {error}"


def _weights(study: Study, beside: Collection[str]) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    for model in (model for model in study.models if model not in study.networks):
        recipe = study.train.recipe(model)
        if not recipe.weights.endswith(".safetensors"):
            continue
        for path in dict.fromkeys(recipe.weights.format(model=model, seed=seed) for seed in study.seeds):
            try:
                with safe_open(path, "numpy"):
                    pass
            except FileNotFoundError:
                made = Path(path).parts[2] if path.startswith("results/models/") else None
                if made is None:
                    yield f"train.weights: {path}: not found; give the path of a .safetensors file"
                elif made not in beside:
                    yield f"train.weights: {path}: not found; run the study {made} first, or both at once"
            except (SafetensorError, OSError) as error:
                why = getattr(error, "strerror", None) or "damaged, or no .safetensors file"
                yield f"train.weights: {path}: cannot be read ({why})"
