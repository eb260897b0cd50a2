"""The jobs whose growth `make bench` measures are called as the jobs of this version are."""

import pytest

from bench import growth


@pytest.mark.slow
@pytest.mark.parametrize("job", sorted({job for jobs in growth.JOBS.values() for job in jobs}))
def test_a_job_that_is_measured_runs(tmp_path, monkeypatch, job):
    monkeypatch.chdir(tmp_path)
    what, size = ("models", 2) if job == "stats" else ("images", 60)
    seconds, peak = growth.cost(*growth.called(job, what, size))
    assert seconds > 0 and peak > 0
