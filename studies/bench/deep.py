"""A network of any number of nodes, to see how the search scales: residual blocks.

`python -m studies.bench.deep [NODES]` explores one for Siracusa under 2 MB with 16 trials.

Ten stages of growing width; a block is two 3x3 convolutions, the second of 1x1 in every other block, and an
addition of what went in. Weights are ones: only shapes matter to the search.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from compiler.ir import Constant, Graph, IntType, Module, Tensor
from compiler.ir.operator import Operator
from compiler.ops.add import add_from_scales
from compiler.ops.conv2d import Conv2d
from compiler.ops.requant import Requant
from costmodels.platform import load_platform
from dse.collector import rare_collections
from dse.points import Infeasible
from dse.search import SearchOptions
from dse.session import explore_task
from dse.task import Budget, Task

SIDE, SHIFT, STAGES, SCALE = 16, 20, 10, 0.1
BUDGET_BYTES, TRIALS = 2_000_000, 16


def _conv(name: str, source: Tensor, outputs: int, side: int) -> tuple[Operator, Tensor]:
    channels = source.shape[3]
    mul, add = Constant(np.ones(outputs, np.int32)), Constant(np.zeros(outputs, np.int32))
    pad = side // 2
    op = Conv2d(
        name=name,
        inputs=(source.name,),
        output=f"{name}_out",
        in_shape=(SIDE, SIDE, channels),
        weights=Constant(np.ones((outputs, side, side, channels), np.int8)),
        requant=Requant(mul, add, SHIFT, -128, 127),
        pads=(pad, pad, pad, pad),
    )
    return op, Tensor(op.output, (1, SIDE, SIDE, outputs), IntType.I8, SCALE, 0)


def deep_network(nodes: int) -> Module:
    """A module of that many operators: a first convolution, then blocks, the last one cut short."""
    source = Tensor("input", (1, SIDE, SIDE, 3), IntType.I8, SCALE, 0)
    tensors: list[Tensor] = [source]
    operators: list[Operator] = []

    def put(made: tuple[Operator, Tensor]) -> Tensor:
        operators.append(made[0])
        tensors.append(made[1])
        return made[1]

    here = put(_conv("first", source, 8, 3))
    while len(operators) < nodes:
        block = len(operators)
        width = 8 + 4 * (block * STAGES // nodes)
        if here.shape[3] != width:
            here = put(_conv(f"widen{block}", here, width, 1))
            continue
        inner = put(_conv(f"a{block}", here, width, 3))
        if len(operators) < nodes:
            inner = put(_conv(f"b{block}", inner, width, 1 if block % 2 else 3))
        if len(operators) < nodes:
            out = Tensor(f"sum{block}_out", here.shape, IntType.I8, SCALE, 0)
            here = put((add_from_scales(f"sum{block}", (here, inner), out), out))
        else:
            here = inner
    graph = Graph("main", tuple(tensors), tuple(operators), (source.name,), (here.name,))
    return Module(f"deep{nodes}", "0" * 64, (graph,))


def explored_seconds(nodes: int) -> tuple[float, int]:
    """CPU seconds of exploring such a network in this process, and the points of its front."""
    task = Task(deep_network(nodes), load_platform("siracusa"), Budget(BUDGET_BYTES))
    start = time.process_time()
    found = explore_task(task, SearchOptions(trials=TRIALS))
    spent = time.process_time() - start
    return spent, 0 if isinstance(found, Infeasible) else len(found[0].points)


def main(nodes: int) -> None:
    """Explore such a network and print what that took."""
    with rare_collections():
        spent, points = explored_seconds(nodes)
    print(f"{nodes} nodes: {points} points on the front after {TRIALS} trials, {spent:.1f} CPU s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
