from heatproof.cli import main

raise SystemExit(main())
