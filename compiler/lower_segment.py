"""Lowering of segments: windows get their addresses, layers their operands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from compiler.deployment import L1, L2, L3, Deployment
from compiler.fused import FusedLayer, FusedOperand, RollingWindow, Rows
from compiler.ir import Access, Operator
from compiler.program import Loop, ParamStream, Place, Transfer
from compiler.schedule.segments import Striped
from compiler.tiling.stripes import Window, row_dim


@dataclass(frozen=True)
class FusedParts:
    """What a layer brings into its segment: its loops, and its parameters at home."""

    loops: tuple[Loop, ...]
    params: ParamStream | None


def fused_layers(of: Striped, deployment: Deployment, parts: Sequence[FusedParts]) -> tuple[FusedLayer, ...]:
    """The layers of a segment."""
    windows = {name: _window(of, deployment, window) for name, window in of.windows.items()}
    found = []
    for k, part in enumerate(parts):
        plan = deployment.plans[of.segment.first + k]
        op, space = of.graph.operators[k], of.graph.spaces[k]
        row = row_dim(space)
        assert row is not None
        held = op.name in of.segment.held
        layer = FusedLayer(
            operator=op,
            engine=plan.engine,
            layout=plan.layout,
            split=plan.split,
            buffering=of.segment.buffering,
            row=row,
            loops=tuple(loop for loop in part.loops if loop.dim != row),
            inputs=tuple(_operand(of, access, windows) for access in space.inputs),
            fetched=tuple(windows[name] for name in of.graph.fetched[k] if windows[name].slots),
            params=_params(of, deployment, op, part.params),
            held=held,
            output=_operand(of, space.output, windows),
            last=op.output == of.graph.output,
            before=(),
        )
        found.append(replace(layer, before=_held(layer)))
    return tuple(found)


def _operand(of: Striped, access: Access, windows: Mapping[str, RollingWindow]) -> FusedOperand:
    return FusedOperand(access, windows[access.tensor], of.graph.unit(access))


def _window(of: Striped, deployment: Deployment, window: Window) -> RollingWindow:
    columns = (window.base, window.start, window.end, window.kept, window.skip)
    name = window.tensor
    home = None
    if name not in of.graph.inner:
        level = deployment.home_of[name]
        home = Place(level, deployment.placed[level, f"t/{of.graph.graph.storage[name]}"].offset)
    return RollingWindow(
        tensor=name,
        row_bytes=of.graph.row_bytes(name),
        rows=tuple(Rows(*row) for row in zip(*(column.tolist() for column in columns), strict=True)),
        home=home,
        slots=_places(deployment, L1, (f"f/{of.name}/{name}/{slot}" for slot in range(2))),
        stage=_places(deployment, L2, (f"g/{of.name}/t/{name}/{slot}" for slot in range(2))),
    )


def _places(deployment: Deployment, level: str, names: Iterable[str]) -> tuple[Place, ...]:
    placed = deployment.placed
    return tuple(Place(level, placed[level, name].offset) for name in names if (level, name) in placed)


def _params(
    of: Striped, deployment: Deployment, op: Operator, params: ParamStream | None
) -> ParamStream | None:
    """Parameters with their places in L1 and, on the way from L3, in L2; in place where L1 is their home."""
    if params is None or not params.starts[-1] or params.home.level == L1:
        return params
    own = f"h/{op.name}" if op.name in of.segment.held else f"b/{of.name}"
    stage = (f"g/{of.name}/params",) if deployment.param_home_of[op.name] == L3 else ()
    return replace(params, slots=_places(deployment, L1, (own,)), stage=_places(deployment, L2, stage))


def _held(layer: FusedLayer) -> tuple[Transfer, ...]:
    """Parameters that arrive once."""
    if not layer.held or layer.params is None:
        return ()
    blocks = range(len(layer.params.starts) - 1)
    return tuple(move for block in blocks for move in layer.block_loads(block))
