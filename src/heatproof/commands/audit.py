"""`heatproof audit`: look for leaks and shortcuts in images, without a configuration."""

import argparse
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from heatproof.core.messages import InputError, line

if TYPE_CHECKING:
    from heatproof.data.audit.material import Settings
    from heatproof.data.audit.results import Audit

AUDITED = "audited"  # name of the study that is made of a source
SWEEP = (0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)
LARGEST = 2048  # side after preprocessing
LONGEST = 200  # characters of a path in a message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument(
        "path", metavar="PATH", help="folder, archive (zip, tar) or table of images; or a study that has run"
    )
    parser.add_argument(
        "--patient",
        metavar="REGEX",
        help="regular expression for file names; its first group is the patient; for a table: a column",
    )
    parser.add_argument("--masks", metavar="PLACE", help="folder of masks, or a pattern such as '{stem}_mask*'")
    parser.add_argument("--key", metavar="FILE", help="for DICOM: file with the secret key of the pseudonyms")
    parser.add_argument("--classes", metavar="NAME", nargs="+", default=[], help="labels of a table that are audited")
    parser.add_argument("--threshold", type=float, default=0.95, help="similarity of look-alikes (default: 0.95)")
    parser.add_argument("--json", metavar="FILE", help="also write all results to this file")
    parser.add_argument("--up", type=int, default=1, help="number of folders between image and class (default: 1)")
    parser.add_argument(
        "--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="pixel values shown as black and white"
    )
    parser.add_argument(
        "--size", type=int, default=224, help="image size after preprocessing, in pixels (default: 224)"
    )
    parser.add_argument("--crop", choices=("none", "body"), default="none", help="crop before the image is made square")
    parser.add_argument("--fit", choices=("crop", "pad", "squash"), default="crop", help="how the image is made square")


def run(args: argparse.Namespace) -> None:
    """Print the audit of a folder, an archive or a study that has run.

    Raises:
        InputError: an option is out of bounds, the path cannot be read, or the file cannot be written.
    """
    from heatproof.data.audit.command import summary
    from heatproof.data.audit.results import read_audit
    from heatproof.data.sources.rows import is_table
    from heatproof.store import artifacts

    if not args.path:
        raise InputError("give a folder or an archive of images")
    if _there(Path(args.path)):
        if args.json is not None:
            _check_json(Path(args.json))
        path = Path(args.path)
        found = audit_source(path, args) if args.masks or args.key or is_table(path) else audit_path(path, args)
        print(summary(found, args.path))
        if args.json is not None:
            with _writing(Path(args.json)):
                artifacts.write_json(Path(args.json), found.stored())
    elif _there(artifacts.data_dir(args.path)):
        print(summary(read_audit(artifacts.data_dir(args.path) / "audit.json"), f"study {args.path}"))
    else:
        raise InputError(f"{args.path}: not found; give a folder or an archive of images, or a study that has run")


def audit_path(path: Path, args: argparse.Namespace) -> "Audit":
    """Return what an audit of a folder or an archive finds."""
    from heatproof.data.audit.assemble import audit
    from heatproof.data.audit.material import read_path
    from heatproof.data.audit.results import BadFile
    from heatproof.text.numbers import counted

    _check(args)
    window = None if args.window is None else tuple(args.window)
    options = {"patient": args.patient, "window": window, "up": args.up}
    material, bad, others = read_path(path, **options, size=args.size, crop=args.crop, fit=args.fit)
    settings = _settings(args)
    found, _ = audit(material, settings, ("audit",), quarantined=tuple(BadFile(**row) for row in bad))
    if others:
        left = counted(len(others), "other file is no image and", "other files are no images and")
        line(f"{left} skipped{', such as' if len(others) > 1 else ':'} {others[0]}")
    return found


def _settings(args: argparse.Namespace) -> "Settings":
    from heatproof.data.audit.material import Settings

    sweep = tuple(sorted({*SWEEP, args.threshold}))
    return Settings(threshold=args.threshold, sweep=sweep, option="--threshold", crop=args.crop, fit=args.fit)


def audit_source(path: Path, args: argparse.Namespace) -> "Audit":
    """Audit a table, DICOM files or images with masks: run a study's data job in a temporary folder, and audit that."""
    from heatproof.commands.check import OPTIONS, data_of, section_of
    from heatproof.config.load import resolve
    from heatproof.core.messages import using_options
    from heatproof.data import command
    from heatproof.data.audit.assemble import audit
    from heatproof.data.audit.material import read_study
    from heatproof.data.audit.results import BadFile
    from heatproof.data.sources.rows import is_table
    from heatproof.store import artifacts

    _check(args, is_table(path))
    with using_options(OPTIONS | {"data.window": "--window"}):
        data, _ = data_of(argparse.Namespace(**vars(args), images=str(path)))
        task = data.pop("task", "multiclass")
        data |= {"size": args.size, "crop": args.crop, "fit": args.fit, "window": args.window, "on_bad": "quarantine"}
        data |= {"lookalike": args.threshold, "split": {"test": "all"}}
        no_training = {"models": {"none": {"source": "timm:resnet18"}}, "seeds": [0]}
        study = resolve({"task": task, "data": data} | no_training)
        here = Path.cwd()
        with TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                command.run(argparse.Namespace(study=AUDITED, config=section_of(study)))
                known = study.data.patients_known
                material = replace(read_study(AUDITED, study.data.group_kind, None, known), splits={})
                bad = artifacts.read_table(artifacts.data_dir(AUDITED) / "quarantine.csv", artifacts.QUARANTINE)
                settings = _settings(args)
                quarantined = tuple(BadFile(**row) for row in bad.to_dict("records"))
                return audit(material, settings, ("audit",), quarantined=quarantined)[0]
            finally:
                os.chdir(here)


def _check(args: argparse.Namespace, table: bool = False) -> None:
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
    if args.patient is not None and not table:
        try:
            groups = re.compile(args.patient).groups
        except re.error as error:
            raise InputError(f"--patient: not a regular expression: {error}") from None
        if not groups:
            raise InputError("--patient: needs a group in parentheses around the patient's id")


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be looked into
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{_short(path)}: cannot be read ({why}); give another path") from None


def _short(path: Path) -> str:
    name = str(path)
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}..."


def _check_json(path: Path) -> None:
    """Find out that a file cannot be written before the work, not after it."""
    if not path.name:
        raise InputError("--json: give the name of a file")
    with _writing(path):
        if path.exists() and not path.is_file():
            raise InputError(f"--json: {path}: cannot be written (it is no regular file)")
        if path.parent.exists() and not path.parent.is_dir():
            raise InputError(f"--json: {path}: cannot be written ({path.parent} is no folder)")
        path.parent.mkdir(parents=True, exist_ok=True)
        trial = path.with_name(f".{path.name}.part")  # as `artifacts.replacing` calls it
        trial.touch()
        trial.unlink()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"--json: {_short(path)}: cannot be written ({error.strerror})") from None
