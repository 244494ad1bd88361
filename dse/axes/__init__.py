"""The design space as a list of axes: every decision that makes one deployment differ from another.

An axis is solved inside (the exact solver decides it together with all others of its kind) or sampled
outside (Optuna decides it, because it is global and does not decompose). The list of axes is the
documentation: `dse axes` prints it, docs/search.md repeats it, a test keeps them equal.
"""

from dse.axes.base import INSIDE, SAMPLED, DesignAxis
from dse.axes.inside import INSIDE_AXES, InsideAxis
from dse.axes.sampled import (
    SAMPLED_AXES,
    ArenaCap,
    BranchOrder,
    FarthestActivations,
    L1Cap,
    L1Weights,
    OperatingPointAxis,
    Position,
    SampledAxis,
)

AXES: tuple[DesignAxis, ...] = (*INSIDE_AXES, *SAMPLED_AXES)
"""Every axis of the explored space, in the order of the documentation."""

__all__ = [
    "AXES",
    "INSIDE",
    "INSIDE_AXES",
    "SAMPLED",
    "SAMPLED_AXES",
    "ArenaCap",
    "BranchOrder",
    "DesignAxis",
    "FarthestActivations",
    "InsideAxis",
    "L1Cap",
    "L1Weights",
    "OperatingPointAxis",
    "Position",
    "SampledAxis",
]
