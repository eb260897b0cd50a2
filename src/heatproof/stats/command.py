"""`heatproof job stats`: tests on the scores of a study. Heavy imports wait until it runs."""

import argparse
import json

from heatproof.core.messages import InputError


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
    parser.add_argument("--cue", type=json.loads, metavar="JSON", help="rate, test_rate and label of a planted cue")


def run(args: argparse.Namespace) -> None:
    """Read predictions and scores, test, and write the tables and the summary of a study."""
    import pandas as pd

    from heatproof.stats.study import evaluate
    from heatproof.stats.tables import groups
    from heatproof.stats.tables.groups import read_scores
    from heatproof.stats.tests import relations
    from heatproof.stats.tests.readers import second_reader
    from heatproof.stats.verdicts.judge import key_numbers
    from heatproof.store import artifacts, tables
    from heatproof.store import artifacts as labels
    from heatproof.text.readers import sentence

    out, families = artifacts.stats_dir(args.study), args.score_config["families"]
    primary, ensembles = args.score_config["primary"], args.ensembles or {}
    classes = artifacts.read_json(artifacts.data_dir(args.study) / "digest.json")["classes"]
    predictions = read_predictions(args.study, args.models, args.seeds, args.folds)
    scores = read_scores(args.study, args.models, args.seeds, args.folds, families, ensembles)
    trained = [model for model in args.models if model not in ensembles]
    kept, shapes, settings = None, read_shapes(args.study, args.folds), args.config
    readers = second_reader(args.study, scores, classes, args.methods, trained, settings)
    drawn = read_shapes(args.study, args.folds, relations.GEOMETRY) if settings.get("regressions") else None
    if labels.is_multilabel(next(iter(predictions.values()))):
        scores, kept = groups.common(groups.named(scores, classes), trained)
        families = [family for family in families if kept.get(family, {}).get("kept")]
        shapes, drawn = (groups.of_marked_labels(one, classes) for one in (shapes, drawn))
    result = evaluate(
        args.study,
        predictions,
        scores,
        compared=read_predictions(args.study, trained, args.seeds, args.random) if args.random else {},
        simple=read_simple(args.study, args.folds, args.random, args.config),
        folds=len(args.folds),
        shapes=shapes,
        classes=classes,
        methods=args.methods,
        primary={family: primary[family] for family in families if family in primary},
        settings=args.config,
        setting=args.setting,
        shortcut=args.cue,
        cue=read_cue(args.study) if args.cue else None,
        ensembles=ensembles,
        counts=kept,
    )
    if readers:
        told = [sentence(one, readers.patients_known) for one in readers.statements(primary["localization"])]
        result.summary["readers"] = readers.stored() | {"sentences": told}
    if drawn is not None:
        known = relations.covariates({key: of for key, of in predictions.items() if key[0] in trained}, drawn, classes)
        asked = (settings["regressions"], args.methods, trained, settings["interval"])
        result.summary["regressions"] = relations.regressions(scores, known, *asked)
    for name, schema in tables.TABLES.items():
        table = result.tables.get(name, pd.DataFrame())
        artifacts.write_table(out / f"{name}.csv", table.reindex(columns=list(schema)), schema)
    artifacts.write_json(out / "summary.json", result.summary)
    artifacts.write_json(out / "metrics.json", key_numbers(result.summary))
    told = result.summary.get("readers", {}).get("sentences", [])
    print("\n".join([result.summary["in_short"], *result.summary["headline"], *told]))


def read_tested(study, folds):
    """Fold -> its test images with the group of each; over several folds every image is tested once.

    Raises:
        ArtifactError: an image is tested in two folds, or in none of several.
    """
    from heatproof.store import artifacts

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
    """(model, seed) -> predictions and probabilities on the test images of all folds, with the group of each."""
    import pandas as pd

    from heatproof.store import artifacts

    tested = read_tested(study, folds)
    tables = {}
    for model in models:
        for seed in seeds:
            parts = []
            for fold, test in tested.items():
                path = artifacts.Checkpoint(study, model, seed, fold).predictions
                table = artifacts.read_table(path, artifacts.PREDICTIONS)
                table = table[table["split"] == "test"].drop(columns="split")
                if sorted(table["image_id"]) != sorted(test["image_id"]):
                    raise artifacts.ArtifactError(
                        f"{path}: its test images are not those of the manifest; delete the file and run again"
                    )
                parts.append(table.merge(test, on="image_id", validate="one_to_one"))
            tables[model, seed] = pd.concat(parts, ignore_index=True)
    return tables


def read_simple(study, folds, random, settings):
    """Split -> answers of the classifiers of `stats.neighbour` on the test images of all its folds, as predictions.

    The random split comes first. Nothing where there is neither a comparison nor anything published: no thumbnail is
    read then.
    """
    import numpy as np
    import pandas as pd

    from heatproof.stats.accuracy import published
    from heatproof.stats.accuracy.published import RANDOM, split_name
    from heatproof.store import artifacts
    from heatproof.store import artifacts as labels

    if not random and not any(settings["published"].values()):
        return {}
    thumbnails = artifacts.read_array(artifacts.data_dir(study) / "thumbnails.npy")
    found = {}
    for split, names in (({RANDOM: random} if random else {}) | {split_name(settings): folds}).items():
        parts = []
        for fold in names:
            manifest = artifacts.read_manifest(study, fold)
            train, test = (np.flatnonzero(manifest["split"] == part) for part in ("train", "test"))
            if not len(train):
                raise InputError("stats.published: the simple classifiers beside it need training images; leave it out")
            if labels.is_multilabel(manifest):
                parts.append(_simple_labels(thumbnails, manifest, train, test))
                continue
            parts.append(
                manifest.loc[test, ["label", "group"]].assign(
                    **published.answers(thumbnails, manifest["label"].to_numpy(int), train, test)
                )
            )
        table = pd.concat(parts, ignore_index=True)
        if labels.is_multilabel(table):
            found[split] = {(name, 0): of for name, of in table.groupby("answers", sort=False)}
            continue
        found[split] = {
            (name, 0): table.assign(predicted=table[name]) for name in (published.NEIGHBOUR, published.FREQUENT)
        }
    return found


def _simple_labels(thumbnails, manifest, train, test):
    """Answers of the classifiers of `stats.neighbour` to images of several labels, one below the other."""
    import pandas as pd

    from heatproof.stats.accuracy import published
    from heatproof.store import artifacts

    truth = artifacts.truth(manifest, sum(column.startswith("label_") for column in manifest))
    parts = []
    for name, said in published.answers(thumbnails, truth, train, test).items():
        columns = [artifacts.multihot("label", truth[test]), artifacts.multihot("predicted", said)]
        known = manifest.loc[test, ["group"]].assign(answers=name).reset_index(drop=True)
        parts.append(pd.concat([known, *columns], axis=1))
    return pd.concat(parts, ignore_index=True)


def read_cue(study):
    """image_id -> whether the planted cue is there."""
    from heatproof.store import artifacts

    facts = artifacts.read_table(artifacts.data_dir(study) / "facts.parquet", artifacts.FACTS)
    return facts.set_index("image_id")["cue"]


def read_shapes(study, folds, names=None):
    """Size and shape of the lesions of the test images, columns image_id and `lesions.SHAPE`; None without any truth.

    Where images have several labels, `marked` too: the indices of the labels that the lesions are of.

    Masks are read one at a time. A box says where a lesion is and how large, but not what shape it has.

    Args:
        names: what is measured, `relations.GEOMETRY` in place of `relations.SHAPE`.
    """
    import numpy as np
    import pandas as pd

    from heatproof.stats.tests import relations
    from heatproof.store import artifacts
    from heatproof.store import artifacts as labels

    names, rows = names or relations.SHAPE, []
    readings, masks = artifacts.read_readings(study), None
    for fold in folds:
        manifest = artifacts.read_manifest(study, fold)
        several = labels.is_multilabel(manifest)
        for place in manifest.index[(manifest["split"] == "test") & (manifest["truth"] != "none")]:
            if masks is None:
                masks = artifacts.read_array(artifacts.data_dir(study) / "masks.npy")
            image, truth = manifest.loc[place, ["image_id", "truth"]]
            marked = labels.marked(manifest.loc[place]) if several else ()
            own = readings.of_image(image, marked) if readings and several else [(marked, truth, np.nan, masks[place])]
            for label, kind, instances, mask in own:
                if names == relations.GEOMETRY:
                    found = relations.geometry(mask, instances)
                    size = "size"
                else:
                    found, size = relations.shape(mask), "lesion_area"
                found = found if kind == "mask" else {key: found[key] for key in (size, "instances") if key in found}
                rows.append({"image_id": image} | ({"marked": label} if several else {}) | found)
    known = ["image_id", "marked"] if several else ["image_id"]
    return pd.DataFrame(rows).reindex(columns=[*known, *names]) if rows else None
