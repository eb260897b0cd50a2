import sys

from papers.pages import main

sys.exit(main())
