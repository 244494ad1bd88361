"""A found front to write, read and show: real deployments of a small network, with invented prices."""

from __future__ import annotations

import random
from functools import cache

from compiler.counts import predict_counts
from compiler.deployment import LEVELS, Deployment
from compiler.ir import Graph, Module
from compiler.schedule import LevelCapacities, deploy
from costmodels.platform import load_platform
from dse.output import Exploration
from dse.points import Bound, DesignPoint, LayerEstimate, OuterSetting
from dse.task import Budget, Task
from tests.compiler.networks import every_operator, module_of, random_decisions

CAPACITIES = LevelCapacities({"l1": 1 << 20, "l2": 1 << 22, "l3": 1 << 24})


@cache
def network() -> Module:
    return module_of(every_operator(7))


def deployment(seed: int, module: Module | None = None) -> Deployment:
    """A random legal deployment."""
    owner = module or network()
    made = deploy(owner, "rv32sim", "nominal", random_decisions(owner.main, random.Random(seed)), CAPACITIES)
    assert isinstance(made, Deployment)
    return made


def estimates(graph: Graph, deployed: Deployment) -> tuple[LayerEstimate, ...]:
    counts = predict_counts(graph, deployed)
    return tuple(
        LayerEstimate(
            name=op.name,
            kind=op.kind,
            engine=plan.engine,
            tile=",".join(f"{name}={size}" for name, size in plan.tile),
            order="-".join(plan.order),
            split=",".join(plan.split),
            buffering=plan.buffering,
            homes=">".join((*(deployed.home_of[name] for name in op.inputs), deployed.home_of[op.output])),
            cycles=1000.0 + 10 * index,
            energy_uj=0.5 + index,
            macs=count.macs,
            calls=count.calls,
            l1_bytes=64,
            causes=(("compute", 900.0), ("load", 100.0 + 10 * index)),
            binding="compute",
            links=tuple((name, link.transfers, link.lines, link.bytes) for name, link in count.links),
        )
        for index, (op, plan, count) in enumerate(zip(graph.operators, deployed.plans, counts, strict=True))
    )


def design_point(deployed: Deployment, latency_ms: float, energy_uj: float, memory_bytes: int) -> DesignPoint:
    graph = network().main
    layers = estimates(graph, deployed)
    return DesignPoint(
        latency_ms=latency_ms,
        latency_cycles=int(latency_ms * 100_000),
        energy_uj=energy_uj,
        memory_bytes=memory_bytes,
        peak_bytes=tuple((level, deployed.peak_bytes(level)) for level in LEVELS),
        boot_bytes=1234,
        boot_ms=0.25,
        macs=sum(layer.macs for layer in layers),
        engines=(("cluster", len(layers)), ("npu", 0)),
        source="trial",
        setting=OuterSetting(65536, 100_000, deployed.operating_point, True, 0.5),
        deployment=deployed,
        layers=layers,
    )


@cache
def found(count: int = 4, chosen: tuple[int, ...] = (0, 1, 3)) -> Exploration:
    """`count` points, ever slower and thriftier, of which `chosen` are listed."""
    points = tuple(
        design_point(deployment(k), 1.0 + k, 100.0 / (1 + k), 50_000 - 1000 * k) for k in range(count)
    )
    task = Task(network(), load_platform("rv32sim"), Budget(1_000_000, (("l1", 65536),)), seed=5)
    return Exploration(task, points, chosen, chosen[1], 42, Bound(0.9, 20.0, 40_000, ((1.0, 0.01, 1.5),)))
