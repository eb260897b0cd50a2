"""For all tests: a runner in the background ignores Ctrl-C, and the jobs that tests interrupt would inherit that.

Tests run side by side: more threads than one each would wait for one another. Python looks for garbage less often: with
PyTorch, timm and pandas in memory each full look takes long, which made the tests a tenth slower.
"""

import gc
import os
import signal
import time

import pytest

gc.set_threshold(100_000, 50, 50)

signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ["HEATPROOF_POOL"] = ""  # a test that stops a job would stop those of the tests beside it

STARTED = time.monotonic()


def pytest_addoption(parser):
    parser.addoption("--until", type=float, metavar="SECONDS", help="begin no test later than that")


def pytest_runtest_setup(item):
    limit = item.config.getoption("--until")
    if limit is not None and time.monotonic() - STARTED > limit:
        pytest.skip("no time is left")
