"""The code that made a report: its commit, and what differs from it in a form that `git apply` takes."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from heatproof.store.artifacts import digest

LARGEST = 1_000_000  # bytes of an untracked file, or of a folder of them, that the difference takes in


@dataclass(frozen=True)
class Revision:
    """`commit` is None without git or a commit; `changes` is None where git could not tell them.

    `left_out` are the untracked files and folders that are not among the changes: `path` and `bytes`; of a file its
    `sha256`, of a folder the number of its `files`.
    """

    commit: str | None = None
    changes: bytes | None = None
    left_out: list[dict] = field(default_factory=list)

    @property
    def dirty(self) -> bool | None:
        return None if self.changes is None else bool(self.changes or self.left_out)


def read(data: Sequence[str] = ()) -> Revision:
    """What the working folder holds beside its commit, without results.

    The user's index and objects stay as they are: git works on an index and objects of its own.

    Args:
        data: paths of the study's data and secrets, which are no code: left out wherever git does not know them.
    """
    head = _git("rev-parse", "--verify", "HEAD")
    if head is None:
        return Revision()
    commit, objects = head.decode().strip(), _git("rev-parse", "--git-path", "objects")
    with TemporaryDirectory() as scratch:
        Path(scratch, "objects").mkdir()
        own = {
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_OBJECT_DIRECTORY": f"{scratch}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(Path(os.fsdecode(objects.strip())).absolute()),
        }
        if _git("read-tree", "HEAD", **own) is None:
            return Revision(commit)
        within = ["--", ".", ":(exclude)results", ":(exclude)dvc.lock", *_unknown(data, own)]
        left_out = _left_out(within, own)
        if _git("add", "--all", *within, *(_without(entry["path"]) for entry in left_out), **own) is None:
            return Revision(commit)
        plain = ("--cached", "--patch", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv")
        return Revision(commit, _git("diff-index", *plain, "HEAD", *within, **own), left_out)


def _without(path: str) -> str:
    return f":(exclude,literal){path.rstrip('/')}"


def _unknown(data: Sequence[str], own: dict[str, str]) -> list[str]:
    """What leaves out those paths of the data that lie in this folder and that git knows nothing of."""
    places = {os.path.relpath(Path(path).expanduser()) for path in data}
    return [_without(path) for path in sorted(places) if path[:2] != ".." and not _git("ls-files", "--", path, **own)]


def _left_out(within: Sequence[str], own: dict[str, str]) -> list[dict]:
    """Untracked files, and folders of them, that are large; repositories inside this one."""
    asked = ("ls-files", "--others", "--exclude-standard", "-z")
    entries = _names(_git(*asked, "--directory", "--no-empty-directory", *within, **own))
    folders = [entry for entry in entries if entry.endswith("/")]
    inside: dict[str, list[str]] = {}
    for name in _names(_git(*asked, *within, **own)):
        inside.setdefault(next((folder for folder in folders if name.startswith(folder)), name), []).append(name)
    found = []
    for entry, names in sorted(inside.items()):
        files = [Path(name) for name in names if not name.endswith("/")]  # a repository ends so, and is not entered
        size = sum(path.lstat().st_size for path in files)
        if size > LARGEST or len(files) < len(names):
            what = {"files": len(files)} if entry.endswith("/") else {"sha256": digest(Path(entry))}
            found.append({"path": entry, "bytes": size, **what})
    return found


def _names(output: bytes | None) -> list[str]:
    return [os.fsdecode(name) for name in (output or b"").split(b"\0") if name]


def _git(*arguments: str, **environment: str) -> bytes | None:
    """What git says, or None where it fails or is not there."""
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, env=os.environ | environment, timeout=300)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
