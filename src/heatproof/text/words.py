"""The vocabulary of sentences, the view that a template has of a statement, and the registry of templates."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from heatproof.catalogue.families import CONTROLS, FAMILIES
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import METRICS
from heatproof.catalogue.reasons import REASONS
from heatproof.core.statements import Number, Statement
from heatproof.text import numbers
from heatproof.text.numbers import listed

TESTS = {
    "friedman": "Friedman's test",
    "rm_anova": "Repeated-measures ANOVA",
    "quasi_f": "Quasi-F",
    "skillings_mack": "Skillings-Mack test",
    "kruskal_wallis": "Kruskal-Wallis test (unpaired)",
    "welch": "Welch's ANOVA (unpaired)",
}


ARCHITECTURES = {  # timm's names -> usual names
    r"resnet(\d+)([a-z]?)": "ResNet-{0}{1}",
    r"densenet(\d+)": "DenseNet-{0}",
    r"(?:tf_)?efficientnet_([bl]\d)": "EfficientNet-{0:upper}",
    r"(?:tf_)?efficientnet_lite(\d)": "EfficientNet-Lite{0}",
    r"vit_(tiny|small|base|large)_patch(\d+)_\d+": "ViT-{0:title}/{1}",
    r"deit_(tiny|small|base)_patch(\d+)_\d+": "DeiT-{0:title}/{1}",
    r"inception_v(\d)": "Inception-v{0}",
    r"inception_resnet_v(\d)": "Inception-ResNet-v{0}",
    r"test_resnet": "Test-ResNet",
    r"test_vit": "Test-ViT",
    r"test_efficientnet": "Test-EfficientNet",
    r"mobilenetv(\d)_conv_(small|medium|large)_(\d)(\d+)": "MobileNetV{0}-{1:title} {2}.{3}",
}


class _Part(str):
    def __format__(self, spec: str) -> str:
        return getattr(str(self), spec)() if spec else str(self)


def called(name: str) -> str:
    """Return the usual name of a model or method, or the name itself where it is not known.

    >>> called("gradcam"), called("resnet50"), called("vit_base_patch16_224"), called("my_net")
    ('Grad-CAM', 'ResNet-50', 'ViT-Base/16', 'my_net')
    """
    if name in METHODS:
        return METHODS[name].title
    for pattern, form in ARCHITECTURES.items():
        if parts := re.fullmatch(pattern, name):
            return form.format(*map(_Part, parts.groups()))
    return name


def compared(text: str) -> str:
    """Return usual names in what a table says of one model or a pair: `a`, `a - b`, `a over b`.

    >>> compared("resnet50 - densenet121"), compared("vit_base_patch16_224 over my_net"), compared("better")
    ('ResNet-50 − DenseNet-121', 'ViT-Base/16 over my_net', 'better')
    """
    for joint, shown in ((" - ", " − "), (" over ", " over ")):
        if joint in text:
            return shown.join(map(called, text.split(joint)))
    return called(text)


def capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def metric(name: str) -> str:
    """Name a metric within a sentence."""
    return (name in METRICS and METRICS[name].short) or name.replace("_", " ")


def control(name: str, family: str = "") -> str:
    """Name a control within a sentence; an external one goes by its own name."""
    if name not in CONTROLS:
        return name
    single = family in FAMILIES and not FAMILIES[family].pairs
    return (single and CONTROLS[name].single) or CONTROLS[name].sentence or name


def controls(names: Sequence[str], family: str) -> str:
    """Name the controls of a verdict if there are at most two, else `every control`."""
    return listed([control(name, family) for name in names]) if len(names) < 3 else "every control"


def claim(family: str, metric: str) -> str:
    """Return what heatmaps do that beat the controls of a family, by its primary metric."""
    named = (metric in METRICS and METRICS[metric].claim) or (family in FAMILIES and FAMILIES[family].claim)
    return named or "score better than"


def cause(reason: str) -> str:
    """Return why a family has no verdict, given the most frequent reason of its missing scores."""
    return (reason in REASONS and REASONS[reason].sentence) or reason


MARK = "†"  # behind a metric that was not shown to separate the true region from noise


@dataclass(frozen=True)
class View:
    """A statement as a template reads it.

    Attributes:
        doubtful: metrics to mark.
        scoped: whether the sentences before it in a paragraph say what the verdict applies to.
    """

    statement: Statement
    doubtful: Collection[str] = ()
    scoped: bool = False

    @property
    def kind(self) -> str:
        return self.statement.kind

    @property
    def reason(self) -> str:
        return self.statement.reason or ""

    def raw(self, role: str) -> tuple[str, ...]:
        """Return the names of a role as configuration and tables have them."""
        return self.statement.subjects.get(role, ())

    def names(self, role: str) -> tuple[str, ...]:
        return tuple(map(called, self.raw(role)))

    def one(self, role: str) -> str:
        return called(self.statement.one(role))

    def listed(self, role: str, most: int | None = None) -> str:
        return numbers.listed(self.names(role), most)

    def has(self, name: str) -> bool:
        return self.statement.numbers.get(name) is not None

    def number(self, name: str) -> float:
        """Return a number that is there."""
        return self.statement.numbers[name]

    def get(self, name: str) -> Number:
        return self.statement.numbers.get(name)

    def numbers(self, name: str) -> tuple[Number, ...]:
        """Return the numbers of a role's subjects, nothing where there are none."""
        return self.statement.numbers.get(name, ())

    def count(self, name: str, one: str, many: str | None = None) -> str:
        return numbers.counted(self.number(name), one, many)

    def units(self, name: str) -> str:
        """Write a count of groups: `2 patients`."""
        return numbers.counted(self.number(name), *numbers.UNITS[self.one("unit")])

    @property
    def unit(self) -> str:
        """What groups are, in the plural."""
        return numbers.UNITS[self.one("unit")][1]

    def metric(self, name: str = "") -> str:
        """Name a metric, by default the statement's own, with its mark."""
        name = name or self.one("metric")
        return metric(name) + MARK * (name in self.doubtful)

    def paired(self, first: str, second: str) -> dict[str, list[str]]:
        """Return each name of a role with the names of another role at the same places."""
        found: dict[str, list[str]] = {}
        for a, b in zip(self.names(first), self.names(second), strict=True):
            found.setdefault(a, []).append(b)
        return found


Template = Callable[[View], str]
TEMPLATES: dict[str, Template] = {}


def template(*kinds: str) -> Callable[[Template], Template]:
    """Register a function as the one template of some kinds of statements."""

    def register(function: Template) -> Template:
        TEMPLATES.update(dict.fromkeys(kinds, function))
        return function

    return register
