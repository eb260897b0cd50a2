"""Tables of the data section as text, with words for a reader who never heard of them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import pandas as pd

from heatproof.data.audit.results import Audit
from heatproof.data.audit.results import Probe as ProbeResult
from heatproof.data.sources.places import GIVEN
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table, groups_name
from heatproof.store import artifacts
from heatproof.text import numbers
from heatproof.text.audit import because
from heatproof.text.numbers import NONE, finite

TITLE = "Can these data be believed?"
BALANCED = (
    "Balanced accuracy is the share of images recognized, averaged over the classes so that a rare class counts as "
    "much as a common one."
)
SCORES = f"{BALANCED} Brackets hold its 95% interval; chance is what guessing scores."


class Probe(NamedTuple):
    """A simple classifier, and what it goes by."""

    name: str
    sees: str


PROBES = {
    "neighbour": Probe(
        "Nearest thumbnail",
        "gives each image the class of the most similar training image, both shrunk to 32 by 32 pixels; it does well "
        "where look-alikes of test images are in training",
    ),
    "facts": Probe(
        "Facts of the file",
        "sees width, height, empty margins, colour mode, format, JPEG quality, file size, mean brightness and the "
        "outermost pixels of the thumbnail",
    ),
    "shape": Probe("Shape and margins", "sees width, height and how many rows and columns at each edge are empty"),
    "border": Probe("Outer edge", "sees the outermost ring of pixels of the thumbnail"),
    "outside": Probe("Middle blanked out", "sees the thumbnail without its middle half in both directions"),
    "nonsquare": Probe(
        "What was not square",
        "sees shape and margins, and tells images that were not square from the others of their class",
    ),
    "nonsquare_border": Probe("What was not square, outer edge", "tries the same by the outermost ring of pixels"),
    "nonsquare_outside": Probe("What was not square, middle blanked out", "tries the same without the middle half"),
    "seams": Probe(
        "Seams of plants",
        "sees only where something was blended in, a lesion or nothing; it combines what it sees in any way",
    ),
    "seams_linear": Probe("Seams, weighed", "sees the same, and adds it up with weights"),
}
BLIND = ("facts", "shape", "border")  # what they see has nothing to do with disease

COPIES = {
    "bytes": "the same file, byte for byte",
    "pixels": "the same picture, pixel by pixel",
    "lookalikes": "look-alikes (similarity {threshold} or more)",
}
KINDS = {
    "random-raw": "random, as they came",
    "random-preprocessed": "random, as models see them",
    "grouped-raw": "grouped, as they came",
    "grouped-preprocessed": "grouped, as models see them",
}
SAME = {"bytes": "the same file", "pixels": "the same picture", "lookalike": "look-alikes"}

GROUPED = {
    "patient": "all images of a patient on one side",
    "lookalike": "images that look alike on one side",
    "image": "images that look alike on one side",
    "united": "all images of a patient, and images that look alike, on one side",
}
SPLITS = {"random": "random split", "patient": "patients kept together", "lookalike": "look-alikes kept together"}
SPLITS |= {"given": "given split"}

DEALT = {
    "patient": "All images of a patient are in the same part.",
    "lookalike": "Images that look alike{measured} are in the same part. Such clusters are not patients: images of one "
    "person that do not look alike may be in two parts.",
    "image": "Images were dealt one by one, so images of one patient may be in two parts.",
    "united": "All images of a patient, and images that look alike{measured}, are in the same part.",
    "given": "This split came with the images and was not changed; the audit counts who is in two parts of it.",
    "all": "No part is for training: the study states that no model has seen any of the images.",
    "unstated": "No part is for training here; whether the models were trained on some of the images is not stated.",
}


def few_groups(labels: dict[str, int]) -> str:
    """Labels that could not be held to the shares of the split."""
    if not labels:
        return ""
    shown = ", ".join(f"{name} ({count})" for name, count in labels.items())
    return (
        f"Too few groups have these labels for their shares of the split to be held; they fell as they fell (groups in "
        f"brackets): {shown}."
    )


def probed(audit: Audit) -> str:
    """Of several labels an image: what was asked, and of which labels."""
    if not audit.probed:
        return ""
    asked = "every label" if audit.probed == audit.classes else ", ".join(audit.probed)
    return f" Each classifier was asked for one label after another ({asked}); the accuracy is the mean over them."


def kept(audit: Audit) -> str:
    """What stays on one side where whole groups do: a key of `GROUPED` and `DEALT`."""
    return "united" if audit.united else audit.group_kind


def dealt(audit: Audit) -> str:
    """How images came into their parts: a key of `DEALT`."""
    by = audit.split_by
    return "given" if by in GIVEN else {"all": by, "unstated": by, "random": "image"}.get(by) or kept(audit)


def apart(audit: Audit, measured: str = "") -> str:
    """How images came into their parts, in a sentence; `measured` says how it was found that images look alike."""
    return DEALT[dealt(audit)].format(measured=measured)


def parts(audit: Audit, folds: int) -> str:
    """Which images everything on the page is from."""
    if audit.split_by in ("all", "unstated"):
        return "Every image was tested, and everything on this page is from all of them."
    if folds > 1:
        return (
            f"The images were dealt into {folds} parts (folds). Each was the test part of one training of every model "
            f"and seed, with another to choose the best moment of training (val) and the rest to train, so that every "
            f"image is tested once, by a training that never saw it; everything on this page is from the test parts, "
            f"together."
        )
    return (
        "The images were split into parts for training, for choosing the best moment of training (val), and for "
        "testing; everything on this page is from the test part."
    )


def probe(name: str) -> Probe:
    """A probe's words; one that is not known here goes by its own name."""
    return PROBES.get(name, Probe(name.replace("_", " ").capitalize(), ""))


_WIDE = 5  # classes that a wide table has room for


def images(inputs: Inputs) -> Table:
    """Images and groups by class: of train, val and test, or of the test part of each of several folds."""
    kind = groups_name(inputs)
    by_group = inputs.results.groups.kind != "image"
    whole = inputs.manifest
    if len(inputs.folds) > 1:
        caption = (
            f"Images by fold and {_counted(whole)}. Every fold is the test part once; the next one then chooses the "
            "best moment of training (val), and the rest train."
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
    return "label, of which an image may have several" if artifacts.is_multilabel(manifest) else "class"


def left_out(source: dict) -> Table | None:
    """Rows of the source's table that a rule of the study leaves out."""
    rows = [
        [row["column"], row["value"] or "(blank)", f"{row['rows']:,}", row["key"]] for row in source.get("left_out", [])
    ]
    head = ["column", "value", "images", "by"]
    return Table("Images that the study leaves out, by what its table says of them", head, rows) if rows else None


def licenses(source: dict) -> Table | None:
    """Licences of the images, and how many have none."""
    rows = [[row["license"], f"{row['images']:,}"] for row in source.get("licenses", [])]
    bare = source.get("unlicensed", [])
    rows += [["(blank)", f"{len(bare):,}"]] if bare else []
    return Table("Licences of the images, as the source names them", ["licence", "images"], rows) if rows else None


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
    caption = "Copies and look-alikes among all images (the same file is also the same picture, and looks alike)"
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
            numbers.number(next(iter(of.values())).chance),
        ]
        for name, of in found.items()
    ]
    caption = "Balanced accuracy of simple classifiers, with its 95% interval"
    return Table(caption, ["classifier", *kinds.values(), "guessing"], rows)


def scored(row: ProbeResult) -> str:
    """A probe's accuracy with its interval, or why it has none."""
    if row.balanced_accuracy is None:
        return because(row.reason, row.lacks)
    return numbers.interval(row.balanced_accuracy, row.low, row.high)


def sweep(audit: Audit) -> Table:
    """What the threshold decides, step by step."""
    names = list(audit.counts) if len(audit.counts) <= _WIDE else []
    rows = [
        [
            f"{row.threshold:g}" + (" (in use)" if row.threshold == audit.threshold else ""),
            *(amount(count) for count in (row.pairs, row.clusters, row.largest)),
            *(amount((row.clusters_by_class or {}).get(name)) for name in names),
            numbers.share(row.leak_random),
            numbers.number(row.neighbour),
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
        "leak of a random split",
        "nearest thumbnail, grouped split",
        "can be split as asked",
        "largest miss of a part's share",
    ]
    return Table("Similarity by similarity", head, rows)


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
                rows.append([model, str(seed), *map(_scored, pair), numbers.number(change, sign=True)])
    head = ["model", "seed", "random split", SPLITS.get(grouped, grouped), "change"]
    return Table("Balanced accuracy of every training under both splits, with its interval", head, rows)


def _scored(row: pd.Series) -> str:
    values = (row[key] for key in ("balanced_accuracy", "low", "high"))
    return numbers.interval(*(float("nan") if pd.isna(value) else float(value) for value in values))
