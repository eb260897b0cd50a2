"""What a whole study costs beside its models: CPU seconds of everything / CPU seconds inside models.

The project is copied, and into the copy goes a `sitecustomize` that adds up, in every job, the CPU seconds of forward
passes, backward passes and optimizer steps. Nothing of the product knows of it.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHAT = {
    "study_over_model": "the whole default study: CPU time of everything / CPU time inside models (one run)",
}
RUNS = {"study_over_model": 1}  # it takes half an hour
KEEP = "HEATPROOF_BENCH_FOLDER"  # a folder to run in, and to go on in, instead of a temporary one

HOOK = """
import atexit, importlib.abc, importlib.util, os, sys, time

inside, depth = [0.0], [0]


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
    if inside[0]:
        with open(os.environ["HEATPROOF_BENCH_SECONDS"], "a") as file:
            file.write(f"{inside[0]}\\t{time.process_time()}\\t{' '.join(sys.argv[1:])[:200]}\\n")


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


def study_over_model() -> float:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get(KEEP, temporary))
        copy_project(folder)
        seconds = folder / "seconds.tsv"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        snakemake = Path(sys.executable).parent / "snakemake"
        environment = os.environ | {"HEATPROOF_BENCH_SECONDS": str(seconds)}
        with (folder / "snakemake.log").open("w") as log:
            subprocess.run([snakemake, "--cores", "all"], cwd=folder, env=environment, check=True, stderr=log)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return total / sum(float(line.split("\t")[0]) for line in seconds.read_text().splitlines())
