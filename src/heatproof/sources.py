"""Which source files a job runs: the modules that its rule names and all that they import as they load."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def source_files(*modules: str) -> list[str]:
    """Paths of the named modules of heatproof (`train.command`) and of every module of heatproof that
    they import at their top, sorted. An import inside a function does not count: who names the
    module knows which of those will run.
    """
    found: dict[str, Path] = {}
    waiting = [f"heatproof.{module}" for module in modules]
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if name in found or path is None:
            continue
        found[name] = path
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for module in modules:
        if f"heatproof.{module}" not in found:
            raise ModuleNotFoundError(f"no module heatproof.{module}")
    return sorted(str(path) for path in found.values())


@cache  # asked for by every job of a rule
def source_digest(*modules: str) -> str:
    """SHA-256 over names and contents of the source files of some modules; the same wherever the project lies."""
    found = hashlib.sha256()
    for path in map(Path, source_files(*modules)):
        found.update(f"{path.relative_to(PACKAGE).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def _path(name: str) -> Path | None:
    if not name.startswith("heatproof."):
        return None
    path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
    return path if path.is_file() else None
