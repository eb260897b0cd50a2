"""`heatproof diff`: how far the results of two runs or machines lie apart, and whether a verdict changes.

Exit code 0: the same bytes, or within tolerance with every verdict the same; 3: not so; 1: bad input.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from heatproof.core.messages import InputError

APART = 3  # the exit code; 1 is bad input and 2 wrong usage
SHOWN = 12  # lines of one kind that are printed; the JSON file has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", help="project folder, or its results folder")
    parser.add_argument("b", help="another one")
    parser.add_argument("--study", nargs="+", default=[], help="names of studies (default: all that both have)")
    for name, default, what in (
        ("predictions", PREDICTIONS, "difference of a predicted probability"),
        ("heatmaps", HEATMAPS, "difference of a pixel, as a share of the heatmap's range"),
        ("scores", SCORES, "difference of a score; of one beyond 1, the share of it"),
    ):
        text = f"tolerance: largest {what} to ignore (default: {default:g})"
        parser.add_argument(f"--{name}", type=_tolerance, default=default, metavar="T", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all comparisons to this file")


# what rounding alone does: docs/reproduce.md has the measurements
PREDICTIONS, HEATMAPS, SCORES = 0.001, 0.01, 0.05
JUMPS = 0.01  # share of a metric's scores that may lie beyond: where two pixels are nearly equal, a peak may be either


def _tolerance(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text} is not a tolerance; give a number from 0 on, or inf")
    return value


def run(args: argparse.Namespace) -> None:
    """Compare, print, and leave with `APART` where the two are."""
    from heatproof.commands import compared

    if args.json and not args.json.absolute().parent.is_dir():
        raise InputError(f"--json {args.json}: its folder does not exist; create it first")
    a, b = compared.opened(args.a), compared.opened(args.b)
    tolerances = {name: getattr(args, name) for name in ("predictions", "heatmaps", "scores")}
    studies = {name: compare(a, b, name, tolerances) for name in compared.chosen(a, b, args.study)}
    for name, found in studies.items():
        print("\n".join([name, *(f"  {line}" for line in lines(found))]))
    if not args.study:
        for folder, other in ((args.a, (a, b)), (args.b, (b, a))):
            if alone := set(compared.studies(other[0])) - set(compared.studies(other[1])):
                print(f"only in {folder}: {', '.join(sorted(alone))}")
    several = len(studies) > 1
    why = [f"{name}: {text}" if several else text for name, of in studies.items() for text in apart(of, tolerances)]
    if args.json:
        stated = {"a": args.a, "b": args.b, "tolerances": tolerances, "studies": studies, "apart": why}
        args.json.write_text(json.dumps(_plain(stated), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    print(f"Different: {'; '.join(why)}." if why else _agreed(studies))
    if why:
        raise SystemExit(APART)


def compare(a: Path, b: Path, study: str, tolerances: dict[str, float]) -> dict:
    """Everything that two folders `results` tell apart of one study; of files with the same bytes nothing more is read.

    Args:
        tolerances: of `predictions`, `heatmaps` and `scores`.

    Returns:
        `files` (stage -> same, differ, only_a, only_b), `images`, `readings`, `predictions`, `heatmaps`, `scores`,
        `audit`, `verdicts`: what `comparing` finds in the files that differ; `of` is the folder of a model, seed and
        fold.

    Raises:
        InputError: a file is missing, damaged or of images of another size.
    """
    from heatproof.commands import compared

    files = {stage: compared.compare_bytes(a, b, stage, study) for stage in compared.STAGES}

    def both(stage: str, name: str = "") -> tuple[Path, Path]:
        return a / stage / study / name, b / stage / study / name

    def differing(stage: str, *names: str) -> list[str]:
        """Folders below a stage's in which both have these files, and one of them differs."""
        here = set(files[stage]["same"]) | set(files[stage]["differ"])
        found = {str(Path(path).parent) for path in files[stage]["differ"] if Path(path).name in names}
        return sorted(folder for folder in found if all(Path(folder, name).as_posix() in here for name in names))

    maps = [
        {"of": folder} | row
        for folder in differing("heatmaps", "index.parquet", "maps.npy")
        for row in compared.compare_heatmaps(*both("heatmaps", folder), tolerances["heatmaps"])
    ]
    predictions = [
        {"of": folder}
        | compared.compare_predictions(*both("models", f"{folder}/predictions.parquet"), tolerances["predictions"])
        for folder in differing("models", "predictions.parquet")
    ]
    by_metric: dict[tuple[str, str], list[dict]] = {}
    for path in files["scores"]["differ"]:
        for row in compared.compare_scores(*both("scores", path), tolerances["scores"]):
            by_metric.setdefault((Path(path).stem, row["metric"]), []).append(row)
    return {
        "files": files,
        "images": compared.compare_images(*both("data")) if differing("data", *compared.FILES) else None,
        "readings": compared.compare_readings(*both("data")) if differing("data", *compared.READINGS_FILES) else None,
        "predictions": predictions,
        "heatmaps": maps,
        "scores": [{"family": f, "metric": m} | compared.together(rows) for (f, m), rows in by_metric.items()],
        "audit": compared.compare_audits(*both("data")) if differing("data", compared.AUDIT) else [],
        "verdicts": compared.compare_verdicts(*both("stats")) if differing("stats", *compared.VERDICT_FILES) else None,
    }


def apart(found: dict, tolerances: dict[str, float]) -> list[str]:
    """Why two results of a study are apart, a clause a kind; nothing where all is within tolerance."""
    why = []
    had = [of for stage, of in found["files"].items() if stage not in _left(found)]
    if alone := sum(len(of[key]) for of in had for key in ("only_a", "only_b")):
        why.append(f"files in only one ({alone})")
    if found["images"] and any(value for key, value in found["images"].items() if key != "images"):
        why.append("other images")
    if found["readings"] and any(value for key, value in found["readings"].items() if key != "readings"):
        why.append("other readings")
    for kind, tolerance in tolerances.items():
        beyond = sum(_beyond(row) for row in found[kind] if not _jumps(row))
        if beyond and tolerance != float("inf"):
            why.append(f"{kind} beyond tolerance ({beyond})")
    if found["verdicts"] and found["verdicts"]["changed"]:
        why.append(f"verdicts changed ({len(found['verdicts']['changed'])})")
    if said := _said(found):
        why.append(f"changed sentences ({len(said)})")
    return why


def _said(found: dict) -> list[dict]:
    return found["audit"] + (found["verdicts"]["sentences"] if found["verdicts"] else [])


def _jumps(row: dict) -> bool:
    """Whether a metric's scores are within tolerance but for a few."""
    return "metric" in row and row["beyond"] == _beyond(row) <= JUMPS * row["scores"]


def _beyond(row: dict) -> int:
    """What counts against the tolerance: numbers beyond it, and what only one has."""
    return sum(row.get(key, 0) for key in ("beyond", "degenerate_in_one", "missing_in_one", "only_a", "only_b"))


def _left(found: dict) -> list[str]:
    """The stages that one of the two has nothing of: not every clone has pulled everything."""
    return [stage for stage, of in found["files"].items() if not (of["same"] or of["differ"])]


def _agreed(studies: dict[str, dict]) -> str:
    had = " in what both have" if any(_left(found) for found in studies.values()) else ""
    if not any(of["differ"] for found in studies.values() for of in found["files"].values()):
        return f"Identical files{had}."
    judged = all("stats" not in _left(found) for found in studies.values())
    return f"Within tolerance{had}{', and every verdict is the same' if judged else ''}."


def lines(found: dict) -> Iterator[str]:
    """What is printed of a study."""
    for stage, of in found["files"].items():
        count = len(of["same"]) + len(of["differ"])
        alone = [f"{len(of[key])} only in {key[-1].upper()}" for key in ("only_a", "only_b") if of[key]]
        stated = f"{count} files, " + (f"{len(of['differ'])} differ" if of["differ"] else "identical files")
        yield f"{stage + ':':10}{', '.join([stated] * bool(count) + alone) or 'in neither'}"
        if stage not in _left(found):
            names = [f"  {name} only in {key[-1].upper()}" for key in ("only_a", "only_b") for name in of[key]]
            yield from names[:SHOWN]
    if left := _left(found):
        yield f"not compared, because not in both: {', '.join(left)}"
    if found["images"]:
        yield "images: " + "; ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in found["images"].items())
    if found["readings"]:
        parts = (f"{key.replace('_', ' ')} {value}" for key, value in found["readings"].items() if key != "readings")
        yield f"readings of second readers: {found['readings']['readings']} in both; {'; '.join(parts)}"
    yield from _worst("predictions, probabilities", found["predictions"], _prediction)
    yield from _worst("heatmaps, each on the scale of its own range", found["heatmaps"], _map)
    yield from _worst("scores", found["scores"], _score)
    if found["verdicts"]:
        changed = found["verdicts"]["changed"]
        yield f"verdicts: {found['verdicts']['compared']} compared, {len(changed) or 'none'} changed"
        yield from (f"  {row['what']}: {row['a']} -> {row['b']}" for row in changed)
    for row in _said(found):
        yield from (f"changed sentence in {row['where']}", f"  A: {row['a']}", f"  B: {row['b']}")


def _worst(title: str, rows: list[dict], stated: Callable[[dict], str]) -> Iterator[str]:
    if rows:
        yield f"{title}:"
    order = sorted(rows, key=lambda row: (_beyond(row), row["largest"]), reverse=True)
    yield from (f"  {stated(row)}{_alone(row)}" for row in order[:SHOWN])
    if len(order) > SHOWN:
        yield f"  and {len(order) - SHOWN} more with smaller differences (--json FILE has all)"


def _prediction(row: dict) -> str:
    return (
        f"{row['of']}: largest difference {row['largest']:.2g}; of {row['images']} images {row['beyond']} beyond "
        f"tolerance, {row['changed']} with another predicted class"
    )


def _map(row: dict) -> str:
    median = "" if row["correlation"] is None else f", median rank correlation {row['correlation']:.6f}"
    return (
        f"{row['of']} {row['method']}: largest difference {row['largest']:.2g}{median}, {row['beyond']} of "
        f"{row['maps']} maps beyond tolerance"
    )


def _score(row: dict) -> str:
    median = "" if row["median"] is None else f", median {row['median']:.2g}"
    return (
        f"{row['family']}, {row['metric']}: largest difference {row['largest']:.2g}{median}, {row['beyond']} of "
        f"{row['scores']} beyond tolerance"
    )


def _alone(row: dict) -> str:
    named = {"degenerate_in_one": "degenerate in one only", "missing_in_one": "missing in one only"}
    named |= {"only_a": "only in A", "only_b": "only in B"}
    return "".join(f", {row[key]} {name}" for key, name in named.items() if row.get(key))


def _plain(value):
    """Infinity, which JSON has not, as text."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return str(value) if value == float("inf") else value
