"""Every kernel once more, in a process that has the sanitizers loaded: python -m ... LIBRARY LAYOUT SEEDS.

Only the NPU's model depends on the layout, so ne16 runs nothing else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.compiler.ops.cases import CASES
from tests.compiler.runtime.check import Setting, check_case
from tests.compiler.runtime.library import Kernels
from tests.compiler.runtime.npu_cases import npu_layer, random_job


def main(path: str, layout: str, seeds: int) -> None:
    kernels, tiles = Kernels(Path(path)), 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        spare, cores = seed % 3, 1 + seed % 8
        for make in CASES.values() if layout == "neureka" else ():
            tiles += check_case(kernels, rng, make(rng), Setting(cores, "plain", spare))
        tiles += check_case(kernels, rng, npu_layer(rng), Setting(1, layout, spare))
        case = random_job(rng, layout == "ne16")
        kernels.call("dse_npu_execute", case.job)
    print(f"{tiles} tiles")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
