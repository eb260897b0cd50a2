"""`heatproof stats`: tests on the scores of a study. Heavy imports wait until it runs."""

import argparse
import json

ACROSS_SEEDS = {"consistency"}  # families with one score file a model instead of one a (model, seed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--models", nargs="+", required=True, help="timm names, in the order of the report")
    parser.add_argument("--seeds", nargs="+", type=int, required=True, help="training seeds")
    parser.add_argument("--folds", nargs="+", required=True, help="folds whose test images are judged together")
    parser.add_argument("--random", nargs="*", default=[], help="folds of the random split to compare with, if any")
    parser.add_argument("--methods", nargs="+", required=True, help="explanation methods under study")
    parser.add_argument("--config", type=json.loads, required=True, metavar="JSON", help="section `stats`")
    parser.add_argument("--score", type=json.loads, required=True, metavar="JSON", help="section `score`")


def run(args: argparse.Namespace) -> None:
    """Read predictions and scores, test, and write the tables and the summary of a study."""
    from heatproof import artifacts
    from heatproof.stats.study import evaluate

    out, families = artifacts.stats_dir(args.study), args.score["families"]
    classes = artifacts.read_json(artifacts.data_dir(args.study) / "digest.json")["classes"]
    result = evaluate(
        args.study,
        read_predictions(args.study, args.models, args.seeds, args.folds),
        read_scores(args.study, args.models, args.seeds, args.folds, families),
        compared=read_predictions(args.study, args.models, args.seeds, args.random) if args.random else {},
        folds=len(args.folds),
        classes=len(classes),
        methods=args.methods,
        primary={family: args.score["primary"][family] for family in families if family in args.score["primary"]},
        settings=args.config,
    )
    for name, schema in {
        "models": artifacts.MODELS_TABLE,
        "metrics": artifacts.METRICS_TABLE,
        "pairs": artifacts.PAIRS_TABLE,
        "omnibus": artifacts.OMNIBUS_TABLE,
        "missing": artifacts.MISSING_TABLE,
        "comparison": artifacts.COMPARISON,
    }.items():
        artifacts.write_table(out / f"{name}.csv", getattr(result, name)[list(schema)], schema)
    artifacts.write_json(out / "summary.json", result.summary)
    print("\n".join(result.summary["headline"]))


def read_tested(study, folds):
    """Fold -> its test images with the group of each; over several folds every image is tested once.

    Raises:
        ArtifactError: an image is tested in two folds, or in none of several.
    """
    from heatproof import artifacts

    path = artifacts.data_dir(study) / "manifest.parquet"
    tested, where = {}, {}
    for fold in folds:
        manifest = artifacts.read_manifest(study, fold)
        tested[fold] = manifest.loc[manifest["split"] == "test", ["image_id", "group"]]
        for image in tested[fold]["image_id"]:
            if image in where:
                raise artifacts.ArtifactError(
                    f"{path}: {image} is tested in {where[image]} and in {fold}; delete the file and run again"
                )
            where[image] = fold
    left = manifest.loc[~manifest["image_id"].isin(where), "image_id"]
    if len(folds) > 1 and len(left):
        raise artifacts.ArtifactError(
            f"{path}: {left.iloc[0]} is tested in none of {', '.join(folds)}; delete the file and run again"
        )
    return tested


def read_predictions(study, models, seeds, folds):
    """(model, seed) -> predictions on the test images of all folds, with the group of each."""
    import pandas as pd

    from heatproof import artifacts

    tested = read_tested(study, folds)
    tables = {}
    for model in models:
        for seed in seeds:
            parts = []
            for fold, test in tested.items():
                path = artifacts.model_dir(study, model, seed, fold) / "predictions.parquet"
                table = artifacts.read_table(path, artifacts.PREDICTIONS)
                table = table.loc[table["split"] == "test", ["image_id", "label", "predicted"]]
                if sorted(table["image_id"]) != sorted(test["image_id"]):
                    raise artifacts.ArtifactError(
                        f"{path}: its test images are not those of the manifest; delete the file and run again"
                    )
                parts.append(table.merge(test, on="image_id", validate="one_to_one"))
            tables[model, seed] = pd.concat(parts, ignore_index=True)
    return tables


def read_scores(study, models, seeds, folds, families):
    """All scores of a study with a column `family`, each file checked for what would spoil a mean."""
    from itertools import product

    import pandas as pd

    from heatproof import artifacts

    tables = []
    for family in families:
        for model, seed in product(models, [None] if family in ACROSS_SEEDS else seeds):
            parts = []
            for fold in folds:
                path = artifacts.score_path(study, model, family, fold, seed)
                parts.append(artifacts.read_table(path, artifacts.SCORES).assign(family=family))
                table = pd.concat(parts)
                if table.duplicated(["image_id", "method", "metric"]).any():
                    raise artifacts.ArtifactError(f"{path}: an image is scored twice; delete the file and run again")
                if set(table["model"]) - {model} or (table["value"].isna() != (table["reason"] != "")).any():
                    raise artifacts.ArtifactError(
                        f"{path}: another model's scores, or a score without both value and reason; "
                        f"delete the file and run again"
                    )
            tables += parts
    return pd.concat(tables, ignore_index=True)
