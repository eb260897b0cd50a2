"""A project whose findings are written, to be changed by a test; each module's `rendered` says of what."""

import shutil

import pytest


@pytest.fixture
def project(rendered, tmp_path, monkeypatch):
    shutil.copytree(rendered, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
