"""A study of several labels with made-up results, as `stats` leaves them: no number here is a result."""

import math
from pathlib import Path

import pandas as pd

from heatproof import artifacts
from heatproof.profiles.files import STUDY_TABLES
from heatproof.stats_tables import TABLES

STUDY = "covid_cxr"
NETWORKS = ("resnet18", "resnet34", "inception_v3")
ENSEMBLES = {"ensemble_vote": "vote", "ensemble_mean": "mean"}
SIMPLE = ("nearest neighbour", "most frequent class")
LABELS = {"No finding": True, "COVID-19": True, "Klebsiella": False}  # name -> counted
METHODS = ("gradcam", "saliency", "occlusion")
FINDING = "resnets_most_interpretable"
SOURCE = {"source": "arXiv:2006.02570"}
PARTS = (
    ("faithfulness", "srg", "supported"),
    ("localization", "outside_body", "undecided"),
    ("sanity", "", "undecided"),
)


def study(root: Path) -> None:
    folder = root / "results/stats" / STUDY
    made = {"metrics": _metrics(), "claims": _claims(), "published": _published()}
    made |= {"labels": _labels(), "multilabel": _multilabel()}
    for name, rows in made.items():
        _write(folder / f"{name}.csv", rows, TABLES[name])
    for name, rows in {"layers": _layers(), "models": _agreement()}.items():
        _write(folder / f"profiles/{name}.csv", rows, STUDY_TABLES[name])
    artifacts.write_json(folder / "summary.json", _summary())


def _write(path: Path, rows: list[dict], schema: dict[str, str]) -> None:
    frame = pd.DataFrame(rows).reindex(columns=list(schema))
    texts = [column for column, kind in schema.items() if kind == "str"]
    frame[texts] = frame[texts].astype(object).fillna("")
    artifacts.write_table(path, frame, schema)


def _summary() -> dict:
    said = {
        name: {"combine": combine, "models": list(NETWORKS), "competent": True, "sentences": [f"{name} is above."]}
        for name, combine in ENSEMBLES.items()
    }
    parts = [f"{FINDING}: {family} {metric}".strip() for family, metric, _ in PARTS]
    told = SOURCE | {
        "table": "some figures",
        "note": "Another note.",
        "explained": {},
        "sentence": "A neighbour is near.",
    }
    return {
        "study": STUDY,
        "task": "multilabel",
        "lead": "gradcam",
        "methods": list(METHODS),
        "models": {model: {"competent": model != "inception_v3"} for model in NETWORKS},
        "ensembles": said,
        "left_out": ["inception_v3"],
        "competence": {"chance": 0.5, "floor": 0.5, "measure": "macro AUROC"},
        "labels": {"counted": ["No finding", "COVID-19"], "sentence": "Klebsiella is left out of macro F1."},
        "groups": {"kind": "patient"},
        "groups_test": 31,
        "images_test": 57,
        "seeds": {"count": 1, "sentence": "Every model was trained from one seed."},
        "setting": {"sentence": "Trained from scratch on 128 x 128 pixels."},
        "cases_sentence": "Heatmaps are of cases.",
        "primary": {"localization": {"metric": "outside_body", "lower_is_better": True}},
        "better": {"localization": {"outside_body": "lower", "on_border": "lower"}},
        "verdicts": {"localization": {"gradcam": {"resnet18": "better", "resnet34": "unclear"}}},
        "findings": {FINDING: {"verdict": "undecided", "parts": parts}},
        "published": {"paper": told},
    }


def _metrics() -> list[dict]:
    rows = []
    for family, metric in (
        ("agreement", "rank_correlation_methods"),
        ("consistency", "rank_correlation_models"),
        ("localization", "outside_body"),
        ("localization", "on_border"),
    ):
        for i, model in enumerate((*NETWORKS, *ENSEMBLES)):
            for j, method in enumerate((*METHODS, "random")):
                absent = model == "ensemble_vote" and method in ("gradcam", "saliency")
                mean = math.nan if absent else 0.21 + 0.1 * i + 0.02 * j
                names = {"family": family, "metric": metric, "method": method, "model": model}
                rows.append(names | {"mean": mean, "low": mean - 0.05, "high": mean + 0.07, "groups": 30, "missing": 0})
    return rows


def _claims() -> list[dict]:
    base = SOURCE | {"claim": "the ResNets were the most interpretable models", "method": "all methods", "seeds": 1}
    rows = []
    for i, (family, metric, verdict) in enumerate(PARTS):
        effect = 0.11 + 0.1 * i if metric else math.nan
        numbers = {"effect": effect, "low": effect - 0.06, "high": effect + 0.08, "p": 0.021, "groups": 28}
        words = {"family": family, "metric": metric, "verdict": verdict, "evidence": f"{family} says so"}
        rows.append(base | {"name": f"{FINDING}: {family} {metric}".strip()} | words | numbers)
    whole = {"effect": 1.23, "low": -0.12, "high": 2.31, "p": 0.4, "groups": 28, "verdict": "undecided"}
    return [*rows, base | whole | {"name": FINDING, "evidence": "of two parts one for it", "change": "more patients"}]


def _published() -> list[dict]:
    rows = []
    for k, measure in enumerate(("accuracy", "f1_micro", "f1_macro", "f1:No finding", "f1:COVID-19")):
        for i, model in enumerate((*NETWORKS, *ENSEMBLES, *SIMPLE)):
            known = measure.startswith(("f1_micro", "f1:")) and model not in (*SIMPLE, "ensemble_vote")
            value = 0.42 + 0.03 * i + 0.02 * k
            names = SOURCE | {"name": "paper", "model": model, "measure": measure, "split": "patient"}
            numbers = {"published": 0.81 + 0.01 * i + 0.02 * k if known else math.nan, "value": value}
            rows.append(
                names | numbers | {"low": value - 0.1, "high": value + 0.12, "images": 57, "groups": 31, "seeds": 1}
            )
    return rows


def _labels() -> list[dict]:
    return [
        {"model": model, "seed": 0, "label": label, "images": 20 - 6 * k, "groups": 12 - 4 * k, "counted": counted}
        for model in (*NETWORKS, *ENSEMBLES)
        for k, (label, counted) in enumerate(LABELS.items())
    ]


def _multilabel() -> list[dict]:
    rows = []
    for i, model in enumerate((*NETWORKS, *ENSEMBLES)):
        for measure in ("f1_micro", "auroc_macro"):
            value = 0.66 - 0.04 * i
            ends = {"low": value - 0.13, "high": value + 0.11}
            rows.append(
                {"model": model, "seed": 0, "measure": measure, "value": value, **ends, "images": 57, "groups": 31}
            )
    return rows


def _layers() -> list[dict]:
    return [
        {
            "model": model,
            "seed": 0,
            "fold": "fold0",
            "layer": f"layer{4 - depth}",
            "depth": depth,
            "units": 100,
            "dead": dead,
        }
        for i, model in enumerate(NETWORKS)
        for depth, dead in ((1, 10 * i), (0, 30))
    ]


def _agreement() -> list[dict]:
    rows = []
    for i, (a, b) in enumerate((("resnet18", "resnet34"), ("resnet18", "inception_v3"), ("resnet34", "inception_v3"))):
        for by in ("label", "outcome"):
            for depth in (0, 1):
                value = math.nan if (i, by) == (2, "outcome") else 0.72 - 0.2 * i - 0.1 * depth
                ends = {"agreement": value, "low": value - 0.3, "high": value + 0.2, "groups": 5}
                names = {"fold": "fold0", "by": by, "depth": depth, "model_a": a, "model_b": b}
                reason = "" if value == value else "too few groups"
                rows += [names | {"seed_a": 0, "seed_b": 0} | ends, names | ends | {"reason": reason}]
    return rows
