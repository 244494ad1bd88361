"""A driver that uses a cluster; a program of its own, so that it shares no Ray settings with other tests.

python -m tests.dse.executors.cluster_driver ADDRESS
prints whether its packages were shipped, and whether a search on all CPUs equals one in this process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from dse.executors import InProcess, OnRay
from dse.executors.sources import PACKAGES
from dse.search import SearchOptions, explore
from tests.dse.search.fake import FakeEvaluator


def shipped(_: int) -> tuple[int, bool]:
    """The worker's process, and whether it has the driver's packages among the modules of its job."""
    places = [Path(place) for place in sys.path if "py_modules" in place]
    return os.getpid(), all(any((place / name).is_dir() for place in places) for name in PACKAGES)


def make_shipped() -> Callable[[int], tuple[int, bool]]:
    return shipped


def main(address: str) -> None:
    with OnRay(2, address).open(make_shipped) as pool:
        results = list(pool.map(list(range(8))))
    away = all(process != os.getpid() and has_packages for process, has_packages in results)
    options = SearchOptions(trials=32, seed=4)
    same = explore(FakeEvaluator, options, OnRay(None, address)) == explore(
        FakeEvaluator, options, InProcess()
    )
    print(f"shipped {away}, same {same}")


if __name__ == "__main__":
    main(sys.argv[1])
