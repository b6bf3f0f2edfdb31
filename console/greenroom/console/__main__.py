"""``python -m greenroom.console`` is the ``greenroom`` command."""

import sys

from greenroom.console.cli import main

sys.exit(main())
