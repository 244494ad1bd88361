"""What one planned layer needs in memory, whatever the homes of its operands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.deployment import DeploymentError, LayerPlan
from compiler.ir import Operator, Space
from compiler.ir.operator import BOTH, TABLES, WEIGHTS, align4
from compiler.tiling import Grid, operand_traffic, param_traffic


@dataclass(frozen=True)
class Footprint:
    """Bytes (multiples of 4) of one layer's tiles and parameters.

    several[k]: stream k (inputs, then parameters, then output) has more than one tile, so that double
    buffering takes two slots. region: all parameter blocks; tables_region/weights_region: split in two,
    as a weight memory holds them, with tables_tile the largest block of tables.
    """

    input_tiles: tuple[int, ...]
    output_tile: int
    params_tile: int
    tables_tile: int
    accumulator: int
    several: tuple[bool, ...]
    region: int
    tables_region: int
    weights_region: int


def _up4(value: int) -> int:
    return -(-value // 4) * 4


def plan_grid(space: Space, plan: LayerPlan) -> Grid:
    """The one-candidate grid of a plan; raises DeploymentError where the tile is not of this space."""
    sizes = plan.sizes
    for dim in space.dims:
        size = sizes.get(dim.name)
        if size is None or not 1 <= size <= dim.extent:
            raise DeploymentError(
                f"layer {plan.operator}: tile of dimension {dim.name} is {size}, must be in 1..{dim.extent}"
            )
        if size != dim.extent and not dim.tileable:
            raise DeploymentError(f"layer {plan.operator}: dimension {dim.name} cannot be tiled")
        if size != dim.extent and size % dim.granule:
            raise DeploymentError(
                f"layer {plan.operator}: tile of {dim.name} must be a multiple of {dim.granule}, is {size}"
            )
    if plan.order not in space.orders:
        known = ", ".join("-".join(order) for order in space.orders)
        raise DeploymentError(
            f"layer {plan.operator}: loop order {'-'.join(plan.order)} is not one of {known}"
        )
    return Grid(space, np.array([[sizes[dim.name] for dim in space.dims]], np.int64))


def param_footprint(op: Operator, space: Space, plan: LayerPlan) -> Footprint:
    """The same for the parameters alone: all that a fused layer has of its own."""
    grid = plan_grid(space, plan)
    both = param_traffic(grid, op, plan.order, plan.layout, BOTH)
    tables = param_traffic(grid, op, plan.order, plan.layout, frozenset((TABLES,)))
    return Footprint(
        input_tiles=(),
        output_tile=0,
        params_tile=int(align4(both.tile_bytes)[0]),
        tables_tile=int(align4(tables.tile_bytes)[0]),
        accumulator=0,
        several=(),
        region=int(both.region_bytes[0]),
        tables_region=int(tables.region_bytes[0]),
        weights_region=int(both.region_bytes[0] - tables.region_bytes[0]),
    )


def footprint(op: Operator, space: Space, plan: LayerPlan) -> Footprint:
    """Bytes that a planned layer needs; exact maxima over its tiles."""
    grid = plan_grid(space, plan)
    inputs = [operand_traffic(grid, access, plan.order) for access in space.inputs]
    output = operand_traffic(grid, space.output, plan.order)
    both = param_traffic(grid, op, plan.order, plan.layout, BOTH)
    tables = param_traffic(grid, op, plan.order, plan.layout, frozenset((TABLES,)))
    weights = param_traffic(grid, op, plan.order, plan.layout, frozenset((WEIGHTS,)))
    reducing = any(dim.reduction and grid.trip(dim.name)[0] > 1 for dim in space.dims)
    outputs = int(output.fetches[0])
    accumulator = int(output.tile_bytes[0]) // space.output.element_bytes * space.accumulator_bytes
    return Footprint(
        input_tiles=tuple(_up4(int(stream.tile_bytes[0])) for stream in inputs),
        output_tile=_up4(int(output.tile_bytes[0])),
        params_tile=int(align4(both.tile_bytes)[0]),
        tables_tile=int(align4(tables.tile_bytes)[0]),
        accumulator=_up4(accumulator) if reducing else 0,
        several=(*(int(s.depth[0]) > 0 for s in inputs), int(both.depth[0]) > 0, outputs > 1),
        region=int(both.region_bytes[0]),
        tables_region=int(tables.region_bytes[0]),
        weights_region=int(weights.region_bytes[0]),
    )
