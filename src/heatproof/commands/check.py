"""`heatproof check`: read and check the configuration, open what it names, and say what would run."""

import argparse
from collections.abc import Collection, Iterator
from pathlib import Path

from heatproof.config.load import load
from heatproof.config.study import Study
from heatproof.core.messages import InputError
from heatproof.data.sources.records import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="name of a study (default: those of params.yaml)")


def run(args: argparse.Namespace) -> None:
    mistakes, studies = [], load(studies=args.studies)
    for name, study in studies.items():
        print(
            f"{name}: {len(study.models)} models x {len(study.seeds)} seeds, {len(study.explain.methods)} methods, "
            f"{', '.join(study.score.families)}; images of {study.data.size} px from {study.data.source or 'a phantom'}"
        )
        mistakes += [f"{name}: {line}" for line in unusable(name, study, studies)]
    if mistakes:
        raise InputError("\n".join(dict.fromkeys(mistakes)))


def unusable(name: str, study: Study, beside: Collection[str]) -> Iterator[str]:
    """Open what a study names: source, table, class folders, masks, boxes, lungs, key, contents and checkpoints.

    Everything is listed, and one image of each class is read. What is still to be downloaded is left out, and so are
    checkpoints of the studies `beside`, which the same run makes.

    Yields:
        a line for each thing that a job would stop at.
    """
    yield from _weights(study, beside)
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


def _weights(study: Study, beside: Collection[str]) -> Iterator[str]:
    from safetensors import SafetensorError, safe_open

    for model in study.models:
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
                    yield f"train.weights: {path}: not there; give the path of a .safetensors file"
                elif made not in beside:
                    yield f"train.weights: {path}: not there; run the study {made} first, or both at once"
            except (SafetensorError, OSError) as error:
                why = getattr(error, "strerror", None) or "damaged, or no .safetensors file"
                yield f"train.weights: {path}: cannot be read ({why})"
