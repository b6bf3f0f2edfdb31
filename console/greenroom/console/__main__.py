"""``python -m greenroom.console`` is the ``greenroom`` command."""

import sys

from greenroom.console.cli import main

if __name__ == "__main__":
    sys.exit(main())
