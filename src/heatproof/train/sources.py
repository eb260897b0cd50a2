"""Open a classifier that was trained elsewhere: a model of a library, a function of the user, a file of torch.export or
ONNX. What it takes and gives is found out where the model says it, and asked for in one line where it does not.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from heatproof.catalogue.reasons import NO_REDRAW
from heatproof.core.draws import derive
from heatproof.core.messages import InputError, Unsupported, line, listed, pairs, reason, setting, unknown
from heatproof.store.artifacts import ArtifactError, digest
from heatproof.train.adapter import Adapter, Task
from heatproof.train.layers import TargetLayer, check_answer, find_target_layer, probes, read_layer
from heatproof.train.libraries import MAKERS, Made, Options, abilities, read_tensors, reason_of
from heatproof.train.specs import FILES, Spec

GRAPH = "graph"  # tensor of a checkpoint that holds a whole file of torch.export or ONNX


@dataclass(frozen=True)
class Preprocessing:
    """What happens to pixels in [0, 1] before the network sees them.

    Attributes:
        mean, std: one number a channel, or one for all.
        channels: of the images that the network takes.
        size: height and width that images are resized to; None: they are taken as they are.
        origin: who says so: `given`, `the file`, or the library.
    """

    mean: list[float]
    std: list[float]
    channels: int
    size: tuple[int, int] | None
    origin: str

    def __str__(self) -> str:
        mean, std = (", ".join(f"{value:.3g}" for value in part) for part in (self.mean, self.std))
        resized = f"resized to {self.size[0]} x {self.size[1]} pixels" if self.size else "at the size that they have"
        shown = {1: "one channel", 3: "three channels"}[self.channels]
        return f"{shown}, {resized}, mean {mean}, standard deviation {std} (by {self.origin})"


@dataclass(frozen=True)
class Loaded:
    """A classifier that is ready to be judged.

    Attributes:
        net: pixels in [0, 1] to logits of the classes, in evaluation mode.
        preprocessing: what happens to the pixels.
        classes: names of its outputs, or of those that were chosen; empty where nobody names them.
        assumed: whether the classes' order is taken to be that of the study, because nothing says it.
        provenance: source, library, weights, and SHA-256 of the files that were read.
        wanted: name of the layer to explain; None finds it.
        made: the network as its library made it.
    """

    net: Adapter
    preprocessing: Preprocessing
    classes: list[str]
    assumed: bool
    provenance: dict[str, Any]
    wanted: str | None
    made: Made

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the images that it takes; None where it takes any."""
        return self.preprocessing.size

    @property
    def channels(self) -> int:
        """Channels of the images that it takes."""
        return self.preprocessing.channels

    @property
    def has_gradients(self) -> bool:
        """Whether methods that ask for gradients support it."""
        return self.net.has_gradients

    @property
    def has_modules(self) -> bool:
        """Whether it has layers that can be explained."""
        return self.net.has_modules

    @cached_property
    def layer(self) -> TargetLayer | None:
        """The layer that CAMs explain, the deepest with a grid of 7 or more a side; None where it has no modules."""
        return self.layer_at(self.size or (224, 224))

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the layer."""
        return self.layer.grid if self.layer else None

    def layer_at(self, size: int | tuple[int, int], min_grid: int = 7) -> TargetLayer | None:
        """Find the layer that CAMs explain, for images of a size.

        Raises:
            InputError: it has no such layer, or none with a grid that its classes depend on.
        """
        if not self.has_modules:
            return None
        if self.wanted:
            return read_layer(self.net, self.wanted, size)
        return find_target_layer(self.net, size, min_grid)

    def check(self, size: int | tuple[int, int] | None = None) -> Tensor:
        """Return its logits, [3, classes], of three images of noise.

        Raises:
            InputError: it does not take images of that size, or its logits are not finite.
        """
        height, width = (size, size) if isinstance(size, int) else size or self.size or (224, 224)
        with torch.no_grad():
            return check_answer(self.net, probes(height, width))


def load(
    source: str,
    options: Mapping[str, Any] | Options | None = None,
    *,
    classes: Sequence[str] = (),
    task: Task = "multiclass",
    seed: int | str = "",
    joint: bool = True,
) -> Loaded:
    """Open a classifier.

    Args:
        source: where it comes from, see `specs.FORMS`; `{seed}` in a path is filled in, here and in `weights`.
        options: of `Options`.
        classes: those to be told apart, in order; by default all outputs of the model.
        task: multiclass or multilabel.
        seed: which of several checkpoints.
        joint: whether two classes of one score get logits whose softmax (else: each one's sigmoid) is the probability.

    Raises:
        InputError: it cannot be opened, or something must be stated that the model does not say; one line.

    >>> found = load("torchvision:resnet18", {"weights": "none", "mean": [0.5], "std": [0.25]})
    Traceback (most recent call last):
    heatproof.core.messages.InputError: none: not found; weights is the path of a .safetensors file or of a checkpoint
    """
    options = options if isinstance(options, Options) else Options.of(options or {})
    spec = Spec.parse(_filled(source, seed))
    spec.check_installed()
    options = replace(options, weights=options.weights and _filled(options.weights, seed))
    files = [*spec.files(), *([Path(options.weights)] if options.weights else [])]
    tensors = read_tensors(Path(options.weights), options.trust) if options.weights else None
    make = MAKERS[spec.kind]
    try:
        made = make(spec.name, options, own=tensors is None)
        if tensors is not None:
            made = _filled_in(spec, made, tensors, lambda outputs: make(spec.name, options, own=False, outputs=outputs))
    except InputError:
        raise
    except Exception as error:  # whatever a library or the user's code raises
        if isinstance(error, (KeyboardInterrupt, torch.OutOfMemoryError, MemoryError)):
            raise
        raise InputError(f"{source}: cannot be opened: {reason_of(error)}") from error
    provenance = {
        "source": source,
        "library": made.library,
        "weights": Path(options.weights).name if options.weights else made.weights,
        "files": _digests(files),
    }
    return _adapted(spec, made, options, provenance, classes, task, joint)


def _digests(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 by name: below the working folder the path, else the name alone, as no path of a machine is stored."""
    here = Path.cwd()
    paths = {path: path.resolve() for path in files}
    return {
        (full.relative_to(here).as_posix() if full.is_relative_to(here) else path.name): digest(path)
        for path, full in paths.items()
    }


def _filled(text: str, seed: int | str) -> str:
    return text.replace("{seed}", str(seed))


def _adapted(
    spec: Spec, made: Made, options: Options, provenance: dict, classes: Sequence[str], task: Task, joint: bool
) -> Loaded:
    """The network as heatproof reads one, with what the user says before what the library says."""
    if isinstance(made.net, Adapter):
        made.mean, made.std = made.net.mean.flatten().tolist(), made.net.std.flatten().tolist()
        made.output, made.net = made.output or made.net.output, made.net.net
    mean, std = options.mean or made.mean, options.std or made.std
    if mean is None or std is None:
        raise InputError(
            f"{provenance['source']} does not say how its images are normalized: give mean and std, one number a "
            f"channel, for pixels in [0, 1]; mean: [0], std: [1] if they are left as they are"
        )
    outputs = made.outputs or len(made.names) or _outputs_of(made.net)
    names, chosen, of, assumed = _choose(list(classes), options.classes, list(made.names), outputs, task)
    net = Adapter(
        made.net,
        torch.tensor(mean, dtype=torch.float32),
        torch.tensor(std, dtype=torch.float32),
        task,
        options.output or made.output,
        channels=options.channels or made.channels,
        size=options.side or made.size,
        part=options.part,
        chosen=chosen,
        of=of,
        joint=joint,
    ).eval()
    net.requires_grad_(False)
    net.has_gradients, net.has_modules = abilities(made.net)
    origin = "given" if options.mean or options.std else made.library
    numbers = (net.mean.flatten().tolist(), net.std.flatten().tolist())
    preprocessing = Preprocessing(*numbers, net.channels, net.size, origin)
    return Loaded(net, preprocessing, names, assumed, provenance, options.layer, made)


def _choose(
    wanted: list[str], given: Sequence[str] | Mapping | None, own: list[str], outputs: int | None, task: Task
) -> tuple[list[str], list[int] | None, int, bool]:
    """Which outputs are the wanted classes.

    Returns:
        Names of the classes, the places of their outputs (None: all), the place of the class that a single output
        speaks for, and whether the order is nobody's statement.
    """
    names = list(given) if given and not isinstance(given, Mapping) else own
    if outputs and len(names) not in (0, outputs):
        raise InputError(
            f"{setting('classes')}: {len(names)} names of a model of {outputs} outputs; name each, in order"
        )
    if isinstance(given, Mapping):
        wanted = wanted or list(given)
        for name in given:
            if name not in wanted:
                raise unknown("class", name, wanted)
        chosen = [_place(output, own, outputs) for output in given.values()]
        if len(given) == 1 and len(wanted) == 2 and task == "multiclass":
            return wanted, chosen, wanted.index(next(iter(given))), False
        if lost := [name for name in wanted if name not in given]:
            raise InputError(f"{setting('classes')}: {lost[0]} is missing: state which output it is, by place or name")
        return wanted, [chosen[list(given).index(name)] for name in wanted], 1, False
    if not wanted:
        return names, None, 1, False
    plain = [_plain(name) for name in names]
    if names and len(set(plain)) == len(plain):
        there = [_plain(name) in plain for name in wanted]
        if len(names) == 1 and len(wanted) == 2 and any(there) and task == "multiclass":
            return wanted, [0], there.index(True), False
        if all(there):
            return wanted, [plain.index(_plain(name)) for name in wanted], 1, False
    if names:
        few = ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "")
        example = pairs("classes", dict(zip(wanted, names, strict=False)))
        raise InputError(
            f"its outputs are {few}, and the classes are {', '.join(wanted)}: state which output is which class, as in "
            f"{example}"
        )
    if outputs and outputs != len(wanted) and (outputs, len(wanted), task) != (1, 2, "multiclass"):
        example = pairs("classes", {name: place for place, name in enumerate(wanted)})
        raise InputError(
            f"it has {outputs} outputs, and the classes are {', '.join(wanted)}: state which output is which class, as "
            f"in {example}"
        )
    return wanted, list(range(outputs)) if outputs else None, 1, True


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _place(output: int | str, names: list[str], outputs: int | None) -> int:
    if isinstance(output, str):
        found = [place for place, name in enumerate(names) if _plain(name) == _plain(output)]
        if not found:
            raise unknown("output of the model", output, names)
        return found[0]
    if outputs and not 0 <= output < outputs:
        raise InputError(f"classes: output {output} of a model of {outputs} outputs, counted from 0")
    return output


def _outputs_of(net: nn.Module) -> int | None:
    """How many outputs a network says that it has."""
    found = getattr(net, "num_classes", None)
    return found if isinstance(found, int) and found > 0 else None


def _filled_in(spec: Spec, made: Made, tensors: dict[str, Tensor], again: Callable[[int], Made]) -> Made:
    """Put a file's tensors into a network, made again where the file has another number of outputs."""
    if made.content:
        raise InputError(f"weights: {spec.name} has its own; leave weights out")
    target = made.net.net if isinstance(made.net, Adapter) else made.net
    if {"mean", "std"} <= set(tensors) and any(key.startswith("net.") for key in tensors):  # saved as a Classifier
        made.mean, made.std = tensors["mean"].flatten().tolist(), tensors["std"].flatten().tolist()
    found = _matched(tensors, target.state_dict())
    own = target.state_dict()
    other = {
        found[key].shape[0]
        for key in found.keys() & own.keys()
        if found[key].shape != own[key].shape and found[key].ndim
    }
    if len(other) == 1 and spec.kind != "module":
        mean, std, outputs = made.mean, made.std, other.pop()
        made = again(outputs)
        target, made.mean, made.std, made.outputs, made.names = made.net, mean, std, outputs, []
        own = target.state_dict()
    found = {
        key: value for key, value in found.items() if key in own or ("AuxLogits." not in key and key != "op_threshs")
    }
    try:
        target.load_state_dict(_versioned(found, own))
    except RuntimeError as error:
        shapes = [key for key in found.keys() & own.keys() if found[key].shape != own[key].shape]
        sides = {"lacks": own.keys() - found.keys(), "has also": found.keys() - own.keys(), "other shape": shapes}
        detail = "; ".join(f"{side}: {listed(sorted(names))}" for side, names in sides.items() if names)
        raise InputError(
            f"weights: they do not fit {spec.kind}:{spec.name} ({detail or reason(error)}); name the model that they "
            "were saved from"
        ) from error
    return made


def _versioned(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Tensors with the versions of modules that a network writes now: files of tensors alone have none."""
    found = OrderedDict(tensors)
    found._metadata = getattr(own, "_metadata", None)
    return found


def _matched(tensors: dict[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors by the network's names: without what a trainer puts before all of them (`model.`, `module.`)."""
    first = next(iter(own), "")
    prefixes = {key.removesuffix(first) for key in tensors if key == first or key.endswith(f".{first}")}
    best = max(prefixes, key=lambda prefix: sum(prefix + key in tensors for key in own), default="")
    if not best:
        return tensors
    left = [key for key in tensors if not key.startswith(best) and key not in ("mean", "std")]
    if left:
        line(f"weights: {len(left)} tensors beside {best}... are left out, such as {left[0]}")
    return {key.removeprefix(best): value for key, value in tensors.items() if key.startswith(best)}


def described(loaded: Loaded, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint's card says of a model that has answered, for `reopen` and for the report: JSON.

    Args:
        options: that it was loaded with.
    """
    net, made = loaded.net, loaded.made
    kept = {name: value for name, value in options.items() if name in ("channels", "size", "arguments")}
    return {
        **loaded.provenance,
        "options": kept,
        "normalization": str(loaded.preprocessing),
        "preprocessing": asdict(loaded.preprocessing),
        "assumed": loaded.assumed,
        "reading": {
            "task": net.task, "output": net.outputs.kind if net.outputs else net.output, "channels": net.channels,
            "size": net.size, "part": net.part, "chosen": net.chosen, **net.pair,
        },
        "outputs": made.outputs,
        "config": made.config,
        "fixed": bool(made.content),
    }  # fmt: skip


def tensors_of(loaded: Loaded) -> dict[str, Tensor]:
    """Return what a checkpoint's file holds, for `reopen`: its tensors, or the file of its graph."""
    if loaded.made.content:
        return {GRAPH: torch.frombuffer(bytearray(loaded.made.content), dtype=torch.uint8)}
    return {key: value.detach().cpu().clone().contiguous() for key, value in loaded.net.state_dict().items()}


def reopen(card: dict[str, Any], path: Path) -> Adapter:
    """Open a model from its checkpoint, in evaluation mode.

    Args:
        card: as `described` made it, with the `options` that it was loaded with.
        path: the tensors, as `tensors_of` made them.

    Raises:
        ArtifactError: the user's code is no more what it was when the checkpoint was made.
    """
    tensors = safetensors.torch.load_file(path)
    content = tensors[GRAPH].numpy().tobytes() if GRAPH in tensors else b""
    net = _again(card, content)
    if not content:
        net.load_state_dict(_versioned(tensors, net.state_dict()))
    return net


def untrained(card: dict[str, Any], *key: str | int) -> Adapter:
    """Make a model as it starts before training, drawn from the key; torch's own stream is left as it was.

    Raises:
        Unsupported: it is a file whose weights nobody knows how to draw.
    """
    if Spec.parse(card["source"]).kind in FILES.values():
        raise Unsupported("the weights of a file of torch.export or ONNX cannot be randomized", NO_REDRAW)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(*key))
        net = _again(card)
        if (
            Spec.parse(card["source"]).kind == "module"
        ):  # the user's function may have loaded its weights, or set a seed
            torch.manual_seed(derive(*key))
            _redraw(net.net)
        return net


def _again(card: dict[str, Any], content: bytes = b"") -> Adapter:
    """The network of a card, with weights of chance, or of the file that it came in."""
    spec, reading = Spec.parse(card["source"]), card["reading"]
    spec.check_installed()
    if spec.kind == "module" and (
        changed := [n for n, d in _digests(spec.files()).items() if card["files"].get(n) != d]
    ):
        raise ArtifactError(f"{changed[0]}: not as it was when {card['source']} was loaded; run again")
    options = Options.of(card["options"])
    made = MAKERS[spec.kind](
        spec.name, options, own=False, outputs=card["outputs"], config=card["config"], content=content
    )
    inner = made.net.net if isinstance(made.net, Adapter) else made.net
    numbers = (torch.tensor(card["preprocessing"][name], dtype=torch.float32) for name in ("mean", "std"))
    net = Adapter(inner, *numbers, **{**reading, "size": reading["size"] and tuple(reading["size"])}).eval()
    net.has_gradients, net.has_modules = abilities(inner)
    return net


@torch.no_grad()
def _redraw(net: nn.Module) -> None:
    """Draw all weights anew: by the module's own rule where it has one, else from a normal distribution with the mean
    and the standard deviation that the tensor has."""
    done: set[int] = set()
    for module in net.modules():
        if callable(getattr(module, "reset_parameters", None)):
            module.reset_parameters()
            done |= {id(parameter) for parameter in module.parameters()}
    for parameter in net.parameters():
        if id(parameter) not in done and parameter.is_floating_point():
            parameter.normal_(parameter.mean().item(), parameter.std(correction=0).item())
