"""For all tests: a runner in the background ignores Ctrl-C, and the jobs that tests interrupt would inherit that.

Tests run side by side: more threads than one each would wait for one another.
"""

import os
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
