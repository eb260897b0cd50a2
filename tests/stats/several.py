"""A multilabel study written below the current folder: predictions and scores of cases, chosen by the test."""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from minimal import write_facts
from stats.conftest import SETTINGS as ONE_CLASS

from heatproof.store import artifacts

CLASSES = ["pneumonia", "viral", "rare"]
CONTROLS = {"random": 0.1, "center": 0.15, "other_image": 0.12}
METRICS = {
    "localization": ("outside_body", "on_border"),
    "faithfulness": ("srg",),
    "sanity": ("rank_correlation_cascade",),
    "agreement": ("rank_correlation_methods",),
}
LOWER = ("outside_body", "on_border", "rank_correlation_cascade")
SETTINGS = ONE_CLASS | {"split_by": "group", "patients_known": True}


def predictions(truth: np.ndarray, noise: float, rng: np.random.Generator) -> pd.DataFrame:
    """Columns label_k, predicted_k and p_k of bool [images, labels]: the more noise, the more is wrong."""
    probability = np.clip(0.25 + 0.5 * truth + rng.normal(0, noise, truth.shape), 0.001, 0.999)
    parts = [artifacts.multihot("label", truth), artifacts.multihot("predicted", probability >= 0.5)]
    return pd.concat([*parts, pd.DataFrame(probability).add_prefix("p_")], axis=1)


def write(
    levels: Mapping[str, float],
    *,
    ensembles: Mapping[str, Sequence[str]] | None = None,
    noise: Mapping[str, float] | None = None,
    families: Sequence[str] = ("localization", "faithfulness"),
    methods: Sequence[str] = ("gradcam",),
    seeds: Sequence[int] = (0,),
    patients: int = 24,
    images: int = 2,
    rare: int = 2,
    also: Mapping[str, Sequence[int]] | None = None,
    study: str = "toy",
) -> argparse.Namespace:
    """Write a study and return the arguments of `stats.command.run`.

    Half of the patients have the first label, a third the second, `rare` of them the last. `levels` is how well the
    heatmaps of a model score (turned where low is good), `noise` that of its probabilities (.1 where not named). Each
    model explains the labels that are there, and of the images that `also` names (by number) the first as well.
    """
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(patients), images)
    ids = np.array([f"i{p:02d}_{k}" for p in range(patients) for k in range(images)])
    truth = np.column_stack([who % 2 == 0, who % 3 == 0, who < rare])
    group, ensembles = np.array([f"p{p:02d}" for p in who]), dict(ensembles or {})
    known = {"image_id": ids, "sha256": "0", "source": "made", "label": pd.NA, "group": group, "truth": "none"}
    manifest = pd.DataFrame(known | {"width": 8, "height": 8, "fold0": "test"})
    more = manifest.iloc[:4].assign(image_id=[f"t{i}" for i in range(4)], group="t", fold0="train")
    hot = artifacts.multihot("label", np.concatenate([truth, truth[:4]]))
    every = pd.concat([pd.concat([manifest, more], ignore_index=True), hot], axis=1)
    artifacts.write_manifest(study, every)
    write_facts(every, study)
    digest = {"classes": CLASSES, "task": "multilabel"}
    artifacts.write_json(artifacts.data_dir(study) / "digest.json", digest)
    pictures = rng.integers(0, 256, (len(ids) + 4, 4, 4), dtype=np.uint8)
    artifacts.write_array(artifacts.data_dir(study) / "thumbnails.npy", pictures)
    named = [*levels, *ensembles]
    for model in named:
        for seed in seeds:
            table = predictions(truth, (noise or {}).get(model, 0.1), rng)
            table = table.assign(image_id=ids, split="test", label=pd.NA, predicted=pd.NA)
            path = artifacts.Checkpoint(study, model, seed, "fold0").predictions
            artifacts.write_table(path, table, artifacts.PREDICTIONS)
    easy = rng.normal(0, 0.02, len(ids))
    for family in families:
        for model in named:
            if model in ensembles and family == "sanity":
                continue
            asked = truth.copy()
            asked[list((also or {}).get(model, ())), 0] = True
            image, label = np.nonzero(asked)
            for seed in seeds:
                parts = []
                for metric in METRICS[family]:
                    for method, level in (dict.fromkeys(methods, levels.get(model, 0.5)) | CONTROLS).items():
                        level = 1 - level if metric in LOWER else level
                        value = level + easy[image] + rng.normal(0, 0.02, len(image))
                        part = {"image_id": ids[image], "group": group[image], "label": label, "value": value}
                        parts.append(pd.DataFrame(part).assign(method=method, metric=metric, reason=""))
                table = pd.concat(parts).assign(model=model, seed=seed)
                artifacts.write_table(
                    artifacts.Checkpoint(study, model, seed, "fold0").scores(family), table, artifacts.SCORES
                )
    return argparse.Namespace(
        blank=[],
        scores=None,
        cue=None,
        study=study,
        models=named,
        seeds=list(seeds),
        folds=["fold0"],
        random=[],
        methods=list(methods),
        ensembles={name: {"combine": "mean", "models": list(of)} for name, of in ensembles.items()},
        config=dict(SETTINGS),
        setting={
            "weights": dict.fromkeys(levels, "scratch"),
            "epochs": dict.fromkeys(levels, 3),
            "size": 8,
            "seeds": list(seeds),
            "text": "",
        },
        score_config={
            "families": list(families),
            "primary": {family: METRICS[family][0] for family in families},
        },
    )
