"""`heatproof stats`: tests on the scores of a study. Heavy imports wait until it runs."""

import argparse
import json

ACROSS_SEEDS = {"consistency"}  # families with one score file a model instead of one a (model, seed)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--models", nargs="+", required=True, help="timm names, in the order of the report")
    parser.add_argument("--seeds", nargs="+", type=int, required=True, help="training seeds")
    parser.add_argument("--methods", nargs="+", required=True, help="explanation methods under study")
    parser.add_argument("--config", type=json.loads, required=True, metavar="JSON", help="section `stats`")
    parser.add_argument("--score", type=json.loads, required=True, metavar="JSON", help="section `score`")


def run(args: argparse.Namespace) -> None:
    """Read predictions and scores, test, and write the tables and the summary of a study."""
    from heatproof import artifacts
    from heatproof.stats.study import evaluate

    data, out = artifacts.data_dir(args.study), artifacts.stats_dir(args.study)
    manifest = artifacts.read_table(data / "manifest.parquet", artifacts.MANIFEST)
    classes = artifacts.read_json(data / "digest.json")["classes"]
    families = args.score["families"]
    result = evaluate(
        args.study,
        read_predictions(args.study, args.models, args.seeds, manifest),
        read_scores(args.study, args.models, args.seeds, families),
        classes=len(classes),
        methods=args.methods,
        primary={family: args.score["primary"][family] for family in families},
        settings=args.config,
    )
    for name, schema in {
        "models": artifacts.MODELS_TABLE,
        "metrics": artifacts.METRICS_TABLE,
        "pairs": artifacts.PAIRS_TABLE,
        "omnibus": artifacts.OMNIBUS_TABLE,
        "missing": artifacts.MISSING_TABLE,
    }.items():
        artifacts.write_table(out / f"{name}.csv", getattr(result, name)[list(schema)], schema)
    artifacts.write_json(out / "summary.json", result.summary)
    print("\n".join(result.summary["headline"]))


def read_predictions(study, models, seeds, manifest):
    """(model, seed) -> predictions on the manifest's test images, with the group of each."""
    from heatproof import artifacts

    test = manifest.loc[manifest["split"] == "test", ["image_id", "group"]]
    tables = {}
    for model in models:
        for seed in seeds:
            path = artifacts.model_dir(study, model, seed) / "predictions.parquet"
            table = artifacts.read_table(path, artifacts.PREDICTIONS)
            table = table.loc[table["split"] == "test", ["image_id", "label", "predicted"]]
            if sorted(table["image_id"]) != sorted(test["image_id"]):
                raise artifacts.ArtifactError(
                    f"{path}: its test images are not those of the manifest; delete the file and run again"
                )
            tables[model, seed] = table.merge(test, on="image_id", validate="one_to_one")
    return tables


def read_scores(study, models, seeds, families):
    """All scores of a study with a column `family`, each file checked for what would spoil a mean."""
    import pandas as pd

    from heatproof import artifacts

    tables = []
    for family in families:
        for model in models:
            for seed in [None] if family in ACROSS_SEEDS else seeds:
                path = artifacts.score_path(study, model, family, seed)
                table = artifacts.read_table(path, artifacts.SCORES)
                if table.duplicated(["image_id", "method", "metric"]).any():
                    raise artifacts.ArtifactError(f"{path}: an image is scored twice; delete the file and run again")
                if set(table["model"]) - {model} or (table["value"].isna() != (table["reason"] != "")).any():
                    raise artifacts.ArtifactError(
                        f"{path}: another model's scores, or a score without both value and reason; "
                        f"delete the file and run again"
                    )
                tables.append(table.assign(family=family))
    return pd.concat(tables, ignore_index=True)
