"""Runs the program from wherever it lies: `python -I tandem/__main__.py`, or `python -m tandem`."""

import sys
from pathlib import Path

root = str(Path(__file__).resolve().parent.parent)
if root not in sys.path:
    sys.path.insert(0, root)

from tandem.cli import main  # noqa: E402 - only importable once the path is set

sys.exit(main())
