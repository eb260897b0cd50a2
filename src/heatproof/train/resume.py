"""What a stopped training needs to go on with the same bytes: one safetensors file outside `results/`."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from heatproof import artifacts

SECONDS_BETWEEN_SAVES = 20


class Resume:
    """The state of one training, found again only by an equal key (configuration, data, code, versions).

    States of the same training under another key are stale and are deleted.
    """

    def __init__(self, folder: Path, *key: str):
        self.folder = folder
        code = "".join(artifacts.digest(path) for path in sorted(Path(__file__).parent.glob("*.py")))
        name = hashlib.sha256("\x1f".join([*key, code, torch.__version__]).encode()).hexdigest()[:20]
        self.path = folder / f"{name}.safetensors"
        self._saved = time.monotonic()
        for other in folder.glob("*"):
            if other != self.path:
                other.unlink()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and facts of the last save, or None."""
        if not self.path.exists():
            return None
        with safetensors.safe_open(self.path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118

    def due(self) -> bool:
        """Whether the last save is long enough ago: a large state is not written after every short epoch."""
        return time.monotonic() - self._saved >= SECONDS_BETWEEN_SAVES

    def save(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        with artifacts.replacing(self.path) as temporary:
            flat = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
            safetensors.torch.save_file(flat, temporary, metadata={"facts": json.dumps(facts)})
        self._saved = time.monotonic()

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
