"""Simulations on every core."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from unittest.mock import patch


def on_every_core(function: Callable, *arguments: Iterable, chunksize: int = 1) -> Iterator:
    """Yield what a function returns for each of the arguments, in order, one process with one thread a core."""
    with patch.dict(os.environ, OMP_NUM_THREADS="1"), ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield from pool.map(function, *arguments, chunksize=chunksize)
