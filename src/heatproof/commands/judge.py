"""`heatproof judge`: from a trained model and a folder of images to a report, within a time budget.

Writes a study that can be edited and rerun, chooses images, steps and scores from the speed measured on this machine,
and runs the pipeline. Nothing is computed outside the pipeline.
"""

import argparse
import math
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from heatproof.commands import plan
from heatproof.commands import run as running
from heatproof.commands.check import OPTIONS as IMAGES
from heatproof.commands.check import Understood, data_of, file_of, runs, unopened, unusable
from heatproof.config.load import resolve
from heatproof.config.study import Study, merge
from heatproof.core.messages import InputError, deadline, using_options
from heatproof.data.sources.opening import sampled
from heatproof.store import artifacts
from heatproof.text.numbers import counted
from heatproof.train.specs import FILES, Spec

if TYPE_CHECKING:
    from heatproof.train.sources import Loaded

METHODS = ("gradcam", "layercam", "saliency")
ENOUGH = 20  # patients; with fewer, no verdict is likely, and the audit tests nothing
SPARE = 0.75  # share of the time that is planned, as the load of the machine may change
OPTIONS = IMAGES | {"explain.methods": "--method"}  # what errors about the study name in place of its keys

LEAST: dict[str, Any] = {  # computed however short the time is
    "data": {"audit": {"draws": 50, "bootstrap": 500}},
    "explain": {
        "variants": {
            "images": 6,
            "transforms": ["flip", "shift", "noise"],
            "sensitivity": None,
            "randomize": {"cascade": True, "independent": False, "layers": 3},
        }
    },
    "score": {"faithfulness": {"images": 20, "steps": 6, "road": None, "naopc": None, "infidelity": None}},
}
ROAD = {"images": 32, "percentiles": [10, 30, 50, 70, 90], "noise": 0.01}
# what more time adds, in this order, each if it fits: description, keys, families
MORE: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("40 {groups}", {"data": {"sample": 40}}, ()),
    ("sanity checks and robustness", {}, ("robustness", "sanity")),
    ("faithfulness of 40 images", {"score": {"faithfulness": {"images": 40}}}, ()),
    ("faithfulness in 10 steps", {"score": {"faithfulness": {"steps": 10}}}, ()),
    ("100 {groups}", {"data": {"sample": 100}}, ()),
    (
        "all changes of 16 images and models",
        {
            "explain": {
                "variants": {
                    "images": 16,
                    "transforms": ["flip", "shift", "rotate", "scale", "noise", "window"],
                    "sensitivity": {"draws": 3, "radius": 0.02},
                    "randomize": {"independent": True, "layers": 4},
                }
            }
        },
        ("robustness", "sanity"),
    ),
    ("faithfulness of 100 images", {"score": {"faithfulness": {"images": 100}}}, ()),
    ("faithfulness in 20 steps", {"score": {"faithfulness": {"steps": 20}}}, ()),
    ("300 {groups}", {"data": {"sample": 300}}, ()),
    ("ROAD of 32 images", {"score": {"faithfulness": {"road": ROAD}}}, ()),
    ("infidelity of 32 images", {"score": {"faithfulness": {"infidelity": {"images": 32, "samples": 32}}}}, ()),
    ("all {groups}", {"data": {"sample": None}}, ()),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    add = parser.add_argument
    many = {"nargs": "+", "default": []}
    add("--model", metavar="SPEC", required=True, nargs="+", help="timm's name, torchvision:NAME, file.py:build, ...")
    add("--images", metavar="PATH", required=True, help="folder or archive with one folder per class, or a table")
    add("--weights", metavar="FILE", **many, help="checkpoint; several of one model count as its seeds")
    add("--method", metavar="NAME", **many, help=f"explanation methods (default: {', '.join(METHODS)})")
    add("--unseen", action="store_true", help="state that no model was trained on any of these images")
    add("--name", metavar="NAME", help="name of the study (default: from model and images)")
    add("--minutes", type=float, default=10, metavar="N", help="time budget in minutes (default: 10)")
    add("--write", action="store_true", help="write the study without running it")
    add("--skip-failing", action="store_true", help="leave out models that cannot be opened or explained")
    add_shared(parser)


def add_shared(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments on images and checkpoints that `heatproof gate` has, too."""
    add = parser.add_argument
    many = {"nargs": "+", "default": []}
    add("--masks", metavar="PLACE", help="folder of masks, or a pattern such as '{stem}_mask*'")
    add(
        "--patient",
        metavar="REGEX",
        help="regular expression whose first group is the patient in a file name; for a table: a column",
    )
    add("--key", metavar="FILE", help="for DICOM: file with the secret key of the pseudonyms")
    add("--classes", metavar="NAME", **many, help="folders in the order of the model's outputs, or NAME=OUTPUT")
    add("--mean", type=float, metavar="X", **many, help="mean of the normalization, for pixels in [0, 1]; needs --std")
    add(
        "--std", type=float, metavar="X", **many, help="standard deviation of the normalization, one number per channel"
    )
    add("--trust", metavar="FILE", **many, help="files that may be unpickled, which can run code inside them")
    add("--out", metavar="FOLDER", default=".", help="folder for the study and the results (default: the current one)")
    add("--cores", default="all", metavar="N", help="cores that Snakemake may use (default: all)")


@using_options(OPTIONS)
def run(args: argparse.Namespace) -> int:
    """Write the study of a model and images, run it, and print where the report is.

    Returns:
        Exit code of Snakemake.

    Raises:
        InputError: an option is out of bounds, or the model or the images cannot be used.
    """
    cores = _cores(args)
    content = study_of(args)
    name = args.name or _name(args)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.A):
        raise InputError(f"--name: {name!r}: a study's name is made of letters, digits, _ . and -")
    folder = Path(args.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
    except OSError as error:
        raise InputError(f"--out: {folder}: cannot be written ({error.strerror})") from None
    path = Path("studies", f"{name}.yaml")
    command = shlex.join(["heatproof", *(one for one in sys.argv[1:] if one != "--write")])
    for said in runs(resolve(content)):
        print(said)
    if path.exists():
        if f"# {command}\n" not in path.read_text(encoding="utf-8"):
            raise InputError(
                f"{path.resolve()}: exists, written by another command; run it with `heatproof run {name}`, set "
                f"--name, or remove it"
            )
        print(f"Study: {path.resolve()} (not changed)")
    else:
        content, notes = fit(name, content, args.minutes * 60, cores, args.skip_failing)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        with artifacts.replacing(path) as temporary:
            temporary.write_text("\n".join([f"# {command}", *(f"# {one}" for one in notes), text]), encoding="utf-8")
        print("\n".join(notes))
        print(f"Study: {path.resolve()}; edit it and run it again with `heatproof run {name}`")
    if args.write:
        return 0
    code = running.run(argparse.Namespace(studies=[name], cores=args.cores, snakemake=[]))
    if code == 0:
        print(f"Report: {artifacts.report_path(name).resolve()}")
    return code


@using_options(OPTIONS)
def study_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the content of the study that judges a model on images, before anything is chosen.

    Paths are absolute, so that the study runs wherever it is written.

    Raises:
        InputError: an option is out of bounds, or names something that does not exist.
    """
    if not (math.isfinite(args.minutes) and args.minutes > 0):
        raise InputError(f"--minutes {args.minutes:g}: must be a number above 0")
    data, outputs = data_of(args, "--images: ")
    if data.pop("task", None):
        raise InputError(f"--images: {args.images}: images have several labels; write a study with task: multilabel")
    models = models_of(args, outputs)
    known = data.get("columns", {}) if data["kind"] == "table" else data
    families = ["localization"] if any(known.get(key) for key in ("masks", "mask", "box")) else []
    families += ["faithfulness", "complexity"]
    families += ["agreement"] if len(args.method or METHODS) > 1 else []
    families += ["consistency"] if len(args.weights) > 1 else []
    return {
        "models": models,
        "seeds": list(range(max(1, len(args.weights)))),
        "data": data | {"split": {"test": "all", "unseen": args.unseen}},
        "explain": {"methods": list(args.method or METHODS)},
        "score": {"families": families},
        "report": {"title": f"{', '.join(models)} on {Path(args.images).name}"},
    }


@using_options(OPTIONS)
def fit(
    name: str, content: dict[str, Any], seconds: float, cores: int, skip_failing: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """Choose images, steps and scores that fit into a time budget, from the speed of the models on this machine.

    Args:
        name: the study.
        content: its content, from `study_of`.
        seconds: time budget.
        cores: number of cores.
        skip_failing: whether models that cannot be judged are left out instead of an error.

    Returns:
        The content with the choice added, and lines that state the choice and what a longer run would add.

    Raises:
        InputError: the images or a model cannot be used.
    """
    unit = plan.import_seconds()
    content, costs, failed = _tried(content, skip_failing)
    study = resolve(content)
    mistakes = [one for one in unusable(name, study, (), False) if not isinstance(one, Understood)]
    if mistakes:
        raise InputError("\n".join(mistakes))
    records = plan.records_of(name, study)
    known = study.data.patients_known and study.data.kind != "dicom"  # whose patients are read with the pixels
    what = "patient" if known else "image"
    groups = len({record.patient if known else record.image_id for record in records})

    def with_more(chosen: dict[str, Any], keys: dict[str, Any], families: Sequence[str] = ()) -> dict[str, Any]:
        """Add keys and families to a choice; the number of patients never falls."""
        named = [one["data"]["sample"] or groups for one in (chosen, keys) if "sample" in one.get("data", {})]
        sample = max(named, default=groups)
        more = merge(merge(chosen, keys), {"data": {"sample": sample if sample < groups else None}})
        more["score"] = more["score"] | {"families": list(dict.fromkeys([*more["score"]["families"], *families]))}
        return more

    def time(chosen: dict[str, Any]) -> float:
        found = resolve(chosen)
        taken = sampled(records, found.data.sample or groups, name, found.data.seed)
        return plan.estimate_seconds(found, costs, plan.Left.of(name, found), int(taken.sum()), cores, unit)

    fewest = {"data": {"sample": max(ENOUGH, 2 * len(study.data.classes))}}
    chosen = everything = with_more(content, merge(LEAST, fewest))
    further: dict[str, float] = {}
    for words, keys, families in MORE:
        everything, more = with_more(everything, keys, families), with_more(chosen, keys, families)
        if more == chosen:
            continue
        if (needed := time(more)) <= SPARE * seconds:
            chosen = more
        else:
            whole = "sample" in keys.get("data", {}) and not more["data"]["sample"]
            further.setdefault((f"all {what}s" if whole else words).format(groups=f"{what}s"), needed)
    study = resolve(chosen)
    taken = sampled(records, study.data.sample or groups, name, study.data.seed)
    count = min(groups, study.data.sample or groups)
    notes = [f"Left out: {model}: {reason}" for model, reason in failed.items()]
    notes += [*_speeds(costs), _choice(study, int(taken.sum()), len(records), count, what)]
    least = time(chosen)
    notes.append(f"{_minutes(least)} on {counted(cores, 'core')}".capitalize())
    if least > seconds:
        notes[-1] += f": more than --minutes {seconds / 60:g}, but the least that gives a useful report"
    if count < ENOUGH:
        notes.append(f"Verdicts need more patients: {counted(count, what)} here, at least {ENOUGH} needed")
    if not known and study.data.kind != "dicom":
        notes.append("Patients are unknown: look-alike images count as one patient; state the patients with --patient")
    if study.unstated:
        notes.append("Held-out accuracy is not claimed: add --unseen if no model was trained on these images")
    if further:
        added = [f"{words} ({_minutes(needed - least)} more)" for words, needed in further.items()]
        notes.append(f"A longer run would add: {', '.join(added)}; all of it takes {_minutes(time(everything))}")
    setting = f"Chosen for about {seconds / 60:g} minutes: {taken.sum()} of {len(records)} images."
    if failed:
        why = "; ".join(f"{model} ({reason})" for model, reason in failed.items())
        why = re.sub(r"(?<![\w.])(?:/|~/)\S*/(?=\S)", ".../", why)  # reports do not show folders
        setting += f" Left out, because heatproof cannot judge them: {why}."
    return {"setting": setting, **chosen}, notes


def _speeds(costs: Mapping[str, plan.Cost]) -> Iterator[str]:
    """State the measured speed of each model."""
    for model, cost in costs.items():
        heatmaps = ", ".join(f"{method} {spent:.2g} s" for method, spent in cost.methods.items() if spent)
        yield f"{model}: {cost.forward:.2g} s per image for a forward pass; heatmaps: {heatmaps or 'none'}"
        if skipped := [method for method, spent in cost.methods.items() if not spent]:
            yield f"{model}: {', '.join(skipped)} not supported, skipped; the report gives the reason"


def _choice(study: Study, images: int, there: int, groups: int, what: str) -> str:
    """State the choice."""
    options, variants = study.score.faithfulness, study.explain.variants
    of = f" of {counted(groups, what)}" if what == "patient" else ""
    parts = [f"{images} of {counted(there, 'image')}{of}", ", ".join(study.score.families)]
    parts.append(f"faithfulness of at most {options.images} images in {options.steps} steps")
    if "sanity" in study.score.families:
        parts.append(f"changes of at most {variants.images} images")
    return f"Chosen: {'; '.join(parts)}"


def _minutes(seconds: float) -> str:
    return f"about {max(1, round(seconds / 60))} min"


def _cores(args: argparse.Namespace) -> int:
    if args.cores == "all":
        return len(os.sched_getaffinity(0))
    if not args.cores.isdecimal() or not int(args.cores):
        raise InputError(f"--cores {args.cores}: must be a number above 0, or all")
    return int(args.cores)


def _tried(content: dict[str, Any], skip_failing: bool) -> tuple[dict[str, Any], dict[str, plan.Cost], dict[str, str]]:
    """Open each model, let it answer and explain noise, and find the image size and channels that the models need.

    Returns:
        The content with size and channels, and without models that fail; the costs of the others by model; and why
        a model fails, by model.

    Raises:
        InputError: a model fails, and failing models are not skipped, or none is left.
    """
    study = resolve(merge(content, {"data": {"sample": None}}))
    content, failed = sized(content, study)
    study = resolve(content)
    costs: dict[str, plan.Cost] = {}
    for model in [model for model in content["models"] if model not in failed]:
        try:
            if mistakes := [one.removeprefix(f"models.{model}: ") for one in unopened(study, model)]:
                raise InputError("; ".join(dict.fromkeys(mistakes)))
            costs[model] = plan.measure(model, study)
            if not any(costs[model].methods.values()):
                raise InputError(f"no explanation method supports it ({', '.join(costs[model].methods)})")
        except InputError as error:
            failed[model] = str(error)
            costs.pop(model, None)
    failed = {model: failed[model] for model in content["models"] if model in failed}
    if failed and not (skip_failing and costs):
        lines = [f"{model}: {reason}" for model, reason in failed.items()]
        raise InputError("\n".join([*lines, *(["--skip-failing leaves out models that fail"] if costs else [])]))
    kept = {model: source for model, source in content["models"].items() if model in costs}
    title = content["report"]["title"].removeprefix(", ".join(content["models"]))
    return content | {"models": kept, "report": {"title": f"{', '.join(kept)}{title}"}}, costs, failed


def sized(content: dict[str, Any], study: Study) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the content with the image size and channels that its models need, and why models cannot be opened."""
    needs, failed = _opened(study)
    if needs:
        size = max((max(one.size) for one in needs.values() if one.size), default=study.data.size)
        channels = max(one.channels for one in needs.values())
        content = merge(content, {"data": {"size": size, "channels": channels}})
    return content, failed


def _opened(study: Study) -> tuple[dict[str, "Loaded"], dict[str, str]]:
    """Open each model, and say how its outputs are read where they have no names.

    Returns:
        Each model that opens, and of each other why it does not.
    """
    from heatproof.train import sources

    needs: dict[str, Loaded] = {}
    failed: dict[str, str] = {}
    for model, network in study.networks.items():
        first, limit = network.of(model, study.seeds[0], 0), study.compute.timeout
        try:
            with deadline(limit, f"{model}: opening it took longer than compute.timeout ({limit} s)"):
                options = first.model_dump(exclude={"source"})
                needs[model] = sources.load(first.source, options, classes=study.data.class_names, task=study.task)
        except InputError as error:
            failed[model] = str(error)
    for model, one in needs.items():
        if one.preprocessing.origin != "given":
            print(f"{model}: images: {one.preprocessing}; set another normalization with --mean and --std")
        if one.assumed:
            order = ", ".join(study.data.class_names)
            print(f"{model}: the outputs have no names and are read in this order: {order}; set another with --classes")
    return needs, failed


def _name(args: argparse.Namespace) -> str:
    """Name a study after its model and images."""
    images = Path(args.images).resolve().name.partition(".")[0]
    parts = [*(Spec.parse(one).label for one in args.model[:2]), "on", re.sub(r"\W+", "_", images, flags=re.A)]
    return re.sub(r"^[^A-Za-z0-9]+", "", "_".join(parts))[:80] or "judged"


def models_of(args: argparse.Namespace, outputs: dict[str, int | str]) -> dict[str, dict[str, Any]]:
    """Return the section `models`: the source of each, with its options."""
    if len(args.model) > 1 and args.weights:
        raise InputError("--weights: needs exactly one --model; judge the models one by one, or list them in a study")
    if bool(args.mean) != bool(args.std):
        raise InputError(f"--{'std' if args.mean else 'mean'}: give both --mean and --std, or neither")
    given: dict[str, Any] = {
        "mean": args.mean,
        "std": args.std,
        "trust": [file_of(one, "--trust") for one in args.trust],
    }
    given["classes"] = outputs
    weights = [file_of(one, "--weights") for one in args.weights]
    given["weights"] = weights if len(weights) > 1 else weights[0] if weights else None
    found: dict[str, dict[str, Any]] = {}
    for one in args.model:
        spec = Spec.parse(one)
        spec.check_installed()
        if spec.label in found:
            raise InputError(
                f"--model: {one}: {spec.label} appears twice; list the models in a study, with names of your own"
            )
        found[spec.label] = {"source": _source(spec, args.out)} | {key: value for key, value in given.items() if value}
    return found


def _source(spec: Spec, out: str) -> str:
    """Return a specification that is valid from any folder."""
    if spec.kind in FILES.values():
        return file_of(spec.name, "--model")
    if spec.kind == "hf":
        return f"hf:{Path(spec.name).resolve() if Path(spec.name).is_dir() else spec.name}"
    if spec.kind != "module":
        return f"{spec.kind}:{spec.name}"
    module, _, function = spec.name.rpartition(":")
    if module.endswith(".py"):
        return f"{file_of(module, '--model')}:{function}"
    spec.files()
    if Path(out).resolve() != Path.cwd():
        raise InputError(f"--model: {spec.name}: depends on the working directory: leave --out out, or give a file.py")
    return spec.name
