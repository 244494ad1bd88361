"""What the elementwise operators with two operands share: their broadcast forms."""

from __future__ import annotations

from typing import Literal

Broadcast = Literal["none", "channel", "scalar"]
