import signal

from heatproof.cli import main

signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job that is told to end leaves no temporary file
raise SystemExit(main())
