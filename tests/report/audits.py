"""Made-up audits: one that found nothing, one that found everything."""

from collections.abc import Sequence

import pandas as pd

CUTE = "<script>cute()</script>.jpg"
NAMES = ("neighbour", "facts", "shape", "border", "outside")


def probe(name: str, stage: str, split: str, value: float | None, half: float | None = 0.05, **more) -> dict:
    ends = (None, None) if value is None or half is None else (value - half, value + half)
    found = {"probe": name, "stage": stage, "split": split, "balanced_accuracy": value, "reason": ""}
    return found | dict(zip(("low", "high"), ends, strict=True)) | {"chance": 0.5, "p": 0.4, "groups": 40} | more


def calm(manifest: pd.DataFrame, classes: Sequence[str], folds: Sequence[str], kind: str = "patient") -> dict:
    """Nothing alarming, and null wherever there is nothing."""
    nothing = {"pairs": 0, "images": 0, "across_classes": 0}
    ways = [(stage, split) for stage in ("raw", "preprocessed") for split in ("random", "grouped")]
    return {
        "images": len(manifest),
        "groups": int(manifest["group"].nunique()),
        "group_kind": kind,
        "split_by": "random" if kind == "image" else kind,
        "patients_known": kind == "patient",
        "threshold": 0.95,
        "classes": list(classes),
        "counts": {name: int((manifest["label"] == label).sum()) for label, name in enumerate(classes)},
        "duplicates": {
            "bytes": nothing,
            "pixels": nothing,
            "lookalikes": nothing | {"across_groups": 0, "across_splits": 0},
        },
        "conflicts": [],
        "leak": {
            "split": dict.fromkeys(folds, 0.0),
            "random": {"mean": 0.0, "low": 0.0, "high": 0.0, "draws": 200},
        },
        "sweep": [step(threshold) for threshold in (0.9, 0.95, 0.99)],
        "probes": [probe(name, stage, split, 0.5) for name in NAMES for stage, split in ways],
        "nonsquare": None,
        "truth_lost": None,
        "quarantined": [],
        "seams": None,
        "shortcut": None,
        "kind": "folder",
        "sentences": [{"level": "fine", "text": "No two images look alike."}],
    }


def step(threshold: float, **changes) -> dict:
    found = {"threshold": threshold, "clusters": round(100 * threshold), "largest": 3, "pairs": 7, "leak_random": 0.25}
    return (
        found | {"clusters_by_class": {}, "neighbour": 0.5, "split": True, "worst_share": 0.02, "reason": ""} | changes
    )


def alarming(manifest: pd.DataFrame, classes: Sequence[str], folds: Sequence[str]) -> dict:
    """Copies, conflicts, leaks, shortcuts, files that could not be used, a planted cue; names that are hostile."""
    found = calm(manifest, classes, folds, "lookalike")
    images, labels = manifest["image_id"].tolist(), manifest["label"].tolist()
    other = [i for i, label in enumerate(labels) if label != labels[0]]
    found["conflicts"] = [
        {
            "a": images[0],
            "b": images[row],
            "row_a": 0,
            "row_b": row,
            "label_a": classes[labels[0]],
            "label_b": classes[labels[row]],
            "similarity": 0.9996 - 0.001 * place,
            "kind": "lookalike" if place else "bytes",
        }
        for place, row in enumerate(other[:10])
    ]
    found["duplicates"] = {
        "bytes": {"pairs": 2, "images": 4, "across_classes": 1},
        "pixels": {"pairs": 3, "images": 6, "across_classes": 1},
        "lookalikes": {"pairs": 1234, "images": 27, "across_classes": 12, "across_groups": 7, "across_splits": 5},
    }
    found["leak"]["split"] = {fold: 0.25 + 0.25 * index for index, fold in enumerate(folds)}
    found["leak"]["random"] = {"mean": 0.9, "low": 0.85, "high": 0.998, "draws": 200}
    for row in found["probes"]:
        if row["probe"] == "facts" and row["stage"] == "raw":
            row.update(probe("facts", "raw", row["split"], 0.875, 0.0625, p=0.0125))
    found["sweep"][0] = step(0.9, largest=15, neighbour=None, split=False, worst_share=0.3)
    found["nonsquare"] = {
        "images": 3,
        "by_class": {classes[0]: 0, classes[-1]: 3},
        "probe_raw": probe("shape", "raw", "grouped", 1.0, 0.0),
        "groups": 2,
        "probe_preprocessed": probe("shape", "preprocessed", "grouped", None, reason="no margin is left"),
        "probe_border": probe("border", "preprocessed", "grouped", 0.5, 0.125),
        "probe_outside": probe("outside", "preprocessed", "grouped", 0.5, 0.125),
    }
    found["quarantined"] = [{"source": CUTE, "reason": "truncated; get it again"}]
    linear = probe("seams", "preprocessed", "grouped", 0.625, 0.125)
    found["seams"] = probe("seams", "preprocessed", "grouped", 0.5, 0.0625, linear=linear)
    found["shortcut"] = {"kind": "corner_mark", "rate": 0.95, "label": None}
    found["sentences"] = [
        {"level": "fine", "text": "Nothing else."},
        *({"level": "alarm", "text": f"Alarm {number} <b>."} for number in range(1, 6)),
        {"level": "note", "text": "A note."},
    ]
    return found
