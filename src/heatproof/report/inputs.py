"""Everything that a report is made from, read once; a case of a multilabel study, an image and one of its labels, is
shown as images are elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.reasons import LEFT_OUT
from heatproof.data.audit.results import Audit, read_audit
from heatproof.report import words
from heatproof.stats.results import Ensemble, StudyResults
from heatproof.stats.results import read as read_results
from heatproof.stats.tables.reading import read_predictions, read_scores
from heatproof.store import artifacts
from heatproof.store.tables import TABLES
from heatproof.text.sentences import sentence
from heatproof.text.words import MARK


def decisions(classes: Sequence[str]) -> list[str]:
    """What a case can be and be taken for: of label k the numbers 2k, it is there, and 2k + 1, it is not."""
    return [text for name in classes for text in (name, f"not {name}")]


def decided(label: pd.Series | np.ndarray, there: np.ndarray) -> np.ndarray:
    """Numbers of `decisions`, from the index of each case's label and whether it is there."""
    return 2 * np.asarray(label, int) + ~np.asarray(there, bool)


def named(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Rows of cases with the case's name in `image_id`; the image's own stands in `image`."""
    names = [artifacts.case_name(image, classes[k]) for image, k in zip(frame["image_id"], frame["label"], strict=True)]
    return frame.assign(image=frame["image_id"], image_id=names)


def explained(index: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Rows of heatmaps with the name of their case, and as `predicted` what the case was taken for."""
    return named(index, classes).assign(predicted=decided(index["label"], index["predicted"] == index["label"]))


def answers(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Every case of the images and what it is and was taken for: image_id, label, predicted."""
    truth, found = artifacts.truth(predictions, len(classes)), artifacts.predicted(predictions, len(classes))
    rows = pd.DataFrame(
        {
            "image_id": np.repeat(predictions["image_id"], len(classes)),
            "label": np.tile(range(len(classes)), len(truth)),
        }
    )
    seen = {"label": decided(rows["label"], truth.ravel()), "predicted": decided(rows["label"], found.ravel())}
    return named(rows, classes).assign(**seen).drop(columns="image").reset_index(drop=True)


def table(index: Sequence[pd.DataFrame], manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Every case that a heatmap was asked of, as `Inputs.cases` has it, in the order of the manifest and the labels."""
    rows = pd.concat([of[["image_id", "image", "label"]] for of in index]).drop_duplicates("image_id")
    places = manifest.reset_index(drop=True).reset_index(names="place").set_index("image_id")
    known = places.loc[rows["image"], ["place", "group", "truth"]].reset_index(drop=True)
    there = artifacts.truth(manifest, len(classes))[known["place"], rows["label"].astype(int)]
    marked = artifacts.marks(manifest.iloc[known["place"]], rows["label"].to_numpy(int))
    known["truth"] = known["truth"].where(marked, "none")  # of another label
    known = known.assign(label=decided(rows["label"], there), image_id=rows["image_id"].to_numpy())
    return known.sort_values(["place", "label"], kind="stable").set_index("image_id")


PATH = Path(__file__).with_name("separation.csv")
SCHEMA = {
    "metric": artifacts.TEXT,
    "against": artifacts.TEXT,
    "auroc": artifacts.NUMBER,
    "low": artifacts.NUMBER,
    "high": artifacts.NUMBER,
    "images": artifacts.INTEGER,
}
MEANING = (
    "a metric that was not shown to separate the true region from a random map on synthetic images with known truth: "
    "its results are no evidence"
)


def read_separation() -> pd.DataFrame | None:
    """Read the table that comes with the package; None where there is none.

    Raises:
        ArtifactError: it is not of its format.
    """
    return artifacts.parse_table(PATH, SCHEMA) if PATH.exists() else None


def doubtful(table: pd.DataFrame | None, family: str, metric: str) -> bool:
    """Whether a metric that scores a given map has not been shown to tell truth from random.

    It has, if the interval of the AUROC of truth against random lies above one half.
    """
    if table is None or not (family in FAMILIES and FAMILIES[family].rates_maps):
        return False
    rows = table[(table["metric"] == metric) & (table["against"] == "random")]
    return not (rows["low"] > 0.5).any()


@dataclass(frozen=True)
class Heatmaps:
    """Heatmaps of one model and seed.

    Attributes:
        index: a row for each map, fold after fold, with a column `fold`.
        maps: fold -> float32 [rows, height, width].
    """

    index: pd.DataFrame
    maps: dict[str, np.ndarray]

    def find(self, image: str, method: str) -> np.ndarray | str:
        """Return the map of an image by a method, or the reason code that it is not there for."""
        rows = self.index[(self.index["image_id"] == image) & (self.index["method"] == method)]
        if rows.empty:
            return LEFT_OUT.code
        row = rows.iloc[0]
        if row["degenerate"] or row["row"] < 0:
            return row["degenerate"] or LEFT_OUT.code
        return np.asarray(self.maps[row["fold"]][row["row"]])


@dataclass(frozen=True)
class Inputs:
    """Tables and arrays of one study, of all its folds; `index` and `maps` are those of each model's first seed.

    Where images can have several labels, heatmaps, scores and predictions are of cases, an image and one of its labels,
    which go by names of their own in `image_id`; the manifests are of images (`report.cases`).
    """

    study: str
    models: Sequence[str]  # ensembles behind those that are trained
    seeds: Sequence[int]
    methods: Sequence[str]
    folds: Sequence[str]
    classes: Sequence[str]
    manifests: dict[str, pd.DataFrame]  # by fold; they differ in `split` alone
    pixels: np.ndarray  # uint8 [images, channels, height, width]
    masks: np.ndarray  # bool [images, height, width]
    tables: dict[str, pd.DataFrame]  # those below results/stats, by their names in `store.tables`
    results: StudyResults
    audit: Audit
    scores: pd.DataFrame  # of the cases that statistics compare; of the first seed, where a family is scored for each
    predictions: pd.DataFrame  # test images of every training, with columns model and seed
    index: dict[str, pd.DataFrame]  # fold after fold, with a column fold
    maps: dict[tuple[str, str], np.ndarray]  # (model, fold) -> float32 [rows, height, width]
    digest: dict
    separation: pd.DataFrame | None = None  # of every metric, on images whose truth is known
    again: dict[tuple[str, int], Heatmaps] = field(default_factory=dict)  # of other seeds, if consistency is scored
    curves: pd.DataFrame | None = None  # as `CURVES`, with columns model and seed; of methods and of random noise
    readings: artifacts.Readings | None = None  # what readers drew by label, where truth is more than a mask an image

    @property
    def ensembles(self) -> dict[str, Ensemble]:
        """Ensembles by name."""
        return self.results.ensembles

    @property
    def multilabel(self) -> bool:
        """Whether images can have several labels."""
        return self.results.multilabel

    @property
    def trained(self) -> list[str]:
        """The models without ensembles of them: those that are compared with each other."""
        return [model for model in self.models if model not in self.ensembles]

    @property
    def decisions(self) -> Sequence[str]:
        """What an image, or a case, can be and be taken for."""
        return decisions(self.classes) if self.multilabel else self.classes

    @cached_property
    def cases(self) -> pd.DataFrame:
        """What heatmaps are of, by image_id: `place` in the arrays, group, truth, and `label`, one of `decisions`."""
        if self.multilabel:
            return table(list(self.index.values()), self.manifest, self.classes)
        known = self.manifest[["image_id", "group", "truth", "label"]]
        return known.assign(place=np.arange(len(known))).set_index("image_id")

    def region(self, case: str) -> np.ndarray:
        """Return the true region of an image, or of a case's label in it, bool [height, width]."""
        row = self.cases.loc[case]
        if not (self.multilabel and self.readings):
            return np.asarray(self.masks[row["place"]])
        [truth] = self.readings.truth([(self.manifest["image_id"].iloc[row["place"]], row["label"] // 2)])
        return np.asarray(self.readings.masks[truth])

    @property
    def measure(self) -> str:
        """What competence is judged by."""
        return self.results.competence.measure

    @property
    def metrics(self) -> pd.DataFrame:
        return self.tables["metrics"]

    @property
    def comparison(self) -> pd.DataFrame | None:
        """Accuracy of every training, on the split in use and on a random one."""
        return self.tables["comparison"] if self.results.comparison else None

    @cached_property
    def setting_short(self) -> str:
        """What the models were trained from and on, in few words."""
        return " ".join(map(sentence, (one for one in self.results.about("setting") if one.kind == "setting.short")))

    @cached_property
    def doubtful(self) -> frozenset[str]:
        """The primary metrics that were not shown to tell the true region from noise."""
        named = {of.metric for of in self.results.families.values()}
        return frozenset(name for name in named if self.is_doubtful(name))

    @property
    def manifest(self) -> pd.DataFrame:
        """All images; `split` is that of the first fold."""
        return self.manifests[self.folds[0]]

    @property
    def tested(self) -> pd.DataFrame:
        """The rows of the test images of all folds."""
        parts = [manifest[manifest["split"] == "test"] for manifest in self.manifests.values()]
        return pd.concat(parts, ignore_index=True)

    def heat(self, model: str, place: int) -> np.ndarray:
        """The map of the row `place` of the model's index."""
        row = self.index[model].loc[place]
        return np.asarray(self.maps[model, row["fold"]][row["row"]])

    @property
    def layers(self) -> dict[str, list[tuple[str, int, int]]]:
        """Model -> the layer that was explained, and rows and columns of its grid; "" for an ensemble, which has none
        of its own."""
        columns = ["layer", "grid_height", "grid_width"]
        return {
            model: [
                (layer, int(height), int(width)) for layer, height, width in of[columns].drop_duplicates().to_numpy()
            ]
            for model, of in self.index.items()
        }

    @property
    def lead(self) -> str:
        """The method that the first screen speaks of."""
        return self.results.lead

    @property
    def refused(self) -> dict[str, dict[str, str]]:
        """Method -> model -> why that method has no maps of it."""
        return self.results.refused

    @property
    def over_seeds(self) -> bool:
        """Whether verdicts speak of architectures, tested against the variance between seeds."""
        return any(one.over_seeds for of in self.results.families.values() for one in of.outcomes.values())

    def refuses_all(self, method: str) -> bool:
        return set(self.trained) <= set(self.refused.get(method, {}))

    @property
    def competent(self) -> list[str]:
        """Models that take part in verdicts."""
        return [model for model in self.trained if self.results.models[model].competent]

    def worth(self, model: str) -> bool:
        """Whether a model, or an ensemble, classifies well enough for its heatmaps to be looked at."""
        found = self.ensembles[model].quality if model in self.ensembles else self.results.models[model]
        return found.competent

    @property
    def families(self) -> list[str]:
        return list(dict.fromkeys(self.metrics["family"]))

    def primary(self, family: str) -> str | None:
        """The metric that is tested; None of a family that is described only."""
        return self.results.families[family].metric if family in self.results.families else None

    def metric(self, name: str) -> words.Metric:
        """A metric's words, its name marked where it was not shown to tell truth from noise."""
        family = next((family for family, found in self.results.better.items() if name in found), "")
        found = words.metric(name, self.results.better.get(family, {}).get(name, "higher"))
        return found._replace(name=found.name + MARK) if self.is_doubtful(name) else found

    def is_doubtful(self, name: str) -> bool:
        """Whether a metric was not shown to tell the true region from noise."""
        family = next((family for family, found in self.results.better.items() if name in found), "")
        scored = self.results.better.get(family, {}).get(name, "higher") != "none"
        return scored and doubtful(self.separation, family, name)

    def judged(self, family: str, method: str | None = None) -> bool:
        """Whether the family's primary metric has a value for any model, of a method or of any."""
        methods = self.methods if method is None else [method]
        rows = self.metrics[(self.metrics["family"] == family) & (self.metrics["metric"] == self.primary(family))]
        return bool(rows.loc[rows["method"].isin(methods), "mean"].notna().any())


def read(
    study: str, models: Sequence[str], seeds: Sequence[int], methods: Sequence[str], folds: Sequence[str]
) -> Inputs:
    """Read what the stages before left.

    Raises:
        ArtifactError: a file is missing or not of its format.
    """
    data, stats = artifacts.data_dir(study), artifacts.stats_dir(study)
    found, digest = read_results(study), artifacts.read_json(data / "digest.json")
    classes = digest["classes"]
    tables = {name: artifacts.read_table(stats / f"{name}.csv", schema) for name, schema in TABLES.items()}
    families = list(dict.fromkeys(tables["metrics"]["family"]))
    # which cases every training has, only the scores of all seeds say
    scored = seeds if found.multilabel else seeds[:1]
    scores = read_scores(study, models, scored, folds, families, found.ensembles, classes).table
    scores = scores[scores["seed"].isna() | (scores["seed"] == seeds[0])].reset_index(drop=True)
    predictions = [
        _answers(table, classes).assign(model=model, seed=seed)
        for (model, seed), table in read_predictions(study, models, seeds, folds).items()
    ]
    of_labels = classes if found.multilabel else None
    first = {model: _heatmaps(study, model, seeds[0], folds, of_labels) for model in models}
    others = [(model, seed) for model in models for seed in seeds[1:]] if "consistency" in families else []
    return Inputs(
        study=study,
        models=models,
        seeds=seeds,
        methods=methods,
        folds=folds,
        classes=classes,
        manifests={fold: artifacts.read_manifest(study, fold) for fold in folds},
        pixels=artifacts.read_array(data / "pixels.npy"),
        masks=artifacts.read_array(data / "masks.npy"),
        tables=tables,
        results=found,
        audit=read_audit(data / "audit.json"),
        scores=scores,
        predictions=pd.concat(predictions, ignore_index=True),
        index={model: of.index for model, of in first.items()},
        maps={(model, fold): of.maps[fold] for model, of in first.items() for fold in folds},
        again={(model, seed): _heatmaps(study, model, seed, folds, of_labels) for model, seed in others},
        digest=digest,
        separation=read_separation(),
        curves=_curves(study, models, seeds, methods, folds) if "faithfulness" in families else None,
        readings=artifacts.read_readings(study),
    )


def _curves(
    study: str, models: Sequence[str], seeds: Sequence[int], methods: Sequence[str], folds: Sequence[str]
) -> pd.DataFrame | None:
    """Read the curves behind the scores of faithfulness; None where a result of an older version has none."""
    every = [artifacts.Checkpoint(study, model, seed, fold) for model in models for seed in seeds for fold in folds]
    paths = {one: one.curves("faithfulness") for one in every}
    if not all(path.exists() for path in paths.values()):
        return None
    tables = [
        artifacts.read_table(path, artifacts.CURVES).assign(model=o.model, seed=o.seed) for o, path in paths.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    return table[table["method"].isin([*methods, "random"])]


def _answers(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    if artifacts.is_multilabel(table):
        return answers(table, classes)
    return table[[name for name in artifacts.PREDICTIONS if name != "split"]]


def _heatmaps(study: str, model: str, seed: int, folds: Sequence[str], classes: Sequence[str] | None) -> Heatmaps:
    """Read the heatmaps of a model and seed; `row` of the index is that of a map in its fold's array, or -1.

    Args:
        classes: of a study of several labels, whose maps are of cases.
    """
    paths = {fold: artifacts.Checkpoint(study, model, seed, fold).heatmaps for fold in folds}
    tables = {fold: artifacts.read_table(path / "index.parquet", artifacts.HEATMAPS) for fold, path in paths.items()}
    parts = [table[table["variant"] == ""].assign(fold=fold) for fold, table in tables.items()]
    index = pd.concat(parts, ignore_index=True)
    maps = {fold: artifacts.read_array(path / "maps.npy") for fold, path in paths.items()}
    return Heatmaps(index if classes is None else explained(index, classes), maps)
