"""Everything that a report is made from, read once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof import artifacts

ACROSS_SEEDS = ("consistency",)  # families whose scores belong to no single training


@dataclass(frozen=True)
class Inputs:
    """Tables and arrays of one study; `index` and `maps` are those of each model's first seed."""

    study: str
    models: Sequence[str]
    seeds: Sequence[int]
    methods: Sequence[str]
    classes: Sequence[str]
    manifest: pd.DataFrame
    pixels: np.ndarray  # uint8 [images, channels, height, width]
    masks: np.ndarray  # bool [images, height, width]
    metrics: pd.DataFrame
    pairs: pd.DataFrame
    omnibus: pd.DataFrame
    missing: pd.DataFrame
    summary: dict
    scores: pd.DataFrame  # with column family; of the first seed, where a family is scored for each seed
    predictions: pd.DataFrame  # test images of every checkpoint, with columns model and seed
    index: dict[str, pd.DataFrame]
    maps: dict[str, np.ndarray]  # float32 [rows, height, width]
    digest: dict

    @property
    def competent(self) -> list[str]:
        """Models that take part in verdicts."""
        return [model for model in self.models if self.summary["models"][model]["competent"]]

    @property
    def families(self) -> list[str]:
        return list(dict.fromkeys(self.metrics["family"]))

    def primary(self, family: str) -> str:
        return self.summary["primary"][family]["metric"]

    def judged(self, family: str) -> bool:
        """Whether the family's primary metric has a value for any model."""
        rows = self.metrics[(self.metrics["family"] == family) & (self.metrics["metric"] == self.primary(family))]
        return bool(rows.loc[rows["method"].isin(self.methods), "mean"].notna().any())


def read(study: str, models: Sequence[str], seeds: Sequence[int], methods: Sequence[str]) -> Inputs:
    """Read what the stages before left.

    Raises:
        ArtifactError: a file is missing or not of its format.
    """
    data, tables = artifacts.data_dir(study), artifacts.stats_dir(study)
    metrics = artifacts.read_table(tables / "metrics.csv", artifacts.METRICS_TABLE)
    digest = artifacts.read_json(data / "digest.json")
    scores = [
        _scores(study, model, family, None if family in ACROSS_SEEDS else seeds[0])
        for model in models
        for family in dict.fromkeys(metrics["family"])
    ]
    first = {model: artifacts.heatmap_dir(study, model, seeds[0]) for model in models}
    return Inputs(
        study=study,
        models=models,
        seeds=seeds,
        methods=methods,
        classes=digest["classes"],
        manifest=artifacts.read_table(data / "manifest.parquet", artifacts.MANIFEST),
        pixels=artifacts.read_array(data / "pixels.npy"),
        masks=artifacts.read_array(data / "masks.npy"),
        metrics=metrics,
        pairs=artifacts.read_table(tables / "pairs.csv", artifacts.PAIRS_TABLE),
        omnibus=artifacts.read_table(tables / "omnibus.csv", artifacts.OMNIBUS_TABLE),
        missing=artifacts.read_table(tables / "missing.csv", artifacts.MISSING_TABLE),
        summary=artifacts.read_json(tables / "summary.json"),
        scores=pd.concat(scores, ignore_index=True),
        predictions=pd.concat([_predictions(study, m, s) for m in models for s in seeds], ignore_index=True),
        index={
            model: artifacts.read_table(path / "index.parquet", artifacts.HEATMAPS) for model, path in first.items()
        },
        maps={model: artifacts.read_array(path / "maps.npy") for model, path in first.items()},
        digest=digest,
    )


def _scores(study: str, model: str, family: str, seed: int | None) -> pd.DataFrame:
    path = artifacts.score_path(study, model, family, seed)
    return artifacts.read_table(path, artifacts.SCORES).assign(family=family)


def _predictions(study: str, model: str, seed: int) -> pd.DataFrame:
    path = artifacts.model_dir(study, model, seed) / "predictions.parquet"
    frame = artifacts.read_table(path, artifacts.PREDICTIONS)
    return frame.loc[frame["split"] == "test", list(artifacts.PREDICTIONS)].assign(model=model, seed=seed)
