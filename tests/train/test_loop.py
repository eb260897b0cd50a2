import itertools
import re

import numpy as np
import pytest
import torch

from heatproof.core.messages import InputError
from heatproof.train import checkpoint as resume_module
from heatproof.train import loop
from heatproof.train.checkpoint import Resume
from heatproof.train.loop import OneClass, augment, best_epoch, class_weights, train
from heatproof.train.model import ImageSet, build, predict

CPU = torch.device("cpu")
STILL = {"flip": False, "rotate": 0.0, "scale": 0.0, "shift": 0.0, "intensity": 0.0}
MOVING = {"flip": True, "rotate": 10.0, "scale": 0.1, "shift": 0.1, "intensity": 0.1}


def recipe(**changes):
    return {
        "epochs": 3,
        "batch_size": 8,
        "lr": 1e-3,
        "weight_decay": 0.05,
        "warmup_epochs": 1,
        "clip_norm": 1.0,
        "balance": True,
        "augment": MOVING,
    } | changes


def images(count=24, seed=0):
    """Bright left half: class 0; bright right half: class 1."""
    draw = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = draw.integers(0, 60, (count, 1, 32, 32))
    for row, label in enumerate(labels):
        pixels[row, :, :, 16 * label : 16 * label + 16] += 150
    return ImageSet(pixels.astype(np.uint8), np.arange(count), torch.from_numpy(labels))


def fit(resume=None, tell=lambda text: None, **changes):
    torch.manual_seed(0)
    model = build("test_resnet", 2, 32)
    history = train(
        model,
        images(),
        images(10, 1),
        recipe(**changes),
        key=("s", "m", 0),
        device=CPU,
        eval_batch_size=4,
        resume=resume,
        tell=tell,
    )
    return model, history


def evaluate(model, held_out):
    """Loss and balanced accuracy."""
    return OneClass(held_out.labels, 2, False).evaluate(predict(model, held_out, 4, CPU), held_out.labels)


def same(left, right):
    pairs = zip(left.state_dict().items(), right.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.slow
def test_training_learns_what_is_there():
    model, history = fit(epochs=12, augment=STILL)
    assert history[-1]["train_loss"] < 0.3 < history[0]["train_loss"]
    assert evaluate(model, images(20, 7))[1] >= 0.9


def test_training_twice_gives_the_same_bytes():
    (first, history), (second, again) = fit(), fit()
    assert history == again
    assert same(first, second)


@pytest.mark.parametrize("units", [False, True])
def test_bfloat16_is_a_recipe_of_its_own_and_warns_where_it_is_emulated(monkeypatch, units):
    monkeypatch.setattr(loop, "emulated", lambda device: not units)
    said = []
    model, history = fit(epochs=3, augment=STILL, precision="bfloat16", tell=said.append)
    assert {tensor.dtype for tensor in model.state_dict().values() if tensor.is_floating_point()} == {torch.float32}
    assert history[-1]["train_loss"] < history[0]["train_loss"] and history != fit(epochs=3, augment=STILL)[1]
    warned = [line for line in said if line.startswith("warning: this CPU has no units for bfloat16")]
    assert len(warned) == (0 if units else 1)


def test_float32_warns_of_nothing(monkeypatch):
    monkeypatch.setattr(loop, "emulated", lambda device: True)
    said = []
    fit(epochs=1, tell=said.append)
    assert not any("warning" in line for line in said)


@pytest.mark.parametrize(("flags", "slow"), [("fma avx2 avx512f", True), ("avx512f avx512_bf16", False), ("", True)])
def test_units_are_read_from_the_cpu(monkeypatch, tmp_path, flags, slow):
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr(loop, "Path", lambda _: tmp_path / "cpuinfo")
    assert loop.emulated(CPU) == slow
    assert not loop.emulated(torch.device("cuda"))


@pytest.mark.parametrize("stop_after", [1, 2])
@pytest.mark.slow
def test_a_stopped_training_goes_on_with_the_same_bytes(tmp_path, monkeypatch, stop_after):
    monkeypatch.setattr(resume_module, "SECONDS_BETWEEN_SAVES", 0)
    undisturbed, history = fit()
    counted = itertools.count(1)

    def stop(text):
        if next(counted) > stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Resume(tmp_path / "state", "key"), stop)
    told = []
    gone_on, rest = fit(Resume(tmp_path / "state", "key"), told.append)
    assert told[0] == f"continues after epoch {stop_after} of 3"
    assert rest == history
    assert same(undisturbed, gone_on)


def test_a_state_of_another_configuration_is_not_used_and_goes(tmp_path):
    old = Resume(tmp_path / "state", "old")
    old.save({"model/x": torch.ones(1)}, {"history": []})
    assert Resume(tmp_path / "state", "old").load() is not None
    new = Resume(tmp_path / "state", "new")
    assert new.load() is None
    assert not old.path.exists()
    new.clear()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("damage", ["truncated", "empty", "altered"])
def test_a_damaged_state_is_left_aside_with_a_line(tmp_path, capsys, damage):
    state = Resume(tmp_path / "state", "key")
    tensors = {"model/x": torch.arange(1000.0), "optimizer/0/step": torch.tensor(3.0), "model/n": torch.tensor(7)}
    state.save(tensors, {"history": [{"epoch": 1}]})
    found, facts = state.load()
    assert facts == {"history": [{"epoch": 1}]} and all(torch.equal(found[name], tensors[name]) for name in tensors)
    whole = state.path.read_bytes()
    damaged = {"truncated": whole[:-100], "empty": b"", "altered": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]}
    state.path.write_bytes(damaged[damage])
    assert state.load() is None
    said = capsys.readouterr().err
    assert re.search(
        r"state/\w+\.safetensors: the state of a stopped training is damaged .*: training starts again$", said
    )


def test_a_state_is_saved_as_often_as_it_is_cheap(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(resume_module.time, "monotonic", lambda: now[0])
    state = Resume(tmp_path / "state", "key")
    assert state.due()  # how long a save takes is not known yet
    for lasts, due in ((0.5, 10.0), (3.0, 20.0)):

        def write(tensors, path, metadata, lasts=lasts):
            now[0] += lasts
            path.touch()

        monkeypatch.setattr(resume_module.safetensors.torch, "save_file", write)
        state.save({}, {})
        now[0] += due - 0.1
        assert not state.due()
        now[0] += 0.2
        assert state.due()


def test_the_best_epoch_is_kept_not_the_last():
    kept = {}

    def tell(text):
        kept[len(kept) + 1] = text

    model, history = fit(epochs=6, lr=3e-3, tell=tell)
    best = best_epoch(history)
    loss, accuracy = evaluate(model, images(10, 1))
    assert accuracy == pytest.approx(history[best - 1]["val_balanced_accuracy"])
    assert loss == pytest.approx(history[best - 1]["val_loss"], rel=1e-4)


def test_best_epoch_prefers_accuracy_then_loss_then_the_first():
    def row(epoch, accuracy, loss):
        return {"epoch": epoch, "val_balanced_accuracy": accuracy, "val_loss": loss}

    assert best_epoch([]) == 0
    assert best_epoch([row(1, 0.8, 0.1), row(2, 0.9, 9.0), row(3, 0.9, 8.0), row(4, 0.9, 8.0)]) == 3


def test_class_weights_by_hand():
    weights = class_weights(torch.tensor([0, 0, 0, 1]), 2)
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 2.0]))
    assert (weights[torch.tensor([0, 0, 0, 1])].mean()) == pytest.approx(1)


def test_a_loss_that_is_not_finite_stops_with_the_key_to_change():
    with pytest.raises(InputError, match=r"the loss is nan in epoch \d: lower train.lr"):
        fit(lr=1e20, clip_norm=1e20)


def test_learning_rate_warms_up_then_falls():
    _, history = fit(epochs=5)
    rates = [row["lr"] for row in history]
    assert rates[0] < 1e-3
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] < 2e-4


def test_no_augmentation_leaves_the_image():
    pixels = torch.rand(3, 1, 16, 16)
    torch.testing.assert_close(augment(pixels, torch.Generator().manual_seed(0), **STILL), pixels, atol=1e-5, rtol=0)


def test_flip_gives_the_image_or_its_mirror():
    pixels = torch.rand(32, 1, 16, 16)
    flipped = augment(pixels, torch.Generator().manual_seed(0), **STILL | {"flip": True})
    kept = (flipped - pixels).abs().amax((1, 2, 3)) < 1e-5
    mirrored = (flipped - pixels.flip(-1)).abs().amax((1, 2, 3)) < 1e-5
    assert (kept ^ mirrored).all()
    assert 8 <= mirrored.sum() <= 24


def test_each_image_of_a_batch_is_moved_by_itself():
    pixels = torch.rand(1, 1, 32, 32).expand(4, -1, -1, -1)
    moved = augment(pixels, torch.Generator().manual_seed(0), **MOVING)
    assert moved.min() >= 0 and moved.max() <= 1
    assert all(not torch.equal(moved[0], other) for other in moved[1:])


def test_shift_is_at_most_its_share():
    pixels = torch.zeros(64, 1, 40, 40)
    pixels[..., 20, 20] = 1
    moved = augment(pixels, torch.Generator().manual_seed(0), **STILL | {"shift": 0.1})
    peaks = moved.flatten(1).argmax(1)
    offsets = torch.stack([peaks // 40 - 20, peaks % 40 - 20])
    assert 3 <= offsets.abs().max() <= 4
