"""DVC's link types in a clone: links are refused before anything runs, and the command in the error fixes it."""

import re

import pytest
from workflow.project import jobs

pytestmark = pytest.mark.slow

MAPS = "results/heatmaps/tiny/test_resnet/0/fold0/maps.npy"


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_links_are_refused_and_the_command_in_the_error_fixes_it(clone, kind):
    clone.run("dvc", "config", "--local", "cache.type", kind)
    clone.run("dvc", "pull")
    done = clone.run("snakemake", "-n", check=False)
    found = re.search(rf"^\.dvc/config\.local: cache\.type: {kind}: .*; run `(.+)`$", done.stderr, re.M)
    assert done.returncode == 1 and found, done.stderr
    clone.run("sh", "-c", found[1])
    facts = (clone.folder / MAPS).lstat()
    assert facts.st_nlink == 1 and not (clone.folder / MAPS).is_symlink()
    cache = clone.folder / ".dvc/cache/files"
    kept = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    assert clone.planned() == {}
    clone.edit("studies/tiny.yaml", "alpha: 0.05", "alpha: 0.06")
    done = clone.run("snakemake", "--cores", "2")
    assert jobs(done.stdout + done.stderr) == {"stats": 1, "report": 1}
    assert all(path.read_bytes() == content for path, content in kept.items()), "nothing is written into the cache"
