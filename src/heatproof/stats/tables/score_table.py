"""Read a table of per-image scores of any tool: long or wide, delimited text or parquet, and what its metrics mean."""

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from heatproof.catalogue.families import CONTROLS
from heatproof.catalogue.metrics import BASELINES, METRICS
from heatproof.catalogue.reasons import NO_VALUE
from heatproof.core.messages import InputError, bare, listed
from heatproof.data.sources.rows import NoColumn, find_columns, parse_numbers, read_sheet, spellings, united
from heatproof.store import artifacts

# heatproof's metric: what others call the same quantity
SAME = {
    "deletion_auc": ["Deletion", "Deletion score", "Deletion area", "AUC Deletion", "Del AUC", "AUC Del"],
    "insertion_auc": ["Insertion", "Insertion score", "Insertion area", "AUC Insertion", "Ins AUC", "AUC Ins"],
    "srg": ["Symmetric relevance gain"],
    "naopc": ["Normalized AOPC", "Normalised AOPC"],
    "average_drop": ["avg_drop"],
    "increase_in_confidence": ["conf_increase", "Average increase", "Average increase in confidence"],
    "road_morf": ["ROADMostRelevantFirstAverage"],
    "road_lerf": ["ROADLeastRelevantFirstAverage"],
    "road": ["ROADCombined"],
    "relevance_rank_accuracy": ["RRA"],
    "relevance_mass_accuracy": ["RMA"],
    "energy_pointing_game": ["Energy-based pointing game", "EBPG"],
    "pixel_auroc": ["Pixel AUC", "Pixelwise AUROC"],
    "pixel_auprc": ["Pixel AP", "Pixelwise AUPRC"],
    "max_sensitivity": ["sensitivity_max"],
    "sparseness": ["Gini index"],
}
# heatproof's metrics whose name, in another spelling, other tools have for another definition of the same direction
SHARED = ("infidelity", "max_sensitivity")
# quantities of which a high, a low, or no value is better, under the names that they keep
DIRECTIONS = {
    "higher": [
        "Faithfulness Correlation", "Faithfulness Estimate", "Monotonicity", "Monotonicity-Arya", "Monotonicity-Nguyen",
        "Monotonicity Correlation", "Sensitivity-N", "IROF", "MuFidelity", "Comprehensiveness", "Input Invariance",
        "Attribution Localisation", "Attribution Localization", "Top-K Intersection", "Focus", "Dice", "Jaccard",
        "Intersection over union", "AUROC", "ROC AUC", "AUPRC", "PR AUC", "Average Precision", "Average Gain",
        "EfficientMPRT", "Efficient Model Parameter Randomisation Test", "CamMultImageConfidenceChange",
        "ROADLeastRelevantFirst", "BatchSufficiency", "Coherency", "ADCC", "ARCC",
    ],
    "lower": [
        "Pixel-Flipping", "Selectivity", "Avg-Sensitivity", "Average Sensitivity", "Local Lipschitz Estimate",
        "Relative Input Stability", "Relative Output Stability", "Relative Representation Stability",
        "Non-Sensitivity", "MPRT", "Model Parameter Randomisation Test", "SmoothMPRT",
        "Smooth Model Parameter Randomisation Test", "Random Logit", "DropInConfidence", "ROADMostRelevantFirst",
    ],
    "none": ["Complexity", "Effective Complexity"],
}  # fmt: skip
# names of two quantities: the one of which a high, and the one of which a low value is better
AMBIGUOUS = {
    "ROAD": ("LeRF minus MoRF in pytorch-grad-cam", "accuracy after removal in Quantus"),
    "AUC": ("the area of insertion or of localization", "the area of deletion"),
    "AOPC": ("the drop with the most relevant pixels removed first", "the drop with the least relevant removed first"),
    "Region-Perturbation": ("the drop in the order morf", "the drop in the order lerf"),
    "Sufficiency": ("an agreement of predictions in Quantus", "a drop of the probability in ERASER"),
    "Completeness": ("whether relevance adds up to the output", "the gap between them"),
    "Consistency": ("an agreement in Dasgupta et al. 2022", "what Quantus calls lower-is-better"),
    "Continuity": ("a merit in general", "a change of the map in Quantus"),
    "SSIM": ("similarity of maps of seeds or of copies of an image", "similarity after randomization"),
    "Rank correlation": ("similarity of maps of seeds or of copies of an image", "similarity after randomization"),
}


class Metric(NamedTuple):
    """A metric that a table names.

    Attributes:
        name: heatproof's name, or the one in the table where heatproof has no such metric.
        better: `higher`, `lower`, `none` (a description), or "" where that is not known.
        meanings: of an ambiguous name.
    """

    name: str
    better: str
    meanings: tuple[str, str] | None = None


def find_metric(written: str) -> Metric:
    """Find the metric that a name means.

    An arrow in the name states the direction of a metric that is not known. In per cent, a metric keeps its name.

    >>> find_metric("Deletion AUC").name, find_metric("DropInConfidence").better, find_metric("ours").better
    ('deletion_auc', 'lower', '')
    """
    own = _registered()
    if written in own:
        return Metric(written, own[written])
    name = bare(written)
    if meanings := {bare(name): pair for name, pair in AMBIGUOUS.items()}.get(name):
        return Metric(written, _arrow(written), meanings)
    if (metric := _same().get(name)) is not None:
        kept = "%" in written or (metric in SHARED and name == bare(metric))
        return Metric(written if kept else metric, own[metric])
    return Metric(written, _foreign().get(name) or _arrow(written))


def _arrow(written: str) -> str:
    up, down = "\N{UPWARDS ARROW}" in written, "\N{DOWNWARDS ARROW}" in written
    return "higher" if up and not down else "lower" if down and not up else ""


@cache
def _registered() -> dict[str, str]:
    """Heatproof's metrics, with the variants that further baselines make, and the direction of each."""
    own = {name: metric.better for name, metric in METRICS.items()}
    removing = [name for name, metric in METRICS.items() if metric.baselines]
    return own | {f"{name}_{baseline}": own[name] for name in removing for baseline in BASELINES}


@cache
def _same() -> dict[str, str]:
    """Bare name -> heatproof's metric."""
    return {bare(name): name for name in _registered()} | {
        bare(alias): name for name, aliases in SAME.items() for alias in aliases
    }


@cache
def _foreign() -> dict[str, str]:
    """Bare name -> direction of a metric that heatproof lacks."""
    return {bare(name): better for better, names in DIRECTIONS.items() for name in names}


DEFAULTS = {"method": "heatmap", "metric": "score", "seed": 0, "reason": ""}
KEYS = ["image_id", "model", "seed", "method", "metric"]
TEXT = ["image_id", "group", "model", "method", "metric"]
WIDE = ("model", "method", "metric")  # what the columns of a wide table may be
LARGEST = 1e100  # beyond it, squares of differences are no numbers any more


CHOICE = {"option": "", "fold": ""}  # further columns where each method has several options
OPTIONS = {  # which options are chosen
    "method": artifacts.TEXT, "model": artifacts.TEXT, "seed": artifacts.INTEGER, "fold": artifacts.TEXT,
    "option": artifacts.TEXT,
    "validation": artifacts.NUMBER,  # mean over the validation groups that have a score of every option
    "validation_groups": artifacts.INTEGER,
    "test": artifacts.NUMBER,  # mean over such test groups
    "groups": artifacts.INTEGER,
    "chosen": artifacts.FLAG,  # the best on validation groups, whose test scores are the method's
    "best_on_test": artifacts.FLAG,  # the one that the naive way would report
}  # fmt: skip
OPTIMISM = {
    "method": artifacts.TEXT, "model": artifacts.TEXT,
    "chosen": artifacts.NUMBER,  # mean over test groups of the options chosen on validation groups
    "naive": artifacts.NUMBER,  # of those that score best on the test groups themselves
    "optimism": artifacts.NUMBER,  # how much better the naive mean looks; 0 where both ways choose the same
    "low": artifacts.NUMBER, "high": artifacts.NUMBER,  # over draws of groups in which both ways choose again
    "groups": artifacts.INTEGER,
}  # fmt: skip


class ScoreTable(NamedTuple):
    """Scores with the columns of `artifacts.SCORES`, and of `CHOICE` where options are read; sentences on how names in
    the file were read, and group -> its data set, where the table names any."""

    scores: pd.DataFrame
    notes: list[str]
    data_sets: Mapping[str, str] = MappingProxyType({})


def read(
    path: Path,
    group: str | None = None,
    wide: Sequence[str] = (),
    frame: pd.DataFrame | None = None,
    data_set: str | None = None,
    options: bool = False,
) -> ScoreTable:
    """Read a table of scores, one row an image, model, seed, method and metric; the order of rows does not matter.

    Args:
        path: parquet, or delimited text as `rows.read_sheet` reads it (.csv, .tsv, .csv.gz).
        group: the column that names the patient (or other independent unit) of an image; None where images are
            independent. Names that differ in nothing but spelling are one patient.
        wide: `model`, `method` or `metric`, and the columns of a wide table that are one each, with values in their
            cells.
        frame: the table itself, where it is in no file; `path` then names it in messages.
        data_set: the column that names the data set of an image, where there are several; images and patients of two
            data sets are different ones, whatever their names.
        options: whether a column names the option (a layer, a number of steps) that each map was made with, and
            perhaps another one the fold.

    Raises:
        InputError: it is not such a table; the line says how to correct it.
    """
    group, more = group or "image_id", CHOICE if options else {}
    kind, columns = (wide[0], list(wide[1:])) if wide else ("", [])
    if kind and (kind not in WIDE or not columns):
        raise InputError(f"--wide {' '.join(wide)}: give {listed(WIDE)} and the columns that are one each")
    needed = [name for name in ("image_id", group, "model", "value") if not (wide and name in (kind, "value"))]
    needed += [data_set] if data_set else []
    needed += ["option"] if options else []
    optional = [kind or "value", "value", *DEFAULTS, *(name for name in more if name not in needed)]
    table = _columns(path, [*needed, *columns], optional, {"value", "seed", *columns}, frame)
    if table.empty:
        raise InputError(f"{path}: no rows")
    if wide:
        if both := [name for name in (kind, "value") if name in table and name not in columns]:
            raise InputError(f"{path}: a column {both[0]} and --wide {kind}; rename the column, or leave out --wide")
        kept = [name for name in table if name not in columns]
        table = table.melt(kept, columns, var_name=kind, value_name="value")
    defaults = DEFAULTS | more
    table = table.assign(group=table[group], **{name: v for name, v in defaults.items() if name not in table})
    if (empty := (table[TEXT] == "").any()).any():
        name = group if empty.idxmax() == "group" else empty.idxmax()
        raise InputError(f"{path}: {name} is empty in a row; every score needs one")
    if data_set:
        if (table[data_set] == "").any():
            raise InputError(f"{path}: {data_set} is empty in a row; every score needs one")
        names = table[data_set] + "/"
        table = table.assign(image_id=names + table["image_id"], group=names + table["group"])
    table["value"] = _values(table["value"], path)
    table["seed"] = _seeds(table["seed"], path)
    value, reason = table["value"], table["reason"]
    table["reason"] = reason.mask(value.isna() & (reason == ""), NO_VALUE.code).mask(value.notna(), "")
    table = table[[*TEXT, "seed", "value", "reason", *more, *([data_set] if data_set else [])]]
    _once(table, path)
    notes = []
    if group != "image_id":
        names = spellings(sorted(table["group"].unique()))
        table = table.assign(group=table["group"].map(names))
        if same := united(names):
            notes.append(f"Groups whose names differ only in spelling are one: {listed(same, 8)}.")
    if (two := table.groupby("image_id")["group"].nunique() > 1).any():
        raise InputError(f"{path}: image {two.idxmax()} is in two groups; an image belongs to one patient")
    table, renamed = _under_known_names(table, path)
    table = table.sort_values(["metric", "method", "model", "seed", "image_id", *more], ignore_index=True)
    data_sets = dict(zip(table["group"], table.pop(data_set), strict=True)) if data_set else {}
    return ScoreTable(table, notes + renamed, data_sets)


def _under_known_names(table: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Metrics and controls under heatproof's names, and what metrics are called otherwise in the file."""
    metrics = {name: find_metric(name).name for name in sorted(table["metric"].unique())}
    controls = {bare(name): name for name in CONTROLS}
    methods = {name: controls.get(bare(name), name) for name in table["method"].unique()}
    table = table.assign(metric=table["metric"].map(metrics), method=table["method"].map(methods))
    if any(name != other for names in (metrics, methods) for name, other in names.items()):
        _once(table, path, " under heatproof's names")
    renamed = [f"{name} is {metric}" for name, metric in metrics.items() if name != metric]
    return table, [f"Metrics under heatproof's names: {listed(renamed, 20)}."] if renamed else []


def _columns(
    path: Path, required: list[str], optional: list[str], numbers: Collection[str], table: pd.DataFrame | None
) -> pd.DataFrame:
    """The columns that are there, as text; those of numbers, unless they are read from text, as they are."""
    hint = ""
    try:
        if table is None:
            with path.open("rb") as file:
                parquet = file.read(4) == b"PAR1"
            table = pd.read_parquet(path) if parquet else None
        if table is not None:
            places = find_columns([str(name) for name in table.columns], str(path), required, optional)
            table = table.iloc[:, list(places.values())].set_axis(list(places), axis=1)
            return table.assign(**{name: _text(table[name]) for name in table if name not in numbers})
        cells = read_sheet(path.read_bytes(), str(path), required, optional).columns
        return pd.DataFrame({name: cells[name] for name in dict.fromkeys([*required, *optional]) if name in cells})
    except NoColumn as error:
        if {"model", "value"} & {*error.missing}:
            hint = "; if each model has a column of its own, name them: --wide model COLUMN COLUMN"
        if "group" in error.missing:
            hint += "; --group names the patient's column, --independent states that each image is of another patient"
        raise NoColumn(str(path), error.missing, error.there, hint) from None
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: not found") from None
    except (OSError, ValueError) as error:  # of pyarrow too
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read ({why}); give a .csv, .tsv, .csv.gz or .parquet file") from None


def _text(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").map(lambda cell: str(cell).strip())


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    """Floats, NaN where there is none."""
    if column.dtype.kind in "Mm":
        raise InputError(f"{path}: {column.name} holds {column.dtype}; it must be numbers")
    if column.dtype.kind in "biuf":
        return column.astype("float64")
    try:
        return pd.Series(parse_numbers(_text(column).tolist()), column.index, dtype=float)
    except ValueError as error:
        raise InputError(f"{path}: {column.name} {error}") from None


def _values(column: pd.Series, path: Path) -> pd.Series:
    value = _numbers(column, path)
    if (bad := value.abs() >= LARGEST).any():
        raise InputError(f"{path}: value holds {value[bad].iloc[0]:g}; it must be a number below {LARGEST:g}, or empty")
    return value


def _seeds(column: pd.Series, path: Path) -> pd.Series:
    seed = _numbers(column, path)
    if (bad := ~((seed % 1 == 0) & (seed.abs() < 2**31))).any():
        found = seed[bad].iloc[0]
        raise InputError(f"{path}: seed holds {'nothing' if math.isnan(found) else found}; it must be a whole number")
    return seed.astype(int)


def _once(table: pd.DataFrame, path: Path, why: str = "") -> None:
    keys = [*KEYS, *(name for name in CHOICE if name in table)]
    if (again := table.duplicated(keys)).any():
        row = table.loc[again, keys].iloc[0]
        raise InputError(f"{path}: two scores of {', '.join(f'{key} {row[key]}' for key in keys)}{why}; keep one")
