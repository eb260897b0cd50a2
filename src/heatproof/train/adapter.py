"""Any classifier in PyTorch as heatproof reads one: pixels in [0, 1] in, float32 logits out.

What differs between networks is settled once, from what a network answers: which part of the answer holds the class
scores, and whether they are logits or probabilities already.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatproof.core.messages import InputError, Unsupported
from heatproof.train.model import Classifier

Task = Literal["multiclass", "multilabel"]
Output = Literal["logits", "softmax", "sigmoid"]
OUTPUTS: tuple[Output, ...] = ("logits", "softmax", "sigmoid")
TASKS: tuple[Task, ...] = ("multiclass", "multilabel")
PROBED = 4  # images from which outputs are recognized
# autograd's nodes that move or average values: what lies before them decides whether an output is a probability
_PASSED = ("View", "Unsafe", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice", "Split", "ToCopy", "Clone", "Alias")
_PASSED += ("Permute", "Transpose", "T", "Expand", "Cat", "Stack", "Mean", "Sum", "Add", "Sub", "Mul", "Div", "Clamp")


@dataclass(frozen=True)
class Outputs:
    """How the class scores of one network are read.

    Attributes:
        task: multiclass, an image has one class; or multilabel, any number of labels.
        kind: what the network gives: logits, or the probabilities of a softmax or of sigmoids.
        single: one score for two classes: that of the class at place `of`.
        chosen: which outputs are the classes, in their order; None: all.
        of: 1, or 0 where the one score is that of the first class.
        joint: whether two classes of one score z get the logits -z/2 and z/2, whose softmax is z's sigmoid.
    """

    task: Task
    kind: Output
    single: bool = False
    chosen: tuple[int, ...] | None = None
    of: int = 1
    joint: bool = False

    @property
    def activation(self) -> Literal["softmax", "sigmoid"]:
        """What turns the logits into probabilities."""
        if self.single:
            return "softmax" if self.joint else "sigmoid"
        return "sigmoid" if self.task == "multilabel" or self.kind == "sigmoid" else "softmax"

    def logits(self, scores: Tensor) -> Tensor:
        """Return float32 logits [images, classes] of a network's class scores [images, outputs].

        Of one score z the logits are -z and z, each of a sigmoid: its complement speaks for the other class.
        Probabilities become the logits that give them back, log(p) or log(p / (1 - p)).
        """
        scores = scores.float()
        if self.chosen is not None:
            scores = scores[:, list(self.chosen)]
        if self.kind == "sigmoid" or (self.single and self.kind == "softmax"):
            scores = scores.logit(eps=1e-7)
        elif self.kind == "softmax":
            scores = scores.clamp(min=torch.finfo(scores.dtype).tiny).log()
        if not self.single:
            return scores
        scores = scores / 2 if self.joint else scores
        return torch.cat([-scores, scores] if self.of else [scores, -scores], 1)


def class_scores(answer: object, images: int, part: str | int | None = None) -> Tensor:
    """Return the tensor [images, classes] in a network's answer: a tensor, or a dict, tuple or object that holds one.

    Args:
        part: place in a tuple, or key of a dict or object, of the tensor; None finds it.

    Raises:
        InputError: there is none, or several that it could be.
    """
    if part is not None:
        answer = _part(answer, part)
    if isinstance(answer, Tensor):
        return _as_columns(answer, images)
    named = answer.get("logits") if isinstance(answer, Mapping) else getattr(answer, "logits", None)
    if isinstance(named, Tensor):
        return _as_columns(named, images)
    if isinstance(answer, (tuple, list)):  # auxiliary outputs and features follow the class scores
        fitting = [part for part in answer if isinstance(part, Tensor) and part.ndim <= 2 and len(part) == images][:1]
    else:
        parts = answer.values() if isinstance(answer, Mapping) else ()
        fitting = [part for part in parts if isinstance(part, Tensor) and part.ndim == 2 and len(part) == images]
    if len(fitting) != 1:
        raise InputError(
            f"the model returns {type(answer).__name__} with {len(fitting) or 'no'} tensors [images, classes]: name "
            f"one with part, its key or place, or wrap it in a module whose forward returns the logits"
        )
    return _as_columns(fitting[0], images)


def _part(answer: object, part: str | int) -> object:
    try:
        return getattr(answer, part) if isinstance(part, str) and hasattr(answer, part) else answer[part]
    except (KeyError, IndexError, TypeError):
        kind, known = type(answer).__name__, list(answer) if isinstance(answer, Mapping) else ""
        known = known or (f"0 to {len(answer) - 1}" if isinstance(answer, (tuple, list)) else "nothing to choose from")
        raise InputError(f"part: {part!r} is not in what the model returns: {kind} with {known}") from None


def _as_columns(scores: Tensor, images: int) -> Tensor:
    if scores.numel() == images:
        return scores.reshape(images, 1)
    if scores.ndim < 2 or len(scores) != images or scores[0].numel() != scores.shape[1]:
        raise InputError(f"the model returns {list(scores.shape)} for {images} images, not [images, classes]")
    return scores.flatten(1)


def recognize(
    network: Callable[[Tensor], Tensor],
    pixels: Tensor,
    task: Task = "multiclass",
    output: Output | None = None,
    chosen: tuple[int, ...] | None = None,
) -> Outputs:
    """Find out how a network's answers are read, from those to a few images.

    Whether they are probabilities is seen from the calculation that ends in them (a softmax or sigmoid, or an average
    of such), or, where autograd does not see it, from their values.

    Args:
        network: pixels to class scores [images, classes], in evaluation mode.
        pixels: float [images, channels, height, width].
        task: multiclass or multilabel.
        output: logits, softmax or sigmoid; None recognizes it, with a warning where it is not logits.
        chosen: which outputs are the classes; None: all.

    Raises:
        InputError: no class scores are returned, or they are of a softmax over another dimension than the classes.
    """
    if task not in TASKS:
        raise InputError(f"task: {task!r} is not one of {', '.join(TASKS)}")
    if output not in (None, *OUTPUTS):
        raise InputError(f"output: {output!r} is not one of {', '.join(OUTPUTS)}")
    pixels = pixels[:PROBED].detach().clone()
    try:
        with torch.enable_grad():
            scores = network(pixels.requires_grad_())
    except Unsupported:  # no gradients
        scores = network(pixels.detach())
    kind = output or _kind(scores, task)
    if output is None and kind != "logits":
        warnings.warn(
            f"the model returns probabilities ({kind}), and they are read as such: pass output='logits' if they are "
            f"logits, or output={kind!r} to accept this silently",
            stacklevel=2,
        )
    if chosen is not None and max(chosen) >= scores.shape[1]:
        raise InputError(f"classes: output {max(chosen)} of a model of {scores.shape[1]} outputs, counted from 0")
    return Outputs(task, kind, task == "multiclass" and (len(chosen or ()) or scores.shape[1]) == 1, chosen)


def _kind(scores: Tensor, task: Task) -> Output:
    """Tell logits from probabilities of a softmax or of sigmoids, scores [images, classes]."""
    ends = _ends(scores.grad_fn) if scores.requires_grad else set()
    values = scores.detach().double()
    probable = bool((values >= 0).all() and (values <= 1).all())
    sums = bool(probable and scores.shape[1] > 1 and (values.sum(1) - 1).abs().max() < 1e-2)
    if ends == {"Softmax"} and not sums:
        raise InputError("the model ends in a softmax, but its classes do not sum to 1: is it over another dimension?")
    if sums and task == "multiclass":
        return "softmax"
    opaque = not ends and probable and (scores.shape[1] == 1 or task == "multilabel")
    return "sigmoid" if (probable and ends == {"Sigmoid"}) or opaque else "logits"


def _ends(node: object) -> set[str]:
    """Names of the calculations that a value is moved or averaged from."""
    found, waiting, seen = set(), [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = node.name().partition("Backward")[0]
        if name.startswith(_PASSED):
            waiting += [before for before, _ in node.next_functions]
        else:
            found.add(name.lstrip("_"))
    return found


class Adapter(Classifier):
    """A user's network with its normalization inside, whatever its channels, size, precision and form of answer.

    Args:
        net: normalized images, [batch, channels, height, width], to class scores.
        mean, std: [channels] or [1], of the normalization.
        task: multiclass or multilabel.
        output: logits, softmax or sigmoid; None recognizes it from the first answers.
        channels: 1 or 3, that the network takes; None finds it from its first convolution.
        size: height and width that the network takes: images of another size are resized to it; None takes any.
        part: which part of a dict or tuple holds the class scores; None finds it.
        chosen: which of the network's outputs are the classes, in their order; None takes all.
        of, joint: where one output stands for two classes, as in `Outputs`.
    """

    resize = "resize the images to"
    has_gradients = has_modules = True  # False where the network is a graph of another runtime

    def __init__(
        self,
        net: nn.Module,
        mean: Tensor,
        std: Tensor,
        task: Task = "multiclass",
        output: Output | None = None,
        *,
        channels: int | None = None,
        size: tuple[int, int] | None = None,
        part: str | int | None = None,
        chosen: Sequence[int] | None = None,
        of: int = 1,
        joint: bool = False,
    ):
        channels = channels or _channels(net) or (len(mean) if len(mean) > 1 else 3)
        if channels == 1:  # timm names three means for a network built with one channel
            mean, std = mean.mean()[None], std.mean()[None]
        for name, values in {"mean": mean, "std": std}.items():
            if len(values) not in (1, channels):
                raise InputError(f"{name}: {len(values)} numbers; {type(net).__name__} takes {channels} channels")
        super().__init__(net, mean, std)
        self.channels, self.size, self.part = channels, size, part
        self.chosen, self.pair = None if chosen is None else tuple(chosen), {"of": of, "joint": joint}
        self.task, self.output, self.outputs = task, output, None

    @property
    def num_classes(self) -> int | None:
        """Classes, where it is stated which outputs they are; else what its answers are read as decides."""
        return None if self.chosen is None else max(len(self.chosen), 2 if self.task == "multiclass" else 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits, float32 [batch, classes], of pixels in [0, 1], float [batch, 1 or channels, height, width]."""
        return self.outputs_for(pixels).logits(self._scores(pixels))

    def outputs_for(self, pixels: Tensor) -> Outputs:
        """Return how its answers are read: recognized from the first images that it is given."""
        if self.outputs is None:
            with torch.inference_mode(False):
                found = recognize(self._scores, pixels, self.task, self.output, self.chosen)
            self.outputs = replace(found, **self.pair)
        return self.outputs

    def _scores(self, pixels: Tensor) -> Tensor:
        """Class scores [batch, classes] as the network gives them."""
        if pixels.shape[1] not in (1, self.channels):
            raise InputError(f"images: {pixels.shape[1]} channels; {type(self.net).__name__} takes {self.channels}")
        pixels = pixels.float().expand(-1, self.channels, -1, -1)
        if self.size is not None and tuple(pixels.shape[-2:]) != tuple(self.size):
            pixels = F.interpolate(pixels, self.size, mode="bilinear", align_corners=False, antialias=True)
        dtype = next((p.dtype for p in self.net.parameters() if p.is_floating_point()), pixels.dtype)
        answer = self.net(((pixels - self.mean.float()) / self.std.float()).to(dtype))
        return class_scores(answer, len(pixels), self.part)


def _channels(net: nn.Module) -> int | None:
    """Return the channels of the images that a network takes, by its first convolution; None where it has none."""
    first = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    return first.in_channels if first is not None and first.in_channels in (1, 3) else None
