"""A small made-up study: artifacts as the stages before leave them, statistics by the stage itself."""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from minimal import write_facts
from report import audits

from heatproof.data.audit.results import Audit
from heatproof.report import inputs
from heatproof.store import artifacts
from heatproof.store.artifacts import multihot, predicted, truth

METRICS = {
    "localization": ("relevance_rank_accuracy", "iou"),
    "faithfulness": ("srg", "deletion_auc"),
    "consistency": ("iou_seeds",),
    "robustness": ("rank_correlation_transforms", "max_sensitivity"),
    "sanity": ("rank_correlation_cascade", "ssim_cascade"),
    "complexity": ("sparseness", "entropy"),
}
ALL = tuple(METRICS)
PRIMARY = {family: names[0] for family, names in METRICS.items() if family != "complexity"}
CONTROLS = {"random": 0.1, "lowres_noise": 0.12, "center": 0.25, "other_image": 0.2}
PART = 8  # images that a costly method explains
LEFT_OUT = "left_out"
OF_LABELS = {"source": "a paper", "table": "Figure 5", "note": "Its images are others.", "accuracy": {}, "f1_macro": {}}
OF_LABELS |= {"f1_micro": {"alpha_net": 0.83, "together": 0.87}, "f1": {"alpha_net": {"No finding": 0.91}}}
FINDING = {"source": "a paper", "claim": "alpha_net has the best heatmaps", "models": ["alpha_net"]}
FINDING |= {"than": ["beta_net"], "methods": [], "parts": [{"family": "faithfulness", "metric": "srg"}]}
STATS = {"alpha": 0.05, "interval": 0.95, "bootstrap": 100, "competence_margin": 0.1, "seed": 0}
PAPER = {"source": "a paper", "table": "Table 1", "note": "Its images are others.", "f1_macro": {}}
PAPER |= {"accuracy": {"alpha_net": 0.9, "other_net": 0.8}}
STATS |= {
    "test": "friedman",
    "margin": {"default": 0.05},
    "power": 0.8,
    "claims": {},
    "findings": {},
    "min_patients": 5,
}


MANY_METHODS = {
    "methods": ("gradcam", "lrp", "part_cam", "mine", "none_cam"),
    "families": ALL,
    "refused": (("lrp", "alpha_net"), *(("none_cam", m) for m in ("alpha_net", "beta_net", "gamma_net"))),
    "partly": ("part_cam",),
    "merit": (("lrp", -0.2), ("mine", -0.5)),
    "groups": 14,
}


@dataclass(frozen=True)
class Made:
    """What to make; `skill` is each model's mean score, `wrong` the models that guess."""

    name: str = "made_up"
    models: tuple[str, ...] = ("alpha_net", "beta_net", "gamma_net")
    seeds: tuple[int, ...] = (0, 1)
    methods: tuple[str, ...] = ("gradcam",)
    classes: tuple[str, ...] = ("clear", "<script>alert(1)</script>", "dark & dense")
    families: tuple[str, ...] = ALL[:3]
    skill: tuple[float, ...] = (0.7, 0.5, 0.35, 0.6, 0.3)
    wrong: tuple[str, ...] = ()
    truth: bool = True
    groups: int = 9
    group_kind: str = "patient"
    size: int = 32
    channels: int = 1
    degenerate: tuple[tuple[str, int], ...] = ()  # (model, number of the image)
    extra: tuple[str, ...] = ()  # more metrics of localization
    faithful: int | None = None  # images with a score of faithfulness, of different groups as far as there are
    folds: int = 1
    compare: bool = False  # whether the models were trained on a random split too
    alarming: bool = False  # whether the audit found anything
    refused: tuple[tuple[str, str], ...] = ()  # (method, model)
    partly: tuple[str, ...] = ()  # methods that explain `PART` images
    merit: tuple[tuple[str, float], ...] = ()  # what is added to the scores of a method
    published: bool = False  # whether others report accuracies of these models
    setting: str = ""  # the study's own words of it
    several: bool = False  # whether images have several labels, and heatmaps are of cases
    ensembles: tuple[str, ...] = ()  # names of majority votes of all models

    @property
    def fold_names(self) -> list[str]:
        return [f"fold{index}" for index in range(self.folds)]

    @property
    def everyone(self) -> tuple[str, ...]:
        """The models, and ensembles of them."""
        return (*self.models, *self.ensembles)

    @property
    def made_of(self) -> dict[str, dict]:
        return {name: {"combine": "vote", "models": list(self.models)} for name in self.ensembles}

    @property
    def random_names(self) -> list[str]:
        return [f"random{index}" for index in range(self.folds)] if self.compare else []


def _manifest(made: Made) -> pd.DataFrame:
    """Two images a group, with a column a fold; several folds test each image once."""
    rows = []
    for split, groups in (("train", 4), ("val", 2), ("test", made.groups)):
        for group in range(groups):
            for part in range(2):
                image = f"{split}_{group:02d}_{part}"
                rows.append((image, group % len(made.classes), f"{split}{group:02d}", split))
    frame = pd.DataFrame(rows, columns=["image_id", "label", "group", "fold0"])
    if made.folds > 1:
        place = frame["group"].factorize()[0] // len(made.classes)
        for index, fold in enumerate(made.fold_names):
            frame[fold] = _dealt((place - index) % made.folds)
    for index, fold in enumerate(made.random_names):
        frame[fold] = _dealt((np.arange(len(frame)) - index) % (made.folds if made.folds > 1 else 5))
    frame["truth"] = np.where((frame["label"] > 0) & made.truth, "mask", "none")
    frame = frame.assign(sha256="0", source="made", width=made.size, height=made.size)
    if not made.several:
        return frame
    there = np.arange(len(made.classes)) == frame["label"].to_numpy()[:, None]
    there[:, 0] |= np.arange(len(frame)) % 5 == 0  # some images have the first label beside another
    return pd.concat([frame.assign(label=pd.NA).astype({"label": "Int64"}), multihot("label", there)], axis=1)


def _dealt(place: np.ndarray) -> np.ndarray:
    return np.where(place == 0, "test", np.where(place == 1, "val", "train"))


def _audit(made: Made, manifest: pd.DataFrame) -> Audit:
    if made.alarming:
        return audits.alarming(manifest, made.classes, made.fold_names)
    return audits.calm(manifest, made.classes, made.fold_names, made.group_kind)


def _write_data(made: Made, manifest: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[: made.size, : made.size] / made.size
    centers = rng.uniform(0.25, 0.75, (len(manifest), 2))
    distance = np.hypot(y - centers[:, :1, None], x - centers[:, 1:, None])
    masks = (distance < 0.1) & (manifest["truth"] == "mask").to_numpy()[:, None, None]
    body = np.hypot((y - 0.5) / 0.4, (x - 0.5) / 0.47) < 1
    gray = body * 90.0 + 70 * np.exp(-((distance / 0.08) ** 2)) + rng.normal(0, 8, distance.shape)
    pixels = np.repeat(np.clip(gray, 0, 255).astype(np.uint8)[:, None], made.channels, axis=1)
    folder = artifacts.data_dir(made.name)
    artifacts.write_manifest(made.name, manifest)
    write_facts(manifest, made.name)
    artifacts.write_json(folder / "audit.json", _audit(made, manifest).stored())
    artifacts.write_array(folder / "pixels.npy", pixels)
    artifacts.write_array(folder / "masks.npy", masks)
    artifacts.write_array(folder / "thumbnails.npy", pixels[:, 0])
    digest = {"task": "multilabel"} if made.several else {}
    digest |= {
        "classes": list(made.classes),
        "channels": made.channels,
        "size": made.size,
        "sha256": {"pixels.npy": "ab" * 32},
    }
    artifacts.write_json(folder / "digest.json", digest)
    return centers, distance


def _predictions(made: Made, manifest: pd.DataFrame, model: str, seed: int, fold: str) -> pd.DataFrame:
    kept = manifest.assign(split=manifest[fold])
    kept = kept[kept["split"] != "train"]
    if made.several:
        return _predicted_labels(made, kept, model, seed)
    label = kept["label"].to_numpy()
    predicted = np.arange(len(label)) % len(made.classes) if model in made.wrong else label.copy()
    if model not in made.wrong:
        predicted[(5 + seed) :: 17] = (label[(5 + seed) :: 17] + 1) % len(made.classes)
    frame = kept[["image_id", "split", "label"]].assign(predicted=predicted)
    return frame.assign(**{f"p_{k}": 1.0 * (predicted == k) for k in range(len(made.classes))})


def _predicted_labels(made: Made, kept: pd.DataFrame, model: str, seed: int) -> pd.DataFrame:
    """As `_predictions`, of several labels; each model and seed errs on other cases."""
    there = truth(kept, len(made.classes))
    place = np.arange(there.size).reshape(there.shape)
    every = 2 if model in made.wrong else 11
    found = there ^ (place % every == (made.everyone.index(model) + 3 * seed) % every)
    probabilities = pd.DataFrame(0.2 + 0.6 * found, index=kept.index).add_prefix("p_")
    parts = [kept[["image_id", "split"]].assign(label=pd.NA, predicted=pd.NA), multihot("label", there, kept.index)]
    return pd.concat([*parts, multihot("predicted", found, kept.index), probabilities], axis=1)


def _cases(made: Made, manifest: pd.DataFrame, model: str, seed: int, fold: str) -> pd.DataFrame:
    """The test images, or of each the labels that it has or the model sees, with the label and whether it is seen."""
    rows = manifest[manifest[fold] == "test"]
    if not made.several:
        return rows.assign(predicted=rows["label"])
    answers = _predictions(made, manifest, model, seed, fold).set_index("image_id").loc[rows["image_id"]]
    known, seen = truth(rows, len(made.classes)), predicted(answers, len(made.classes))
    image, label = np.nonzero(known | seen)
    return rows.iloc[image].assign(label=label, predicted=np.where(seen[image, label], label, -1))


def _scores(made: Made, rows: pd.DataFrame, model: str, seed: int | None, family: str) -> pd.DataFrame:
    skill, place = made.skill[made.everyone.index(model)], made.everyone.index(model)
    rng = np.random.default_rng([place, 0 if seed is None else seed + 1, len(family)])
    levels = {name: skill + dict(made.merit).get(name, 0) for name in made.methods} | CONTROLS
    levels |= {"ceiling": 0.8 + 0.02 * place} if family == "localization" else {}
    reasons = np.full(len(rows), "", object)
    if family == "localization":
        reasons[(rows["truth"] == "none").to_numpy()] = "no_truth"
    if family == "consistency" and len(made.seeds) == 1:
        reasons[:] = "one_seed"
    bad = np.array([number for name, number in made.degenerate if name == model], int)
    metrics = METRICS[family] + (made.extra if family == "localization" else ())
    blocks = list(product(metrics, levels))
    values, why = [], []
    for _, method in blocks:
        lost = reasons.copy()
        if method in made.methods:
            lost[bad[lost[bad] == ""]] = "all_zero"
        if (method, model) in made.refused:
            lost[:] = "no_relu"
        elif method in made.partly:
            lost[PART:] = LEFT_OUT
        values.append(np.where(lost == "", levels[method] + rng.normal(0, 0.08, len(rows)), np.nan))
        why.append(lost)
    names = np.repeat(np.array(blocks, object), len(rows), axis=0)
    table = pd.concat([rows[["image_id", "group", *(["label"] if made.several else [])]]] * len(blocks))
    table = table.assign(model=model, seed=seed, method=names[:, 1], metric=names[:, 0])
    return table.assign(value=np.concatenate(values), reason=np.concatenate(why)).reset_index(drop=True)


def _curves(made: Made, rows: pd.DataFrame, model: str) -> pd.DataFrame:
    """Deletion falls the earlier, and insertion rises, the better a model's heatmaps are."""
    skill, share = made.skill[made.everyone.index(model)], np.linspace(0, 1, 5)
    kept = rows[["image_id", "group", *(["label"] if made.several else [])]]
    parts = [
        kept.assign(method=method, share=at, deletion=0.9 * (1 - at) ** steep, insertion=0.9 * at ** (1 / steep))
        for method, steep in {**dict.fromkeys(made.methods, 1 + 3 * skill), "random": 1.1}.items()
        for at in share
    ]
    return pd.concat(parts, ignore_index=True)


def _spread(rows: pd.DataFrame, count: int | None) -> pd.DataFrame:
    return rows.iloc[np.sort(rows.groupby("group").cumcount().to_numpy().argsort(kind="stable")[:count])]


def _write_heatmaps(made, rows, model, seed, fold, distance):
    skill, place = made.skill[made.everyone.index(model)], made.everyone.index(model)
    rng = np.random.default_rng([place, seed, 99])
    bad = {number for name, number in made.degenerate if name == model}
    tables, maps = [], []
    for method in made.methods:
        heat = np.exp(-((distance[rows.index] / (0.15 + 0.2 * (1 - skill))) ** 2))
        heat = heat + (1 - skill) * rng.random(heat.shape)
        heat[list(bad)] = 0
        table = rows[["image_id", "group", *(["label"] if made.several else [])]].assign(
            method=method,
            target=rows["label"],
            predicted=rows["predicted"],
            layer="last",
            grid_height=4,
            grid_width=4,
        )
        table["degenerate"] = ["all_zero" if i in bad else "" for i in range(len(rows))]
        table = table.assign(variant="", gap=np.nan, signed=False)
        table["row"] = np.arange(len(rows)) + sum(map(len, maps))
        if (method, model) in made.refused:
            table = table.assign(degenerate="no_relu", row=-1)
            heat = heat[:0]
        elif method in made.partly:
            kept = np.arange(len(rows)) < PART
            table.loc[~kept, "degenerate"] = LEFT_OUT
            table["row"] = np.where(kept, table["row"], -1)
            heat = heat[:PART]
        tables.append(table)
        maps.append(heat)
    folder = artifacts.Checkpoint(made.name, model, seed, fold).heatmaps
    artifacts.write_table(folder / "index.parquet", pd.concat(tables, ignore_index=True), artifacts.HEATMAPS)
    artifacts.write_array(folder / "maps.npy", np.concatenate(maps).astype(np.float32))


def write(made: Made) -> Made:
    """Write everything that `heatproof report` reads, below the working folder."""
    from heatproof.stats import command as stats

    manifest = _manifest(made)
    _, distance = _write_data(made, manifest)
    for model, fold in product(made.everyone, made.fold_names + made.random_names):
        for seed in made.seeds:
            frame, schema = _predictions(made, manifest, model, seed, fold), artifacts.PREDICTIONS
            folder = artifacts.Checkpoint(made.name, model, seed, fold).folder
            artifacts.write_table(folder / "predictions.parquet", frame, schema)
            artifacts.write_json(folder / "card.json", {"fold": fold})
    for model, fold in product(made.everyone, made.fold_names):
        for seed in made.seeds:
            _write_heatmaps(made, _cases(made, manifest, model, seed, fold), model, seed, fold, distance)
        for family in made.families:
            if model in made.ensembles and family in ("robustness", "sanity"):
                continue
            for seed in [None] if family == "consistency" else made.seeds:
                path = artifacts.Checkpoint(made.name, model, seed, fold).scores(family)
                rows = _cases(made, manifest, model, made.seeds[0] if seed is None else seed, fold)
                scored = rows if family != "faithfulness" else _spread(rows, made.faithful)
                artifacts.write_table(path, _scores(made, scored, model, seed, family), artifacts.SCORES)
                if family == "faithfulness":
                    path = artifacts.Checkpoint(made.name, model, seed, fold).curves(family)
                    artifacts.write_table(path, _curves(made, scored, model), artifacts.CURVES)
    primary = {family: metric for family, metric in PRIMARY.items() if family in made.families}
    score = {"families": list(made.families), "primary": primary}
    paper, findings = (OF_LABELS, {"best": FINDING}) if made.several else (PAPER, {})
    settings = STATS | {"group_kind": made.group_kind, "published": {"paper": paper} if made.published else {}}
    settings |= {"findings": findings if made.published else {}}
    setting = {"size": made.size, "seeds": list(made.seeds), "text": made.setting}
    setting |= {"weights": dict.fromkeys(made.models, "scratch"), "epochs": dict.fromkeys(made.models, 3)}
    names = {
        "study": made.name,
        "models": list(made.everyone),
        "seeds": list(made.seeds),
        "methods": list(made.methods),
        "folds": made.fold_names,
        "random": made.random_names,
    }
    rest = {"config": settings, "score_config": score, "setting": setting, "ensembles": made.made_of}
    stats.run(argparse.Namespace(**names, scores=None, cue=None, blank=[], **rest))
    return made


def write_report(made: Made, **config) -> str:
    """Run the stage, without the files for a paper (test_paper has them), and return the page."""
    from heatproof.report import command

    section = {"title": None, "question": "May anyone believe it?", "gallery": 4, "images": 8} | config
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    listed = ["--models", *made.everyone, "--seeds", *map(str, made.seeds), "--methods", *made.methods]
    listed += ["--folds", *made.fold_names]
    jsons = [
        "--config",
        json.dumps(section),
        "--study-config",
        json.dumps({"stats": STATS, "note": "a <b> & c"}),
    ]
    with patch("heatproof.report.paper.files.write"):
        command.run(parser.parse_args(["--study", made.name, *listed, *jsons]))
    return artifacts.report_path(made.name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Where the processes of one run of the tests keep what only one of them has to make."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def once(path: Path, build: Callable[[Path], None]) -> Path:
    """Return a path that the first process to ask for it builds, while others wait."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_suffix(".part")
            build(part)
            part.rename(path)
    return path


def key(*what) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


@pytest.fixture(scope="session")
def studies():
    """Folders of the studies that this process has a copy of."""
    return {}


@pytest.fixture
def made(studies, shared, tmp_path_factory, monkeypatch):
    """Makes a study in a folder of its own, goes there, and returns it."""

    def build(study: Made, folder: Path) -> None:
        folder.mkdir()
        monkeypatch.chdir(folder)
        write(study)

    def make(**changes) -> Made:
        study = Made(**changes)
        if study not in studies:
            folder = once(shared / f"study-{key(study)}", lambda folder: build(study, folder))
            studies[study] = shutil.copytree(folder, tmp_path_factory.mktemp("study") / "copy")
        monkeypatch.chdir(studies[study])
        return study

    return make


@pytest.fixture
def copied(made, tmp_path, monkeypatch):
    """The plain study in a folder that one test may write into."""
    study = made()
    shutil.copytree("results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    return study


@pytest.fixture
def data(made):
    """A study in which the audit found nothing; `replace(data, audit=...)` has another audit."""
    study = made()
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


@pytest.fixture
def bad(data):
    """One in which it found everything."""
    return replace(data, audit=audits.alarming(data.manifest, data.classes, data.folds))


@pytest.fixture
def report(shared):
    """The page of a study, written by the stage once for all tests."""

    def page(study: Made, **config) -> str:
        name = f"page-{key(study, *sorted(config.items()))}.html"
        path = once(shared / name, lambda path: path.write_text(write_report(study, **config), encoding="utf-8"))
        return path.read_text(encoding="utf-8")

    return page


@pytest.fixture
def rewrite():
    """Runs the stage on a study, again if need be, and returns the page."""
    return write_report
