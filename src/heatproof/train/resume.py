"""What a stopped training needs to go on with the same bytes: one safetensors file outside `results/`."""

import hashlib
import json
import time
import zlib
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from heatproof import artifacts
from heatproof.progress import line

SECONDS_BETWEEN_SAVES = 20
TIMES_A_SAVE = 20  # or sooner, where a save takes at most a twentieth of what it is for


class Resume:
    """The state of one training, found again only by an equal key (configuration, data, code, versions).

    States of the same training under another key are stale and are deleted.
    """

    def __init__(self, folder: Path, *key: str):
        self.folder = folder
        code = "".join(artifacts.digest(path) for path in sorted(Path(__file__).parent.glob("*.py")))
        name = hashlib.sha256("\x1f".join([*key, code, torch.__version__]).encode()).hexdigest()[:20]
        self.path = folder / f"{name}.safetensors"
        self._saved, self._lasted = time.monotonic(), 0.0
        for other in folder.glob("*"):
            if other != self.path:
                other.unlink()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and facts of the last save; None where there is none, or not as it was written."""
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, "pt") as file:
                facts, written = (file.metadata()[name] for name in ("facts", "checksum"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                if written != _checksum(tensors, facts):
                    raise ValueError("another checksum")
                return tensors, json.loads(facts)
        except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            line(f"{self.path}: the state of a stopped training is damaged ({error}): training starts anew")
            return None

    def due(self) -> bool:
        """Whether the last save is long enough ago: a large state is not written after every short epoch.

        An epoch of 20 seconds or more is always saved, and so is one that lasts twenty times as long as a save. A
        stopped training goes on from the last epoch saved, and trains at most 20 seconds of whole epochs again.
        """
        return time.monotonic() - self._saved >= min(SECONDS_BETWEEN_SAVES, TIMES_A_SAVE * self._lasted)

    def save(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        begun = time.monotonic()
        flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        told = {"facts": json.dumps(facts)}
        told["checksum"] = _checksum(flat, told["facts"])
        with artifacts.replacing(self.path) as temporary:
            safetensors.torch.save_file(flat, temporary, metadata=told)
        self._saved = time.monotonic()
        self._lasted = self._saved - begun

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def _checksum(tensors: dict[str, Tensor], facts: str) -> str:
    """CRC-32 of all tensors by name and the facts; tensors lie whole and in order in memory."""
    found = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), zlib.crc32(name.encode(), found))
    return f"{found:08x}"
