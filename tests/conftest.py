"""Loaded before any test module, hence before numpy."""

import os

# Tests run beside each other: two threads in every matrix product would fight for the same cores, and
# small products then take ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
