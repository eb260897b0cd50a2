"""`heatproof verify`: are the results, and the objects in DVC's cache, what was written?"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import yaml

from heatproof.core.messages import InputError, steps
from heatproof.store import artifacts
from heatproof.store.sealing import sidecar
from heatproof.workflow.files import record

LOCK = Path("dvc.lock")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", action="store_true", help="also check every object in DVC's cache")


def run(args: argparse.Namespace) -> None:
    """Name each result that its digest contradicts, each that `dvc.lock` does and, if asked, each object in DVC's cache
    that its name does.

    Raises:
        InputError: something is damaged; a line for each has been printed.
    """
    cache = _cache()
    if args.cache and cache is None:
        raise InputError(".dvc: not in this folder; run this in the folder of the project")
    objects = _objects(cache) if args.cache else []
    bad = [path for path in steps(objects, len(objects), "objects in DVC's cache") if not _sound(path)]
    recorded = _recorded(cache) if cache else {}
    files = _results()
    damaged = {path: said for path in steps(files, len(files), "results") if (said := _damage(path))}
    for path, said in damaged.items():
        stored = recorded.get(path)
        print(said + (f", or `dvc checkout {path}` restores it" if stored and _sound(stored) else ""))
    for path in bad:
        print(_about(path, [file for file, stored in recorded.items() if stored == path]))
    changed = [path for path, stored in recorded.items() if path not in damaged and _changed(path, stored, recorded)]
    if changed:
        print(f"{len(changed)} results differ from {LOCK} ({changed[0]}, ...): recomputed or changed since")
    if damaged or bad:
        raise InputError(f"damaged: {len(damaged)} results, {len(bad)} objects in DVC's cache; all are listed above")
    print(f"sound: {len(files)} results" + (f", {len(objects)} objects in DVC's cache" if args.cache else ""))


def _results() -> list[Path]:
    """What Snakemake made, and what a digest is kept of, whether it is there or not."""
    found = [path for stage in artifacts.STAGES for path in (artifacts.RESULTS / stage).rglob("*") if path.is_file()]
    noted = {path.with_name(path.name.removeprefix(".").removesuffix(".sha256")) for path in found if _is_note(path)}
    return sorted(noted | {path for path in found if record(path).exists()})


def _is_note(path: Path) -> bool:
    return path.name.startswith(".") and path.suffix == ".sha256"


def _damage(path: Path) -> str:
    if path.parts[1] == "report" and not sidecar(path).exists():
        return ""  # pages and figures, which no job reads, have no digest
    try:
        artifacts.verify(path)
    except artifacts.ArtifactError as error:
        return str(error)
    return ""


def _cache() -> Path | None:
    """Where the objects of DVC's cache lie, which any of its four configuration files may say."""
    if not Path(".dvc").is_dir():
        return None
    from dvc.config import Config, ConfigError

    try:
        return Path(Config(dvc_dir=".dvc")["cache"].get("dir", ".dvc/cache")) / "files/md5"
    except ConfigError as error:
        raise InputError(f".dvc/config: {error}") from error


def _objects(cache: Path) -> list[Path]:
    return sorted(path for path in cache.glob("??/*") if re.fullmatch(r"[0-9a-f]{32}(\.dir)?", _name(path)))


def _name(stored: Path) -> str:
    return stored.parent.name + stored.name


def _sound(stored: Path) -> bool:
    """Whether an object is there and holds the bytes that it is named for."""
    return stored.is_file() and _md5(stored) == _name(stored).removesuffix(".dir")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _recorded(cache: Path) -> dict[Path, Path]:
    """What `dvc.lock` records, and the object of each; of a folder, the object that lists its files."""
    if not LOCK.exists():
        return {}
    found = {}
    try:
        stages = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"].values()
        outs = [(Path(out["path"]), out["md5"]) for stage in stages for out in stage.get("outs", [])]
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{LOCK}: not as DVC writes it: resolve a git conflict in it, or run `dvc repro`") from error
    for folder, name in outs:
        stored = found[folder] = cache / name[:2] / name[2:]
        if stored.suffix == ".dir" and _sound(stored):  # those of results/stats, which git keeps, are not there
            for entry in json.loads(stored.read_text(encoding="utf-8")):
                found[folder / entry["relpath"]] = cache / entry["md5"][:2] / entry["md5"][2:]
    return found


def _changed(path: Path, stored: Path, recorded: dict[Path, Path]) -> bool:
    """Whether a result is not what was recorded; where its digest is recorded too, that speaks for it."""
    if path.parts[0] != "results" or path.is_dir() or sidecar(path) in recorded:
        return False
    return not path.is_file() or _md5(path) != _name(stored)


def _about(stored: Path, files: list[Path]) -> str:
    """Return the line on a damaged object: what it is, and how to fix it."""
    if not files:
        what, fix = "of another commit or experiment", "delete it, then `dvc fetch --all-commits` restores it"
    else:
        what = ", ".join(f"the list of files of {file}" if stored.suffix == ".dir" else str(file) for file in files)
        if all(file.is_dir() or (file.is_file() and _md5(file) == _name(stored)) for file in files):
            fix = "delete it, then `dvc commit --force` stores it again"
        else:
            fix = "delete it and the result, then `dvc pull` brings both back"
        fix += ", or snakemake makes it again"
    return f"{stored}: its content does not match its name ({what}); {fix}"
