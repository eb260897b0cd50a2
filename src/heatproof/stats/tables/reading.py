"""Read what statistics and report are made from: predictions and scores of a study, the same cases for both."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from heatproof.catalogue.families import FAMILIES
from heatproof.core.messages import InputError
from heatproof.stats.accuracy import published
from heatproof.stats.accuracy.published import RANDOM, split_name
from heatproof.stats.results import Cases
from heatproof.stats.tables.groups import common, named
from heatproof.stats.tests import relations
from heatproof.store import artifacts


@dataclass(frozen=True)
class Scores:
    """Scores of images or cases with a column `family`; the families that have any; how many cases are shared; and the
    scores of all cases, shared or not."""

    table: pd.DataFrame
    families: list[str]
    cases: dict[str, Cases]
    every: pd.DataFrame


def read_scores(
    study: str,
    models: Sequence[str],
    seeds: Sequence[int],
    folds: Sequence[str],
    families: Sequence[str],
    ensembles: Collection[str],
    classes: Sequence[str],
) -> Scores:
    """Read the scores of a study that statistics compare; each file is checked for what would spoil a mean.

    Where images have several labels, of all cases those that every training has; ensembles do not count.

    Raises:
        ArtifactError: a file is missing, damaged, or scores an image twice or another model's.
    """
    tables = []
    for family in families:
        for model, seed in product(models, [None] if FAMILIES[family].across_seeds else seeds):
            if model in ensembles and FAMILIES[family].needs_variants:
                continue
            parts = []
            for fold in folds:
                path = artifacts.Checkpoint(study, model, seed, fold).scores(family)
                parts.append(artifacts.read_table(path, artifacts.SCORES).assign(family=family))
                table = pd.concat(parts)
                keys = [key for key in ("image_id", "label", "method", "metric") if key in table]
                if table.duplicated(keys).any():
                    raise artifacts.ArtifactError(f"{path}: an image is scored twice; delete the file and run again")
                if set(table["model"]) - {model} or (table["value"].isna() != (table["reason"] != "")).any():
                    raise artifacts.ArtifactError(
                        f"{path}: another model's scores, or a score without both value and reason; "
                        f"delete the file and run again"
                    )
            tables += parts
    table = pd.concat(tables, ignore_index=True)
    if "label" not in table:
        return Scores(table, list(families), {}, table)
    every = table
    table, cases = common(named(table, classes), [model for model in models if model not in ensembles])
    return Scores(table, [family for family in families if family in cases and cases[family].kept], cases, every)


def _tested(study: str, folds: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Fold -> its test images with the group of each; over several folds every image is tested once.

    Raises:
        ArtifactError: an image is tested in two folds, or in none of several.
    """
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


def read_predictions(
    study: str, models: Sequence[str], seeds: Sequence[int], folds: Sequence[str]
) -> dict[tuple[str, int], pd.DataFrame]:
    """(model, seed) -> predictions and probabilities on the test images of all folds, with the group of each."""
    tested = _tested(study, folds)
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


def read_simple(
    study: str, folds: Sequence[str], random: Sequence[str], settings: dict
) -> dict[str, dict[tuple[str, int], pd.DataFrame]]:
    """Split -> answers of the classifiers of `stats.neighbour` on the test images of all its folds, as predictions.

    The random split comes first. Nothing where there is neither a comparison nor anything published: no thumbnail is
    read then.
    """
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
            if artifacts.is_multilabel(manifest):
                parts.append(_simple_labels(thumbnails, manifest, train, test))
                continue
            parts.append(
                manifest.loc[test, ["label", "group"]].assign(
                    **published.answers(thumbnails, manifest["label"].to_numpy(int), train, test)
                )
            )
        table = pd.concat(parts, ignore_index=True)
        if artifacts.is_multilabel(table):
            found[split] = {(name, 0): of for name, of in table.groupby("answers", sort=False)}
            continue
        found[split] = {
            (name, 0): table.assign(predicted=table[name]) for name in (published.NEIGHBOUR, published.FREQUENT)
        }
    return found


def _simple_labels(thumbnails: np.ndarray, manifest: pd.DataFrame, train: np.ndarray, test: np.ndarray) -> pd.DataFrame:
    """Answers of the classifiers of `stats.neighbour` to images of several labels, one below the other."""
    truth = artifacts.truth(manifest, sum(column.startswith("label_") for column in manifest))
    parts = []
    for name, said in published.answers(thumbnails, truth, train, test).items():
        columns = [artifacts.multihot("label", truth[test]), artifacts.multihot("predicted", said)]
        known = manifest.loc[test, ["image_id", "group"]].assign(answers=name).reset_index(drop=True)
        parts.append(pd.concat([known, *columns], axis=1))
    return pd.concat(parts, ignore_index=True)


def read_cue(study: str) -> pd.Series:
    """image_id -> whether the planted cue is there."""
    facts = artifacts.read_table(artifacts.data_dir(study) / "facts.parquet", artifacts.FACTS)
    return facts.set_index("image_id")["cue"]


def read_about(study: str) -> pd.DataFrame:
    """What the source's table holds of each image, indexed by `image_id`; without columns where that is nothing."""
    facts = artifacts.read_table(artifacts.data_dir(study) / "facts.parquet", artifacts.FACTS).set_index("image_id")
    columns = [column for column in facts if column.startswith(artifacts.ABOUT)]
    return facts[columns].rename(columns=lambda name: name.removeprefix(artifacts.ABOUT))


def read_blanked(
    study: str, models: Sequence[str], seeds: Sequence[int], folds: Sequence[str]
) -> dict[tuple[str, int], pd.DataFrame]:
    """(model, seed) -> predictions on test images with a blanked part, of all folds."""
    found = {}
    for model, seed in product(models, seeds):
        paths = [artifacts.Checkpoint(study, model, seed, fold).blanked for fold in folds]
        found[model, seed] = pd.concat([artifacts.read_table(path, artifacts.BLANKED) for path in paths])
    return found


def read_shapes(study: str, folds: Sequence[str], names: Sequence[str] = relations.SHAPE) -> pd.DataFrame | None:
    """Size and shape of the lesions of the test images, columns image_id and `names`; None without any truth.

    Where images have several labels, `marked` too: the indices of the labels that the lesions are of.

    Masks are read one at a time. A box says where a lesion is and how large, but not what shape it has.

    Args:
        names: what is measured, `relations.SHAPE` or `relations.GEOMETRY`.
    """
    rows: list[dict] = []
    readings, masks, several = artifacts.read_readings(study), None, False
    for fold in folds:
        manifest = artifacts.read_manifest(study, fold)
        several = artifacts.is_multilabel(manifest)
        for place in manifest.index[(manifest["split"] == "test") & (manifest["truth"] != "none")]:
            if masks is None:
                masks = artifacts.read_array(artifacts.data_dir(study) / "masks.npy")
            image, truth = manifest.loc[place, ["image_id", "truth"]]
            marked = artifacts.marked(manifest.loc[place]) if several else ()
            own = readings.of_image(image, marked) if readings and several else [(marked, truth, np.nan, masks[place])]
            for label, kind, instances, mask in own:
                if names == relations.GEOMETRY:
                    found, size = relations.geometry(mask, instances), "size"
                else:
                    found, size = relations.shape(mask), "lesion_area"
                found = found if kind == "mask" else {key: found[key] for key in (size, "instances") if key in found}
                rows.append({"image_id": image} | ({"marked": label} if several else {}) | found)
    known = ["image_id", "marked"] if several else ["image_id"]
    return pd.DataFrame(rows).reindex(columns=[*known, *names]) if rows else None
