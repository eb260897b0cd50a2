"""How `make install` hands pip's configuration to uv, and which studies `make run` names."""

import doctest
import importlib.util
import os
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
        # `make test` hands its own flags and variables on
        made = subprocess.run(
            ["make", "--no-print-directory", "-n", "run", *options],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.strip() for line in made.stdout.splitlines()][-2:]

    assert commands("STUDY=tiny,phantom") == ["heatproof plan tiny phantom", "heatproof run tiny phantom"]
    assert commands() == ["heatproof plan", "heatproof run"]
