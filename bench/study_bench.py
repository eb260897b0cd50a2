"""What a whole study costs beside its models, and what its jobs need to start: CPU seconds of one run of quickstart.

The project is copied, and into the copy goes a `sitecustomize` that adds up, in every job, the CPU seconds of forward
passes, backward passes and optimizer steps, and those of starting Python and of imports. Nothing of the product knows
of it. The total is the operating system's accounting of Snakemake and all that it started.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHAT = {
    "study_over_model": "quickstart, from nothing to its report: CPU time of everything / CPU time inside models",
    "startup_share": "the same run: CPU time of starting Python and of imports, of all jobs / CPU time of everything",
    "judge_over_limit": "`heatproof judge --minutes 10` of a ResNet-18 at 224 px on 120 images, from nothing to its "
    "report: wall time / ten minutes",
    "startup_seconds": "the same run: CPU seconds of starting Python and of imports, of all jobs (at most 60)",
}
RUNS = dict.fromkeys(WHAT, 1)
KEEP = "HEATPROOF_BENCH_FOLDER"  # a folder to run in instead of a temporary one

HOOK = """
import atexit, builtins, importlib.abc, importlib.util, os, sys, time

inside, depth = [0.0], [0]
started, importing, load = [time.process_time()], [0], builtins.__import__


def timed_import(*args, **kwargs):
    if importing[0]:
        return load(*args, **kwargs)
    importing[0], before = 1, time.process_time()
    try:
        return load(*args, **kwargs)
    finally:
        importing[0] = 0
        started[0] += time.process_time() - before


def forked():
    inside[0], started[0], importing[0] = 0.0, 0.0, 0


builtins.__import__ = timed_import
os.register_at_fork(after_in_child=forked)


def timed(function):
    def wrapper(*args, **kwargs):
        if depth[0]:
            return function(*args, **kwargs)
        depth[0], started = 1, time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            inside[0] += time.process_time() - started
            depth[0] = 0

    return wrapper


def patch(model):
    import torch

    model.Classifier.__call__ = timed(torch.nn.Module.__call__)
    torch.Tensor.backward = timed(torch.Tensor.backward)
    torch.autograd.grad = timed(torch.autograd.grad)
    torch.nn.utils.clip_grad_norm_ = timed(torch.nn.utils.clip_grad_norm_)
    torch.optim.AdamW.step = timed(torch.optim.AdamW.step)


class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "heatproof.train.model":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            patch(module)

        spec.loader.exec_module = exec_module
        return spec


def leave():
    with open(os.environ["HEATPROOF_BENCH_SECONDS"], "a") as file:
        file.write(f"{inside[0]}\\t{started[0]}\\t{' '.join(sys.argv[1:])[:200]}\\n")


sys.meta_path.insert(0, Watch())
atexit.register(leave)
"""


def copy_project(folder: Path) -> None:
    """The files that git knows or would add, and the hook."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.is_file() and not name.startswith("results/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    (folder / "src" / "sitecustomize.py").write_text(HOOK)


@cache
def seconds() -> tuple[float, float, float]:
    """CPU seconds of one run: of everything, inside models, and of starting and imports."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get(KEEP, temporary))
        copy_project(folder)
        noted = folder / "seconds.tsv"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        snakemake = Path(sys.executable).parent / "snakemake"
        command = [snakemake, "--cores", "all", "--config", "studies=quickstart"]
        environment = os.environ | {"HEATPROOF_BENCH_SECONDS": str(noted)}
        with (folder / "snakemake.log").open("w") as log:
            subprocess.run(command, cwd=folder, env=environment, check=True, stderr=log, stdout=log)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rows = [line.split("\t") for line in noted.read_text().splitlines()]
        return total, sum(float(row[0]) for row in rows), sum(float(row[1]) for row in rows)


def judge_over_limit() -> float:
    """Wall time of judging a network of random weights on phantoms, in units of the time that it is given."""
    import safetensors.torch
    import timm
    from PIL import Image

    from heatproof.data.synthetic import phantom

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get(KEEP, temporary))
        for record in phantom.list_records("bench", 0, size=224, patients=60, slices=2):
            path = folder / "images" / phantom.CLASSES[record.label] / f"{record.patient}-{record.image_id[-1]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(record.read().pixels).save(path)
        net = timm.create_model("resnet18", num_classes=len(phantom.CLASSES))
        safetensors.torch.save_file(net.state_dict(), folder / "model.safetensors")
        command = [sys.executable, "-m", "heatproof", "judge", "--model", "resnet18", "--images", "images"]
        command += ["--weights", "model.safetensors", "--patient", "^(.*)-", "--minutes", "10"]
        started = time.perf_counter()
        with (folder / "judge.log").open("w") as log:
            environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
            subprocess.run(command, cwd=folder, env=environment, check=True, stdout=log, stderr=log)
        return (time.perf_counter() - started) / 600


def study_over_model() -> float:
    total, inside, _ = seconds()
    return total / inside


def startup_share() -> float:
    total, _, started = seconds()
    return started / total


def startup_seconds() -> float:
    return seconds()[2]
