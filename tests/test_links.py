"""DVC's link types: only those that keep its cache apart from what jobs write."""

import re
from pathlib import Path

import pytest

from heatproof.core.messages import InputError
from heatproof.workflow import job

COPY, LINK = "[cache]\n    type = copy\n", "[cache]\n    dir = /a\n    type = symlink\n"


@pytest.mark.parametrize(
    ("files", "refused"),
    [
        ({}, None),
        ({".dvc/config": LINK}, ".dvc/config: cache.type: symlink"),
        ({".dvc/config": '[cache]\n    type = "reflink,hardlink,copy"\n'}, "cache.type: reflink,hardlink,copy"),
        ({".dvc/config": "['remote \"a\"']\n    url = s3://%b\n" + LINK}, ".dvc/config: cache.type: symlink"),
        ({".dvc/config": LINK, ".dvc/config.local": COPY}, None),
        ({".dvc/config": COPY, ".dvc/config.local": LINK}, ".dvc/config.local: cache.type: symlink"),
        ({".config/dvc/config": LINK}, "~/.config/dvc/config: cache.type: symlink"),
        ({".config/dvc/config": LINK, ".dvc/config": '[cache]\n    type = "reflink, copy"\n'}, None),
        ({".dvc/config": "not a configuration"}, None),
    ],
)
def test_links_are_refused_where_the_setting_that_holds_allows_them(tmp_path, monkeypatch, files, refused):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    if refused is None:
        job.check_type()
    else:
        with pytest.raises(InputError, match=rf"{re.escape(refused)}: .* run `dvc config --local cache\.type refl"):
            job.check_type()


def test_this_repository_sets_a_type_that_works(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setattr(job, "CONFIGS", [Path(".dvc/config")])
    job.check_type()
    assert "reflink,copy" in Path(".dvc/config").read_text()
