"""Counts against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.counts import Counts, LinkCount, predict_counts, total_counts, walk_counts
from compiler.deployment import DIRECT, L1, L2, L3, TILE, WHOLE, LayerPlan
from compiler.ir import Graph, Tensor
from compiler.ir.tensor import IntType
from compiler.lower import lower
from compiler.schedule import Decisions, footprint
from tests.compiler.deployed import any_deployment, deployed
from tests.compiler.networks import conv, every_operator

# 3x3, padding 1, 8x8x8 -> 8x8x16; parameters of 8 outputs: 8*72 weights + 8*8 table bytes = 640.
X = Tensor("x", (1, 8, 8, 8), IntType.I8, 0.1, 0)
OP, Y = conv("conv", X, 16, np.random.default_rng(0), pads=(1, 1, 1, 1))
GRAPH = Graph("main", (X, Y), (OP,), ("x",), (Y.name,))
PLAN = LayerPlan(
    operator="conv",
    engine="cluster",
    layout="plain",
    tile=(("y", 3), ("x", 8), ("g", 1), ("o", 8), ("i", 8)),
    order=("o", "y", "x", "i"),
    split=("o",),
    buffering=1,
    staging=(DIRECT,) * 3,
)
MACS = 8 * 8 * 16 * 72


def counted(plan: LayerPlan, home: str, params: str) -> Counts:
    space = OP.space(GRAPH.by_name)
    homes = dict.fromkeys(GRAPH.by_name, home)
    decisions = Decisions((plan,), (footprint(OP, space, plan),), homes, {"conv": params})
    deployment = deployed(GRAPH, decisions)
    predicted = predict_counts(GRAPH, deployment)[0]
    assert walk_counts(lower(GRAPH, deployment).layers[0], space.spec) == predicted
    return predicted


def links(**rows: tuple[int, int, int]) -> tuple[tuple[str, LinkCount], ...]:
    return tuple((name, LinkCount(*row)) for name, row in sorted(rows.items()))


# Rows of the tiles: outputs 3, 3, 2; inputs with halo 4, 5, 3 (clipped at both ends), twice, once for each
# half of the outputs. A row of the whole width is contiguous, so an input tile is one line of 64 B rows.
INPUT = (6, 6, 2 * 12 * 64)
# Half of the channels are a line of 8 B for every pixel. Whole rows follow each other without a gap, so that
# all pixels of a tile are the lines of one transfer.
OUTPUT = (3 * 2, 2 * 64, 2 * 64 * 8)
PARAMS = (2, 2, 2 * 640)


def test_all_in_l2() -> None:
    both = (INPUT[0] + PARAMS[0], INPUT[1] + PARAMS[1], INPUT[2] + PARAMS[2])
    assert counted(PLAN, L2, L2) == Counts(6, MACS, 0, links(l1_l2=OUTPUT, l2_l1=both))


def test_all_in_l1_moves_nothing() -> None:
    assert counted(PLAN, L1, L1) == Counts(6, MACS, 0, ())


def test_tiles_through_a_stage() -> None:
    plan = replace(PLAN, staging=(TILE, DIRECT, TILE))
    dense_in, dense_out = (6, 6, INPUT[2]), (6, 6, OUTPUT[2])
    assert counted(plan, L3, L1) == Counts(
        6, MACS, 0, links(l3_l2=INPUT, l2_l1=dense_in, l1_l2=dense_out, l2_l3=OUTPUT)
    )


def test_whole_tensors_through_a_stage() -> None:
    plan = replace(PLAN, staging=(WHOLE, DIRECT, WHOLE))
    assert counted(plan, L3, L1) == Counts(
        6, MACS, 0, links(l3_l2=(1, 1, 512), l2_l1=INPUT, l1_l2=OUTPUT, l2_l3=(1, 1, 1024))
    )


def test_parameters_from_l3() -> None:
    assert counted(replace(PLAN, staging=(DIRECT, TILE, DIRECT)), L1, L3).links == links(
        l3_l2=PARAMS, l2_l1=PARAMS
    )
    whole = links(l3_l2=(1, 1, 1280), l2_l1=PARAMS)
    assert counted(replace(PLAN, staging=(DIRECT, WHOLE, DIRECT)), L1, L3).links == whole


def test_rows_outside_reload_parameters() -> None:
    found = counted(replace(PLAN, order=("y", "x", "o", "i")), L2, L1)
    # The input stays for both halves of the outputs.
    assert found.links == links(l1_l2=OUTPUT, l2_l1=(3, 3, 12 * 64))
    assert counted(replace(PLAN, order=("y", "x", "o", "i")), L1, L2).links == links(l2_l1=(6, 6, 3 * 1280))


def test_a_tiled_reduction_stores_once() -> None:
    plan = replace(PLAN, tile=(("y", 8), ("x", 8), ("g", 1), ("o", 16), ("i", 4)))
    # Two halves of the input channels, lines of 4 B; blocks of 16*36 weights, the last with 128 B of tables.
    found = counted(plan, L2, L2)
    assert found == Counts(2, MACS, 0, links(l1_l2=(1, 1, 1024), l2_l1=(2 + 2, 128 + 2, 512 + 2 * 576 + 128)))


def test_npu_jobs_and_weight_memory() -> None:
    plan = replace(PLAN, engine="npu", layout="neureka", split=())
    found = counted(plan, L1, "wmem_sram")
    # Only the tables travel: 8 outputs of 8 B.
    assert found == Counts(6, MACS, 6, links(l2_l1=(2, 2, 2 * 64)))


@pytest.mark.parametrize("seed", range(20))
def test_closed_forms_on_a_network(seed: int) -> None:
    graph = every_operator(1)
    deployment = any_deployment(graph, seed)
    layers = lower(graph, deployment).layers
    walked = tuple(walk_counts(layer, layer.operator.space(graph.by_name).spec) for layer in layers)
    assert predict_counts(graph, deployment) == walked


def test_totals_add_up_by_link() -> None:
    a = Counts(1, 10, 0, links(l2_l1=(1, 2, 3)))
    b = Counts(2, 20, 2, links(l2_l1=(10, 20, 30), l1_l2=(4, 5, 6)))
    assert total_counts([a, b]) == Counts(3, 30, 2, links(l1_l2=(4, 5, 6), l2_l1=(11, 22, 33)))
    assert total_counts([]) == Counts(0, 0, 0, ())
    assert b.by_link["l1_l2"] == LinkCount(4, 5, 6)
