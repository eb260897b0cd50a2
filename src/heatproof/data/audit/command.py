"""`heatproof job audit`: look into the images of a study; and what an audit found, as text."""

import argparse
import importlib
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from heatproof.data.audit.assemble import audit
from heatproof.data.audit.material import Material, Settings, read_study
from heatproof.data.audit.results import Audit, BadFile, Pair, Probe, Shortcut
from heatproof.data.prepare.split import SPLITS
from heatproof.store import artifacts
from heatproof.text.audit import because, sentence
from heatproof.text.numbers import NONE, counted, interval, number, share

WIDTH = 80
MARKS = {"alarm": "!!", "note": " -", "fine": "ok"}
SHOWN = 5  # of each list
_STAGES = {"raw": "as it came", "preprocessed": "preprocessed"}
_KINDS = {"patient": "patients", "lookalike": "clusters of look-alikes", "image": "images, each by itself"}
_KINDS |= {"united": "whole patients, those united of whom images look alike"}
_COPIES = {"bytes": "the same file", "pixels": "the same picture", "lookalikes": "look alike"}
_KIND = _COPIES | {"lookalike": "look alike"}


def summary(audit: Audit, title: str) -> str:
    """Return the audit of `title` as text."""
    parts = [_head(audit, title), _sentences(audit), _copies(audit), *_pairs(audit), _probes(audit), _sweep(audit)]
    return "\n\n".join(filter(None, [*parts, _quarantined(audit)]))


def _head(audit: Audit, title: str) -> str:
    counts = ", ".join(f"{name} {audit.counts[name]:,}".replace(" ", "\0") for name in audit.classes)
    classes = counted(len(audit.classes), "class", "classes")
    if audit.multilabel:
        classes = f"{counted(audit.sets, 'set')} of {counted(len(audit.classes), 'label')}"
    text = f"{counted(audit.images, 'image')} in {classes}: {counts}"
    groups = f"{counted(audit.groups, 'group')}: {_KINDS['united' if audit.united else audit.group_kind]}"
    lines = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"Audit of {title}", *(line.replace("\0", " ") for line in lines), groups])


def _sentences(audit: Audit) -> str:
    return "\n".join(
        textwrap.fill(
            sentence(finding.statement),
            WIDTH,
            initial_indent=f"{MARKS[finding.level]} ",
            subsequent_indent="   ",
            break_on_hyphens=False,
        )
        for finding in audit.findings
    )


def _copies(audit: Audit) -> str:
    rows = [
        [text, *(f"{count:,}" for count in (found.pairs, found.images, found.across_classes))]
        for kind, text in _COPIES.items()
        for found in [getattr(audit.duplicates, kind)]
    ]
    return "COPIES\n" + table(["", "pairs", "images in them", "across classes"], rows)


def _pairs(audit: Audit) -> list[str]:
    """The most alike pairs across classes, and within one."""
    alike = audit.duplicates.lookalikes
    return [
        _listed("PAIRS ACROSS CLASSES", audit.conflicts, audit.duplicates.across_classes),
        _listed("PAIRS WITHIN A CLASS", audit.alike, alike.pairs - alike.across_classes),
    ]


def _listed(title: str, pairs: Sequence[Pair], total: int) -> str:
    lines = [
        f"{pair.similarity:.3f}  {_KIND[pair.kind]}\n    {_end(pair.a)}\n    {_end(pair.b)}" for pair in pairs[:SHOWN]
    ]
    return "\n".join([f"{title}, the {len(lines)} most alike of {total:,}", *lines]) if lines else ""


def _end(name: str) -> str:
    """The end of a long name, which tells more than its start."""
    return name if len(name) <= WIDTH - 4 else f"...{name[7 - WIDTH :]}"


def _probes(audit: Audit) -> str:
    """Rows are classifiers and stages, columns the splits."""
    every = (*audit.probes, *(row for column in audit.columns for row in column.probes))
    if all(row.balanced_accuracy is None for row in every):
        return ""
    found = {(row.probe, row.stage, row.split): row for row in every}
    rows = [
        [
            f"{probe}, {_STAGES[stage]}",
            *(
                interval(row.balanced_accuracy, row.low, row.high)
                for row in (found[probe, stage, split] for split in ("random", "grouped"))
            ),
        ]
        for probe, stage in dict.fromkeys((row.probe, row.stage) for row in every)
    ]
    title = f"TRIVIAL CLASSIFIERS, balanced accuracy [95% interval], chance {number(audit.probes[0].chance)}"
    return f"{title}\n{table(['', 'random split', 'grouped split'], rows)}"


def _sweep(audit: Audit) -> str:
    rows = [
        [
            f"{row.threshold:g}" + ("*" if row.threshold == audit.threshold else ""),
            *(NONE if count is None else f"{count:,}" for count in (row.pairs, row.clusters, row.largest)),
            share(row.leak_random),
            number(row.neighbour),
            because(row.reason) if row.reason else "yes" if row.split else "no",
        ]
        for row in audit.sweep
    ]
    head = ["similarity", "pairs", "clusters", "largest", "leak", "1-NN", "can be split"]
    title = "THRESHOLD OF LOOK-ALIKES (* in use; leak: random split; 1-NN: grouped split)"
    return f"{title}\n{table(head, rows)}" if rows else ""


def _quarantined(audit: Audit) -> str:
    bad = audit.quarantined
    more = [f"and {len(bad) - SHOWN:,} more"] if len(bad) > SHOWN else []
    lines = [textwrap.fill(row.reason, WIDTH, subsequent_indent="    ") for row in bad[:SHOWN]]
    return "\n".join(["LEFT OUT", *lines, *more]) if bad else ""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in [head, *rows]
    )


BRANCHES = {"planted": "heatproof.data.synthetic.seams"}  # only a job of a planted study takes it (`workflow.code`)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--study", required=True, help="audit what the data job of this study left")
    parser.add_argument("--config", required=True, type=json.loads, metavar="JSON", help="settings of the audit")


def run(args: argparse.Namespace) -> None:
    """Audit the images of a study, write what was found and print the sentences."""
    study, config = args.study, args.config
    folder, split = artifacts.data_dir(study), config["split"]
    bad = artifacts.read_table(folder / "quarantine.csv", artifacts.QUARANTINE)
    folds, tests_all = split["folds"], split["test"] == "all"
    settings = Settings(
        threshold=config["lookalike"],
        sweep=tuple(config["audit"]["sweep"]),
        draws=config["audit"]["draws"],
        bootstrap=config["audit"]["bootstrap"],
        folds=config["audit"]["folds"],
        shares=(1 / folds,) * folds if folds > 1 else Settings.shares if tests_all else tuple(map(split.get, SPLITS)),
        tolerance=split["tolerance"],
        cross_validated=folds > 1,
        crop=config["crop"],
        fit=config["fit"],
    )
    key = (study, config["seed"])
    kind = config["group_kind"]
    whole = "all" if split["unseen"] else "unstated"
    split_by = whole if tests_all else kind if split["by"] == "auto" else split["by"]
    material = read_study(study, kind, split_by, config["patients_known"])
    seams = _seams(folder, material, settings, key) if config["kind"] == "planted" else ()
    cue = config["shortcut"] and Shortcut(**{key: config["shortcut"][key] for key in ("kind", "rate", "label")})
    known = {"kind": config["kind"], "quarantined": _bad(bad.to_dict("records")), "seams": seams, "shortcut": cue}
    found, pairs = audit(material, settings, key, **known)
    artifacts.write_json(folder / "audit.json", found.stored())
    artifacts.write_table(folder / "audit.csv", _table(found), artifacts.AUDIT)
    artifacts.write_table(folder / "audit_pairs.csv", pairs, artifacts.AUDIT_PAIRS)
    print("\n".join(f"{finding.level}: {sentence(finding.statement)}" for finding in found.findings))


def _bad(rows: Sequence[dict]) -> tuple[BadFile, ...]:
    return tuple(BadFile(**row) for row in rows)


def _table(found: Audit):
    import pandas as pd

    rows = (*found.probes, *(row for column in found.columns for row in column.probes))
    return pd.DataFrame(map(asdict, rows), columns=list(artifacts.AUDIT))


def _seams(folder: Path, material: Material, settings: Settings, key: tuple) -> tuple[Probe, Probe]:
    pixels, seams = (artifacts.read_array(folder / name) for name in ("pixels.npy", "seams.npy"))
    options = {"folds": settings.folds, "draws": settings.bootstrap, "key": key}
    return importlib.import_module(BRANCHES["planted"]).seam_probe(
        pixels, seams, material.labels, material.groups, **options
    )
