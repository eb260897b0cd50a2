"""`heatproof audit`: of a study, as a job of the pipeline; or of any folder or archive of images, by itself."""

import argparse
import importlib
import json
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from heatproof.core.messages import InputError, line
from heatproof.data.audit.alarms import sentences
from heatproof.data.audit.assemble import audit
from heatproof.data.audit.material import Material, Settings, read_path, read_study
from heatproof.data.audit.numbers import counted, share
from heatproof.data.prepare.split import SPLITS
from heatproof.store import artifacts

WIDTH = 80
MARKS = {"alarm": "!!", "note": " -", "fine": "ok"}
SHOWN = 5  # of each list
_STAGES = {"raw": "as it came", "preprocessed": "preprocessed"}
_KINDS = {"patient": "patients", "lookalike": "clusters of look-alikes", "image": "images, each by itself"}
_KINDS |= {"united": "whole patients, those united of whom images look alike"}
_COPIES = {"bytes": "the same file", "pixels": "the same picture", "lookalikes": "look alike"}
_KIND = _COPIES | {"lookalike": "look alike"}


def summary(audit: dict, title: str) -> str:
    """The audit of `title` as text; `audit` is the content of `audit.json`."""
    parts = [_head(audit, title), _sentences(audit), _copies(audit), *_pairs(audit), _probes(audit), _sweep(audit)]
    return "\n\n".join(filter(None, [*parts, _quarantined(audit)]))


def _head(audit: dict, title: str) -> str:
    counts = ", ".join(f"{name} {audit['counts'][name]:,}".replace(" ", "\0") for name in audit["classes"])
    classes = counted(len(audit["classes"]), "class", "classes")
    if audit.get("task") == "multilabel":
        classes = f"{counted(audit['sets'], 'set')} of {counted(len(audit['classes']), 'label')}"
    text = f"{counted(audit['images'], 'image')} in {classes}: {counts}"
    kind = "united" if audit["group_kind"] == "lookalike" and audit.get("patients_known") else audit["group_kind"]
    groups = f"{counted(audit['groups'], 'group')}: {_KINDS[kind]}"
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"Audit of {title}", *(line.replace("\0", " ") for line in lines), groups])


def _sentences(audit: dict) -> str:
    return "\n".join(
        textwrap.fill(
            row["text"],
            WIDTH,
            initial_indent=f"{MARKS[row['level']]} ",
            subsequent_indent="   ",
            break_on_hyphens=False,
        )
        for row in audit["sentences"]
    )


def _copies(audit: dict) -> str:
    rows = [
        [text, *(f"{found[key]:,}" for key in ("pairs", "images", "across_classes"))]
        for kind, text in _COPIES.items()
        for found in [audit["duplicates"][kind]]
    ]
    return "COPIES\n" + table(["", "pairs", "images in them", "across classes"], rows)


def _pairs(audit: dict) -> list[str]:
    """The most alike pairs across classes, and within one."""
    across = max(found["across_classes"] for found in audit["duplicates"].values())
    within = audit["duplicates"]["lookalikes"]["pairs"] - audit["duplicates"]["lookalikes"]["across_classes"]
    return [
        _listed("PAIRS ACROSS CLASSES", audit["conflicts"], across),
        _listed("PAIRS WITHIN A CLASS", audit["alike"], within),
    ]


def _listed(title: str, pairs: Sequence[dict], total: int) -> str:
    lines = [
        f"{row['similarity']:.3f}  {_KIND[row['kind']]}\n    {_end(row['a'])}\n    {_end(row['b'])}"
        for row in pairs[:SHOWN]
    ]
    return "\n".join([f"{title}, the {len(lines)} most alike of {total:,}", *lines]) if lines else ""


def _end(name: str) -> str:
    """The end of a long name, which tells more than its start."""
    return name if len(name) <= WIDTH - 4 else f"...{name[7 - WIDTH :]}"


def _probes(audit: dict) -> str:
    """Rows are classifiers and stages, columns the splits."""
    if all(row["balanced_accuracy"] is None for row in audit["probes"]):
        return ""
    found = {(row["probe"], row["stage"], row["split"]): row for row in audit["probes"]}
    rows = [
        [f"{probe}, {_STAGES[stage]}", *(_interval(found[probe, stage, split]) for split in ("random", "grouped"))]
        for probe, stage in dict.fromkeys((row["probe"], row["stage"]) for row in audit["probes"])
    ]
    chance = audit["probes"][0]["chance"]
    return f"TRIVIAL CLASSIFIERS, balanced accuracy [95% interval], chance {chance:.2f}\n" + table(
        ["", "random split", "grouped split"], rows
    )


def _interval(row: dict) -> str:
    if row["balanced_accuracy"] is None:
        return "-"
    text = f"{row['balanced_accuracy']:.2f}"
    return text if row["low"] is None else f"{text} [{row['low']:.2f} to {row['high']:.2f}]"


def _sweep(audit: dict) -> str:
    rows = [
        [
            f"{row['threshold']:g}" + ("*" if row["threshold"] == audit["threshold"] else ""),
            *(_amount(row[key]) for key in ("pairs", "clusters", "largest")),
            "-" if row["leak_random"] is None else share(row["leak_random"]),
            "-" if row["neighbour"] is None else f"{row['neighbour']:.2f}",
            "too many pairs" if row["reason"] else "yes" if row["split"] else "no",
        ]
        for row in audit["sweep"]
    ]
    head = ["similarity", "pairs", "clusters", "largest", "leak", "1-NN", "can be split"]
    title = "THRESHOLD OF LOOK-ALIKES (* in use; leak: random split; 1-NN: grouped split)"
    return f"{title}\n{table(head, rows)}" if rows else ""


def _amount(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _quarantined(audit: dict) -> str:
    bad = audit["quarantined"]
    more = [f"and {len(bad) - SHOWN:,} more"] if len(bad) > SHOWN else []
    lines = [textwrap.fill(row["reason"], WIDTH, subsequent_indent="    ") for row in bad[:SHOWN]]
    return "\n".join(["LEFT OUT", *lines, *more]) if bad else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in [head, *rows]
    )


BRANCHES = {"planted": "heatproof.data.synthetic.seams"}  # only a job of a planted study takes it (`workflow.code`)
SWEEP = (0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)

LARGEST = 2048  # side after preprocessing
LONGEST = 200  # characters of a path in a message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", metavar="PATH", help="folder or archive (zip, tar); or a study that has run")
    parser.add_argument("--patient", metavar="REGEX", help="its first group, found in a file name, is the patient")
    parser.add_argument("--threshold", type=float, default=0.95, help="similarity of look-alikes (default: 0.95)")
    parser.add_argument("--json", metavar="FILE", help="write all that was found to this file too")
    parser.add_argument("--up", type=int, default=1, help="how many folders up the class is (default: 1)")
    parser.add_argument(
        "--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="values shown as black and white"
    )
    parser.add_argument("--size", type=int, default=224, help="side after preprocessing, in pixels (default: 224)")
    parser.add_argument("--crop", choices=("none", "body"), default="none", help="before it is made square")
    parser.add_argument("--fit", choices=("crop", "pad", "squash"), default="crop", help="how it is made square")
    parser.add_argument("--study", help="audit what the data job of this study left; needs --config")
    parser.add_argument("--config", type=json.loads, metavar="JSON", help="how to; a job's own")


def run(args: argparse.Namespace) -> None:
    if args.study is not None:
        if args.path is not None or args.config is None:
            raise InputError("--study stands with --config, and without PATH")
        _audit_study(args.study, args.config)
    elif not args.path:
        raise InputError("give a folder or an archive of images")
    elif _there(Path(args.path)):
        if args.json is not None:
            _check_json(Path(args.json))
        found = audit_path(Path(args.path), args)
        print(summary(found, args.path))
        if args.json is not None:
            _write(Path(args.json), found)
    elif _there(artifacts.data_dir(args.path)):
        found = artifacts.read_json(artifacts.data_dir(args.path) / "audit.json")
        print(summary(found, f"study {args.path}"))
    else:
        raise InputError(f"{args.path}: not there; give a folder or an archive of images, or a study that has run")


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be looked into
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{_short(path)}: cannot be looked at ({why}); give another path") from None


def _short(path: Path) -> str:
    name = str(path)
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}..."


def _audit_study(study: str, config: dict) -> None:
    _check_config(config)
    if not _there(artifacts.data_dir(study)):
        raise InputError(f"--study: {_short(Path(study))}: its data job has not run; run snakemake")
    folder, split = artifacts.data_dir(study), config["split"]
    bad = artifacts.read_table(folder / "quarantine.csv", artifacts.QUARANTINE)
    folds, tests_all = split["folds"], split["test"] == "all"
    settings = Settings(
        threshold=config["lookalike"],
        sweep=tuple(config["audit"]["sweep"]),
        draws=config["audit"]["draws"],
        bootstrap=config["audit"]["bootstrap"],
        folds=config["audit"]["folds"],
        shares=(1 / folds,) * folds if folds > 1 else Settings.shares if tests_all else tuple(map(split.get, SPLITS)),
        tolerance=split["tolerance"],
        cross_validated=folds > 1,
        crop=config["crop"],
        fit=config["fit"],
    )
    key = (study, config["seed"])
    kind = config["group_kind"]
    split_by = "all" if tests_all else kind if split["by"] == "auto" else split["by"]
    material = read_study(study, kind, split_by, config["patients_known"])
    seams = _seams(folder, material, settings, key) if config["kind"] == "planted" else None
    found, pairs = audit(material, settings, key)
    found |= {"quarantined": bad.to_dict("records"), "seams": seams, "shortcut": config["shortcut"]}
    found |= {"kind": config["kind"]}
    found["sentences"] = sentences(found)
    artifacts.write_json(folder / "audit.json", found)
    artifacts.write_table(folder / "audit.csv", _table(found), artifacts.AUDIT)
    artifacts.write_table(folder / "audit_pairs.csv", pairs, artifacts.AUDIT_PAIRS)
    print("\n".join(f"{row['level']}: {row['text']}" for row in found["sentences"]))


def _table(found: dict):
    import pandas as pd

    return pd.DataFrame(found["probes"], columns=list(artifacts.AUDIT))


def _seams(folder: Path, material: Material, settings: Settings, key: tuple) -> dict:
    pixels, seams = (artifacts.read_array(folder / name) for name in ("pixels.npy", "seams.npy"))
    options = {"folds": settings.folds, "draws": settings.bootstrap, "key": key}
    return importlib.import_module(BRANCHES["planted"]).seam_probe(
        pixels, seams, material.labels, material.groups, **options
    )


def audit_path(path: Path, args: argparse.Namespace) -> dict:
    """Return what an audit of a folder or an archive finds, its sentences among it."""
    _check(args)
    window = None if args.window is None else tuple(args.window)
    options = {"patient": args.patient, "window": window, "up": args.up}
    material, bad, others = read_path(path, **options, size=args.size, crop=args.crop, fit=args.fit)
    settings = Settings(
        threshold=args.threshold,
        sweep=tuple(sorted({*SWEEP, args.threshold})),
        option="--threshold",
        crop=args.crop,
        fit=args.fit,
    )
    found, _ = audit(material, settings, ("audit",))
    found |= {"quarantined": bad, "seams": None, "shortcut": None, "kind": "path"}
    found["sentences"] = sentences(found)
    if others:
        left = counted(len(others), "other file is no image and", "other files are no images and")
        line(f"{left} left aside{', such as' if len(others) > 1 else ':'} {others[0]}")
    return found


def _check(args: argparse.Namespace) -> None:
    if not 0.3 < args.threshold <= 1:
        raise InputError(f"--threshold: {args.threshold:g} is not above 0.3 and at most 1")
    if args.size < 32:
        raise InputError(f"--size: {args.size} is below 32")
    if args.size > LARGEST:
        raise InputError(f"--size: {args.size} is above {LARGEST}")
    if args.up < 1:
        raise InputError(f"--up: {args.up} is below 1")
    if args.window is not None and not all(map(math.isfinite, args.window)):
        raise InputError("--window: needs two finite values")
    if args.window is not None and not args.window[0] < args.window[1]:
        raise InputError("--window: the first value must be below the second")
    if args.patient is not None:
        try:
            groups = re.compile(args.patient).groups
        except re.error as error:
            raise InputError(f"--patient: not a regular expression: {error}") from None
        if not groups:
            raise InputError("--patient: needs a group in parentheses around the patient's id")


def _check_config(config: object) -> None:
    keys = {"audit", "crop", "fit", "group_kind", "kind", "lookalike", "patients_known", "seed", "shortcut", "split"}
    lost = keys - set(config) if isinstance(config, dict) else keys
    if lost:
        raise InputError(f"--config: not that of a job: it lacks {', '.join(sorted(lost))}; snakemake gives it")
    for key in ("audit", "split"):
        if not isinstance(config[key], dict):
            raise InputError(f"--config: not that of a job ({key}: {config[key]}); snakemake gives it")


def _check_json(path: Path) -> None:
    """Find out that a file cannot be written before the work, not after it."""
    if not path.name:
        raise InputError("--json: give the name of a file")
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"--json: {path}: cannot be written (it is no regular file)")
        if path.parent.exists() and not path.parent.is_dir():
            raise InputError(f"--json: {path}: cannot be written ({path.parent} is no folder)")
        path.parent.mkdir(parents=True, exist_ok=True)
        trial = path.with_name(f".{path.name}.part")  # as `artifacts.replacing` calls it
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def _write(path: Path, found: dict) -> None:
    try:
        artifacts.write_json(path, found)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"--json: {_short(path)}: cannot be written ({error.strerror})")
