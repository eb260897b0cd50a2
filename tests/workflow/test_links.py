"""Every link type that DVC has: a run works on it and never reaches through it into DVC's cache."""

import os
import shutil

import pytest
from workflow.project import Project, jobs

pytestmark = pytest.mark.slow

MAPS = "results/heatmaps/tiny/test_resnet/0/fold0/maps.npy"


@pytest.fixture
def unprivileged() -> list[str]:
    """What makes a command obey the modes of files; root does not unless it is made to."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root ignores the modes of files, and there is no setpriv")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def cached(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.folder / ".dvc/cache/files").rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_a_link_type_runs_records_and_goes_back(clone, unprivileged, kind):
    clone.run("dvc", "config", "--local", "cache.type", kind)
    clone.run("dvc", "pull")
    facts = (clone.folder / MAPS).lstat()
    assert {"hardlink": facts.st_nlink == 2, "symlink": (clone.folder / MAPS).is_symlink()}.get(kind, True)
    kept = cached(clone)
    assert jobs(clone.run(*unprivileged, "snakemake", "-n").stdout) == {}
    clone.edit("studies/tiny.yaml", "alpha: 0.05", "alpha: 0.06")
    done = clone.run(*unprivileged, "snakemake", "--cores", "2")
    assert jobs(done.stdout + done.stderr) == {"stats": 1, "report": 1}
    assert cached(clone) == kept, "nothing was written through a link"
    done = clone.run(*unprivileged, "dvc", "repro")
    assert jobs(done.stdout + done.stderr) == {}
    assert clone.planned() == {}
    clone.run("git", "checkout", "-q", ".")
    clone.run(*unprivileged, "dvc", "checkout")
    assert clone.planned() == {}
    clone.run("heatproof", "verify", "--cache")


def test_reflinks_alone_work_or_are_refused_by_a_line(clone):
    clone.run("dvc", "config", "--local", "cache.type", "reflink")
    if clone.run("dvc", "pull", check=False).returncode == 0:
        assert clone.planned() == {}
    else:
        done = clone.run("snakemake", "-n", check=False)
        assert done.returncode == 1
        assert "\n.dvc/config.local: cache.type: reflink: this disk has no reflinks" in done.stderr, done.stderr
