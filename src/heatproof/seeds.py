"""Seeds derived from what they are for, so that no two purposes share a stream."""

import hashlib

import numpy as np


def derive(*parts: str | int) -> int:
    """A 63-bit seed that depends on every part and on nothing else."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose, as in `generator("phantom", 0, "noise", 12)`."""
    return np.random.default_rng(derive(*parts))
