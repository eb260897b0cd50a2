"""Classifiers: a timm network that takes pixels in [0, 1] and returns logits, or several that answer as one, by
majority vote or by the mean of their probabilities."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.torch
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatproof.catalogue.reasons import NO_GRADIENT
from heatproof.core.messages import InputError, Unsupported, fitting, line

# how names begin that torchvision gives and timm does not: EfficientNet, MobileNet, ConvNeXt, Swin; ViT; RegNet; VGG
TORCHVISION = r"(features\.0\.0|encoder\.layers\.encoder_layer_\d+|trunk_output|classifier\.\d+)\."


class Classifier(nn.Module):
    """A timm network with its normalization inside.

    Forward takes pixels, float [batch, 1 or 3, height, width] in [0, 1], and returns logits
    [batch, classes]. One channel is repeated to three. The auxiliary outputs that some networks give behind their
    logits while they are trained (an Inception that is built with them) are left.
    """

    resize = "set data.size to"  # what to do about images of another size, in the words of its user

    def __init__(self, net: nn.Module, mean: Tensor, std: Tensor):
        super().__init__()
        self.net = net
        self.register_buffer("mean", mean.view(1, -1, 1, 1))
        self.register_buffer("std", std.view(1, -1, 1, 1))

    @property
    def num_classes(self) -> int | None:
        """Classes that the network says it has."""
        return getattr(self.net, "num_classes", None)

    def forward(self, pixels: Tensor) -> Tensor:
        answer = self.net((pixels.expand(-1, 3, -1, -1) - self.mean) / self.std)
        return answer[0] if self.training and isinstance(answer, tuple) else answer


def build(name: str, classes: int, size: int, *, pretrained: bool = False) -> Classifier:
    """Create an architecture by its timm name for square images of `size` pixels.

    Raises:
        InputError: timm cannot build it for that size, or pretrained weights were asked for and no hub answers.
    """
    config = timm.get_pretrained_cfg(name)
    options = {"img_size": size} if config is not None and config.fixed_input_size else {}
    if pretrained:  # timm (1.0.31 too) may load a file anew with a loader that runs the code in it
        os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        net = timm.create_model(name, pretrained=pretrained, num_classes=classes, **options)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        if not pretrained or isinstance(error, (TypeError, AssertionError)):
            own = config.input_size[-1] if config is not None else None
            fix = f": set data.size to {own}" if own and own != size else ""
            raise InputError(f"{name!r} cannot be built for images of {size} pixels ({reason}){fix}") from error
        raise InputError(
            f"no pretrained weights for {name!r} could be had ({reason}): "
            f"set train.weights to scratch or to the path of a .safetensors file"
        ) from error
    if not pretrained or config.num_classes != classes:
        _calm_head(net, classes)
    mean, std = (config.mean, config.std) if config is not None else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return Classifier(net, torch.tensor(mean), torch.tensor(std))


def _calm_head(net: nn.Module, classes: int) -> None:
    """Start a new head near zero: timm scales some (EfficientNet's) by the number of classes, and with
    three of them the first losses are five times chance and training from scratch does not recover.
    Not at zero, as some of timm's do: no layer below would get a gradient, and none could be found to explain."""
    heads = net.get_classifier() if hasattr(net, "get_classifier") else ()
    for head in heads if isinstance(heads, (tuple, list)) else (heads,):
        for last in head.modules() if isinstance(head, nn.Module) else ():
            if classes == getattr(last, "out_features", getattr(last, "out_channels", None)) and isinstance(
                last, (nn.Linear, nn.Conv2d)
            ):
                nn.init.trunc_normal_(last.weight, std=0.01)
                if last.bias is not None:
                    nn.init.zeros_(last.bias)


def load(name: str, classes: int, size: int, weights: Path) -> Classifier:
    """Create an architecture and fill it from a .safetensors file, in evaluation mode.

    The file holds the tensors of a `Classifier`, or of the plain timm network (normalized as timm
    does for that architecture, which a line of the log says). torchvision's ResNets and DenseNets are the same
    networks under the same names, and give the same logits.

    Raises:
        InputError: the file is not safetensors, or its tensors do not fit the architecture.
    """
    model = build(name, classes, size)
    _fill(model, _read(weights), weights, name)
    return model.eval()


def adapted(name: str, classes: int, size: int, weights: Path) -> tuple[Classifier, bool]:
    """Create an architecture to be fine-tuned from a file that `load` reads, whatever its classes and image size.

    A head of another number of classes is left out: the network gets a new one. Position embeddings of another image
    size are interpolated, by timm's own function for pretrained weights. A line of the log says so.

    Returns:
        The classifier, in evaluation mode, and whether its head is new.

    Raises:
        InputError: the file is not safetensors, or a tensor below the head does not fit the architecture.
    """
    model, tensors = build(name, classes, size), _read(weights)
    prefix = "net." if any(key.startswith("net.") for key in tensors) else ""
    own = {prefix + key: value for key, value in model.net.state_dict().items()}

    def unfit() -> list[str]:
        return [key for key in own if key in tensors and own[key].shape != tensors[key].shape]

    heads = tuple(prefix + head for head in _head_names(model.net))
    others = [len(tensors[key]) for key in unfit() if key.startswith(heads)]
    if others:
        line(f"{weights.name}: its head has {others[0]} classes, not {classes}: all but the head is loaded")
        tensors |= {key: value for key, value in own.items() if key.startswith(heads)}
    resize = getattr(sys.modules[type(model.net).__module__], "checkpoint_filter_fn", None)
    if resize and unfit():
        net = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        with suppress(Exception):  # tensors of another architecture, which `_fill` names
            tensors |= {prefix + key: value for key, value in resize(net, model.net).items()}
            line(f"{weights.name}: is of another image size: its position embeddings are interpolated")
    _fill(model, tensors, weights, name)
    return model.eval(), bool(others)


def _head_names(net: nn.Module) -> list[str]:
    """How the names of the tensors of a network's head begin, such as `fc.`; of several heads all."""
    heads = net.get_classifier()
    heads = heads if isinstance(heads, (tuple, list)) else (heads,)
    return [f"{name}." for name, module in net.named_modules() if any(module is head for head in heads)]


def _read(weights: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(weights)
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(
            f"{weights}: cannot be read as safetensors ({error}): convert a PyTorch checkpoint with "
            f"safetensors.torch.save_file(model.state_dict(), path)"
        ) from error


def _fill(model: Classifier, tensors: dict[str, Tensor], weights: Path, name: str) -> None:
    """Load the tensors of a file, which are those of a `Classifier` or of its network alone."""
    target = model if any(key.startswith("net.") for key in tensors) else model.net
    if target is model.net:
        mean, std = ([round(float(value), 3) for value in part.flatten()] for part in (model.mean, model.std))
        line(
            f"{weights.name}: the network alone, so pixels are normalized by mean {mean} and standard deviation {std}, "
            f"timm's for {name}; if it was trained with others, save it as heatproof.Classifier(...) with them"
        )
    own = target.state_dict()  # an Inception's auxiliary head helps its training alone: timm builds it without one
    tensors = {key: value for key, value in tensors.items() if "AuxLogits." not in key or key in own}
    try:
        target.load_state_dict(tensors)
    except RuntimeError as error:
        if target is model.net and any(re.match(TORCHVISION, key) for key in tensors):
            raise InputError(
                f"{weights}: torchvision's layers, which timm's {name!r} has under other names: of torchvision only "
                f"ResNets and DenseNets load as they are; name them as timm does, or train with timm"
            ) from error
        detail = " ".join(str(error).split())[:300]
        raise InputError(f"{weights}: does not fit {name!r} with {model.num_classes} classes: {detail}") from error


def save(model: Classifier, path: Path) -> None:
    """Write a classifier's tensors to a .safetensors file."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    safetensors.torch.save_file(tensors, path)


def pick_device(wanted: str) -> torch.device:
    """`auto` is the GPU where there is one, else the CPU."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("compute.device is cuda and no GPU answers: set it to auto or cpu")
    return torch.device(wanted)


def prepare(threads: int) -> None:
    """Fix what changes the bytes of a result: thread count and choice of kernels."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


class ImageSet(NamedTuple):
    """Some images of a study: rows of its memory-mapped pixels, and their labels."""

    pixels: np.ndarray  # uint8 [all images, channels, height, width]
    rows: np.ndarray  # int64 [images]
    labels: Tensor  # int64 [images], or bool [images, classes] where one can have several

    def inputs(self, chosen: np.ndarray | slice, device: torch.device) -> Tensor:
        """Float [chosen, channels, height, width] in [0, 1]."""
        return torch.from_numpy(self.pixels[self.rows[chosen]]).to(device).float() / 255


@torch.inference_mode()
def predict(model: nn.Module, images: ImageSet, batch_size: int, device: torch.device) -> Tensor:
    """Logits, float32 [images, classes]."""
    model.eval()
    every, starts = np.arange(len(images.rows)), range(0, len(images.rows), batch_size)

    def answer(places: np.ndarray) -> Tensor:
        return model(images.inputs(places, device)).float().cpu()

    return torch.cat([fitting(answer, every[i : i + batch_size], "compute.batch_size") for i in starts])


VOTE, MEAN = "vote", "mean"
TIE = 1e-3  # of a vote: what the probability decides between classes with as many votes
SURE = 0.5  # added to the votes for and against: all members together are not sure without end


class Ensemble(nn.Module):
    """Members as one classifier: pixels [batch, 1 or 3, height, width] in [0, 1] to logits [batch, classes].

    mean: the logit of the mean probability. Where each image has one class, the logarithm of it, whose softmax is the
    mean probability again.
    vote: `log((v + .5) / (n - v + .5))` of v votes of n members for each class: above 0 for a majority. It is piecewise
    constant, and has no gradient: what changes an image can explain it, and what asks for a gradient cannot.

    Attributes:
        members: classifiers of the same classes, in evaluation mode.
        net: the ensemble itself, as a `Classifier` has its network; with num_classes.
        thresholds: float [members, classes], from which probability a member votes for a label; None where an image has
            one class, and a member's vote is for the likeliest.
    """

    def __init__(self, members: Sequence[nn.Module], combine: str, thresholds: Tensor | None):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine
        self.num_classes = members[0].num_classes
        self.register_buffer("thresholds", thresholds, persistent=False)

    @property
    def net(self) -> "Ensemble":
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        if self.combine == VOTE and torch.is_grad_enabled() and pixels.requires_grad:
            raise Unsupported("a majority vote has no gradient", NO_GRADIENT)
        logits = torch.stack([member(pixels) for member in self.members], 1)  # [batch, members, classes]
        return self._mean(logits) if self.combine == MEAN else self._vote(logits)

    def _mean(self, logits: Tensor) -> Tensor:
        """By functions that DeepLIFT has rules for; members that are sure together stay finite."""
        least = torch.finfo(logits.dtype).tiny
        if self.thresholds is None:
            return (logits.softmax(2).mean(1) + least).log()
        there, not_there = logits.sigmoid().mean(1), (-logits).sigmoid().mean(1)
        return (there + least).log() - (not_there + least).log()

    def _vote(self, logits: Tensor) -> Tensor:
        """Of classes with as many votes the likelier one is above the other, as in `combined`."""
        if self.thresholds is None:
            likelier = TIE * logits.double().softmax(2).mean(1)
            votes = F.one_hot(logits.argmax(2), self.num_classes).sum(1) + likelier
        else:
            votes = (logits.double().sigmoid() >= self.thresholds).sum(1).double()
        return ((votes + SURE) / (len(self.members) - votes + SURE)).log().to(logits.dtype)


def combined(probabilities: np.ndarray, thresholds: np.ndarray | None, combine: str) -> np.ndarray:
    """What an ensemble answers, of what its members answered.

    Args:
        probabilities: float [members, images, classes].
        thresholds: float [members, classes] of several labels; None where each image has one class.
        combine: mean of the probabilities, or vote.

    Returns:
        float [images, classes]: the mean probability, or the share of the votes. Where each image has one class and two
        have as many votes, the mean probability decides.
    """
    mean = probabilities.mean(0)
    if combine == MEAN:
        return mean
    if thresholds is not None:
        return (probabilities >= thresholds[:, None]).mean(0)
    votes = (probabilities.argmax(2)[..., None] == np.arange(probabilities.shape[2])).mean(0)
    return (votes + TIE * mean) / (1 + TIE)
