"""`heatproof analyze`: the tests of a study on a table of per-image scores that another tool wrote."""

import argparse
from pathlib import Path

from heatproof.core.messages import InputError, using_options

OPTIONS = {"incomplete": "--incomplete", "validation": "--validation", "choose_by": "--choose-by"}
TABLES = ("metrics", "omnibus", "pairs", "controls", "sensitivity", "variance", "missing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.usage = "heatproof analyze FILE [--group COLUMN | --independent] [options]"
    parser.add_argument(
        "scores",
        type=Path,
        metavar="FILE",
        help="scores (.csv, .tsv, .csv.gz, .parquet): columns image_id, model, value; method, metric, seed, reason",
    )
    unit = parser.add_mutually_exclusive_group()
    unit.add_argument("--group", metavar="COLUMN", help="column that identifies the patient (default: group)")
    unit.add_argument("--independent", action="store_true", help="treat every image as a different patient")
    parser.add_argument(
        "--wide",
        nargs="+",
        default=[],
        metavar=("model|method|metric", "COLUMN"),
        help="columns that hold one model (or method, metric) each, instead of columns model and value",
    )
    parser.add_argument("--dataset", metavar="COLUMN", help="column that names the data set, if there are several")
    parser.add_argument(
        "--incomplete", action="store_true", help="patients may lack models by design; empty cells are no failures"
    )
    parser.add_argument("--lower", nargs="+", default=[], metavar="METRIC", help="metrics for which lower is better")
    parser.add_argument(
        "--higher",
        nargs="+",
        default=[],
        metavar="METRIC",
        help="metrics for which higher is better (many names are known)",
    )
    parser.add_argument(
        "--controls",
        nargs="+",
        metavar="METHOD",
        help="control methods, which heatmaps have to beat (default: random and center)",
    )
    parser.add_argument(
        "--validation",
        type=Path,
        metavar="FILE",
        help="scores of other patients, by which one option of each method is chosen; both files name it in a column "
        "option, and with cross-validation its fold in a column fold",
    )
    parser.add_argument("--choose-by", metavar="METRIC", help="metric that chooses options, if there are several")
    parser.add_argument("--test", choices=["friedman", "rm_anova"], default="friedman", help="test behind the verdicts")
    parser.add_argument(
        "--alpha", type=float, default=0.05, help="significance level of a family of tests (default: 0.05)"
    )
    parser.add_argument("--interval", type=float, default=0.95, help="coverage of the intervals (default: 0.95)")
    parser.add_argument(
        "--margin", type=float, default=0.05, help="largest difference that does not matter (default: 0.05)"
    )
    parser.add_argument(
        "--power", type=float, default=0.8, help="power for the smallest detectable difference (default: 0.8)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder of tables (default: the file's name and -stats)"
    )


def run(args: argparse.Namespace) -> None:
    """Test a table of per-image scores, write the tables and print the sentences.

    Raises:
        InputError: an option is out of bounds, the table is not one of scores, or the folder cannot be written.
    """
    from heatproof.stats.external import evaluate
    from heatproof.stats.tables import score_table
    from heatproof.store import artifacts
    from heatproof.store import tables as schemas
    from heatproof.text.sentences import sentence

    for name, low, high in (("alpha", 0, 0.5), ("interval", 0.5, 1), ("power", 0.5, 1), ("margin", 0, float("inf"))):
        if not low < getattr(args, name) < high:
            raise InputError(f"--{name} {getattr(args, name):g}: must lie between {low:g} and {high:g}")
    if args.choose_by and not args.validation:
        raise InputError(f"--choose-by {args.choose_by}: chooses on validation scores; add --validation FILE")
    settings = {name: getattr(args, name) for name in ("test", "alpha", "interval", "power")}
    group = None if args.independent else args.group or "group"

    def read(path: Path) -> score_table.ScoreTable:
        return score_table.read(path, group, args.wide, data_set=args.dataset, options=args.validation is not None)

    with using_options(OPTIONS | {"scores": str(args.scores)}):
        tables, results = evaluate(
            read(args.scores),
            lower=args.lower,
            higher=args.higher,
            controls=args.controls,
            settings=settings | {"margin": {"default": args.margin}},
            independent=args.independent,
            incomplete=args.incomplete,
            validation=args.validation and read(args.validation),
            choose_by=args.choose_by,
        )
    out = args.out or Path(f"{Path(args.scores.name.removesuffix('.gz')).stem}-stats")
    try:
        out.mkdir(parents=True, exist_ok=True)
        written = {name: schemas.TABLES[name] for name in TABLES}
        written |= {"datasets": schemas.DATASETS} if args.dataset else {}
        chosen = {"options": score_table.OPTIONS, "optimism": score_table.OPTIMISM}
        written |= chosen if args.validation else {}
        for name, schema in written.items():
            artifacts.write_table(out / f"{name}.csv", tables[name].reindex(columns=list(schema)), schema)
        artifacts.write_json(out / "summary.json", results.stored(), sort_keys=False)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror or error})") from None
    heading = ("", "")
    for one in results.statements:
        family, method = one.one("family"), one.one("method")
        if heading != (heading := (family, method)):
            way = "lower" if results.families[family].lower_is_better else "higher"
            print(f"\n{method}, {family} ({way} is better)")
        print(f"  {sentence(one)}" if method else sentence(one))
    print(f"\nTables: {out}")
