"""For all tests: a runner in the background ignores Ctrl-C, and the jobs that tests interrupt would inherit that."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
