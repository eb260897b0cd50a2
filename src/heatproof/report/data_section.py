"""The section on the data, which comes before any result: what the audit found, alarms first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from heatproof import artifacts
from heatproof.data.audit.numbers import significant
from heatproof.report import data_figures, data_tables, data_words, findings, words
from heatproof.report.data_figures import Dot, DotRow, Panel
from heatproof.report.figure import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.pictures import enlarged, picture, uri
from heatproof.report.tables import Table

PAIRS = 8  # of images with different labels that are shown


@dataclass(frozen=True)
class Picture:
    source: str  # data URI
    alt: str
    image_id: str
    label: str


@dataclass(frozen=True)
class Conflict:
    """Two images that are the same or look alike and have different labels."""

    pictures: tuple[Picture, Picture]
    note: str


@dataclass(frozen=True)
class Section:
    """What stands in the section; None or nothing where there is nothing to tell.

    `alarming_*` tell whether a part is shown open, because something in it asks for attention.
    """

    findings: Sequence[dict]  # level and text, alarms first
    more_findings: Sequence[dict]
    images: Table
    leak: Figure | None
    copies: Table | None
    similarity: str
    conflicts: Sequence[Conflict]
    conflicts_told: str
    probes: Figure | None
    probe_table: Table | None
    probes_seen: dict[str, str]
    alarming_probes: bool
    sweep: Figure | None
    sweep_table: Table | None
    quarantined: Table | None
    left_out: Table | None
    licenses: Table | None
    unlicensed: Sequence[str]  # images
    few_groups: str


def make(inputs: Inputs) -> Section:
    """The section, from audit.json and the manifest."""
    audit, source = inputs.audit, _source(inputs.study)
    alike, told = conflicts(inputs)
    shown, rest = findings.parted(audit)
    probes = probe_figure(audit) if audit["probes"] else None
    return Section(
        findings=shown,
        more_findings=rest,
        images=data_tables.images(inputs),
        leak=leak_figure(inputs),
        copies=data_tables.copies(audit),
        similarity=f"{audit['threshold']:g}",
        conflicts=alike,
        conflicts_told=told,
        probes=probes,
        probe_table=data_tables.probes(audit) if probes else None,
        probes_seen=dict(data_words.probe(name) for name in data_tables.probe_rows(audit)),
        alarming_probes=any(map(_shortcut, audit["probes"])),
        sweep=sweep_figure(audit) if len(audit["sweep"]) > 1 else None,
        sweep_table=data_tables.sweep(audit) if audit["sweep"] else None,
        quarantined=data_tables.quarantined(audit),
        left_out=data_tables.left_out(source),
        licenses=data_tables.licenses(source),
        unlicensed=source.get("unlicensed", []),
        few_groups=data_words.few_groups(source.get("few_groups", {})),
    )


def _source(study: str) -> dict:
    """What the data job told of the source; nothing where it was not handed on."""
    path = artifacts.data_dir(study) / "source.json"
    return artifacts.read_json(path) if path.exists() else {}


def _shortcut(row: dict) -> bool:
    """Whether a probe that cannot see disease does significantly better than chance, without help of look-alikes."""
    return row["probe"] in data_words.BLIND and row["split"] == "grouped" and significant(row)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def leak_figure(inputs: Inputs) -> Figure | None:
    """Leak rate of every fold beside that of random splits; nothing where neither leaks."""
    leak = inputs.audit["leak"]
    rates = [_number(leak["split"].get(fold)) for fold in inputs.folds]
    random = leak["random"] or dict.fromkeys(("mean", "low", "high", "draws"))
    if not any(value > 0 for value in (*rates, _number(random["mean"]))):
        return None
    mean, low, high = (_number(random[key]) for key in ("mean", "low", "high"))
    kind = "random" if inputs.audit["split_by"] == "random" else "grouped"
    rows = []
    if all(map(math.isfinite, rates)):  # without training images there is no leak
        span = " to ".join(dict.fromkeys(words.share(value) for value in (min(rates), max(rates))))
        rows.append(DotRow("the split in use", [Dot(kind, rate) for rate in rates], text=span))
    if math.isfinite(mean):
        spread = f"{words.share(mean)} [{words.share(low)} to {words.share(high)}]"
        rows.append(DotRow("a random split", [Dot("random", mean, low, high)], text=spread))
    alt = "; ".join(f"Test images with a look-alike in training, {row.name}: {row.text}" for row in rows)
    svg = data_figures.dots("leak", rows, {}, "share of test images with a look-alike in training", alt)
    caption = "A model can answer such an image from memory."
    if len(rows) > 1:
        caption += f" Random split: mean of {random['draws']:,} draws; the line holds 95% of them."
    if len(inputs.folds) > 1:
        caption += " Split in use: a dot is one fold."
    return Figure(Markup(svg), caption)


def probe_figure(audit: dict) -> Figure:
    """Every simple classifier under both splits, before and after preprocessing."""
    rows, kinds = [], data_tables.probe_kinds(audit)
    for name, found in data_tables.probe_rows(audit).items():
        dots = [
            Dot(kind, *(_number(found[kind][key]) for key in ("balanced_accuracy", "low", "high")))
            for kind in kinds
            if kind in found
        ]
        chance = _number(next(iter(found.values()))["chance"])
        text = "" if any(math.isfinite(dot.value) for dot in dots) else "no number"
        rows.append(DotRow(data_words.probe(name).name, dots, chance, text))
    alt = f"Balanced accuracy of simple classifiers: {data_figures.described(rows, kinds)}"
    svg = data_figures.dots("probes", rows, kinds, "balanced accuracy", alt)
    caption = (
        "Dot: balanced accuracy; line: its 95% interval. A permutation test over groups decides whether a classifier "
        "does better than chance on the grouped split; what it can use, a model can use too." + data_words.probed(audit)
    )
    return Figure(Markup(svg), caption)


def sweep_figure(audit: dict) -> Figure:
    """Clusters, the largest of them, leak and accuracy of the nearest thumbnail against the threshold."""
    steps = sorted(audit["sweep"], key=lambda row: row["threshold"])
    thresholds, total = [row["threshold"] for row in steps], audit["images"]
    panels = [
        Panel("clusters", "clusters of look-alikes", [_number(row["clusters"]) for row in steps], False),
        Panel("largest", "share in the largest", [_number(row["largest"]) / total for row in steps], True),
        Panel("leak", "leak of a random split", [_number(row["leak_random"]) for row in steps], True),
        Panel("neighbour", "nearest thumbnail, grouped", [_number(row["neighbour"]) for row in steps], True),
    ]
    panels = [panel for panel in panels if any(map(math.isfinite, panel.values))]
    alt = data_figures.described_panels(thresholds, panels)
    svg = data_figures.sweep("sweep", thresholds, panels, audit["threshold"], alt)
    caption = (
        f"Dashed line: the similarity in use, {audit['threshold']:g}. The lower it is, the more images are chained "
        f"into one cluster, and the harder they are to split; the higher, the more look-alikes may stand on both "
        f"sides. The last panel is the balanced accuracy of the nearest thumbnail under a grouped split."
    )
    return Figure(Markup(svg), caption)


def conflicts(inputs: Inputs) -> tuple[list[Conflict], str]:
    """The most alike pairs across classes as pictures, and how many of how many are shown.

    None of a planted study: there the plants make the classes.
    """
    found = inputs.audit["conflicts"] if inputs.audit.get("kind") != "planted" else []
    shown = []
    for row in found[:PAIRS]:
        sides = tuple(_picture(inputs, row, side) for side in "ab")
        kind = data_words.SAME.get(row["kind"], row["kind"])
        shown.append(Conflict(sides, f"{kind[:1].upper()}{kind[1:]}, similarity {_similarity(row['similarity'])}"))
    if not found:
        return [], ""
    total = _across(inputs.audit)
    told = (
        "One pair of images is the same or looks alike, and has different labels."
        if total == 1
        else f"{total:,} pairs of images are the same or look alike, and have different labels."
    )
    return shown, told + (f" Here are the {len(shown)} most alike." if len(shown) < total else "")


def _across(audit: dict) -> int:
    """Pairs across classes: the list of them may be cut, the counts are not, and a copy is a look-alike too."""
    counts = [kinds.get("across_classes") or 0 for kinds in audit["duplicates"].values()]
    return max(len(audit["conflicts"]), *counts)


def _similarity(value: float | None) -> str:
    return "–" if value is None else f"{math.floor(value * 1000) / 1000:.3f}"


def _picture(inputs: Inputs, row: dict, side: str) -> Picture:
    image, label = row[side], row[f"label_{side}"]
    source = uri(enlarged(picture(inputs.pixels[row[f"row_{side}"]])))
    kind = "labels" if inputs.audit.get("task") == "multilabel" else "class"
    return Picture(source, f"Image {image}, {kind} {label}", image, label)
