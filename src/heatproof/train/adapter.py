"""Any classifier in PyTorch as heatproof reads one: pixels in [0, 1] in, float32 logits out.

What differs between networks is settled once, from what a network answers: which part of the answer holds the class
scores, and whether they are logits or probabilities already.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from heatproof.core.messages import InputError
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
        single: one score for two classes: that of class 1.
    """

    task: Task
    kind: Output
    single: bool = False

    @property
    def activation(self) -> Literal["softmax", "sigmoid"]:
        """What turns the logits into probabilities."""
        return "sigmoid" if self.single or self.task == "multilabel" or self.kind == "sigmoid" else "softmax"

    def logits(self, answer: object, images: int) -> Tensor:
        """Return float32 logits [images, classes] of a network's answer.

        Of one score z the logits are -z and z, each of a sigmoid: its complement speaks for class 0. Probabilities
        become the logits that give them back, log(p) or log(p / (1 - p)).
        """
        scores = class_scores(answer, images).float()
        if self.kind == "softmax":
            scores = scores.clamp(min=torch.finfo(scores.dtype).tiny).log()
        elif self.kind == "sigmoid":
            scores = scores.logit(eps=1e-7)
        return torch.cat([-scores, scores], 1) if self.single else scores


def class_scores(answer: object, images: int) -> Tensor:
    """Return the tensor [images, classes] in a network's answer: a tensor, or a dict, tuple or object that holds one.

    Raises:
        InputError: there is none, or several that it could be.
    """
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
            f"the model returns {type(answer).__name__} with {len(fitting) or 'no'} tensors [images, classes]: wrap it "
            f"in a module whose forward returns the logits"
        )
    return _as_columns(fitting[0], images)


def _as_columns(scores: Tensor, images: int) -> Tensor:
    if scores.numel() == images:
        return scores.reshape(images, 1)
    if scores.ndim < 2 or len(scores) != images or scores[0].numel() != scores.shape[1]:
        raise InputError(f"the model returns {list(scores.shape)} for {images} images, not [images, classes]")
    return scores.flatten(1)


def recognize(
    network: Callable[[Tensor], object], pixels: Tensor, task: Task = "multiclass", output: Output | None = None
) -> Outputs:
    """Find out how a network's answers are read, from those to a few images.

    Whether they are probabilities is seen from the calculation that ends in them (a softmax or sigmoid, or an average
    of such), or, where autograd does not see it, from their values.

    Args:
        network: pixels to class scores, in evaluation mode.
        pixels: float [images, channels, height, width].
        task: multiclass or multilabel.
        output: logits, softmax or sigmoid; None recognizes it, with a warning where it is not logits.

    Raises:
        InputError: no class scores are returned, or they are of a softmax over another dimension than the classes.
    """
    if task not in TASKS:
        raise InputError(f"task: {task!r} is not one of {', '.join(TASKS)}")
    if output not in (None, *OUTPUTS):
        raise InputError(f"output: {output!r} is not one of {', '.join(OUTPUTS)}")
    pixels = pixels[:PROBED].detach().clone()
    with torch.enable_grad():
        scores = class_scores(network(pixels.requires_grad_()), len(pixels))
    kind = output or _kind(scores, task)
    if output is None and kind != "logits":
        warnings.warn(
            f"the model returns probabilities ({kind}), and they are read as such: pass output='logits' if they are "
            f"logits, or output={kind!r} to accept this silently",
            stacklevel=2,
        )
    return Outputs(task, kind, single=task == "multiclass" and scores.shape[1] == 1)


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
    """A user's network with its normalization inside, whatever its channels, precision and form of answer.

    Args:
        net: normalized images, [batch, channels, height, width], to class scores.
        mean, std: [channels] or [1], of the normalization.
        task: multiclass or multilabel.
        output: logits, softmax or sigmoid; None recognizes it from the first answers.
    """

    resize = "resize the images to"
    num_classes = None  # what its answers are read as decides

    def __init__(
        self, net: nn.Module, mean: Tensor, std: Tensor, task: Task = "multiclass", output: Output | None = None
    ):
        channels = _channels(net) or (len(mean) if len(mean) > 1 else 3)
        if channels == 1:  # timm names three means for a network built with one channel
            mean, std = mean.mean()[None], std.mean()[None]
        for name, values in {"mean": mean, "std": std}.items():
            if len(values) not in (1, channels):
                raise InputError(f"{name}: {len(values)} numbers; {type(net).__name__} takes {channels} channels")
        super().__init__(net, mean, std)
        self.channels = channels
        self.task, self.output, self.outputs = task, output, None

    def forward(self, pixels: Tensor) -> Tensor:
        return self.outputs_for(pixels).logits(self._answer(pixels), len(pixels))

    def outputs_for(self, pixels: Tensor) -> Outputs:
        """Return how its answers are read: recognized from the first images that it is given."""
        if self.outputs is None:
            with torch.inference_mode(False):
                self.outputs = recognize(self._answer, pixels, self.task, self.output)
        return self.outputs

    def _answer(self, pixels: Tensor) -> object:
        if pixels.shape[1] not in (1, self.channels):
            raise InputError(f"images: {pixels.shape[1]} channels; {type(self.net).__name__} takes {self.channels}")
        pixels = pixels.expand(-1, self.channels, -1, -1)
        dtype = next((p.dtype for p in self.net.parameters() if p.is_floating_point()), pixels.dtype)
        return self.net(((pixels.float() - self.mean.float()) / self.std.float()).to(dtype))


def _channels(net: nn.Module) -> int | None:
    """Return the channels of the images that a network takes, by its first convolution; None where it has none."""
    first = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    return first.in_channels if first is not None and first.in_channels in (1, 3) else None
