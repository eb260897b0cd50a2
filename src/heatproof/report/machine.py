"""The machine that a report was written on: what tells on bytes and durations, and nothing that names it."""

import os
import platform
import subprocess
from pathlib import Path

import psutil


def describe() -> dict:
    """System, name of the CPU, cores, memory in GiB, names of the GPUs; no host, no user, no path."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": gpus(),
    }


def cpu() -> str:
    """What the CPU calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "of unknown name"


def gpus() -> list[str]:
    """Names of NVIDIA's GPUs; none where their driver does not answer."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []
