"""`heatproof show`: what finished studies found, and where their reports are."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from heatproof.config.load import load, section
from heatproof.config.study import Study
from heatproof.data.audit.results import read_audit
from heatproof.stats.results import read
from heatproof.store import artifacts
from heatproof.text import audit as audit_text
from heatproof.text.sentences import paragraph, paragraphs, sentence

MOST = 4  # keys that a line names
MISSING = "(not set)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="name of a study (default: those of params.yaml)")


def run(args: argparse.Namespace) -> None:
    for name, study in load(studies=args.studies).items():
        results = read(name)
        print(f"\n{name}")
        answer = [sentence(results.in_short), *map(paragraph, paragraphs(results.answer))]
        lines = [*_changed(name, study), *_alarms(name), *answer, *map(sentence, results.about("splits"))]
        print("\n".join(f"  {line}" for line in lines))
        report = artifacts.report_path(name)
        print(f"  Report: {report if report.exists() else 'not written yet; run snakemake'}")


def _changed(name: str, study: Study) -> list[str]:
    """State what has changed in the configuration and the data since the report was written."""
    path = artifacts.folder(name) / artifacts.PROVENANCE[0]
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "parameters" not in record:
        return [f"It is unknown whether the study has changed since: {path} does not record its origin."]
    from heatproof.report.paper.provenance import parameters

    now = json.loads(parameters(json.loads(section(study))))
    rows = [f"{key} ({_short(was)}, now {_short(is_now)})" for key, was, is_now in _apart(record["parameters"], now)]
    rows = [*rows[:MOST], f"{len(rows) - MOST} more keys"] if len(rows) > MOST else rows
    digest = artifacts.data_dir(name) / "digest.json"
    if digest.exists() and artifacts.digest(digest) != record.get("data_sha256"):
        rows.append("the images")
    return [f"OUTDATED. Changed since the report was written: {', '.join(rows)}. Run snakemake again."] if rows else []


def _apart(was: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted keys whose values differ, with both values."""
    if isinstance(was, dict) and isinstance(now, dict):
        for part in dict.fromkeys([*was, *now]):
            yield from _apart(was.get(part, MISSING), now.get(part, MISSING), f"{key}.{part}" if key else part)
    elif was != now:
        yield key, was, now


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _alarms(name: str) -> list[str]:
    """Return the alarms of the audit; nothing where the data are not here."""
    path = artifacts.data_dir(name) / "audit.json"
    return [audit_text.sentence(found) for found in read_audit(path).of_level("alarm")] if path.exists() else []
