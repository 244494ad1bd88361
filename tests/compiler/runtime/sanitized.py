"""Every kernel once more, in a process that has the sanitizers loaded: python -m ... LIBRARY SEEDS."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.compiler.ops.cases import CASES
from tests.compiler.runtime.check import Setting, check_case
from tests.compiler.runtime.library import Kernels
from tests.compiler.runtime.npu_cases import NPU_KINDS, npu_layer, random_job


def main(path: str, seeds: int) -> None:
    kernels, tiles = Kernels(Path(path)), 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        spare, cores = seed % 3, 1 + seed % 8
        setting = Setting(cores, "plain", spare, units="xpulp" in path)
        for make in CASES.values():
            tiles += check_case(kernels, rng, make(rng), setting)
        for kind in NPU_KINDS:
            tiles += check_case(kernels, rng, npu_layer(rng, kind), Setting(1, kind.layout, spare))
            job = random_job(rng, kind)  # Holds what its descriptor points to.
            kernels.call("dse_npu_execute", job.job)
    print(f"{tiles} tiles")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
