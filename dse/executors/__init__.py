"""Where work runs: in this process, or in Ray workers here and on a cluster. Results do not depend on it."""

from __future__ import annotations

from dse.executors.base import Executor, ExecutorError, Make, Pool, Work
from dse.executors.in_process import InProcess
from dse.executors.on_ray import OnRay

__all__ = ["Executor", "ExecutorError", "InProcess", "Make", "OnRay", "Pool", "Work", "executor_for"]


def executor_for(workers: int | None = None, address: str | None = None) -> Executor:
    """The executor that `--workers N` and `--address ADDR` ask for.

    Without an address up to one worker means this process. With one, `workers` limits how many of the
    cluster's CPUs are used (None: all). Raises ExecutorError if `workers` is not positive.
    """
    if workers is not None and workers < 1:
        raise ExecutorError(f"{workers} workers were asked for, at least 1 is needed")
    if address is None and (workers is None or workers == 1):
        return InProcess()
    return OnRay(workers, address)
