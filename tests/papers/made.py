"""Studies with made-up results, as `stats` leaves them, for tests: no number here is a result."""

import shutil
from pathlib import Path

import pandas as pd
from findings import made_xray

from heatproof import artifacts
from heatproof.findings import cost
from heatproof.stats_tables import TABLES

ROOT = Path(__file__).parents[2]
MODELS = ("resnet50", "resnet101", "densenet161", "efficientnet_b0", "vit_base_patch16_224")
VIT = MODELS[-1]
MADE_FOR_IT = ("attention_rollout", "generic_attention", "attnlrp")
METHODS = ("gradcam", "hirescam", "integrated_gradients", *MADE_FOR_IT)
CONTROLS = ("random", "lowres_noise", "center", "mean_mask", "edges", "other_image", "ceiling")
RATES = {"050": 0.5, "070": 0.7, "080": 0.8, "090": 0.9, "100": 1.0}
PRIMARY = {"localization": "relevance_rank_accuracy", "faithfulness": "srg"}


def project(folder: Path, studies=("real", "truth", "cue", "synthetic", "attention", "xray")) -> Path:
    """A project with templates, README and the studies' names of this one, and made-up results of those asked for."""
    (folder / "docs/findings").mkdir(parents=True)
    for name in ("findings.md", "findings_xray.md", "in_short.md", "readme.md", "macros"):
        shutil.copy(ROOT / f"docs/findings/{name}.jinja", folder / "docs/findings")
    shutil.copy(ROOT / "docs/findings/studies.yaml", folder / "docs/findings")
    shutil.copytree(ROOT / "studies", folder / "studies")
    (folder / "README.md").write_text("# Made\n\n<!-- findings -->\n<!-- /findings -->\n\nThe rest.\n")
    if "real" in studies:
        study("iq_oth_nccd", primary=PRIMARY | {"localization": "outside_lungs"}, published=True, root=folder)
    if "truth" in studies:
        study("planted_ct", root=folder)
    if "synthetic" in studies:
        study("phantom", root=folder)
    if "attention" in studies:
        study("phantom_vit", models=(VIT,), root=folder)
    if "cue" in studies:
        for name, rate in RATES.items():
            study(f"planted_ct_mark_{name}", models=(MODELS[0], VIT), rate=rate, root=folder)
    if "xray" in studies:
        made_xray.study(folder)
    return folder


def study(name, *, models=MODELS, primary=PRIMARY, published=False, rate=None, root=Path()):
    folder = root / "results/stats" / name
    summary = {
        "study": name,
        "lead": "gradcam",
        "methods": list(METHODS),
        "models": {model: {"competent": model != "efficientnet_b0"} for model in models},
        "left_out": ["efficientnet_b0"] if "efficientnet_b0" in models else [],
        "groups": {"kind": "lookalike"},
        "seeds": {"count": 2},
        "primary": {
            family: {"metric": metric, "lower_is_better": metric.startswith("outside_")}
            for family, metric in primary.items()
        },
        "better": {"localization": {"outside_lungs": "lower", "outside_body": "lower"}},
        "verdicts": {"localization": {method: _verdicts(models, i) for i, method in enumerate(METHODS)}},
        "methods_apart": {
            "localization": [],
            "faithfulness": [{"model": VIT, "over": "attnlrp", "under": "gradcam", "difference": 0.21}],
        },
        "comparison": {"sentence": "Under a random split the same models reach more."} if published else None,
        "setting": {
            "sentence": "Trained from scratch on 64 x 64 pixels for 2 to 12 epochs, from 2 seeds.",
            "short": "In the setting of this study: trained from scratch, 64 x 64 pixels.",
        },
        "published": {},
    }
    tables = {"metrics": _metrics(models), "controls": _controls(models, primary), "pairs": _pairs(primary)}
    tables["claims"] = _claims(rate)
    if published:
        tables["published"] = _published(models)
        told = {
            "source": "arXiv:2601.12826",
            "table": "Table I",
            "note": "A note.",
            "sentence": "A neighbour explains 61%.",
        }
        summary["published"] = {"paper": told | {"explained": {}}}
    if rate is not None:
        tables["cue"] = _cue(models, rate)
        relies = {model: rate >= (0.8 if model == VIT else 0.7) for model in models}
        summary["cue"] = {
            "rate": rate,
            "test_rate": 0.5,
            "label": "planted",
            "relies": relies,
            "sentences": ["Marked."],
        }
    for table, rows in tables.items():
        frame = pd.DataFrame(rows).reindex(columns=list(TABLES[table]))
        texts = [column for column, kind in TABLES[table].items() if kind == "str"]
        frame[texts] = frame[texts].astype(object).fillna("")
        artifacts.write_table(folder / f"{table}.csv", frame, TABLES[table])
    artifacts.write_json(folder / "summary.json", summary)


def _verdicts(models, shift):
    words = ("better", "unclear", "worse")
    return {m: words[(i + shift) % 3] for i, m in enumerate(models) if m != "efficientnet_b0"}


def _metrics(models):
    rows = []
    wanted = {"localization": ("relevance_rank_accuracy", "outside_lungs", "outside_body"), "faithfulness": ("srg",)}
    for family, metrics in wanted.items():
        for k, metric in enumerate(metrics):
            for i, model in enumerate(models):
                for j, method in enumerate((*METHODS, *CONTROLS)):
                    if method in MADE_FOR_IT and model != VIT:
                        continue
                    mean = 0.2 + 0.07 * i + 0.02 * j + 0.01 * k
                    ends = {"low": mean - 0.06, "high": mean + 0.08}
                    names = {"family": family, "metric": metric, "method": method, "model": model}
                    rows.append(names | {"mean": mean, **ends, "groups": 30, "missing": 0})
    return rows


def _controls(models, primary):
    return [
        {
            "family": "localization",
            "metric": primary["localization"],
            "method": "gradcam",
            "model": model,
            "control": control,
            "groups": 30,
            "difference": 0.1 - 0.03 * i + 0.01 * j,
            "low": 0.02 - 0.03 * i,
            "high": 0.2 - 0.03 * i,
            "verdict": "unclear",
        }
        for i, model in enumerate(models)
        for j, control in enumerate(CONTROLS[:-1])
    ]


def _pairs(primary):
    return [
        {
            "family": family,
            "metric": metric,
            "factor": "method",
            "within": VIT,
            "a": "gradcam",
            "b": method,
            "groups": 26,
            "difference": -0.07 * (i + 1),
            "low": -0.07 * (i + 1) - 0.05,
            "high": -0.07 * (i + 1) + 0.06,
            "p": 0.01,
            "p_corrected": 0.04,
        }
        for family, metric in primary.items()
        for i, method in enumerate(MADE_FOR_IT)
    ]


def _claims(rate):
    base = {"source": "arXiv:2601.12826", "method": "gradcam", "seeds": 2, "change": "more groups"}
    given = {
        "cams_highlight_lesions": ("localization", "supported", 0.12, "3 of 4 models beat every control"),
        "model_aware_methods_do_better": ("faithfulness", "supported", 0.21, "attnlrp is ahead by 0.21"),
    }
    if rate is not None:
        given["heatmaps_may_miss_the_evidence"] = ("localization", "undecided", float("nan"), "no model relies on it")
    rows = []
    for name, (family, verdict, effect, evidence) in given.items():
        numbers = {"effect": effect, "low": effect - 0.1, "high": effect + 0.1, "p": 0.02, "groups": 30}
        words = {"name": name, "claim": name.replace("_", " "), "family": family, "metric": "m", "verdict": verdict}
        rows.append(base | words | numbers | {"evidence": evidence})
    return rows


def _published(models):
    rows = []
    for k, measure in enumerate(("accuracy", "f1_macro")):
        for i, model in enumerate((*models, "nearest neighbour", "most frequent class")):
            for split, fall in (("random", 0.0), ("lookalike", 0.13)):
                value = 0.9 - 0.03 * i - fall - 0.02 * k
                published = 0.83 + 0.01 * i if i < len(models) else float("nan")
                names = {"name": "paper", "source": "arXiv:2601.12826", "model": model, "measure": measure}
                ends = {"value": value, "low": value - 0.1, "high": value + 0.05}
                counts = {"images": 210, "groups": 40, "seeds": 2}
                rows.append(names | {"published": published, "split": split, **ends, **counts})
    return rows


def _cue(models, rate):
    rows = []
    for model in models:
        relies = rate >= (0.8 if model == VIT else 0.7)
        accuracy = {
            "marked": 0.8,
            "unmarked": 0.8 - (rate - 0.5) * relies,
            "verdict": "relies" if relies else "unclear",
        }
        for seed in (0, 1, pd.NA):
            rows.append({"model": model, "seed": seed, "method": "", "metric": "accuracy"} | accuracy)
        for j, method in enumerate((*METHODS, "random")):
            if method in MADE_FOR_IT and model != VIT:
                continue
            for k, metric in enumerate(("inside_cue", "outside_body", "relevance_rank_accuracy")):
                more = (rate - 0.5) * (0.5 - 0.05 * j) * relies * (method != "random")
                shown = relies and method in ("gradcam", "attnlrp") and k == 0 and rate > 0.75
                values = {"marked": 0.05 + 0.1 * k + more, "unmarked": 0.05 + 0.1 * k, "difference": more}
                verdict = {"verdict": "shown" if shown else "unclear", "groups": 12, "images": 40}
                rows.append({"model": model, "method": method, "metric": metric} | values | verdict)
    return rows


def costs(root: Path) -> None:
    """Made-up measurements, as `--collect` writes them."""
    stages = ("data", "train", "explain", "score")
    rows = [
        {"study": study, "stage": stage, "jobs": 4, "seconds": 900.0 * (i + 1), "longest": 300.0, "memory": 2048.0}
        for study in ("iq_oth_nccd", "planted_ct")
        for i, stage in enumerate(stages)
    ]
    cost.write("cost", pd.DataFrame(rows), root)
    work = [
        {
            "study": name,
            "model": model,
            "size": size,
            "epochs": epochs,
            "trainings": 6,
            "images": 600,
            "forward_flop": 1e9 * size,
            "training_flop": 1e12 * size,
            "heatmap_flop": 2e12 * size,
            "training_seconds": 100.0 if size == 64 else float("nan"),
            "heatmap_seconds": 200.0 if size == 64 else float("nan"),
        }
        for name, size, epochs in (("iq_oth_nccd", 64, 8), ("iq_oth_nccd_full", 224, 50))
        for model in MODELS
    ]
    cost.write("work", pd.DataFrame(work), root)
