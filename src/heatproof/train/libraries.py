"""What each library, or file, says about a classifier: the network, and how its images and outputs are read.

Weights are read as tensors. What can be read by unpickling alone, which may run any code, is read only where the user
names the file in `trust`.
"""

import importlib
import importlib.metadata
import importlib.util
import inspect
import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm
import torch
import torchvision
from torch import Tensor, nn

from heatproof.catalogue.reasons import RUNTIME_GRADIENT
from heatproof.core.messages import InputError, Unsupported, unknown
from heatproof.train.adapter import OUTPUTS, Output

INSIDE = ("state_dict", "model_state_dict", "model", "net", "network", "weights")  # where trainers put the tensors


@dataclass(frozen=True)
class Options:
    """What a user says about a model, beside where it comes from. None: it is found out from the model.

    Attributes:
        weights: a file of tensors (.safetensors, or what torch.save wrote); None: the model's own.
        mean, std: of the normalization, one number a channel, for pixels in [0, 1].
        channels: 1 or 3.
        size: side, or height and width, of the images that it takes; others are resized to it.
        output: logits, softmax or sigmoid.
        part: which part of a dict or tuple that it returns holds the class scores: key or place.
        layer: name of the module that CAMs explain.
        classes: names of its outputs in order; or class -> its output, by place or by the model's own name.
        arguments: keyword arguments of the class or function that makes it.
        trust: files that may be unpickled.
    """

    weights: str | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    channels: int | None = None
    size: int | Sequence[int] | None = None
    output: Output | None = None
    part: str | int | None = None
    layer: str | None = None
    classes: Sequence[str] | Mapping[str, int | str] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    trust: Sequence[str] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Options":
        """Read and check options.

        Raises:
            InputError: one is not known, or has a value that it cannot have.
        """
        known = [one.name for one in fields(cls)]
        for name in given:
            if name not in known:
                raise unknown("option of a model", name, known)
        made = cls(**given)
        if made.channels not in (None, 1, 3):
            raise InputError(f"channels: {made.channels!r}; it must be 1 or 3")
        if made.output not in (None, *OUTPUTS):
            raise InputError(f"output: {made.output!r} is not one of {', '.join(OUTPUTS)}")
        for name in ("mean", "std"):
            values = getattr(made, name)
            if values is not None:
                object.__setattr__(made, name, _numbers(name, values))
        return made

    @property
    def side(self) -> tuple[int, int] | None:
        """Height and width of its images."""
        if self.size is None:
            return None
        sides = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
        if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
            raise InputError(f"size: {self.size!r}; give the side of a square, or [height, width], in pixels")
        return sides


def _numbers(name: str, given: object) -> list[float]:
    """Return the numbers of a normalization, one a channel.

    Raises:
        InputError: they are no finite numbers, or standard deviations not above 0.
    """
    try:
        values = torch.as_tensor(given, dtype=torch.float32).reshape(-1)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{name}: {given!r}; give one number a channel, such as [0.5, 0.5, 0.5]") from None
    if not len(values) or not values.isfinite().all() or (name == "std" and (values <= 0).any()):
        raise InputError(f"{name}: {given!r}; it must be finite{', and above 0' if name == 'std' else ''}")
    return values.tolist()


@dataclass
class Made:
    """A network as its library makes it, and what the library says about it.

    Attributes:
        library: name and version.
        weights: what the library calls the weights that it comes with; "" where they are random.
        mean, std: None where nothing says how images are normalized.
        size: height and width of the images that it takes; None where it takes any, or nothing says.
        names: of its outputs.
        outputs: how many it was made with, where not as many as its library gives it.
        config: what `make` needs to make it again without the user's folder.
        content: the file, where it is a whole file.
    """

    net: nn.Module
    library: str
    weights: str = ""
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    names: Sequence[str] = ()
    output: Output | None = None
    outputs: int | None = None
    config: dict | None = None
    content: bytes = b""


def read_tensors(path: Path, trust: Sequence[str] = ()) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint: .safetensors, or what torch.save wrote, on its own or within a dict.

    Raises:
        InputError: the file is not there, holds no tensors, or can be read by unpickling alone and is not trusted.
    """
    if not path.is_file():
        raise InputError(f"{path}: not found; weights is the path of a .safetensors file or of a checkpoint")
    if path.suffix == ".safetensors":
        try:
            return safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise InputError(f"{path}: cannot be read as safetensors ({error})") from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        found = unpickled(path, trust, "cannot be read as tensors alone")
    found = found.state_dict() if isinstance(found, nn.Module) else found
    while isinstance(found, Mapping) and (
        inner := next((found[k] for k in INSIDE if isinstance(found.get(k), Mapping)), None)
    ):
        found = inner
    tensors = (
        {name: part for name, part in found.items() if isinstance(part, Tensor)} if isinstance(found, Mapping) else {}
    )
    if not tensors:
        raise InputError(f"{path}: holds no tensors by name, as model.state_dict() has them")
    return tensors


def must_trust(path: Path | str) -> str:
    """What a user does who trusts a file."""
    return f"if you trust whoever made it, give --trust {path}, or trust: ['{path}'] in the study's models"


def unpickled(path: Path, trust: Sequence[str], why: str, content: bytes = b"") -> Any:
    """Read a file by unpickling it, which may run any code: the one place that does so, for a file that is trusted.

    Args:
        trust: paths of the files that the user trusts.
        why: it has to be unpickled, within a sentence.
        content: of a file that was trusted when its checkpoint was made.

    Raises:
        InputError: it is not trusted, or cannot be read.
    """
    if not content and path.resolve() not in {Path(one).resolve() for one in trust}:
        raise InputError(f"{path}: {why}, and unpickling it may run any code: {must_trust(path)}")
    try:
        if path.suffix == ".pt2":
            return torch.export.load(io.BytesIO(content or path.read_bytes()))
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise InputError(f"{path}: cannot be read: {reason_of(error)}") from error


def _version(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"


def _own_weights(source: str, make: Callable[[], nn.Module]) -> nn.Module:
    """Make a network with its library's weights, which may be downloaded."""
    try:
        return make()
    except Exception as error:
        raise InputError(
            f"{source}: its pretrained weights could not be downloaded ({reason_of(error)}): name a file with weights"
        ) from error


def _timm(name: str, options: Options, own: bool, outputs: int | None = None, **_) -> Made:
    if not timm.is_model(name.split(".")[0]):
        raise unknown("model of timm", name, timm.list_models())
    config = timm.get_pretrained_cfg(name)
    keys = dict(options.arguments)
    keys |= {"num_classes": outputs} if outputs else {}
    keys |= {"in_chans": options.channels} if options.channels else {}
    if config is not None and config.fixed_input_size and options.side:
        keys["img_size"] = options.side
    if own:
        net = _own_weights(f"timm:{name}", lambda: timm.create_model(name, pretrained=True, **keys))
    else:
        net = timm.create_model(name, **keys)
    known = net.pretrained_cfg
    size = tuple(known["input_size"][-2:]) if own or known.get("fixed_input_size") else None
    weights = f"{known.get('architecture')}.{known.get('tag')}" if own else ""
    names = known.get("label_names") or ()
    return Made(net, _version("timm"), weights, known["mean"], known["std"], size, options.channels, names)


def _torchvision(name: str, options: Options, own: bool, outputs: int | None = None, **_) -> Made:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise unknown("model of torchvision", name, known)
    weights = torchvision.models.get_model_weights(name).DEFAULT
    keys = dict(options.arguments) | ({"num_classes": outputs} if outputs else {})
    if "inception" in name or name == "googlenet":
        keys = {"init_weights": True} | keys
    if own:
        net = _own_weights(f"torchvision:{name}", lambda: torchvision.models.get_model(name, weights=weights, **keys))
    else:
        net = torchvision.models.get_model(name, weights=None, **keys)
    transforms = weights.transforms()
    size = (transforms.crop_size[0],) * 2 if own else getattr(net, "image_size", None)
    size = (size, size) if isinstance(size, int) else size
    names = weights.meta["categories"] if own else ()
    label = str(weights) if own else ""
    return Made(net, _version("torchvision"), label, transforms.mean, transforms.std, size, 3, names)


def _hf(name: str, options: Options, own: bool, outputs: int | None = None, config: dict | None = None, **_) -> Made:
    from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForImageClassification

    safe = {"trust_remote_code": False}  # no code in a folder is run, and nobody is asked
    attention = {"attn_implementation": "eager"}  # its weights can be read
    if config:
        made = CONFIG_MAPPING[config["model_type"]].from_dict(config["model"])
        images = config["images"]
    else:
        if not Path(name).is_dir() and ("\\" in name or name.startswith((".", "/", "~")) or name.count("/") > 1):
            raise InputError(
                f"hf:{name}: no such folder; give one with config.json and model.safetensors, or a hub's name"
            )
        images = _processor(name)
        made = AutoConfig.from_pretrained(name, **safe)
    if outputs:
        made.num_labels = outputs
    if own:
        net = _own_weights(
            f"hf:{name}",
            lambda: AutoModelForImageClassification.from_pretrained(name, config=made, **attention, **safe),
        )
    else:
        net = AutoModelForImageClassification.from_config(made, **attention)
    names = [made.id2label[place] for place in sorted(made.id2label)]
    names = [] if all(re.fullmatch(r"LABEL_\d+", label) for label in names) else names
    mean, std, size = _processing(images)
    own_size = getattr(made, "image_size", None)
    size = size or ((own_size, own_size) if isinstance(own_size, int) else own_size and tuple(own_size))
    kept = {"model_type": made.model_type, "model": made.to_dict(), "images": images}
    kept = json.loads(json.dumps(kept, default=str))
    return Made(
        net, _version("transformers"), Path(name).name if own else "", mean, std, size,
        getattr(made, "num_channels", None), names, config=kept,
    )  # fmt: skip


def _processor(name: str) -> dict:
    """What a model's image processor does, as its file says it; empty where there is none."""
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        return ImageProcessingMixin.get_image_processor_dict(name)[0]
    except (OSError, ValueError):
        return {}


def _processing(images: dict) -> tuple[list[float] | None, list[float] | None, tuple[int, int] | None]:
    """Mean, standard deviation and size, of pixels in [0, 1], that an image processor of Hugging Face amounts to."""
    if not images or images.get("rescale_offset"):
        return None, None, None
    scale = 255 * images.get("rescale_factor", 1 / 255) if images.get("do_rescale", True) else 255.0
    mean, std = (
        (images.get("image_mean"), images.get("image_std")) if images.get("do_normalize", True) else ([0.0], [1.0])
    )
    size = images.get("crop_size") if images.get("do_center_crop") else images.get("size")
    if isinstance(size, dict):
        size = (size["height"], size["width"]) if "height" in size else (size.get("shortest_edge"),) * 2
    size = (size, size) if isinstance(size, int) else size
    size = tuple(size) if size and all(isinstance(side, int) for side in size) else None
    if mean is None or std is None:
        return None, None, size
    return [m / scale for m in np.atleast_1d(mean).tolist()], [s / scale for s in np.atleast_1d(std).tolist()], size


def _monai(name: str, options: Options, own: bool, outputs: int | None = None, **_) -> Made:
    from monai.networks import nets

    kind = getattr(nets, name, None)
    makes = inspect.isclass(kind) and issubclass(kind, nn.Module)
    if not makes and not (inspect.isfunction(kind) and name.startswith("resnet")):
        classes = [one for one in dir(nets) if inspect.isclass(getattr(nets, one)) and one[0].isupper()]
        raise unknown("network of MONAI", name, classes)
    if own:
        raise InputError(f"monai:{name} has no weights of its own: name a file with weights")
    takes = _parameters(kind if makes else nets.ResNet)
    if makes and issubclass(kind, nets.NetAdapter):
        takes.remove("in_channels")  # there the features of the last layer
    channels = options.channels or 1
    given = {"spatial_dims": 2, "in_channels": channels, "n_input_channels": channels, "pretrained": False}
    given |= dict.fromkeys(("out_channels", "num_classes"), outputs or 2) | {"classification": True}
    given |= {"img_size": options.side or (224, 224), "in_shape": (channels, *(options.side or (224, 224)))}
    arguments = {key: value for key, value in given.items() if key in takes} | dict(options.arguments)
    side = arguments.get("img_size") or arguments.get("in_shape", (0,))[1:] or options.side
    if not {"in_channels", "n_input_channels", "in_shape"} & takes:
        channels = 3  # made of torchvision's networks
    return Made(kind(**arguments), _version("monai"), size=tuple(side) if side else None, channels=channels)


def _parameters(kind: type) -> set[str]:
    """Names of what the constructor of a class takes, and what it hands on to those of its bases."""
    found: set[str] = set()
    for one in kind.__mro__:
        if "__init__" in vars(one):
            given = inspect.signature(one.__init__).parameters.values()
            found |= {parameter.name for parameter in given}
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in given):
                break
    return found


def _xrv(name: str, options: Options, own: bool, outputs: int | None = None, **_) -> Made:
    """Its outputs are logits: the thresholds that the library scales probabilities by are left out."""
    import torchxrayvision as xrv

    known = {key: value for key, value in xrv.models.model_urls.items() if key.startswith(("densenet", "resnet"))}
    if name not in known:
        raise unknown("model of TorchXRayVision", name, known)
    facts, kind = known[name], name.split("-")[0]
    names = [label or f"(unused {place})" for place, label in enumerate(facts["labels"])]
    count = outputs or len(names)
    if kind.startswith("densenet"):
        net = xrv.models.DenseNet(num_classes=count, in_channels=1, **xrv.models.get_densenet_params(kind))
    else:  # as its class makes it, which cannot be made without its weights
        net = torchvision.models.get_model(kind, weights=None, num_classes=count)
        net.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    side = int(match[1]) if (match := re.search(r"-res(\d+)-", name)) else 224
    weights = ""
    if own:
        path = Path(xrv.utils.get_cache_dir()).expanduser() / Path(facts["weights_url"]).name
        if not path.is_file():
            raise InputError(f"xrv:{name}: {path}: not found; download {facts['weights_url']} to it")
        tensors = read_tensors(path, options.trust)
        net.load_state_dict({key: value for key, value in tensors.items() if key != "op_threshs"})
        weights = name
    # it takes values in [-1024, 1024]
    return Made(net, _version("torchxrayvision"), weights, [0.5], [1 / 2048], (side, side), 1, names)


def _module(name: str, options: Options, own: bool, outputs: int | None = None, **_) -> Made:
    where, _, function = name.rpartition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        if where.endswith(".py"):
            spec = importlib.util.spec_from_file_location(f"heatproof_user_{Path(where).stem}", where)
            module = importlib.util.module_from_spec(spec)
            sys.path.insert(0, str(Path(where).resolve().parent))
            try:
                spec.loader.exec_module(module)
            finally:
                sys.path.pop(0)
        else:
            module = importlib.import_module(where)
        make = getattr(module, function, None)
        if not callable(make):
            raise unknown(f"function of {where}", function, [one for one in dir(module) if one[0] != "_"])
        net = make(**options.arguments)
    finally:
        sys.path.pop(0)
    if not isinstance(net, nn.Module):
        raise InputError(f"{name} returns {type(net).__name__}, not a torch.nn.Module")
    known = getattr(net, "pretrained_cfg", None) or getattr(net, "default_cfg", None) or {}
    return Made(net, name, mean=known.get("mean"), std=known.get("std"), channels=getattr(net, "channels", None))


class Graph(nn.Module):
    """A network that takes batches of one length alone: others are cut to it, and the last is filled with zeros.

    Args:
        net: pixels to class scores.
        batch: the length that it takes; None: any.
    """

    def __init__(self, net: nn.Module, batch: int | None):
        super().__init__()
        self.net, self.batch = net, batch

    def forward(self, pixels: Tensor) -> object:
        """Return what the network returns, for any number of images."""
        if self.batch is None or len(pixels) == self.batch:
            return self.net(pixels)
        parts = []
        for part in pixels.split(self.batch):
            filled = torch.cat([part, part.new_zeros(self.batch - len(part), *part.shape[1:])])
            parts.append(_first(_tensors(self.net(filled)), len(part)))
        return _joined(parts)


def _tensors(answer: object) -> object:
    return dict(answer) if isinstance(answer, Mapping) else answer


def _first(answer: object, count: int) -> object:
    """The first images of an answer: a tensor, or a dict or tuple of tensors."""
    if isinstance(answer, Mapping):
        return {key: _first(value, count) for key, value in answer.items()}
    return tuple(_first(one, count) for one in answer) if isinstance(answer, (tuple, list)) else answer[:count]


def _joined(parts: list) -> object:
    """Answers to parts of a batch as one."""
    if isinstance(parts[0], dict):
        return {key: _joined([part[key] for part in parts]) for key in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(_joined([part[place] for part in parts]) for place in range(len(parts[0])))
    return torch.cat(parts)


def _export(name: str, options: Options, own: bool, outputs: int | None = None, content: bytes = b"", **_) -> Made:
    program = unpickled(Path(name), options.trust, "is a file of torch.export", content)
    content = content or Path(name).read_bytes()
    shapes = [
        node.meta["val"].shape
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in program.graph_signature.user_inputs
    ]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise InputError(
            f"{name}: takes {[list(map(str, shape)) for shape in shapes]}; it must take one batch of images"
        )
    batch, channels, height, width = (side if isinstance(side, int) else None for side in shapes[0])
    net = torch.export.unflatten(program)
    net = net if batch is None else Graph(net, batch)
    size = (height, width) if height and width else None
    return Made(net, _version("torch"), Path(name).name, size=size, channels=channels, content=content)


class Onnx(nn.Module):
    """A network of ONNX Runtime, on the CPU: it answers, and has neither gradients nor layers.

    Args:
        content: the file.
    """

    def __init__(self, content: bytes):
        super().__init__()
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = torch.get_num_threads(), 1
        settings.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return its outputs by name.

        Raises:
            Unsupported: a gradient is wanted.
        """
        if pixels.requires_grad and torch.is_grad_enabled():
            raise Unsupported("a model of ONNX has no gradient", RUNTIME_GRADIENT)
        (taken,) = self.session.get_inputs()
        kind = {"tensor(float16)": np.float16, "tensor(double)": np.float64}.get(taken.type, np.float32)
        found = self.session.run(None, {taken.name: pixels.detach().cpu().numpy().astype(kind)})
        names = [one.name for one in self.session.get_outputs()]
        answer = {
            name: torch.from_numpy(np.asarray(one)).to(pixels.device) for name, one in zip(names, found, strict=True)
        }
        return answer if len(answer) > 1 else answer[names[0]]


def abilities(net: nn.Module) -> tuple[bool, bool]:
    """Return whether a network has gradients, and layers that can be read: each has to run once, on all images."""
    onnx = any(isinstance(module, Onnx) for module in net.modules())
    return not onnx, not onnx and not isinstance(net, Graph)


def _onnx(name: str, options: Options, own: bool, outputs: int | None = None, content: bytes = b"", **_) -> Made:
    content = content or Path(name).read_bytes()
    net = Onnx(content)
    taken = net.session.get_inputs()
    shapes = [one.shape for one in taken]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise InputError(f"{name}: takes {shapes}; it must take one batch of images [images, channels, height, width]")
    batch, channels, height, width = (side if isinstance(side, int) and side > 0 else None for side in shapes[0])
    size = (height, width) if height and width else None
    wrapped = net if batch is None else Graph(net, batch)
    return Made(wrapped, _version("onnxruntime"), Path(name).name, size=size, channels=channels, content=content)


MAKERS: dict[str, Callable[..., Made]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "hf": _hf,
    "monai": _monai,
    "xrv": _xrv,
    "module": _module,
    "export": _export,
    "onnx": _onnx,
}


def reason_of(error: BaseException) -> str:
    """Return an error of a library, or of the user's code, within a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".removesuffix(": ")
