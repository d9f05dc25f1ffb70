"""``python -m course_utils.lab``, which ``python start.py lab`` calls."""

import sys

from .running import main

sys.exit(main(sys.argv[1:]))
