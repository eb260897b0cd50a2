"""What a killed Snakemake left in the queue of a Slurm: jobs that run on, and jobs that would still start."""

import getpass
import shutil
import subprocess
import time
from pathlib import Path

from heatproof.progress import line

LOGS = Path(".snakemake/slurm_logs")  # Snakemake's plugin for Slurm has been at work in this folder


def clear() -> None:
    """Cancel the jobs of this folder that are queued or run, and wait until none is left."""
    if not LOGS.is_dir() or shutil.which("squeue") is None:
        return
    if left := _left():
        line(f"{len(left)} jobs of a killed Snakemake are in Slurm's queue ({', '.join(left)}): they are cancelled")
        subprocess.run(["scancel", *left], check=False)
    while _left():
        time.sleep(1)


def _left() -> list[str]:
    command = ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%A|%k|%Z"]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode != 0:
        line(f"Slurm's queue cannot be asked for jobs of a killed Snakemake: {asked.stderr.strip()}")
        return []
    jobs = (one.split("|") for one in asked.stdout.splitlines() if one.count("|") == 2)
    return [number for number, rule, folder in jobs if rule.startswith("rule_") and folder == str(Path.cwd())]
