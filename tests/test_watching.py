"""The line that `make run` shows: jobs done, time left as learned from them, and the one line of a job that failed."""

import io
import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_heatproof import Jobs, LogHandler, Running, failures


def job(rule: str, model: str = "", started: float = 0.0) -> Running:
    return Running(rule, model, f"{rule} {model}".strip(), started)


def test_time_left_by_hand():
    jobs = Jobs()
    jobs.plan({"train": 4, "score": 2, "all": 1, "total": 7})
    assert jobs.total == 6 and jobs.left(0) is None
    jobs.start(1, job("train", "small"))
    jobs.start(2, job("train", "large"))
    jobs.finish(1, 10)
    jobs.start(3, job("train", "small", 10))
    # one more training of an unknown model and two scores at 10 s each, on two cores; of those that run 10 s and none
    assert jobs.left(10) == pytest.approx((10 + 20 + 10 + 0) / 2)
    jobs.finish(2, 40)
    # the training that runs is of the small model, and should be over; the next one takes the mean of its rule
    assert jobs.left(40) == pytest.approx((25 + 2 * 25) / 2), "and scores as long as the quickest rule, the only one"
    jobs.start(4, job("train", "large", 40))
    jobs.finish(3, 40)
    assert jobs.left(40) == pytest.approx((2 * 80 / 3 + 40) / 2)
    assert jobs.line(40) == "3 of 6 jobs, about 47 s left: train large"
    jobs.waiting.clear()
    assert jobs.left(40) == pytest.approx(40), "not sooner than the longest that runs"


def record(event, level=logging.INFO, **fields):
    fields = {"event": event, "created": 100.0} | fields
    made = logging.makeLogRecord({"msg": fields.pop("msg", ""), "levelno": level, "levelname": "x", **fields})
    return made


@pytest.fixture
def shown(monkeypatch):
    """A handler that writes to what looks like a terminal or like a file."""

    def make(terminal: bool) -> tuple[LogHandler, io.StringIO]:
        stream = io.StringIO()
        stream.isatty = lambda: terminal
        monkeypatch.setattr("sys.stderr", stream)
        return LogHandler(SimpleNamespace(), None), stream

    return make


def start(number: int, created: float, **fields):
    fields = {"rule_msg": f"train {number}", "rule_name": "train", "wildcards": {"model": "m"}} | fields
    return record(LogEvent.JOB_INFO, jobid=number, created=created, **fields)


def run(handler: LogHandler, count: int) -> None:
    handler.emit(record(LogEvent.RUN_INFO, stats={"train": count, "total": count}))
    for number in range(count):
        handler.emit(start(number, 2.0 * number + 100))
        handler.emit(record(LogEvent.JOB_FINISHED, job_id=number, created=2.0 * number + 102))


def test_a_terminal_has_one_line(shown, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    handler, stream = shown(True)
    run(handler, 3)
    handler.close()
    assert stream.getvalue().count("\n") == 1, "the last one"
    lines = stream.getvalue().split("\r\x1b[K")
    assert lines[2].startswith("1 of 3 jobs, about 4 s left: train 1") and max(map(len, lines[:-1])) < 40
    assert lines[-1].startswith("3 of 3 jobs done in ")


def test_a_file_has_a_line_now_and_then(shown):
    handler, stream = shown(False)
    run(handler, 20)
    assert "\x1b" not in stream.getvalue()
    assert [line.split(" jobs")[0] for line in stream.getvalue().splitlines()] == [
        "0 of 20",
        "5 of 20",
        "10 of 20",
        "15 of 20",
    ]


def test_a_failed_job_is_one_line(shown, tmp_path):
    log = tmp_path / "train.log"
    log.write_text("epoch 1\nheatproof train: a.png: cannot be read\n\n")
    handler, stream = shown(False)
    failed = {"rule_msg": "train m", "rule_name": "train", "log": [str(log)]}
    handler.emit(record(LogEvent.JOB_ERROR, logging.ERROR, **failed))
    assert stream.getvalue() == f"train m: failed: heatproof train: a.png: cannot be read ({log})\n"
    handler.emit(record(LogEvent.JOB_ERROR, logging.ERROR, **failed | {"log": [str(tmp_path / "gone")]}))
    assert "it left no output" in stream.getvalue()


def test_a_failed_job_names_the_file(shown, tmp_path):
    log = tmp_path / "data.log"
    log.write_text("images: 9 of 12\nheatproof data: a.png: cannot be read\n1 of 12 images are bad\n")
    handler, stream = shown(False)
    quoted = record(LogEvent.ERROR, logging.ERROR, exception="RuleException", msg="CalledProcessError: set -euo")
    handler.emit(quoted)
    handler.emit(record(LogEvent.JOB_ERROR, logging.ERROR, rule_msg="data", rule_name="data", log=[str(log)]))
    expected = f"data: failed: heatproof data: a.png: cannot be read\n1 of 12 images are bad ({log})\n"
    assert stream.getvalue() == expected


def test_failed_jobs_are_found_in_what_snakemake_wrote(tmp_path):
    (tmp_path / "a.log").write_text("heatproof data: a.png: cannot be read\n")
    block = (
        "[Sun Nov 29 18:30:33 2026]\nError in rule data:\n    message: {}\n    jobid: 1\n"
        "    log: {} (check log file(s) for error details)\n    shell:\n        x\n"
    )
    text = "Job 1: data\n" + block.format("None", tmp_path / "a.log") + block.format("train m", tmp_path / "gone.log")
    (tmp_path / "snakemake.log").write_text(text + text)
    assert failures([str(tmp_path / "snakemake.log")]) == [
        f"data: failed: heatproof data: a.png: cannot be read ({tmp_path / 'a.log'})",
        f"train m: failed: it left no output ({tmp_path / 'gone.log'})",
    ]


def test_what_snakemake_warns_of_is_shown_and_the_rest_is_not(shown):
    handler, stream = shown(False)
    handler.emit(record(None, msg="Building DAG of jobs..."))
    handler.emit(record(None, logging.WARNING, msg="a file is gone"))
    assert stream.getvalue() == "a file is gone\n"
