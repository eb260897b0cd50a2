import os
import signal
import sys

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own keeps what it has had

from heatproof.workflow.workers import hand_over

code = hand_over(sys.argv[1:])
if code is None:
    from heatproof.cli import main

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job that is stopped leaves no temporary file
    code = main()
raise SystemExit(code)
