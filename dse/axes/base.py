"""What every axis tells about itself."""

from __future__ import annotations

from typing import Protocol

INSIDE = "inside"
"""Decided by the exact solver."""
SAMPLED = "sampled"
"""Decided by Optuna, the same for the whole network."""


class DesignAxis(Protocol):
    """One decision of the design space.

    decides: what a value of it says. scope: for what ("layer", "tensor" or "network") there is one value.
    solved: INSIDE or SAMPLED. effect: how a value changes the problem. pins: the names under which
    `--pin LAYER.NAME=VALUE` takes the decision from the search.
    """

    @property
    def name(self) -> str: ...
    @property
    def decides(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def solved(self) -> str: ...
    @property
    def effect(self) -> str: ...
    @property
    def pins(self) -> tuple[str, ...]: ...
