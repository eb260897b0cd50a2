"""`heatproof job stats`: tests on the scores of a study. Heavy imports wait until it runs."""

import argparse
import json
from dataclasses import replace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--models", required=True, nargs="+", help="timm names, in the order of the report")
    parser.add_argument("--seeds", required=True, nargs="+", type=int, help="training seeds")
    parser.add_argument("--folds", required=True, nargs="+", help="folds whose test images are judged together")
    parser.add_argument("--random", nargs="*", default=[], help="folds of the random split to compare with, if any")
    parser.add_argument("--methods", required=True, nargs="+", help="explanation methods under study")
    parser.add_argument("--config", required=True, type=json.loads, metavar="JSON", help="section `stats`")
    parser.add_argument(
        "--setting", required=True, type=json.loads, metavar="JSON", help="what the models were trained from and on"
    )
    parser.add_argument("--ensembles", type=json.loads, metavar="JSON", help="name: combine, models, of ensembles")
    parser.add_argument("--score-config", required=True, type=json.loads, metavar="JSON", help="section `score`")
    parser.add_argument("--blank", nargs="*", default=[], help="what predictions on blanked images were made of")
    parser.add_argument("--cue", type=json.loads, metavar="JSON", help="rate, test_rate and label of a planted cue")


def run(args: argparse.Namespace) -> None:
    """Read predictions and scores, test, and write the tables and the summary of a study."""
    import pandas as pd

    from heatproof.stats import results
    from heatproof.stats.study import StudyInputs, evaluate
    from heatproof.stats.tables import groups, reading
    from heatproof.stats.tests import relations
    from heatproof.stats.tests.readers import second_reader
    from heatproof.store import artifacts, tables
    from heatproof.text.sentences import paragraph, paragraphs, sentence

    out, primary, ensembles = artifacts.stats_dir(args.study), args.score_config["primary"], args.ensembles or {}
    classes = artifacts.read_json(artifacts.data_dir(args.study) / "digest.json")["classes"]
    trained = [model for model in args.models if model not in ensembles]
    predictions = reading.read_predictions(args.study, args.models, args.seeds, args.folds)
    scores = reading.read_scores(
        args.study, args.models, args.seeds, args.folds, args.score_config["families"], ensembles, classes
    )
    requested = args.config.get("regressions", ())
    shapes = reading.read_shapes(args.study, args.folds)
    drawn = reading.read_shapes(args.study, args.folds, relations.GEOMETRY) if requested else None
    if scores.cases:
        shapes, drawn = (groups.of_marked_labels(one, classes) for one in (shapes, drawn))
    about = reading.read_about(args.study)
    within = args.config.get("within")
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
            within=about[within] if within else None,
        )
    )
    stated = primary.get("localization", "")
    readers = second_reader(args.study, scores.every, classes, args.methods, trained, args.config, stated)
    made = replace(found.results, readers=readers)
    if drawn is not None:
        known = {key: table for key, table in predictions.items() if key[0] in trained}
        beside = relations.covariates(known, drawn, classes)
        level = args.config["interval"]
        made = replace(
            made,
            regressions=relations.regressions(scores.table, beside, requested, args.methods, trained, level),
        )
    if len(about.columns) or args.blank:
        from heatproof.stats.tests.sources import compare_sources
        from heatproof.text import audit

        blanked = reading.read_blanked(args.study, args.models, args.seeds, args.folds) if args.blank else {}
        options = {"alpha": args.config["alpha"], "key": (args.study,)}
        made = replace(
            made, sources=compare_sources(about, predictions, scores.every, primary, classes, blanked, **options)
        )
        print("\n".join(map(audit.sentence, made.sources.statements)))
    for name, schema in tables.TABLES.items():
        table = found.tables.get(name, pd.DataFrame())
        artifacts.write_table(out / f"{name}.csv", table.reindex(columns=list(schema)), schema)
    results.write(made)
    artifacts.write_json(out / "metrics.json", results.key_numbers(made))
    reported = map(sentence, readers.statements if readers else ())
    print("\n".join([sentence(made.in_short), *map(paragraph, paragraphs(made.answer)), *reported]))
