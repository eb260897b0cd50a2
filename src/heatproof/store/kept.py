"""What a job keeps of a result that it makes again: the parts, of a method or a control, whose recipe is unchanged.

Snakemake deletes a result before it is made again, so `.heatproof/kept` has a second hard link to it, with the recipe
of each part and the digests of the files. Where one of them is missing or does not fit, everything is computed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from heatproof.core.messages import line
from heatproof.store import artifacts
from heatproof.store.sealing import Share

FOLDER = artifacts.STATE / "kept"
NOTE = "recipes.json"  # beside what a shard made


def recipe(*facts: object) -> str:
    """Return the SHA-256 over everything that a part is made from, as JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def links(path: Path) -> tuple[Path, Path]:
    """Return where the second link to a result lies, and the note about it."""
    place = FOLDER / path
    return place, place.with_name(f"{place.name}.json")


@dataclass(frozen=True)
class Kept:
    """The parts of a result, and which of them stay as they are.

    Attributes:
        paths: the files of the result; the note is about them all, and lies with the first.
        recipes: of each part, in the order of the result; none where the job does not know its code.
        names: the parts that are kept.
    """

    paths: Sequence[Path]
    recipes: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, what: str, paths: Sequence[Path], recipes: Mapping[str, str]) -> "Kept":
        """Compare recipes with those of the result before, and show what is kept; `what` is it that is made."""
        try:
            note = json.loads(links(paths[0])[1].read_text(encoding="utf-8"))
            before = dict(note["recipes"])
            names = frozenset(name for name in recipes if before.get(name) == recipes[name])
            forced = [*before.items()] == [*recipes.items()]  # nothing has changed: it is to be computed again
            if forced or not names or any(artifacts.digest(links(p)[0]) != note["files"][p.name] for p in paths):
                return cls(paths, recipes)
        except (OSError, ValueError, KeyError, TypeError):
            return cls(paths, recipes)
        new = [name for name in recipes if name not in names]
        line(f"{what}: keeps {', '.join(n for n in recipes if n in names)}; computes {', '.join(new) or 'nothing'}")
        return cls(paths, recipes, names)

    @classmethod
    def of_shards(cls, paths: Sequence[Path], share: Share) -> "Kept":
        """Return the parts that the shards of a result were made of."""
        note = share.parts(paths[0])[0].with_name(NOTE)
        return cls(paths, dict(artifacts.read_json(note)["recipes"]) if note.exists() else {})

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def without(self, names: Iterable[str]) -> list[str]:
        """Return those that are not kept."""
        return [name for name in names if name not in self.names]

    def store(self, share: Share) -> None:
        """Once the result is whole, keep it with its recipes; a shard notes them for the job that joins."""
        if share.shard is not None:
            if self.recipes:
                artifacts.write_json(share.written(self.paths[0]).with_name(NOTE), {"recipes": [*self.recipes.items()]})
            return
        note = links(self.paths[0])[1]
        note.unlink(missing_ok=True)  # first: it is true of no other files
        if not self.recipes:
            return
        try:
            for path in self.paths:
                with artifacts.replacing(links(path)[0]) as temporary:
                    temporary.unlink(missing_ok=True)
                    temporary.hardlink_to(path)
        except OSError:  # a file system without hard links, or another one: nothing is kept
            return
        files = {path.name: artifacts.sealed(path) for path in self.paths}
        with artifacts.replacing(note) as temporary:
            temporary.write_text(json.dumps({"recipes": [*self.recipes.items()], "files": files}), encoding="utf-8")


@dataclass(frozen=True)
class KeptMaps(Kept):
    """Heatmaps: `maps.npy` and `index.parquet`."""

    @cached_property
    def _before(self) -> tuple[np.ndarray, dict[tuple[str, str], pd.DataFrame]]:
        maps, index = (links(path)[0] for path in self.paths)
        table = artifacts.parse_table(index, artifacts.HEATMAPS)
        return np.lib.format.open_memmap(maps, mode="r"), dict(iter(table.groupby(["variant", "method"], sort=False)))

    def part(self, name: str, places: np.ndarray, variant: str = "") -> tuple[pd.DataFrame, np.ndarray]:
        """Return index and maps of one method for some images, as `Job.part` does; places count its rows."""
        array, index = self._before
        found = index[variant, name].iloc[places]
        rows = found["row"].to_numpy("int64")
        there = rows >= 0
        return found.assign(row=np.where(there, there.cumsum() - 1, -1)), array[rows[there]]


@dataclass(frozen=True)
class KeptScores(Kept):
    """A table of scores, the row groups of which are the parts that its job wrote.

    Attributes:
        table: which of the paths the rows are read from: 1 for the curves behind the scores.
    """

    table: int = 0

    @cached_property
    def _before(self) -> tuple[pq.ParquetFile, dict[str, list[int]]]:
        table = pq.ParquetFile(links(self.paths[self.table])[0])
        groups: dict[str, list[int]] = {}
        for number in range(table.num_row_groups):
            for name in table.read_row_group(number, columns=["method"])["method"].unique().to_pylist():
                groups.setdefault(name, []).append(number)
        return table, groups

    def rows(self, name: str, place: int) -> pd.DataFrame:
        """Return its rows in one of them."""
        table, groups = self._before
        frame = table.read_row_group(groups[name][place]).to_pandas()
        return frame[frame["method"] == name]

    def run(self, name: str, place: int, places: int) -> list[pd.DataFrame]:
        """Return all its row groups of one chunk of images, of so many chunks."""
        each = len(self._before[1][name]) // places
        return [self.rows(name, place * each + step) for step in range(each)]

    def parts(self, made: Mapping[str, pd.DataFrame], place: int) -> list[pd.DataFrame]:
        """Return the rows of each method and control in the table's order: those that were made, and those kept."""
        order = self.recipes if self.names else made
        return [self.rows(name, place) if name in self else made[name] for name in order]
