"""Makes `studies`, which no wheel carries, importable when pytest is started as a bare command."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
