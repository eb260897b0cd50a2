"""A study written below the current folder whose scores, groups and classes are chosen by the test."""

import argparse

import numpy as np
import pandas as pd
import pytest
from minimal import write_facts
from shipped import PARAMS

from heatproof.stats import command
from heatproof.stats.results import StudyResults, read
from heatproof.store import artifacts, tables

SETTINGS = PARAMS["stats"] | {"claims": {}, "group_kind": "patient"}
PRIMARY = {"localization": "relevance_rank_accuracy", "faithfulness": "srg", "consistency": "iou_seeds"}
METRICS = PRIMARY | {
    "robustness": "rank_correlation_transforms",
    "sanity": "rank_correlation_cascade",
    "complexity": "sparseness",  # described, never tested
}
CONTROLS = {"random": 0.1, "lowres_noise": 0.12, "center": 0.2, "other_image": 0.15}
CLASSES = ["normal", "benign", "malignant"]


def _write(
    levels: dict[str, float],
    *,
    seeds: tuple[int, ...] = (0, 1),
    patients: int = 12,
    images: int = 2,
    accuracy: dict[str, float] | None = None,
    truth: bool = True,
    families: tuple[str, ...] = tuple(PRIMARY),
    methods: tuple[str, ...] = ("gradcam",),
    degenerate: dict[tuple[str, int], set[int]] | None = None,
    noise: float = 0.05,
    study: str = "toy",
    folds: int = 1,
    random: dict[str, float] | None = None,
    refused: dict[tuple[str, str], str] | None = None,
    left_out: dict[str, set[int]] | None = None,
    over: dict[str, float] | None = None,
    truths: dict[str, float] | None = None,
) -> argparse.Namespace:
    """Write manifest, predictions and scores, and return the arguments of `stats.command.run`.

    `levels` is the mean score of each model, `accuracy` its share of right answers (1 where not named),
    `degenerate` the images (by number) without a map of a (model, seed). Every third patient is normal, so
    it has no truth. Patients are dealt in turn to the folds that test them; with one fold all are tested. With
    `random`, each model's share of right answers there, images are dealt in turn to as many random folds. `refused` is
    why a (method, model) has no maps, `left_out` names the images (by number) that a method leaves out, `over` is a
    family's score of every model instead of `levels`, `truths` the score of the true region in faithfulness by model.
    """
    rng, looks = np.random.default_rng(7), np.random.default_rng(8)
    rows = [(p, p % 3, f"i{p:02d}_{i}") for p in range(patients) for i in range(images)]
    patient, label, image_id = (np.array(column) for column in zip(*rows, strict=True))
    group = np.array([f"p{p:02d}" for p in patient])
    masked = (label > 0) & truth
    tests = {f"fold{f}": patient % folds == f for f in range(folds)}
    drawn = {f"random{f}": np.arange(len(rows)) % folds == f for f in range(folds)} if random else {}
    manifest = pd.DataFrame(
        {
            "image_id": image_id,
            "sha256": "0",
            "source": "made",
            "label": label,
            "group": group,
            "truth": np.where(masked, "mask", "none"),
            "width": 8,
            "height": 8,
        }
        | {fold: np.where(chosen, "test", "train") for fold, chosen in (tests | drawn).items()}
    )
    if folds == 1:  # an image of each class to train on
        known = {"image_id": ["t0", "t1", "t2"], "label": [0, 1, 2], "group": ["t0", "t1", "t2"], "truth": "none"}
        fixed = {"sha256": "0", "source": "made", "width": 8, "height": 8} | dict.fromkeys((*tests, *drawn), "train")
        manifest = pd.concat([manifest, pd.DataFrame(known | fixed)], ignore_index=True)
    artifacts.write_manifest(study, manifest)
    write_facts(manifest, study)
    thumbnails = looks.integers(0, 256, (3, 4, 4), dtype=np.uint8)[
        manifest["label"]
    ]  # a class is known by its thumbnail
    artifacts.write_array(artifacts.data_dir(study) / "thumbnails.npy", thumbnails)
    artifacts.write_json(artifacts.data_dir(study) / "digest.json", {"classes": CLASSES})
    marked = np.zeros((len(rows), 8, 8), bool)
    for image in np.flatnonzero(masked):
        marked[image, 1 : 3 + patient[image] % 5, 2:4] = True
    artifacts.write_array(artifacts.data_dir(study) / "masks.npy", marked)
    easy = rng.normal(0, noise, patients)[patient]
    for model, level in levels.items():
        for seed in seeds:
            right = rng.random(len(rows)) < (accuracy or {}).get(model, 1.0)
            table = {"image_id": image_id, "split": "test", "label": label}
            table["predicted"] = np.where(right, label, (label + 1) % 3)
            _write_predictions(study, model, seed, pd.DataFrame(table), tests)
            if random:
                right = rng.random(len(rows)) < random[model]
                table["predicted"] = np.where(right, label, (label + 1) % 3)
                _write_predictions(study, model, seed, pd.DataFrame(table), drawn)
        for family in families:
            for seed in [pd.NA] if family == "consistency" else seeds:
                named = dict.fromkeys(methods, (over or {}).get(family, level)) | CONTROLS
                if family == "localization":
                    named["ceiling"] = 0.9
                if family == "faithfulness" and truths:
                    named["truth"] = truths[model]
                parts = []
                for method, mean in named.items():
                    value = mean + (method in methods) * easy + rng.normal(0, noise, len(rows))
                    reason = np.full(len(rows), "", dtype=object)
                    lost = (degenerate or {}).get((model, seed if family != "consistency" else seeds[0]), set())
                    if method in methods:
                        reason[list(lost)] = "all_zero"
                    if family == "localization":
                        reason[~masked] = "no_truth"
                    if method in (left_out or {}):
                        reason[list(left_out[method])] = "left_out"
                    if (method, model) in (refused or {}):
                        reason[:] = refused[method, model]
                    if family == "consistency" and len(seeds) == 1:
                        reason[:] = "one_seed"
                    part = {"image_id": image_id, "group": group, "method": method, "metric": METRICS[family]}
                    parts.append(pd.DataFrame(part).assign(value=np.where(reason == "", value, np.nan), reason=reason))
                table = pd.concat(parts).assign(model=model, seed=seed)[list(artifacts.SCORES)]
                for fold, chosen in tests.items():
                    one = artifacts.Checkpoint(study, model, None if family == "consistency" else seed, fold)
                    path = one.scores(family)
                    of_fold = table[table["image_id"].isin(image_id[chosen])]
                    artifacts.write_table(path, of_fold, artifacts.SCORES)
    return argparse.Namespace(
        scores=None,
        cue=None,
        blank=[],
        ensembles=None,
        study=study,
        models=list(levels),
        seeds=list(seeds),
        folds=list(tests),
        random=list(drawn),
        methods=list(methods),
        config=dict(SETTINGS),
        setting={
            "weights": dict.fromkeys(levels, "scratch"),
            "epochs": dict.fromkeys(levels, 3),
            "size": 8,
            "seeds": list(seeds),
            "text": "",
        },
        score_config={"families": list(families), "primary": {f: METRICS[f] for f in families if f != "complexity"}},
    )


def _write_predictions(study: str, model: str, seed: int, table: pd.DataFrame, folds: dict[str, np.ndarray]) -> None:
    for fold, chosen in folds.items():
        path = artifacts.Checkpoint(study, model, seed, fold).predictions
        artifacts.write_table(path, table[chosen], artifacts.PREDICTIONS)


def judged(args: argparse.Namespace) -> tuple[StudyResults, dict[str, pd.DataFrame]]:
    """Run the statistics of a study that is written, and read what they wrote: results and tables by name."""
    command.run(args)
    folder = artifacts.stats_dir(args.study)
    found = {name: artifacts.read_table(folder / f"{name}.csv", schema) for name, schema in tables.TABLES.items()}
    return read(args.study), found


@pytest.fixture
def write_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return _write
