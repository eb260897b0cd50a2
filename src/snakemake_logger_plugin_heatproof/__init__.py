"""What `make run` shows of Snakemake: one line that updates on a terminal, plain lines in a file.

A logger plugin of Snakemake (`snakemake --logger heatproof`). Snakemake's own output is in `.snakemake/log`, a job's in
`logs/`. Snakemake imports it before the Snakefile, whichever project it runs: so it imports nothing of heatproof, which
would then be that of the installation and not of the project.
"""

import logging
import re
import shutil
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

LINES = 10  # of a failed job's log, at most
EARLY = 0.1  # share of the jobs from which on the time left is shown
PAUSE = 10.0  # seconds between two plain lines
NO_WORK = ("all", "total")  # of Snakemake's table of jobs


@dataclass
class Running:
    """A job on its way: its rule, its model if it has one, what it does in words, and when it started."""

    rule: str
    model: str
    message: str
    started: float


@dataclass
class Jobs:
    """What a run has done and has to do, and how long that may take."""

    waiting: Counter[str] = field(default_factory=Counter)  # rule -> jobs that have not started
    running: dict[int, Running] = field(default_factory=dict)
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    done: int = 0
    beside: int = 1  # the most jobs that ran at a time

    def plan(self, counts: dict[str, int]) -> None:
        """Take Snakemake's table of jobs by rule."""
        self.waiting = Counter({rule: count for rule, count in counts.items() if rule not in NO_WORK})

    def start(self, number: int, job: Running) -> None:
        """Note that a job has started."""
        if job.rule in NO_WORK:
            return
        self.waiting[job.rule] -= 1
        self.running[number] = job
        self.beside = max(self.beside, len(self.running))

    def finish(self, number: int, now: float) -> None:
        """Note that a job has ended, and learn from how long it took."""
        job = self.running.pop(number, None)
        if job is not None:
            self.seconds[job.rule, job.model].append(now - job.started)
            self.done += 1

    @property
    def total(self) -> int:
        """All jobs of the run."""
        return self.done + len(self.running) + sum(self.waiting.values())

    def left(self, now: float) -> float | None:
        """Seconds until the end, from the jobs that have finished; None before a tenth of them has.

        A job is taken to last as long as those of its rule and model, else of its rule, else of the quickest rule: the
        longest jobs, trainings, come first.
        """
        if self.done < EARLY * self.total or not self.done:
            return None
        of_rule: dict[str, list[float]] = defaultdict(list)
        for (rule, _), times in self.seconds.items():
            of_rule[rule] += times
        quickest = min(statistics.fmean(times) for times in of_rule.values())

        def expected(rule: str, model: str = "") -> float:
            known = self.seconds.get((rule, model)) or of_rule.get(rule)
            return statistics.fmean(known) if known else quickest

        work = sum(count * expected(rule) for rule, count in self.waiting.items())
        rest = [max(expected(job.rule, job.model) - (now - job.started), 0) for job in self.running.values()]
        return max(max(rest, default=0), (work + sum(rest)) / self.beside)

    def line(self, now: float) -> str:
        """How far the run is: `12 of 96 jobs, about 4 min left: train resnet18, seed 0, ...`."""
        left = self.left(now)
        time_left = "" if left is None else f", about {duration(left)} left"
        return f"{self.done} of {self.total} jobs{time_left}: " + "; ".join(j.message for j in self.running.values())


def duration(seconds: float) -> str:
    """Return seconds as people say them.

    >>> [duration(seconds) for seconds in (12.3, 100, 4000)]
    ['12 s', '2 min', '1 h 07 min']
    """
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class LogHandler(LogHandlerBase):
    """Snakemake's records as one line on a terminal, or a line now and then elsewhere."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.jobs, self.begun, self.shown, self.stream = Jobs(), time.time(), 0.0, sys.stderr
        self.terminal = self.stream.isatty()

    def emit(self, record: logging.LogRecord) -> None:
        """Take one of Snakemake's records."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.jobs.plan(record.stats)
        elif event == LogEvent.JOB_INFO:
            message = record.rule_msg or record.rule_name
            model = dict(record.wildcards).get("model", "")
            self.jobs.start(record.jobid, Running(record.rule_name, model, message, record.created))
        elif event == LogEvent.JOB_FINISHED:
            self.jobs.finish(record.job_id, record.created)
        elif event == LogEvent.JOB_ERROR:
            self._say(_error(record))
        elif event == LogEvent.ERROR and record.exception == "RuleException":
            pass  # it quotes the whole command, and the job's own lines follow
        elif (event is None and record.levelno >= logging.WARNING) or event == LogEvent.ERROR:
            self._say(record.getMessage())
        if event in (LogEvent.JOB_INFO, LogEvent.JOB_FINISHED) and self.jobs.running:
            self._show(record.created)

    def _say(self, text: str) -> None:
        self.stream.write(("\r\x1b[K" if self.terminal else "") + text.rstrip() + "\n")
        self.stream.flush()

    def _show(self, now: float) -> None:
        if self.terminal:
            self.stream.write("\r\x1b[K" + self.jobs.line(now)[: shutil.get_terminal_size().columns - 1])
            self.stream.flush()
        elif now - self.shown >= PAUSE:
            self.shown = now
            self._say(self.jobs.line(now))

    def close(self) -> None:
        """Say how the run ended."""
        if self.jobs.total:
            took = duration(time.time() - self.begun)
            self._say(f"{self.jobs.done} of {self.jobs.total} jobs done in {took}; Snakemake's output: .snakemake/log")
            self.jobs = Jobs()
        super().close()


def _error(record: logging.LogRecord) -> str:
    """Return what Snakemake's record of a failed job comes to."""
    return failure(record.rule_msg or record.rule_name, [Path(name) for name in record.log or []])


def failure(job: str, logs: list[Path]) -> str:
    """Return what the log of a failed job ends with, from heatproof's own line on, and where the rest is."""
    lines = [line for path in logs if path.is_file() for line in path.read_text(errors="replace").splitlines()]
    lines = [line for line in lines if line.strip()]
    own = [place for place, line in enumerate(lines) if line.startswith("heatproof ")]
    last = "\n".join(lines[max(own[-1], len(lines) - LINES) :] if own else lines[-1:]) or "it left no output"
    return f"{job}: failed: {last}" + "".join(f" ({path})" for path in logs)


def failures(logs: list[str]) -> list[str]:
    """Return the same for each job that failed, by the paths of Snakemake's own logs."""
    failed_jobs = [job for log in logs for job in failed(_read(Path(log)))]
    return list(dict.fromkeys(failure(*job) for job in failed_jobs))


def failed(text: str) -> Iterator[tuple[str, list[Path]]]:
    """Yield the message and the logs of each job that failed, from the text of Snakemake's own log.

    There is a block for each failed job: its rule, its message, and its logs.
    """
    for block in re.findall(r"^Error in rule .*\n(?: {4}.*\n)+", text, re.M):
        facts = dict(re.findall(r"^ {4}(message|log): (.*)$", block, re.M))
        names = facts.get("log", "").removesuffix(" (check log file(s) for error details)").split(", ")
        job = facts.get("message", "None").replace("None", block.split()[3].rstrip(":"))
        yield job, [Path(name) for name in names if name]


@dataclass(frozen=True)
class Progress:
    """How far a run is, or was when it ended."""

    done: int  # jobs
    total: int
    left: float | None  # seconds, about; None where it cannot be known
    failed: list[tuple[str, list[Path]]]  # message and logs of each failed job

    @classmethod
    def read(cls, log: Path, now: float) -> "Progress":
        """Read how far a run is from Snakemake's own log; `now` is in seconds since the epoch.

        The log has no rule of the jobs that still run: they count as waiting, less the time that they have run.
        """
        jobs, running, text, at = Jobs(), {}, _read(log), now
        jobs.plan({rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.M)})
        for line in text.splitlines():
            if found := re.fullmatch(r"\[(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})\]", line):
                at = time.mktime(time.strptime(found[1]))
            elif found := re.match(r"Job (\d+): ", line):
                running[int(found[1])] = at
                jobs.beside = max(jobs.beside, len(running))
            elif found := re.fullmatch(r"Finished jobid: (\d+) \(Rule: (\w+)\)", line):
                number, rule = int(found[1]), found[2]
                jobs.start(number, Running(rule, "", "", running.pop(number, at)))
                jobs.finish(number, at)
            elif found := re.fullmatch(r" {4}jobid: (\d+)", line):  # of an error
                running.pop(int(found[1]), None)
        left = jobs.left(now)
        spent = sum(now - since for since in running.values()) / jobs.beside
        known = left is not None and left > spent
        return cls(jobs.done, jobs.total, left - spent if known else None, list(failed(text)))


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
