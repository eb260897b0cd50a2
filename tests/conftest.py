"""For all tests: a runner in the background ignores Ctrl-C, and the jobs that tests interrupt would inherit that.

Tests run side by side: more threads than one each would wait for one another. Python looks for garbage less often: with
PyTorch, timm and pandas in memory each full look takes long, which made the tests a tenth slower.
"""

import gc
import os
import signal

gc.set_threshold(100_000, 50, 50)

signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
