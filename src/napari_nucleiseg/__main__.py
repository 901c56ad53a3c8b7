"""``python -m napari_nucleiseg``: the command line."""

import sys

from napari_nucleiseg.cli import main

sys.exit(main())
