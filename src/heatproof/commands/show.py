"""`heatproof show`: which studies run or have ended, what finished ones found, and where their reports are."""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from heatproof.config.load import known_studies, load, section
from heatproof.config.study import Study
from heatproof.core.messages import InputError
from heatproof.data.audit.results import read_audit
from heatproof.stats.results import read
from heatproof.store import artifacts, locks
from heatproof.text import audit as audit_text
from heatproof.text.numbers import counted, listed
from heatproof.text.sentences import paragraph, paragraphs, sentence

MOST = 4  # keys that a line names
MISSING = "(not set)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="name of a study (default: a line for each)")


def run(args: argparse.Namespace) -> None:
    """Print the conclusions of studies; of none, the state of each study that has begun in this folder.

    Raises:
        InputError: a study that is not known, not valid or not finished.
    """
    if args.studies:
        conclude(load(studies=args.studies))
    else:
        print("\n".join(lines(time.time())) or "no study has begun here; `heatproof run STUDY` runs one")
        elsewhere = Counter(one.folder for one in locks.holders() if one.folder != str(Path.cwd()))
        for folder, cores in sorted(elsewhere.items()):
            print(f"elsewhere: jobs in {folder} use {counted(cores, 'core')}")


def lines(now: float) -> list[str]:
    """Return a line for each study that has begun in this folder: its name, its state and how far it is.

    A study is running, finished, failed, interrupted, outdated (its configuration or data have changed since the report
    was written), incomplete (its results have no report), or invalid.

    Args:
        now: seconds since the epoch.

    >>> import contextlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    ...     lines(0.0)
    []
    """
    last = locks.last_run()
    ran = last.studies if last else ()
    begun = [name for name in known_studies() if name in ran or _results(name)]
    rows = [(name, *_state(name, last if name in ran else None, now)) for name in begun]
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)][:2]
    return [f"{name:<{widths[0]}}  {state:<{widths[1]}}  {about}".rstrip() for name, state, about in rows]


def _results(name: str) -> bool:
    return any((artifacts.RESULTS / stage / name).exists() for stage in artifacts.STAGES)


def _state(name: str, last: locks.Run | None, now: float) -> tuple[str, str]:
    """Return the state of a study and what is known of it, from the last run if that was about it."""
    from snakemake_logger_plugin_heatproof import Progress, duration

    progress = Progress.read(last.log, now) if last and last.log.is_file() else None
    if progress and len(last.studies) > 1:
        jobs = f"{progress.done} of {progress.total} jobs of {listed(last.studies, MOST)}"
    else:
        jobs = f"{progress.done} of {progress.total} jobs" if progress else ""
    if last and last.running:
        left = f"about {duration(progress.left)} left" if progress and progress.left else ""
        return "running", ", ".join(filter(None, [jobs, left, f"since {_time(last.begun)}"]))
    report = artifacts.report_path(name)
    written = report.stat().st_mtime if report.exists() else 0.0
    stopped = progress is not None and progress.done < progress.total and written < last.begun
    failed = [path for _, paths in progress.failed for path in paths if path.parts[1:2] == (name,)] if stopped else []
    if failed:
        return "failed", f"{jobs}, {counted(len(failed), 'job')} failed: {listed([*map(str, failed)], MOST)}"
    try:
        changes = _changes(name, load(studies=[name])[name]) if written else []
    except InputError as error:
        return "invalid", str(error).splitlines()[0]
    if stopped and (changes or not written):
        return "interrupted", f"{jobs}, until {_time(last.log.stat().st_mtime)}"
    if not written:
        ready = (artifacts.stats_dir(name) / "summary.json").exists()
        return ("finished", "its report is not in this folder") if ready else ("incomplete", "it has no report yet")
    return ("outdated", f"changed since {_time(written)}: {changes}") if changes else ("finished", _time(written))


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def conclude(studies: Mapping[str, Study]) -> None:
    """Print what finished studies found, and the paths to their reports.

    Raises:
        InputError: a study has no results yet, or they are damaged.
    """
    for name, study in studies.items():
        results = read(name)
        print(f"\n{name}")
        answer = [sentence(results.in_short), *map(paragraph, paragraphs(results.answer))]
        lines = [*_changed(name, study), *_alarms(name), *answer, *map(sentence, results.about("splits"))]
        print("\n".join(f"  {line}" for line in lines))
        report = artifacts.report_path(name)
        print(f"  Report: {report if report.exists() else 'not written yet; run snakemake'}")


def _changed(name: str, study: Study) -> list[str]:
    """State what has changed since the report was written, or that it is unknown."""
    changes = _changes(name, study)
    if changes is None:
        record = artifacts.folder(name) / artifacts.PROVENANCE[0]
        return [f"It is unknown whether the study has changed since: {record} does not record its origin."]
    return [f"OUTDATED. Changed since the report was written: {changes}. Run snakemake again."] if changes else []


def _changes(name: str, study: Study) -> str | None:
    """List what has changed in the configuration and the data since the report was written; None if that is unknown."""
    path = artifacts.folder(name) / artifacts.PROVENANCE[0]
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "parameters" not in record:
        return None
    from heatproof.report.paper.provenance import parameters

    now = json.loads(parameters(json.loads(section(study))))
    rows = [f"{key} ({_short(was)}, now {_short(is_now)})" for key, was, is_now in _apart(record["parameters"], now)]
    rows = [*rows[:MOST], f"{len(rows) - MOST} more keys"] if len(rows) > MOST else rows
    digest = artifacts.data_dir(name) / "digest.json"
    if digest.exists() and artifacts.digest(digest) != record.get("data_sha256"):
        rows.append("the images")
    return ", ".join(rows)


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
