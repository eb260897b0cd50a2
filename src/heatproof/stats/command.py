"""`heatproof stats`: tests on the scores of a study, or of a table of anybody's. Heavy imports wait until it runs."""

import argparse
import importlib
import json
from pathlib import Path

from heatproof.core.messages import InputError

BRANCHES = {"table": "heatproof.stats.external"}  # taken by no job (`workflow.code`)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.usage = "heatproof stats FILE [--group COLUMN | --independent] [options]"
    parser.add_argument("scores", nargs="?", type=Path, metavar="FILE", help="scores: .csv, .tsv, .csv.gz, .parquet")
    own = parser.add_argument_group("a table of your own: columns image_id, model, value; method, metric, seed, reason")
    unit = own.add_mutually_exclusive_group()
    unit.add_argument("--group", metavar="COLUMN", help="who an image is of: the patient's column (default: group)")
    unit.add_argument("--independent", action="store_true", help="every image is of another patient")
    own.add_argument(
        "--wide",
        nargs="+",
        default=[],
        metavar=("model|method|metric", "COLUMN"),
        help="the columns that are a model each (or a method, a metric), in place of columns model and value",
    )
    own.add_argument("--lower", nargs="+", default=[], metavar="METRIC", help="metrics of which a low value is good")
    own.add_argument(
        "--higher",
        nargs="+",
        default=[],
        metavar="METRIC",
        help="metrics of which a high value is good; by name, many are known",
    )
    own.add_argument("--controls", nargs="+", metavar="METHOD", help="methods to beat (default: random and center)")
    own.add_argument("--test", choices=["friedman", "rm_anova"], default="friedman", help="what verdicts rest on")
    own.add_argument("--alpha", type=float, default=0.05, help="of a family of tests (default: 0.05)")
    own.add_argument("--interval", type=float, default=0.95, help="coverage of the intervals (default: 0.95)")
    own.add_argument("--margin", type=float, default=0.05, help="a difference that would not matter (default: 0.05)")
    own.add_argument("--power", type=float, default=0.8, help="for the smallest detectable difference (default: 0.8)")
    own.add_argument("--out", type=Path, metavar="FOLDER", help="where tables go (default: the file's name and -stats)")
    study = parser.add_argument_group("a study (run by snakemake)")
    study.add_argument("--study", help="name of the study")
    study.add_argument("--models", nargs="+", help="timm names, in the order of the report")
    study.add_argument("--seeds", nargs="+", type=int, help="training seeds")
    study.add_argument("--folds", nargs="+", help="folds whose test images are judged together")
    study.add_argument("--random", nargs="*", default=[], help="folds of the random split to compare with, if any")
    study.add_argument("--methods", nargs="+", help="explanation methods under study")
    study.add_argument("--config", type=json.loads, metavar="JSON", help="section `stats`")
    study.add_argument("--setting", type=json.loads, metavar="JSON", help="what the models were trained from and on")
    study.add_argument("--ensembles", type=json.loads, metavar="JSON", help="name: combine, models, of ensembles")
    study.add_argument("--score-config", type=json.loads, metavar="JSON", help="section `score`")
    study.add_argument("--cue", type=json.loads, metavar="JSON", help="rate, test_rate and label of a planted cue")


def run(args: argparse.Namespace) -> None:
    """Test the scores of a study, or of a table of the user's own."""
    if args.scores:
        return importlib.import_module(BRANCHES["table"]).run(args)
    needed = ("study", "models", "seeds", "folds", "methods", "config", "score_config", "setting")
    if lost := [name for name in needed if getattr(args, name) is None]:
        raise InputError(f"give a FILE of scores, or --{lost[0].replace('_', '-')} as snakemake does")
    run_study(args)


def run_study(args: argparse.Namespace) -> None:
    """Read predictions and scores, test, and write the tables and the summary of a study."""
    import pandas as pd

    from heatproof.stats import results
    from heatproof.stats.study import StudyInputs, evaluate
    from heatproof.stats.tables import groups, reading
    from heatproof.store import artifacts, tables
    from heatproof.text.sentences import paragraph, paragraphs, sentence

    out, primary, ensembles = artifacts.stats_dir(args.study), args.score_config["primary"], args.ensembles or {}
    classes = artifacts.read_json(artifacts.data_dir(args.study) / "digest.json")["classes"]
    trained = [model for model in args.models if model not in ensembles]
    predictions = reading.read_predictions(args.study, args.models, args.seeds, args.folds)
    scores = reading.read_scores(
        args.study, args.models, args.seeds, args.folds, args.score_config["families"], ensembles, classes
    )
    shapes = reading.read_shapes(args.study, args.folds)
    if scores.cases:
        shapes = groups.of_marked_labels(shapes, classes)
    found = evaluate(
        StudyInputs(
            args.study,
            predictions,
            scores.table,
            classes,
            args.methods,
            {family: primary[family] for family in scores.families if family in primary},
            args.config,
            results.Setting.of(args.setting),
            folds=len(args.folds),
            shapes=shapes,
            compared=reading.read_predictions(args.study, trained, args.seeds, args.random) if args.random else {},
            simple=reading.read_simple(args.study, args.folds, args.random, args.config),
            shortcut=args.cue,
            cue=reading.read_cue(args.study) if args.cue else None,
            ensembles=ensembles,
            cases=scores.cases,
        )
    )
    for name, schema in tables.TABLES.items():
        table = found.tables.get(name, pd.DataFrame())
        artifacts.write_table(out / f"{name}.csv", table.reindex(columns=list(schema)), schema)
    results.write(found.results)
    artifacts.write_json(out / "metrics.json", results.key_numbers(found.results))
    print("\n".join([sentence(found.results.in_short), *map(paragraph, paragraphs(found.results.answer))]))
