"""How `make install` hands pip's configuration to uv, and which studies `make run` names."""

import doctest
import importlib.util
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_settings_of_pip_become_flags_and_variables_of_uv():
    spec = importlib.util.spec_from_file_location("install", ROOT / "envs/install.py")
    install = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(install)
    found = doctest.testmod(install)
    assert found.attempted >= 3 and found.failed == 0


def test_a_run_names_the_studies_that_are_asked_for():
    def commands(*options: str) -> list[str]:
        made = subprocess.run(["make", "-n", "run", *options], cwd=ROOT, capture_output=True, text=True, check=True)
        return [line.strip() for line in made.stdout.splitlines()][-3:]

    plan, run, headline = commands("STUDY=tiny,phantom")
    assert (plan, headline) == ("heatproof plan tiny phantom", "heatproof headline tiny phantom")
    assert "--config studies=tiny,phantom" in run
    assert "--config" not in commands()[1]
