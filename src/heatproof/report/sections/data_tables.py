"""Tables of the data section as text, with words for a reader who never heard of them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import pandas as pd

from heatproof.data.audit.results import Audit
from heatproof.data.audit.results import Probe as ProbeResult
from heatproof.data.sources.places import GIVEN
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Numbers, Table, groups_name, interval, value
from heatproof.store import artifacts
from heatproof.text import numbers
from heatproof.text.audit import because
from heatproof.text.numbers import NONE, finite

TITLE = "Data audit"
BALANCED = (
    "Balanced accuracy is the mean sensitivity over the classes, so that a rare class counts as much as a common one."
)
SCORES = f"{BALANCED} Brackets show 95% intervals; chance is the score of guessing."


class Probe(NamedTuple):
    """A simple classifier, and the features that it uses."""

    name: str
    sees: str


PROBES = {
    "neighbour": Probe(
        "Nearest thumbnail",
        "predicts the class of the most similar training image, both reduced to 32 by 32 pixels; accurate if "
        "look-alikes of test images are in training",
    ),
    "facts": Probe(
        "Image facts",
        "width, height, empty margins, colour mode, format, JPEG quality, file size, mean brightness and the "
        "outermost pixels of the thumbnail",
    ),
    "shape": Probe("Shape and margins", "width, height, and the number of empty rows and columns at each edge"),
    "border": Probe("Outer edge", "outermost ring of pixels of the thumbnail"),
    "outside": Probe("Without the centre", "thumbnail without its central half in both directions"),
    "nonsquare": Probe(
        "Not square",
        "shape and margins; separates images that were not square from the others of their class",
    ),
    "nonsquare_border": Probe("Not square, outer edge", "the same, from the outermost ring of pixels"),
    "nonsquare_outside": Probe("Not square, without the centre", "the same, without the central half"),
    "seams": Probe(
        "Seams of plants",
        "only the places where a lesion or nothing was blended in; nonlinear",
    ),
    "seams_linear": Probe("Seams, linear", "the same places; linear"),
}
BLIND = ("facts", "shape", "border")  # features unrelated to disease

COPIES = {
    "bytes": "identical files",
    "pixels": "identical pictures",
    "lookalikes": "look-alikes (similarity {threshold} or more)",
}
KINDS = {
    "random-raw": "random split, original",
    "random-preprocessed": "random split, preprocessed",
    "grouped-raw": "grouped split, original",
    "grouped-preprocessed": "grouped split, preprocessed",
}
SAME = {"bytes": "identical files", "pixels": "identical pictures", "lookalike": "look-alikes"}

GROUPED = {
    "patient": "all images of a patient in one part",
    "lookalike": "look-alikes in one part",
    "image": "look-alikes in one part",
    "united": "all images of a patient, and look-alikes, in one part",
}
SPLITS = {"random": "random split", "patient": "patients kept together", "lookalike": "look-alikes kept together"}
SPLITS |= {"given": "given split"}

ASSIGNED = {
    "patient": "All images of a patient are in the same part.",
    "lookalike": "Look-alike images{measured} are in the same part. Such clusters are not patients: other images of "
    "one patient may be in another part.",
    "image": "Single images were assigned at random, so images of one patient may be in different parts.",
    "united": "All images of a patient, and look-alike images{measured}, are in the same part.",
    "given": "This split came with the images and is kept; the audit counts groups that are in more than one part.",
    "all": "All images are test images: the study states that no model was trained on any of them.",
    "unstated": "There is no training set here. The study does not state whether the models were trained on some of "
    "these images.",
}


def few_groups(labels: dict[str, int]) -> str:
    """List labels that are too rare to be stratified."""
    if not labels:
        return ""
    shown = ", ".join(f"{name} ({count})" for name, count in labels.items())
    return f"Rare labels are not stratified in the split (number of groups): {shown}."


def probed(audit: Audit) -> str:
    """State which labels were predicted, where images have several."""
    if not audit.probed:
        return ""
    labels = "every label" if audit.probed == audit.classes else ", ".join(audit.probed)
    return f" Each classifier predicts one label at a time ({labels}); the accuracy is the mean over them."


def kept(audit: Audit) -> str:
    """Return what a grouped split keeps together: a key of `GROUPED` and `ASSIGNED`."""
    return "united" if audit.united else audit.group_kind


def assigned(audit: Audit) -> str:
    """Return how images were assigned to parts: a key of `ASSIGNED`."""
    by = audit.split_by
    return "given" if by in GIVEN else {"all": by, "unstated": by, "random": "image"}.get(by) or kept(audit)


def apart(audit: Audit, measured: str = "") -> str:
    """State how images were assigned to parts; `measured` says how look-alikes were measured."""
    return ASSIGNED[assigned(audit)].format(measured=measured)


def parts(audit: Audit, folds: int) -> str:
    """State which images the results are from."""
    if audit.split_by in ("all", "unstated"):
        return "All results are from all images of the study."
    if folds > 1:
        return (
            f"The images were split into {folds} folds. For every model and seed, each fold was the test set of one "
            f"training run, with another fold for validation and the others for training. So every image is tested "
            f"once, by a training run that never saw it. All results are from the test sets together."
        )
    return "The images were split into a training, a validation and a test set. All results are from the test set."


def probe(name: str) -> Probe:
    """Return the words of a probe; an unknown one has its own name."""
    return PROBES.get(name, Probe(name.replace("_", " ").capitalize(), ""))


_WIDE = 5  # classes that a wide table has room for


def images(inputs: Inputs) -> Table:
    """Images and groups by class: of train, val and test, or of the test part of each of several folds."""
    kind = groups_name(inputs)
    by_group = inputs.results.groups.kind != "image"
    whole = inputs.manifest
    if len(inputs.folds) > 1:
        caption = (
            f"Images by fold and {_counted(whole)}. Every fold is the test set once, with the next one for validation "
            "and the others for training."
        )
        parts = {fold: manifest[manifest["split"] == "test"] for fold, manifest in inputs.manifests.items()}
    else:
        caption = f"Images by split and {_counted(whole)}"
        parts = {split: whole[whole["split"] == split] for split in ("train", "val", "test")}
    rows = [
        [
            name,
            f"{len(part):,}",
            *([f"{part['group'].nunique():,}"] if by_group else []),
            *(f"{count:,}" for count in artifacts.truth(part, len(inputs.classes)).sum(0)),
        ]
        for name, part in {**parts, "all": whole}.items()
    ]
    head = ["fold" if len(inputs.folds) > 1 else "split", "images", *([kind] if by_group else []), *inputs.classes]
    return Table(caption, head, rows)


def _counted(manifest: pd.DataFrame) -> str:
    return "label (an image may have several)" if artifacts.is_multilabel(manifest) else "class"


def left_out(source: dict) -> Table | None:
    """Rows of the source's table that a rule of the study leaves out."""
    rows = [
        [row["column"], row["value"] or "(blank)", f"{row['rows']:,}", row["key"]] for row in source.get("left_out", [])
    ]
    head = ["column", "value", "images", "by"]
    return Table("Images excluded by the study, by column of its table", head, rows) if rows else None


def licenses(source: dict) -> Table | None:
    """Licences of the images, and how many have none."""
    rows = [[row["license"], f"{row['images']:,}"] for row in source.get("licenses", [])]
    bare = source.get("unlicensed", [])
    rows += [["(blank)", f"{len(bare):,}"]] if bare else []
    return Table("Licences of the images, as stated by the source", ["licence", "images"], rows) if rows else None


def copies(audit: Audit) -> Table | None:
    """Pairs of the same file, the same picture, and look-alikes; nothing where there is no pair."""
    found = {kind: asdict(getattr(audit.duplicates, kind)) for kind in COPIES}
    if not any(counts["pairs"] for counts in found.values()):
        return None
    patients = ("across_groups",) if audit.group_kind == "patient" else ()
    keys = ("pairs", "images", "across_classes", *patients, "across_splits")
    rows = [
        [text.format(threshold=f"{audit.threshold:g}"), *(amount(found[kind][key]) for key in keys)]
        for kind, text in COPIES.items()
    ]
    names = {
        "pairs": "pairs",
        "images": "images in them",
        "across_classes": "pairs across classes",
        "across_groups": "pairs across patients",
        "across_splits": "pairs across splits",
    }
    caption = "Copies and look-alikes among all images (identical files are also identical pictures and look-alikes)"
    return Table(caption, ["what", *(names[key] for key in keys)], rows)


def amount(value: float | None) -> str:
    """Write a count, a dash where there is none."""
    return f"{value:,.0f}" if finite(value) else NONE


def probe_rows(audit: Audit) -> dict[str, dict[str, ProbeResult]]:
    """Simple classifier -> split-stage -> its row: those of every study, and of images not square and of plants."""
    rows = [*audit.probes, *(audit.nonsquare.probes if audit.nonsquare else ()), *audit.seams]
    found: dict[str, dict[str, ProbeResult]] = {}
    for row in rows:
        found.setdefault(row.probe, {})[f"{row.split}-{row.stage}"] = row
    return found


def probe_kinds(audit: Audit) -> dict[str, str]:
    """Split and stage of the simple classifiers, in order, and their words."""
    found = {kind for rows in probe_rows(audit).values() for kind in rows}
    return {kind: text for kind, text in KINDS.items() if kind in found}


def probes(audit: Audit) -> Table:
    """Every simple classifier, on either split and before and after preprocessing."""
    found, kinds = probe_rows(audit), probe_kinds(audit)
    rows = [
        [
            probe(name).name,
            *(scored(of[kind]) if kind in of else NONE for kind in kinds),
            value(next(iter(of.values())).chance),
        ]
        for name, of in found.items()
    ]
    caption = "Balanced accuracy of simple classifiers, with 95% intervals"
    return Table(caption, ["classifier", *kinds.values(), "chance"], rows)


def scored(row: ProbeResult) -> str | Numbers:
    """A probe's accuracy with its interval, or why it has none."""
    if row.balanced_accuracy is None:
        return because(row.reason, row.lacks)
    return interval(row.balanced_accuracy, row.low, row.high)


def sweep(audit: Audit) -> Table:
    """What the threshold decides, step by step."""
    names = list(audit.counts) if len(audit.counts) <= _WIDE else []
    rows = [
        [
            f"{row.threshold:g}" + (" (in use)" if row.threshold == audit.threshold else ""),
            *(amount(count) for count in (row.pairs, row.clusters, row.largest)),
            *(amount((row.clusters_by_class or {}).get(name)) for name in names),
            numbers.share(row.leak_random),
            value(row.neighbour),
            because(row.reason) if row.reason else "yes" if row.split else "no",
            numbers.share(row.worst_share),
        ]
        for row in audit.sweep
    ]
    head = [
        "similarity",
        "pairs",
        "clusters",
        "images in the largest",
        *(f"clusters of {name}" for name in names),
        "look-alikes with a random split",
        "nearest thumbnail, grouped split",
        "requested split possible",
        "largest deviation of a part",
    ]
    return Table("Effect of the similarity threshold", head, rows)


def quarantined(audit: Audit) -> Table | None:
    """Files that could not be used."""
    rows = [[row.source, row.reason] for row in audit.quarantined]
    return Table("Files that could not be used", ["file", "why"], rows) if rows else None


def compared(table: pd.DataFrame, models: Sequence[str]) -> Table:
    """Every training under the random and the grouped split."""
    by = table.set_index(["model", "seed", "split"])
    seeds = sorted(table["seed"].unique())
    grouped = next(split for split in table["split"] if split != "random")
    rows = []
    for model in models:
        for seed in seeds:
            pair = [by.loc[(model, seed, split)] for split in ("random", grouped) if (model, seed, split) in by.index]
            if len(pair) == 2:
                before, after = pair
                change = float(after["balanced_accuracy"] - before["balanced_accuracy"])
                rows.append([model, str(seed), *map(_scored, pair), value(change, sign=True)])
    head = ["model", "seed", "random split", SPLITS.get(grouped, grouped), "change"]
    return Table("Balanced accuracy of every training run with both splits, with intervals", head, rows)


def _scored(row: pd.Series) -> Numbers:
    ends = (row[key] for key in ("balanced_accuracy", "low", "high"))
    return interval(*(float("nan") if pd.isna(end) else float(end) for end in ends))
