"""`heatproof check`: read and check the configuration, open what it names, and say what would run."""

import argparse
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from heatproof.config.load import load
from heatproof.config.study import Study
from heatproof.core.messages import InputError
from heatproof.data.sources.records import Record
from heatproof.text.numbers import counted


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
