import http.server
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from heatproof.core.messages import InputError
from heatproof.train.model import ImageSet, adapted, build, load, pick_device, predict, save

SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_build_gives_logits_for_gray_and_colour(name, channels):
    model = build(name, 5, 64).eval()
    pixels = torch.rand(2, channels, 64, 64)
    assert model(pixels).shape == (2, 5)
    plain = model.net((pixels.expand(-1, 3, -1, -1) - model.mean) / model.std)
    torch.testing.assert_close(model(pixels), plain)


@pytest.mark.parametrize("name", ["test_efficientnet", "efficientnet_b0"])
def test_a_new_head_starts_near_chance(name):
    torch.manual_seed(0)
    model = build(name, 3, 64).train()
    pixels, labels = torch.rand(16, 1, 64, 64), torch.arange(16) % 3
    torch.testing.assert_close(F.cross_entropy(model(pixels), labels).item(), float(np.log(3)), atol=0.15, rtol=0)
    torch.manual_seed(0)
    untouched = timm.create_model("efficientnet_b0", num_classes=3).train()
    assert F.cross_entropy(untouched(pixels.expand(-1, 3, -1, -1)), labels) > 1.5, "timm no longer needs this"


@pytest.mark.parametrize(
    "name", ["sequencer2d_s", "deit_tiny_distilled_patch16_224", "crossvit_tiny_240", "levit_128s"]
)
def test_heads_of_any_kind_start_near_zero_and_not_at_it(name):
    """Inside another module, two of them, a list of them, behind a norm."""
    model = build(name, 7, timm.get_pretrained_cfg(name).input_size[-1])
    heads = [m for m in model.net.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 7]
    assert heads
    for head in heads:
        assert 0.005 < head.weight.std() < 0.02 and not head.bias.any()


def test_calming_draws_what_it_drew_before():
    """The bytes of the heads of networks that were trained before heads of other kinds were known."""
    torch.manual_seed(0)
    model = build("test_resnet", 3, 64)
    torch.manual_seed(0)
    net = timm.create_model("test_resnet", num_classes=3)
    torch.nn.init.trunc_normal_(net.fc.weight, std=0.01)
    assert torch.equal(model.net.fc.weight, net.fc.weight)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("xcit_nano_12_p8_224", 90, r"`patch_size` should divide image dimensions evenly\): set data.size to 224"),
        ("twins_svt_small", 90, r"img_size .* should be divided by patch_size .*\): set data.size to 224"),
        ("resnet_of_no_one", 64, r"Unknown model \(resnet_of_no_one\)\)"),
    ],
)
def test_what_timm_cannot_build_is_one_line(name, size, message):
    with pytest.raises(
        InputError, match=rf"^'{name}' cannot be built for images of {size} pixels \({message}$"
    ) as error:
        build(name, 3, size)
    assert "\n" not in str(error.value)


def test_saved_and_loaded_model_predicts_the_same(tmp_path):
    model = build("test_vit", 3, 64).eval()
    model.mean.fill_(0.3)
    save(model, tmp_path / "model.safetensors")
    pixels = torch.rand(2, 1, 64, 64)
    again = load("test_vit", 3, 64, tmp_path / "model.safetensors")
    assert not again.training
    assert torch.equal(model(pixels), again(pixels))


def test_a_plain_timm_checkpoint_loads(tmp_path):
    net = timm.create_model("test_resnet", num_classes=3).eval()
    safetensors.torch.save_file(net.state_dict(), tmp_path / "mine.safetensors")
    model = load("test_resnet", 3, 64, tmp_path / "mine.safetensors")
    pixels = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model(pixels), net((pixels - model.mean) / model.std))


def test_what_is_not_safetensors_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"PK pickled")
    with pytest.raises(InputError, match=rf"^{path}: cannot be read as safetensors .*save_file"):
        load("test_resnet", 3, 64, path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save(build("test_resnet", 4, 64), path)
    with pytest.raises(InputError, match=rf"^{path}: does not fit 'test_resnet' with 3 classes: ") as error:
        load("test_resnet", 3, 64, path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "deit_tiny_distilled_patch16_224"])
@pytest.mark.parametrize("plain", [False, True])
def test_all_but_the_head_of_other_classes_is_loaded(name, plain, tmp_path, capsys):
    """A checkpoint of heatproof and a plain timm network, with one head or two."""
    path, before = tmp_path / "other.safetensors", build(name, 7, 64)
    safetensors.torch.save_file((before.net if plain else before).state_dict(), path)
    model, new_head = adapted(name, 2, 64, path)
    assert new_head and "its head has 7 classes, not 2: all but the head is loaded" in capsys.readouterr().err
    state, own = before.net.state_dict(), model.net.state_dict()
    heads = {key for key in own if own[key].shape != state[key].shape}
    assert heads and all(torch.equal(own[key], state[key]) for key in set(own) - heads)
    assert model(torch.rand(2, 1, 64, 64)).abs().max() < 1, "a new head starts near zero"


def test_a_head_of_the_same_classes_is_kept(tmp_path):
    path, before = tmp_path / "same.safetensors", build("test_resnet", 3, 64)
    save(before, path)
    model, new_head = adapted("test_resnet", 3, 64, path)
    assert not new_head and torch.equal(model.net.fc.weight, before.net.fc.weight)


def test_position_embeddings_of_another_image_size_are_interpolated(tmp_path, capsys):
    path, before = tmp_path / "small.safetensors", build("test_vit", 3, 64)
    before.net.pos_embed.data.fill_(0.25)
    save(before, path)
    model, new_head = adapted("test_vit", 3, 96, path)
    assert not new_head and "position embeddings are interpolated" in capsys.readouterr().err
    assert model.net.pos_embed.shape[1] > before.net.pos_embed.shape[1]
    torch.testing.assert_close(model.net.pos_embed, torch.full_like(model.net.pos_embed, 0.25))


def test_a_network_of_another_architecture_is_not_adapted(tmp_path):
    path = tmp_path / "other.safetensors"
    save(build("test_resnet", 7, 64), path)
    with pytest.raises(InputError, match=rf"^{path}: does not fit 'test_vit' with 2 classes: ") as error:
        adapted("test_vit", 2, 64, path)
    assert "\n" not in str(error.value)


def test_predict_reads_only_its_rows_in_batches():
    model = build("test_resnet", 3, 32).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 1, 32, 32), np.uint8)
    rows = np.array([5, 0, 3])
    images = ImageSet(pixels, rows, torch.zeros(3, dtype=torch.long))
    logits = predict(model, images, 2, torch.device("cpu"))
    with torch.no_grad():
        plain = torch.cat([model(torch.from_numpy(pixels[[row]]).float() / 255) for row in rows])
    torch.testing.assert_close(logits, plain)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused():
    assert pick_device("auto").type == "cpu"
    with pytest.raises(InputError, match=r"compute\.device is cuda and no GPU answers"):
        pick_device("cuda")


class _Hub(http.server.BaseHTTPRequestHandler):
    """As much of a model hub as huggingface_hub asks for."""

    def __init__(self, *args, files, **kwargs):
        self.files = files
        super().__init__(*args, **kwargs)

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        content = self.files.get(self.path.split("?")[0])
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args):
        pass


def _build_pretrained(endpoint: str, home: Path, name: str = "test_resnet.r160_in1k"):
    code = (
        "import sys; from heatproof.train.model import build, save; from heatproof.core.messages import InputError\n"
        "try: save(build(sys.argv[1], 3, 64, pretrained=True), sys.argv[2])\n"
        "except InputError as error: print(error); raise SystemExit(7)"
    )
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "PYTHONPATH": str(SOURCE)}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", code, name, str(home / "built.safetensors")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_pretrained_weights_come_from_the_hub(tmp_path):
    torch.manual_seed(1)
    net = timm.create_model("test_resnet")
    content = safetensors.torch.save(net.state_dict())
    files = {"/timm/test_resnet.r160_in1k/resolve/main/model.safetensors": content}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, files=files)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = _build_pretrained(f"http://127.0.0.1:{server.server_port}", tmp_path)
        server.shutdown()
    assert done.returncode == 0, done.stdout + done.stderr
    built = safetensors.torch.load_file(tmp_path / "built.safetensors")
    for name, tensor in net.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(built[f"net.{name}"], tensor), name
    assert built["net.fc.weight"].shape[0] == 3


@pytest.mark.slow
def test_without_a_hub_one_line_says_what_to_set(tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, files={})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = _build_pretrained(f"http://127.0.0.1:{server.server_port}", tmp_path)
        server.shutdown()
    assert done.returncode == 7, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("no pretrained weights for 'test_resnet.r160_in1k' could be had (")
    assert "set train.weights to scratch or to the path of a .safetensors file" in done.stdout


def test_torchvision_networks_are_timms_or_are_refused(tmp_path, capsys):
    """A ResNet has the same names and gives the same logits; the log says how its pixels are normalized."""
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=3).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.1)
    path = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file(theirs.state_dict(), path)
    found = load("resnet18", 3, 64, path)
    said = capsys.readouterr().err
    assert said.startswith("theirs.safetensors: the network alone, so pixels are normalized by mean [0.485, 0.456, 0.4")
    pixels = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        torch.testing.assert_close(found(pixels), theirs((pixels - mean) / std))
    save(found, path)
    load("resnet18", 3, 64, path)
    assert capsys.readouterr().err == "", "a classifier holds its own"
    other = torchvision.models.mobilenet_v3_small(num_classes=3)
    safetensors.torch.save_file(other.state_dict(), path)
    with pytest.raises(InputError, match=r"torchvision's layers, which timm's 'mobilenetv3_small_100' has under other"):
        load("mobilenetv3_small_100", 3, 64, path)
