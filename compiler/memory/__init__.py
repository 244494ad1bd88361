"""Static allocation of one memory level: problem, solvers (greedy, exact), independent validator."""

from compiler.memory.allocator import DoesNotFit, allocate
from compiler.memory.exact import DEFAULT_NODE_BUDGET, exact_allocate
from compiler.memory.greedy import greedy_allocate
from compiler.memory.problem import Allocation, Buffer, Problem, ProblemError, live_profile, max_live_bytes
from compiler.memory.validate import AllocationError, validate

__all__ = [
    "DEFAULT_NODE_BUDGET",
    "Allocation",
    "AllocationError",
    "Buffer",
    "DoesNotFit",
    "Problem",
    "ProblemError",
    "allocate",
    "exact_allocate",
    "greedy_allocate",
    "live_profile",
    "max_live_bytes",
    "validate",
]
