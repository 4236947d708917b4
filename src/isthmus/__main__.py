"""`python -m isthmus`: the command."""

import sys

from isthmus.cli import main

sys.exit(main())
