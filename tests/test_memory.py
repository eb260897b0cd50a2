import errno
import subprocess
import sys
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from heatproof.core.messages import InputError, fitting, ran_out
from heatproof.explain.job import Job
from heatproof.explain.methods import Batch
from heatproof.score.queries import outputs
from heatproof.train.loop import train
from heatproof.train.model import ImageSet

CPU = torch.device("cpu")
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def raised(work):
    with pytest.raises(Exception) as caught:
        work()
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. Error code 12"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        pa.ArrowMemoryError("malloc of size 64 failed"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        raised(lambda: np.empty(2**55)),
        raised(lambda: torch.empty(2**55, dtype=torch.uint8)),
    ],
)
def test_memory_that_ran_out_is_known_however_it_is_told(error):
    assert ran_out(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes do not fit"), OSError(errno.ENOSPC, "No space left"), ValueError("out of memory")]
)
def test_other_errors_are_not_about_memory(error):
    assert not ran_out(error)
    with pytest.raises(type(error)) as caught:
        fitting(lambda batch: (_ for _ in ()).throw(error), [1, 2], "train.batch_size")
    assert caught.value is error


def test_work_that_fits_is_done_once():
    done = []
    assert fitting(lambda batch: done.append(batch) or 7, [1, 2, 3], "explain.batch_size") == 7
    assert done == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("size", "least", "advice"), [(9, 1, "set it to 4 in params.yaml or the study's file, or fewer"), (3, 2, "fewer")]
)
def test_it_stops_at_once_and_names_the_setting_and_half_of_it(size, least, advice):
    done = []

    def work(batch):
        done.append(len(batch))
        raise FULL

    with pytest.raises(InputError) as caught:
        fitting(work, range(size), "x.batch_size", least=least, otherwise="fewer")
    assert str(caught.value) == f"x.batch_size: out of memory with a batch of {size} ({FULL}): {advice}"
    assert done == [size], "no other batch is tried"


class Small(nn.Module):
    """Two classes; has memory for so many images a pass, counted anew in training and evaluation."""

    def __init__(self, training=99, evaluating=99):
        super().__init__()
        self.net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 2))
        self.net.num_classes = 2
        self.room = {True: training, False: evaluating}

    def forward(self, pixels):
        if len(pixels) > self.room[self.training]:
            raise FULL
        return self.net(pixels)


AUGMENT = {"flip": True, "rotate": 0.0, "scale": 0.0, "shift": 0.0, "intensity": 0.0}
RECIPE = {
    "epochs": 2,
    "batch_size": 16,
    "lr": 1e-3,
    "weight_decay": 0.0,
    "warmup_epochs": 0,
    "clip_norm": 1.0,
    "balance": False,
    "augment": AUGMENT,
}


def images(count):
    pixels = np.random.default_rng(0).integers(0, 255, (count, 1, 8, 8), np.uint8)
    return ImageSet(pixels, np.arange(count), torch.arange(count) % 2)


def fit(model, **changes):
    return train(model, images(24), images(10), RECIPE | changes, key=("s", "tiny", 0), device=CPU, eval_batch_size=8)


def test_training_names_its_setting():
    with pytest.raises(InputError, match=r"train\.batch_size or train\.models\.tiny\.batch_size: .* set it to 8"):
        fit(Small(training=5))


def test_validation_names_its_setting():
    with pytest.raises(InputError, match=r"^compute\.batch_size: .* of 8 .* set it to 4"):
        fit(Small(evaluating=3))


def test_scoring_names_its_setting():
    forward = partial(fitting, Small(evaluating=3).eval(), setting="score.faithfulness.batch_size")
    stacks = [[torch.zeros(10, 1, 8, 8)]]
    with pytest.raises(InputError, match=r"^score\.faithfulness\.batch_size: .* of 8 .* set it to 4"):
        list(outputs(forward, stacks, 8))
    assert [len(logits) for logits in outputs(forward, stacks, 3)] == [10]


def explainer(room):
    def method(batch):
        if len(batch.pixels) > room:
            raise FULL
        return batch.pixels[:, 0]

    given = dict.fromkeys(("study", "name", "layer", "device", "manifest", "pixels", "rows", "target", "chosen"))
    return Job(**given, model=None, size=8, methods={"mine": method})


def test_explaining_names_its_setting_and_the_method():
    batch = Batch(None, None, torch.rand(6, 1, 8, 8), torch.zeros(6, dtype=torch.int64))
    assert len(explainer(6).explain("mine", batch).maps) == 6
    with pytest.raises(InputError, match=r"explain\.batch_size: .* of 6 .* set it to 3 .* leave mine out of explain"):
        explainer(4).explain("mine", batch)


@pytest.mark.parametrize("spoilt", ["gradient", "weights"])
def test_what_spoils_weights_stops_training_with_a_reason(monkeypatch, spoilt):
    model = Small()
    if spoilt == "gradient":  # the loss is finite in the very step
        model.net[2].weight.register_hook(lambda gradient: gradient * torch.inf)
        reason = r"the norm of the gradient is (inf|nan) in epoch 1: lower train\.lr or train\.models\.tiny\.lr"
    else:
        step = torch.optim.AdamW.step

        def spoil(self, *args, **kwargs):
            step(self, *args, **kwargs)
            with torch.no_grad():
                model.net[2].weight.fill_(torch.nan)

        monkeypatch.setattr(torch.optim.AdamW, "step", spoil)
        reason = r"the loss on the validation images is nan after epoch 1: lower train\.lr"
    with pytest.raises(InputError, match=reason):
        fit(model, batch_size=24)


REAL = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from heatproof.core.messages import InputError
from heatproof.train.loop import train
from heatproof.train.model import ImageSet, build, prepare

prepare(1)
count = 400
pixels = np.zeros((count, 1, 128, 128), np.uint8)
images = ImageSet(pixels, np.arange(count), torch.arange(count) % 2)
still = {"flip": False, "rotate": 0.0, "scale": 0.0, "shift": 0.0, "intensity": 0.0}
recipe = {"epochs": 1, "batch_size": count, "lr": 1e-3, "weight_decay": 0.0, "warmup_epochs": 0, "clip_norm": 1.0}
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, 2 * (taken + 500 * 2**20,))
try:
    train(build("test_resnet", 2, 128), images, images._replace(rows=images.rows[:2], labels=images.labels[:2]),
          recipe | {"balance": False, "augment": still}, key=("s", "m", 0), device=torch.device("cpu"),
          eval_batch_size=2)
except InputError as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit on address space is Linux's")
def test_memory_that_really_runs_out_is_reported():
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, timeout=500)
    assert done.returncode == 1 and "train.batch_size or train.models.m.batch_size: out of memory" in done.stderr
    assert "set it to 200 in params.yaml" in done.stderr, done.stderr
