"""What two results have in common, and how far their images, heatmaps, scores and predictions lie apart."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from heatproof.catalogue.families import families_with
from heatproof.core.messages import InputError
from heatproof.core.statements import Statement
from heatproof.data.audit.results import read_audit
from heatproof.stats.results import Pairs, StudyResults
from heatproof.stats.verdicts import rules
from heatproof.store import artifacts
from heatproof.store.artifacts import read_array, read_json, read_table
from heatproof.store.tables import DEALT, HEATMAPS, PREDICTIONS, READINGS, SCORES, TABLES
from heatproof.text import audit
from heatproof.text.sentences import sentence

STAGES = artifacts.STAGES[:-1]  # the report says what the others say, and names its machine
CHUNK = 1 << 20  # bytes of a file, and about as many values of an array, that are in memory at a time


def opened(folder: str) -> Path:
    """The folder `results` of a project, or the folder itself if it is one.

    Raises:
        InputError: there are no results.
    """
    for root in (Path(folder) / "results", Path(folder)):
        if any((root / stage).is_dir() for stage in STAGES):
            return root
    raise InputError(f"{folder}: no results; give a project folder, or its results folder, after a run")


def studies(root: Path) -> list[str]:
    """The studies of which any stage has left something, in order of name."""
    found = {path.name for stage in STAGES for path in (root / stage).glob("[!.]*") if path.is_dir()}
    return sorted(found)


def chosen(a: Path, b: Path, requested: Sequence[str]) -> list[str]:
    """The studies to compare: those asked for, or all that both have.

    Raises:
        InputError: one that is asked for is not in both, or both have none in common.
    """
    here, there = studies(a), studies(b)
    both = [name for name in here if name in there]
    if missing := [name for name in requested if name not in both]:
        raise InputError(f"--study {missing[0]}: not in both folders; studies in both: {', '.join(both) or 'none'}")
    if not both:
        raise InputError(f"{a} and {b}: no study in common ({', '.join(here)} and {', '.join(there)})")
    return list(dict.fromkeys(requested)) or both


def files(root: Path, stage: str, study: str) -> list[str]:
    """Paths of a stage's artifacts below its folder of the study; hidden files are none."""
    folder = root / stage / study
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))


def same_bytes(a: Path, b: Path) -> bool:
    """Whether two files hold the same bytes; read only as far as they do."""
    if a.stat().st_size != b.stat().st_size:
        return False
    with a.open("rb") as first, b.open("rb") as second:
        while one := first.read(CHUNK):
            if one != second.read(CHUNK):
                return False
    return True


def compare_bytes(a: Path, b: Path, stage: str, study: str) -> dict[str, list[str]]:
    """Files of one stage: `same` bytes, `differ`, `only_a`, `only_b`."""
    here, there = files(a, stage, study), files(b, stage, study)
    both = [name for name in here if name in set(there)]
    same = [name for name in both if same_bytes(a / stage / study / name, b / stage / study / name)]
    return {
        "same": same,
        "differ": sorted(set(both) - set(same)),
        "only_a": sorted(set(here) - set(there)),
        "only_b": sorted(set(there) - set(here)),
    }


def blocks(count: int, each: int) -> Iterator[slice]:
    """Slices over `count` rows of `each` values, about `CHUNK` values at a time."""
    step = max(1, CHUNK // max(1, each))
    return (slice(start, start + step) for start in range(0, count, step))


def same_shape(a: np.ndarray, b: np.ndarray, path: Path) -> None:
    """Make sure that two arrays are of images of one size.

    Raises:
        InputError: they are not, and nothing can be said of their pixels.
    """
    if a.shape[1:] != b.shape[1:]:
        raise InputError(
            f"{path}: of shape {b.shape[1:]} an image, in the other folder {a.shape[1:]}; compare studies of one "
            "data.size and data.channels"
        )


def keys(names: list[str], here: pd.DataFrame, there: pd.DataFrame) -> list[str]:
    """The columns that tell one row from another, and the label where an image has a row for each of several."""
    return [*names, "label"] if "label" in here and "label" in there else names


FILES = ("manifest.parquet", "pixels.npy", "masks.npy")


def compare_images(a: Path, b: Path) -> dict:
    """Of two folders `results/data/<study>`.

    Returns:
        `images` in both, `only_a`, `only_b`; and of those in both, how many differ in their `rows` of the manifest
        (label, group, split of any fold, truth), `pixels` and `masks`, and the `largest` difference in grey levels.
    """
    here, there = (read_table(folder / "manifest.parquet", DEALT) for folder in (a, b))
    at = here.reset_index().merge(there.reset_index(), on="image_id", suffixes=("_a", "_b"))
    first, second = at["index_a"].to_numpy(), at["index_b"].to_numpy()
    columns = sorted(set(here) | set(there))
    stated = [frame.reindex(columns=columns).iloc[rows] for frame, rows in ((here, first), (there, second))]
    rows = (stated[0].astype(str).to_numpy() != stated[1].astype(str).to_numpy()).any(axis=1)
    pixels, largest = _differ(a / "pixels.npy", b / "pixels.npy", first, second)
    masks, _ = _differ(a / "masks.npy", b / "masks.npy", first, second)
    return {
        "images": len(at),
        "only_a": len(here) - len(at),
        "only_b": len(there) - len(at),
        "rows": int(rows.sum()),
        "pixels": pixels,
        "largest": largest,
        "masks": masks,
    }


READINGS_FILES = ("readings.parquet", "readings.npy")


def compare_readings(a: Path, b: Path) -> dict:
    """Of two folders `results/data/<study>`: `readings` (what a reader drew of a label in an image) in both, `only_a`,
    `only_b`; of those in both, how many differ in their `rows` (whose reading is the truth, how it was drawn) and
    `masks`."""
    names = ["image_id", "label", "reader"]
    here, there = (read_table(folder / READINGS_FILES[0], READINGS) for folder in (a, b))
    at = here.merge(there, on=names, suffixes=("_a", "_b"))
    stated = [at[[f"{name}_{side}" for name in ("place", "truth", "instances", "points")]] for side in ("a", "b")]
    rows = (stated[0].astype(str).to_numpy() != stated[1].astype(str).to_numpy()).any(axis=1)
    drawn = (at[["row_a", "row_b"]] >= 0).to_numpy()
    both = at[drawn.all(axis=1)]
    masks, _ = _differ(a / READINGS_FILES[1], b / READINGS_FILES[1], *(both[f"row_{side}"].to_numpy() for side in "ab"))
    return {
        "readings": len(at),
        "only_a": len(here) - len(at),
        "only_b": len(there) - len(at),
        "rows": int(rows.sum()),
        "masks": masks + int((drawn[:, 0] != drawn[:, 1]).sum()),
    }


def _differ(a: Path, b: Path, first: np.ndarray, second: np.ndarray) -> tuple[int, float]:
    """How many rows of two arrays differ, and by how much at most."""
    one, other = read_array(a), read_array(b)
    same_shape(one, other, b)
    count, largest = 0, 0.0
    for part in blocks(len(first), int(np.prod(one.shape[1:]))):
        apart = np.abs(one[first[part]].astype("float32") - other[second[part]].astype("float32"))
        apart = apart.reshape(len(apart), -1).max(axis=1)
        count, largest = count + int((apart > 0).sum()), max(largest, float(apart.max()))
    return count, largest


MAP_KEYS = ["image_id", "method", "variant", "target"]


def compare_heatmaps(a: Path, b: Path, tolerance: float) -> list[dict]:
    """Of two folders with `index.parquet` and `maps.npy`, a row a method.

    Args:
        tolerance: the largest difference of a pixel that counts as none, as a share of the map's own range.

    Returns:
        `method`, `maps` that are in both and can be scored, their `largest` difference, `correlation` (the median
        of their rank correlations; None without maps), how many lie `beyond` the tolerance, how many can be scored
        in one alone (`degenerate_in_one`), and how many are `only_a` or `only_b`: of other images or classes.
    """
    here, there = (read_table(folder / "index.parquet", HEATMAPS) for folder in (a, b))
    at = here.merge(there, on=keys(MAP_KEYS, here, there), how="outer", suffixes=("_a", "_b"), indicator="side")
    known = at["side"] == "both"
    fine = [known & (at[f"row_{side}"] >= 0) & (at[f"degenerate_{side}"] == "") for side in ("a", "b")]
    at["in_one"], both = fine[0] != fine[1], at[fine[0] & fine[1]]
    largest, correlation = _apart(a / "maps.npy", b / "maps.npy", both["row_a"], both["row_b"])
    at.loc[both.index, "largest"], at.loc[both.index, "correlation"] = largest, correlation
    return [
        {
            "method": method,
            "maps": int(of["largest"].notna().sum()),
            "largest": float(of["largest"].fillna(0).max()),
            "correlation": float(of["correlation"].median()) if of["correlation"].notna().any() else None,
            "beyond": int((of["largest"] > tolerance).sum()),
            "degenerate_in_one": int(of["in_one"].sum()),
            "only_a": int((of["side"] == "left_only").sum()),
            "only_b": int((of["side"] == "right_only").sum()),
        }
        for method, of in at.groupby("method", sort=False)
    ]


def _apart(a: Path, b: Path, first: pd.Series, second: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Largest difference and rank correlation, float64 [maps] each; only a few maps are in memory at a time."""
    one, other = read_array(a), read_array(b)
    same_shape(one, other, b)
    largest, correlation = np.zeros(len(first)), np.ones(len(first))
    first, second = first.to_numpy(int), second.to_numpy(int)
    for part in blocks(len(first), int(np.prod(one.shape[1:]))):
        x, y = (maps[rows[part]].reshape(len(rows[part]), -1) for maps, rows in ((one, first), (other, second)))
        differ = np.flatnonzero((x != y).any(axis=1))
        x, y = x[differ].astype("float64"), y[differ].astype("float64")
        places = part.start + differ
        largest[places] = np.abs(_unit(x) - _unit(y)).max(axis=1, initial=0)
        correlation[places] = _rank_correlation(x, y)
    return largest, correlation


def _unit(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min(axis=1, keepdims=True), maps.max(axis=1, keepdims=True)
    return (maps - low) / (high - low)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's, row by row; ties share their mean rank."""
    x, y = (rankdata(maps, axis=1) - (maps.shape[1] + 1) / 2 for maps in (x, y))
    return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))


SCORE_KEYS = ["image_id", "group", "seed", "method", "metric"]


def compare_scores(a: Path, b: Path, tolerance: float) -> list[dict]:
    """Of two score tables, a row a metric.

    Args:
        tolerance: the largest difference that counts as none; of a score beyond 1, the share of it.

    Returns:
        `metric`, `scores` that both have, their `largest` and `median` absolute difference, how many lie `beyond` the
        tolerance, how many have a value in one alone (`missing_in_one`), and how many are `only_a` or `only_b`.
    """
    here, there = read_table(a, SCORES), read_table(b, SCORES)
    at = here.merge(there, on=keys(SCORE_KEYS, here, there), how="outer", suffixes=("_a", "_b"), indicator="side")
    apart = (at["value_a"] - at["value_b"]).abs()
    size = at[["value_a", "value_b"]].abs().max(axis=1).clip(lower=1)
    missing = (at["side"] == "both") & (at["value_a"].isna() != at["value_b"].isna())
    at = at.assign(apart=apart, beyond=apart > tolerance * size, in_one=missing)
    return [
        {
            "metric": metric,
            "scores": int(of["apart"].notna().sum()),
            "largest": float(of["apart"].fillna(0).max()),
            "median": float(of["apart"].median()) if of["apart"].notna().any() else None,
            "beyond": int(of["beyond"].sum()),
            "missing_in_one": int(of["in_one"].sum()),
            "only_a": int((of["side"] == "left_only").sum()),
            "only_b": int((of["side"] == "right_only").sum()),
        }
        for metric, of in at.groupby("metric", sort=False)
    ]


def together(rows: list[dict]) -> dict:
    """One row for rows of several tables of one metric: counts are added, differences are the worst table's."""
    counts = {key: sum(row[key] for row in rows) for key in rows[0] if isinstance(rows[0][key], int)}
    median = max((row["median"] for row in rows if row["median"] is not None), default=None)
    return counts | {"largest": max(row["largest"] for row in rows), "median": median}


def compare_predictions(a: Path, b: Path, tolerance: float) -> dict:
    """Of two tables of predictions: `images` in both, the `largest` difference of a probability, how many images lie
    `beyond` the tolerance, of how many the predicted class or labels `changed`, how many are `only_a` or `only_b`."""
    here, there = read_table(a, PREDICTIONS), read_table(b, PREDICTIONS)
    at = here.merge(there, on="image_id", suffixes=("_a", "_b"))
    classes = [name for name in here if name.startswith("p_") and name in there]
    first, second = (at[[f"{name}_{side}" for name in classes]].to_numpy(float) for side in ("a", "b"))
    apart = np.abs(first - second).max(axis=1, initial=0)
    return {
        "images": len(at),
        "largest": float(apart.max(initial=0)),
        "beyond": int((apart > tolerance).sum()),
        "changed": int(_changed(at, classes).sum()),
        "only_a": len(here) - len(at),
        "only_b": len(there) - len(at),
    }


def _changed(at: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Of which images another class, or another set of labels, is predicted, bool [images]."""
    names = [name.replace("p_", "predicted_") for name in classes]
    names = names if f"{names[0]}_a" in at else ["predicted"]
    first, second = (at[[f"{name}_{side}" for name in names]].to_numpy() for side in ("a", "b"))
    return (first != second).any(axis=1)


Placed = Sequence[tuple[str, Statement]]  # a statement, and where it stands
NOT_THERE = "not there"
# table -> the columns that name a row, those that hold a decision
DECIDED = {
    "models": (["model", "seed"], ["competent"]),
    "controls": (["family", "metric", "method", "model", "control"], ["verdict"]),
    "sensitivity": (["family", "metric", "method", "question", "subject"], ["main", "worst_rank"]),
    "claims": (["name"], ["verdict"]),
}
VERDICT_FILES = ("summary.json", *(f"{name}.csv" for name in (*DECIDED, "pairs", "relations")))
AUDIT = "audit.json"


def compare_verdicts(a: Path, b: Path) -> dict:
    """Of two folders `results/stats/<study>`.

    Returns:
        `compared` decisions; `changed`, rows of `what`, `a` and `b`; `sentences`, rows of `where`, `a` and `b`.
    """
    one, other = (StudyResults.of(read_json(of / "summary.json"), str(of / "summary.json")) for of in (a, b))
    here, there = decisions(a, one), decisions(b, other)
    names = list(dict.fromkeys([*here, *there]))
    changed = [
        {"what": name, "a": here.get(name, NOT_THERE), "b": there.get(name, NOT_THERE)}
        for name in names
        if here.get(name) != there.get(name)
    ]
    return {"compared": len(names), "changed": changed, "sentences": differing(_stated(one), _stated(other))}


def _stated(results: StudyResults) -> list[tuple[str, Statement]]:
    rows = [*([results.in_short] if results.in_short else []), *results.answer, *results.statements]
    rows += results.readers.statements if results.readers else ()
    return [(", ".join(filter(None, [one.kind, one.one("family"), one.one("method")])), one) for one in rows]


def differing(a: Placed, b: Placed, write: Callable[[Statement], str] = sentence) -> list[dict]:
    """Return the statements that only one of two results has, numbers aside: rows of `where`, `a` and `b`."""
    rows: list[dict] = []
    for side, mine, others in (("a", a, b), ("b", b, a)):
        left = Counter(_essence(where, one) for where, one in others)
        for where, one in mine:
            if left[_essence(where, one)]:
                left[_essence(where, one)] -= 1
                continue
            rows.append({"where": where, "a": NOT_THERE, "b": NOT_THERE} | {side: write(one)})
    return rows


def _essence(where: str, one: Statement) -> tuple:
    return where, one.kind, tuple(sorted((role, tuple(names)) for role, names in one.subjects.items())), one.reason


def compare_audits(a: Path, b: Path) -> list[dict]:
    """Of two folders `results/data/<study>`, the findings that only one audit has: rows of `where`, `a` and `b`."""
    here, there = ([(one.level, one.statement) for one in read_audit(of / AUDIT).findings] for of in (a, b))
    return differing(here, there, audit.sentence)


def decisions(folder: Path, results: StudyResults) -> dict[str, str]:
    """What is decided -> the decision."""
    tables = {name: read_table(folder / f"{name}.csv", TABLES[name]) for name in (*DECIDED, "pairs", "relations")}
    found = {}
    for name, (keys, columns) in DECIDED.items():
        for row in tables[name].to_dict("records"):
            for column in columns:
                subject = ", ".join(str(row[key]) for key in keys)
                found[f"{subject}: {'' if name in subject else name + ' '}{column}"] = str(row[column])
    found |= dict(_of_results(results, tables["pairs"]))
    return found | dict(_of_relations(tables["relations"], results))


def _of_results(results: StudyResults, pairs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for family, of in results.families.items():
        for method, outcome in of.outcomes.items():
            at = f"{family}, {method}"
            yield from ((f"{at}, {model}: against all controls", word) for model, word in outcome.verdicts.items())
            yield f"{at}: applies to", outcome.population
            yield f"{at}: the models differ", "shown" if outcome.differs else "not shown"
            rows = pairs[(pairs["family"] == family) & (pairs["metric"] == of.metric) & (pairs["within"] == method)]
            for row in rows[rows["factor"] == "model"].to_dict("records"):
                yield f"{at}: {row['a']} and {row['b']}", _pair(row, outcome.pairs)
        for model, tells in of.separates.items():
            yield f"{family}, {model}: separates the true region from a random map", str(tells)
        for row in of.methods_apart:
            methods = " and ".join(sorted([row.over, row.under]))
            yield f"{family}, {row.model}: {methods}", f"{row.over} over {row.under}"
    for row in results.combined:
        for family in families_with("rates_maps"):
            yield f"{row.method}, {row.model}: {family} in the combined verdict", getattr(row, family).verdict
    for row in results.readers.comparisons if results.readers else ():
        of = f"{row.metric}, {row.label or 'all labels'}, {row.method}, {row.model}"
        yield f"{of}: compared with a second reader", row.outcome
    for method, by_model in results.refused.items():
        yield from ((f"{method}, {model}", f"refused: {reason}") for model, reason in by_model.items())
    for model in results.comparison.random if results.comparison else ():
        clear = model in results.comparison.clear
        yield f"{model}: the fall from a random split", "shown" if clear else "not significant"


def _pair(row: dict, stated: Pairs) -> str:
    names = (row["a"], row["b"])
    parts = [" over ".join(names if row["difference"] > 0 else names[::-1])] if names in stated.told_apart else []
    parts += ["equivalent"] if names in stated.equivalent else []
    parts += ["within seeds"] if names in stated.within_seeds else []
    return ", ".join(parts) or "no significant difference"


def _of_relations(table: pd.DataFrame, results: StudyResults) -> Iterator[tuple[str, str]]:
    """Whether scores go with a covariate, model by model, and with accuracy across models."""
    for row in table[table["p_corrected"].notna()].to_dict("records"):
        name = ", ".join(row[key] for key in ("family", "metric", "method", "model", "covariate"))
        yield f"{name}: relation", _sign(row["p_corrected"], row["rho"], results.alpha)
    for family, methods in results.accuracy_relations.items():
        for method, found in methods.items():
            yield f"{family}, {method}: with accuracy", _sign(found.p, found.rho, results.alpha)


def _sign(p: float | None, rho: float | None, alpha: float) -> str:
    return {0: "not shown", 1: "rises", -1: "falls"}[rules.sign(p, rho, alpha)]
