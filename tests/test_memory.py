import errno
import re
import signal
import subprocess
import sys
import weakref
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from heatproof.errors import InputError
from heatproof.explain.job import Job
from heatproof.explain.methods import Batch
from heatproof.memory import fitting, largest, ran_out
from heatproof.score.asking import outputs
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


@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("size", [2, 3, 16, 37])
def test_the_largest_is_what_trying_every_size_finds(monkeypatch, size, least):
    monkeypatch.setattr("heatproof.memory._let_go", lambda error: None)  # nothing is held, and collecting takes time
    for room in range(size):

        def work(count, room=room):
            if count > room:
                raise FULL

        assert largest(work, size, least) == (room if room >= least else 0)


@pytest.mark.slow
def test_what_the_first_step_leaves_behind_is_reckoned_with():
    taken = []

    def work(count):
        if count + 3 * len(taken) > 12:
            raise FULL
        taken[:] = ["the state of an optimizer"]

    assert largest(work, 24) <= 9
    work(largest(work, 24))


def test_work_that_fits_is_done_once():
    done = []
    assert fitting(lambda batch: done.append(batch) or 7, [1, 2, 3], "explain.batch_size") == 7
    assert done == [[1, 2, 3]]


class Block:
    """Stands for a tensor: can be watched."""


@pytest.mark.slow
def test_what_failed_is_let_go_before_less_is_tried():
    held = []

    def work(batch):
        assert all(block() is None for block in held)
        mine = Block()
        held.append(weakref.ref(mine))
        if len(batch) > 3:
            mine.itself = mine  # only the collector sees that nobody else knows it
            raise FULL

    with pytest.raises(InputError, match=r"a batch of 8; the largest that fits is 3: set it in params\.yaml"):
        fitting(work, range(8), "explain.batch_size")
    assert len(held) > 3


class Keeps(torch.autograd.Function):
    """The identity, with a graph that holds something; where `fails`, memory runs out as it goes backward."""

    @staticmethod
    def forward(ctx, values, held, fails):
        ctx.held, ctx.fails = held, fails
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        if ctx.fails:
            raise FULL
        return gradient, None, None


@pytest.mark.slow
def test_a_graph_whose_backward_pass_failed_is_let_go():
    held = []

    def work(batch):
        assert all(block() is None for block in held)
        block = Block()
        held.append(weakref.ref(block))
        values = torch.ones(3, requires_grad=True)
        waiting = Keeps.apply(values, block, False)  # older, so that it waits behind what fails
        (waiting + Keeps.apply(values, None, len(batch) > 2)).sum().backward()

    with pytest.raises(InputError, match="the largest that fits is 2"):
        fitting(work, range(8), "train.batch_size")


@pytest.mark.slow
def test_where_nothing_fits_it_says_what_else_helps():
    def work(batch):
        raise FULL

    with pytest.raises(InputError, match=r"^x\.batch_size: no memory here for a batch of 8, nor of 2 .CUDA .*: fewer$"):
        fitting(work, range(8), "x.batch_size", least=2, otherwise="fewer")


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


@pytest.mark.slow
def test_training_names_its_setting_and_what_fits():
    message = r"train\.batch_size or train\.models\.tiny\.batch_size: .* of 16; the largest that fits is 5"
    with pytest.raises(InputError, match=message):
        fit(Small(training=5))
    with pytest.raises(InputError, match="of 16, nor of 2"):  # a layer that normalizes a batch needs two
        fit(Small(training=1))
    fit(Small(training=5), batch_size=5)


@pytest.mark.slow
def test_validation_names_its_setting_and_what_fits():
    with pytest.raises(InputError, match=r"^compute\.batch_size: .* of 8; the largest that fits is 3"):
        fit(Small(evaluating=3))


def test_scoring_stops_with_what_fits():
    forward = partial(fitting, Small(evaluating=3).eval(), setting="score.faithfulness.batch_size")
    stacks = [[torch.zeros(10, 1, 8, 8)]]
    with pytest.raises(InputError, match=r"^score\.faithfulness\.batch_size: .* of 8; the largest that fits is 3"):
        list(outputs(forward, stacks, 8))
    assert [len(logits) for logits in outputs(forward, stacks, 3)] == [10]


def explainer(room):
    def method(batch):
        if len(batch.pixels) > room:
            raise FULL
        return batch.pixels[:, 0]

    given = dict.fromkeys(("study", "name", "layer", "device", "manifest", "pixels", "rows", "target", "chosen"))
    return Job(**given, model=None, size=8, methods={"mine": method})


@pytest.mark.slow
def test_explaining_names_its_setting_the_method_and_what_fits():
    batch = Batch(None, None, torch.rand(6, 1, 8, 8), torch.zeros(6, dtype=torch.int64))
    assert len(explainer(6).explain("mine", batch).maps) == 6
    found = r"explain\.batch_size: .* of 6; the largest that fits is 4: .* leave mine out of explain\.methods"
    with pytest.raises(InputError, match=found):
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
from heatproof.errors import InputError
from heatproof.train.loop import train
from heatproof.train.model import ImageSet, build, prepare

prepare(1)
count = int(sys.argv[1])
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
def test_a_limit_of_the_machine_is_found_and_what_is_named_fits():
    def trained(count):
        for _ in range(4):  # a library may crash where the limit leaves it no memory for a small thing
            done = subprocess.run([sys.executable, "-c", REAL, str(count)], capture_output=True, text=True, timeout=500)
            if done.returncode != -signal.SIGSEGV:
                break
        return done

    done = trained(400)
    found = re.search(r"train\.batch_size .* a batch of 400; the largest that fits is (\d+)", done.stderr)
    assert done.returncode == 1 and found, done.stderr
    assert 8 <= int(found[1]) < 400
    done = trained(int(found[1]))
    assert done.returncode == 0, done.stderr
