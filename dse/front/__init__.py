"""Fronts of design points: merging, choosing what to emit, and judging against a bound."""

from dse.front.bound import merge_bounds
from dse.front.choose import choose, knee
from dse.front.merge import merge, values
from dse.front.quality import Quality, quality, reference_point

__all__ = ["Quality", "choose", "knee", "merge", "merge_bounds", "quality", "reference_point", "values"]
