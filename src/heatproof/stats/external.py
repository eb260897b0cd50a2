"""`heatproof stats FILE`: the same tests on anybody's table of per-image scores, without a study around it."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from heatproof.errors import InputError
from heatproof.stats import families
from heatproof.stats.design import Design
from heatproof.stats.gather import gather
from heatproof.stats.general import seeds_sentence
from heatproof.stats.groups import compact, count_missing, group_means, seed_group_means
from heatproof.stats.overview import overview
from heatproof.stats.sentences import family_sentences
from heatproof.stats.tables import in_order, metrics_table
from heatproof.stats.words import counted

TEXT = ["image_id", "group", "model", "method", "metric"]
NEEDED = ("image_id", "model", "value")
OPTIONAL = {"method": "heatmap", "metric": "score", "seed": 0, "reason": ""}
TOLD = ("metrics", "omnibus", "pairs", "controls", "sensitivity", "variance", "missing")
UNTOLD = "no value given"
LARGEST = 1e100  # beyond it, squares of differences are no numbers any more
UNKNOWN = "Whether these models classify is not known here: a heatmap of one that guesses explains nothing."


def read(path: Path, group: str | None) -> pd.DataFrame:
    """A table of scores, one row an image, model, seed, method and metric: columns as in `artifacts.SCORES`.

    Args:
        path: `.parquet`, or `.csv` with a head line.
        group: the column that names the patient (or other independent unit) of an image; None where images are
            independent.

    Raises:
        InputError: not such a table; the line says what to mend.
    """
    group = group or "image_id"
    try:
        table = _csv(path, group) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except FileNotFoundError:
        raise InputError(f"{path}: not there") from None
    except (OSError, ValueError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path}: neither parquet nor .csv with a head line ({why})") from None
    if len(set(table.columns)) < len(table.columns):
        raise InputError(f"{path}: two columns are called {table.columns[table.columns.duplicated()][0]}; one is meant")
    if lost := [name for name in dict.fromkeys((*NEEDED, group)) if name not in table]:
        hint = "; --group names the patient's column, --independent says that images are" if group in lost else ""
        raise InputError(f"{path}: no column {', '.join(lost)}; there are {', '.join(map(str, table))}{hint}")
    if table.empty:
        raise InputError(f"{path}: no rows")
    table = table.assign(group=table[group], **{name: v for name, v in OPTIONAL.items() if name not in table})
    if (kind := table["value"].dtype).kind in "Mm":
        raise InputError(f"{path}: value holds {kind}; it must be numbers")
    value, seed = (pd.to_numeric(table[name], errors="coerce").astype(float) for name in ("value", "seed"))
    if (bad := table["value"].notna() & ~(value.abs() < LARGEST)).any():
        found = table.loc[bad, "value"].iloc[0]
        raise InputError(f"{path}: value holds '{found}'; it must be a number below {LARGEST:g}, or empty")
    if (bad := ~((seed % 1 == 0) & (seed.abs() < 2**31))).any():
        found = table.loc[bad, "seed"].iloc[0]
        raise InputError(f"{path}: seed holds {'nothing' if pd.isna(found) else found}; it must be a whole number")
    if (empty := (table[TEXT].isna() | (table[TEXT] == "")).any()).any():
        name = group if empty.idxmax() == "group" else empty.idxmax()
        raise InputError(f"{path}: {name} is empty in a row; every score needs one")
    reason = table["reason"].fillna("").astype(str)
    reason = reason.mask(value.isna() & (reason == ""), UNTOLD).mask(value.notna(), "")
    table = table.assign(value=value, seed=seed.astype(int), reason=reason)
    table = table[[*TEXT, "seed", "value", "reason"]].astype(dict.fromkeys(TEXT, str))
    keys = ["image_id", "model", "seed", "method", "metric"]
    if (again := table.duplicated(keys)).any():
        row = table.loc[again, keys].iloc[0]
        raise InputError(f"{path}: two scores of {', '.join(f'{key} {row[key]}' for key in keys)}; one is meant")
    if (two := table.groupby("image_id")["group"].nunique() > 1).any():
        raise InputError(f"{path}: image {two.idxmax()} is in two groups; an image belongs to one patient")
    # what comes out must not hang on the order of the rows
    return table.sort_values(["metric", "method", "model", "seed", "image_id"], ignore_index=True)


def _csv(path: Path, group: str) -> pd.DataFrame:
    """Names stay as they are written: 01 is not 1, and NA may be a model. Columns of one name stay two."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = next(csv.reader(file), [])
    text = {*TEXT, group, "reason"}
    kinds = {i: str for i, name in enumerate(head) if name in text}
    blank = {i: [""] if name in text else ["", "NA", "NaN", "nan"] for i, name in enumerate(head)}
    names = list(range(len(head)))
    table = pd.read_csv(path, header=0, names=names, dtype=kinds, keep_default_na=False, na_values=blank)
    return table.set_axis(head, axis=1)


def evaluate(
    table: pd.DataFrame, *, lower: Sequence[str], controls: Sequence[str] | None, settings: dict, independent: bool
) -> tuple[dict[str, pd.DataFrame], dict]:
    """All tests of a table as `read` gives it; every metric is a family of its own.

    Args:
        lower: metrics of which a low value is good, beside heatproof's own that are known to be.
        controls: the methods that a heatmap has to beat; None for a random and a centred map, where they are there.
        settings: section `stats`.

    Returns:
        The tables by name, and the summary with its `sentences`.

    Raises:
        InputError: a name that is not in the table.
    """
    metrics, methods = list(dict.fromkeys(table["metric"])), list(dict.fromkeys(table["method"]))
    for option, names, known in (("--lower", lower, metrics), ("--controls", controls or [], methods)):
        if unknown := [name for name in names if name not in known]:
            raise InputError(f"{option} {unknown[0]}: not in the table; there are {', '.join(known)}")
    beside = {*families.CONTROLS, *families.YARDSTICKS, *(controls or [])}
    judged = list(controls) if controls is not None else [m for m in ("random", "center") if m in methods]
    own = [method for method in methods if method.split(":")[0] not in beside]
    if not own:
        raise InputError("every method of the table is a control; there is no heatmap to test")
    _same_images(table[table["method"].isin(own)])
    models, seeds = list(dict.fromkeys(table["model"])), table.groupby("model")["seed"].nunique()
    low = frozenset((m, m) for m in metrics if m in lower or families.better("", m) == "lower")
    scores = compact(table.assign(family=table["metric"]))
    per_seed, missing = seed_group_means(scores), count_missing(scores)
    tested = [m for m in metrics if families.better("", m) != "none" or m in lower]  # of others no value is good
    design = Design(models, own, {m: m for m in tested}, dict.fromkeys(tested, judged), low, settings)
    described = metrics_table(group_means(per_seed), missing, settings["interval"], methods, models, per_seed)
    tables, found, _, _ = gather(scores, per_seed, described, design)
    kind = "image" if independent else "group"
    summary = {
        "methods": own,
        "lead": own[0],
        "models": {model: {"competent": True} for model in models},
        "seeds": {"count": int(seeds.min()), "most": int(seeds.max())},
        "groups": {"kind": kind},
        "groups_test": table["group"].nunique(),
        "images_test": table["image_id"].nunique(),
        "alpha": settings["alpha"],
        "interval": settings["interval"],
        "test": settings["test"],
        "power": settings["power"],
        "refused": {},
        **found,
    }
    summary["overview"] = overview(summary)
    rows = [{"family": "general", "method": "", "kind": "caution", "text": text} for text in _general(summary)]
    for method in own:
        for metric in tested:
            for kind, texts in family_sentences(summary, metric, method).items():
                rows += [{"family": metric, "method": method, "kind": kind, "text": text} for text in texts]
    summary["sentences"] = rows
    tables |= {"metrics": described, "missing": in_order(missing, methods, models)}
    return tables, summary


def _same_images(table: pd.DataFrame) -> None:
    """Refuse models that were scored on different images: their difference may be that of the images."""
    for (metric, method), rows in table.groupby(["metric", "method"], sort=False):
        every = set(rows["image_id"])
        for model, of in rows.groupby("model", sort=False):
            if lost := sorted(every - set(of["image_id"])):
                raise InputError(
                    f"{metric} by {method}: image {lost[0]} has no row of model {model}; give it one, with an empty "
                    f"value and a reason if there is none"
                )


def _general(summary: dict) -> list[str]:
    images, groups = counted(summary["images_test"], "image"), counted(summary["groups_test"], "group")
    if summary["groups"]["kind"] == "image":
        unit = f"Every one of the {images} was taken as independent of all others, as --independent says."
    else:
        unit = f"All tests are on means per group ({groups}, {images}); that groups are independent is yours to know."
    many = len(summary["primary"])
    each = f"Each of the {many} metrics is a family of tests of its own: p values are not corrected for their number."
    fewest, most = summary["seeds"]["count"], summary["seeds"]["most"]
    uneven = f"Not every model has as many seeds ({fewest} to {most}): verdicts speak of these trainings alone."
    return [unit, seeds_sentence(summary) if fewest == most else uneven, UNKNOWN, *([each] if many > 1 else [])]
