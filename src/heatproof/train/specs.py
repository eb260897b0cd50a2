"""Names of models that were trained elsewhere: what they stand for, and which files are read. Imports no torch."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from heatproof.core.messages import InputError

Kind = Literal["timm", "torchvision", "hf", "monai", "xrv", "module", "export", "onnx"]
LIBRARIES = ("timm", "torchvision", "hf", "monai", "xrv")
FILES: dict[str, Kind] = {".pt2": "export", ".onnx": "onnx"}
WEIGHTS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".h5", ".keras", ".pb", ".pkl")  # files of no architecture
# what a kind imports beyond the core, and the extra of heatproof that installs it
EXTRAS = {"hf": "transformers", "monai": "monai", "xrv": "torchxrayvision", "onnx": "onnxruntime"}
FORMS = (
    "a timm name, timm:NAME, torchvision:NAME, hf:FOLDER or hf:NAME, monai:CLASS, xrv:NAME, package.module:function, "
    "file.py:function, file.pt2 or file.onnx"
)


@dataclass(frozen=True)
class Spec:
    """A model, by where it comes from and its name there.

    Attributes:
        kind: a library; module, a function that returns a network; export, a file of torch.export; or onnx.
        name: in the library; `package.module:function` or `file.py:function`; or the path of a file.

    >>> Spec.parse("torchvision:vit_b_16")
    Spec(kind='torchvision', name='vit_b_16')
    >>> Spec.parse("my_package.models:build").kind, Spec.parse("model-{seed}.onnx").kind, Spec.parse("resnet50").kind
    ('module', 'onnx', 'timm')
    """

    kind: Kind
    name: str

    @classmethod
    def parse(cls, text: str) -> "Spec":
        """Read a specification.

        Raises:
            InputError: it has none of the known forms.
        """
        prefix, colon, name = text.strip().partition(":")
        if colon and prefix in LIBRARIES and name:
            return cls(prefix, name)
        if (end := Path(text).suffix) in FILES:
            return cls(FILES[end], text)
        module, colon, function = text.strip().rpartition(":")
        parts = module.removesuffix(".py").replace("/", ".").strip(".").split(".")
        near = get_close_matches(prefix, LIBRARIES, 1, 0.8)
        if colon and near and "." not in prefix:
            raise InputError(f"{text!r} is no model: did you mean {near[0]}:{name or 'NAME'}?")
        if colon and function.isidentifier() and (module.endswith(".py") or all(map(str.isidentifier, parts))):
            return cls("module", text)
        if not colon and Path(text).suffix in WEIGHTS:
            raise InputError(f"{text!r} is a file of weights, not a model: give {FORMS}, and set weights to the file")
        if not colon and text and "/" not in text:
            return cls("timm", text)
        raise InputError(f"{text!r} is no model: give {FORMS}")

    @property
    def runs(self) -> str:
        """The code of the user that opening it runs: file or module and function; "" where it is a library's."""
        return self.name if self.kind == "module" else ""

    @property
    def label(self) -> str:
        """A short name that may be a folder's: `torchvision_vit_b_16`, `model` of `models/model.onnx`."""
        stem = Path(self.name).stem if self.kind in FILES.values() else Path(self.name).name.replace(".py:", "_")
        label = stem if self.kind in (*FILES.values(), "module", "timm") else f"{self.kind}_{stem}"
        return "".join(c if c.isalnum() or c in "_.-" else "_" for c in label).strip("._-")

    def check_installed(self) -> None:
        """Raise InputError where the library of this kind is not installed."""
        package = EXTRAS.get(self.kind)
        if package and find_spec(package) is None:
            raise InputError(
                f"{self.kind}:... needs {package}, which is not installed: pip install 'heatproof[{self.kind}]'"
            )

    def files(self, root: Path = Path()) -> list[Path]:
        """List the files that it is read from: a model file, a local folder of Hugging Face, or the user's modules.

        Of a module those count, too, that it imports and that lie in its folder or package.

        Args:
            root: where relative names are looked for.

        Raises:
            InputError: a file that it names is not there.
        """
        if self.kind in FILES.values():
            return [given_file(root / self.name)]
        if self.kind == "hf":
            folder = root / self.name
            return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        if self.kind != "module":
            return []
        module = self.name.rpartition(":")[0]
        if module.endswith(".py"):
            path = given_file(root / module)
            return sorted(_followed(path, path.parent, ()))
        parts = module.split(".")
        for place in (root, *map(Path, sys.path)):
            if path := _module(place, parts):
                return sorted(_followed(path, place, tuple(parts[:1]) if place is not root else ()))
        raise InputError(
            f"{self.name}: there is no module {module}; run in the folder that holds it, or give file.py:function"
        )


def given_file(path: Path | str) -> Path:
    """Return the path of a file.

    Raises:
        InputError: it is not there.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: not found; give the path of a file")
    return Path(path)


def _module(place: Path, parts: list[str]) -> Path | None:
    """The file of a module below a folder of Python's path."""
    stem = place.joinpath(*parts)
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _followed(start: Path, place: Path, within: tuple[str, ...]) -> Iterator[Path]:
    """The file of a module and of those that it imports, of those below `place`, and in the package `within`."""
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):  # opening it says what is wrong
            continue
        package = list(path.parent.relative_to(place).parts)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [alias.name.split(".") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                base += (node.module or "").split(".") if node.module else []
                names = [base, *([*base, alias.name] for alias in node.names)]
            else:
                continue
            for parts in names:
                if parts and (not within or tuple(parts[:1]) == within):
                    parents = [parts[:count] for count in range(1, len(parts) + 1)]
                    waiting += [found for one in parents if (found := _module(place, one))]
