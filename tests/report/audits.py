"""Made-up audits: one that found nothing, one that found everything."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from heatproof.core.statements import Statement
from heatproof.data.audit.results import (
    Audit,
    BadFile,
    Copies,
    Duplicates,
    Finding,
    Leak,
    NonSquare,
    Pair,
    Probe,
    Shortcut,
    Spread,
    Step,
)
from heatproof.data.audit.statements import findings

CUTE = "<script>cute()</script>.jpg"
NAMES = ("neighbour", "facts", "shape", "border", "outside")
NONE = Copies(0, 0, 0)
FINE = Finding("fine", Statement("copies.none", numbers={"files": 30}))


def probe(name: str, stage: str, split: str, value: float | None = 0.5, half: float | None = 0.05, **more) -> Probe:
    low, high = (None, None) if value is None or half is None else (value - half, value + half)
    row = Probe(name, stage, split, value, low, high, chance=0.5, p=None if value is None else 0.4, groups=40)
    return replace(row, **more)


def step(threshold: float, **changes) -> Step:
    found = Step(threshold, round(100 * threshold), 3, 7, {}, worst_share=0.02, split=True)
    return replace(found, **{"leak_random": 0.25, "neighbour": 0.5} | changes)


def calm(
    manifest: pd.DataFrame, classes: Sequence[str], folds: Sequence[str] = ("fold0",), kind: str = "patient"
) -> Audit:
    """Nothing alarming, and null wherever there is nothing."""
    ways = [(stage, split) for stage in ("raw", "preprocessed") for split in ("random", "grouped")]
    return Audit(
        images=len(manifest),
        groups=int(manifest["group"].nunique()),
        group_kind=kind,
        split_by="random" if kind == "image" else kind,
        crop="none",
        fit="crop",
        patients_known=kind == "patient",
        threshold=0.95,
        classes=tuple(classes),
        counts={name: int((manifest["label"] == label).sum()) for label, name in enumerate(classes)},
        duplicates=Duplicates(NONE, NONE, Copies(0, 0, 0, 0, 0)),
        conflicts=(),
        alike=(),
        strangers=(),
        leaks=(),
        leak=Leak(dict.fromkeys(folds, 0.0), Spread(0.0, 0.0, 0.0, 200)),
        sweep=tuple(step(threshold) for threshold in (0.9, 0.95, 0.99)),
        probes=tuple(probe(name, stage, split) for name in NAMES for stage, split in ways),
        kind="folder",
        findings=(FINE,),
    )


def alarming(manifest: pd.DataFrame, classes: Sequence[str], folds: Sequence[str]) -> Audit:
    """Copies, conflicts, leaks, shortcuts, files that could not be used, an added cue; names that are hostile."""
    quiet = calm(manifest, classes, folds, "lookalike")
    images, labels = manifest["image_id"].tolist(), manifest["label"].tolist()
    others = [i for i, label in enumerate(labels) if label != labels[0]][:10]
    conflicts = tuple(
        Pair(images[0], images[row], 0, row, classes[labels[0]], classes[labels[row]], 0.9996 - 0.001 * place, kind)
        for place, row in enumerate(others)
        for kind in ["lookalike" if place else "bytes"]
    )
    known = {"balanced_accuracy": 0.875, "low": 0.8125, "high": 0.9375, "p": 0.0125}
    after = [
        ("nonsquare", "raw", 1.0, 0.0),
        ("nonsquare", "preprocessed", None, None),
        ("nonsquare_border", "preprocessed", 0.5, 0.125),
        ("nonsquare_outside", "preprocessed", 0.5, 0.125),
    ]
    odd = [probe(name, stage, "grouped", *value) for name, stage, *value in after]
    found = replace(
        quiet,
        conflicts=conflicts,
        leaks=conflicts[:1],
        duplicates=Duplicates(Copies(2, 4, 1), Copies(3, 6, 1), Copies(1234, 27, 12, 7, 5)),
        leak=Leak({fold: 0.25 + 0.25 * i for i, fold in enumerate(folds)}, Spread(0.9, 0.85, 0.998, 200)),
        probes=tuple(replace(row, **known) if row.probe in ("facts", "shape") else row for row in quiet.probes),
        sweep=(step(0.9, largest=15, neighbour=None, split=False, worst_share=0.3), *quiet.sweep[1:]),
        nonsquare=NonSquare(
            3, {classes[0]: 0, classes[-1]: 3}, 2, 40, 0.0125, tuple(images[:2]),
            tuple(replace(row, reason="" if row.balanced_accuracy else "no_margin") for row in odd),
        ),
        quarantined=(BadFile(CUTE, "truncated; get it again"),),
        seams=(
            probe("seams", "preprocessed", "grouped", 0.5, 0.0625),
            probe("seams_linear", "preprocessed", "grouped", 0.625, 0.125),
        ),
        shortcut=Shortcut("corner_mark", 0.95, None),
    )  # fmt: skip
    return replace(found, findings=findings(found))
