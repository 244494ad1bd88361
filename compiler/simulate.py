"""Run a program on byte arenas, as the chip would: copies move bytes, kernels see only addresses.

It proves a deployment: a wrong address, an overlap, a stale tile or a missing transfer changes the
output. Every arena starts filled with a pattern, so that reading what nobody wrote is seen as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compiler.counts import Counts, walk_counts
from compiler.ir import Graph
from compiler.ir.operator import ROWS
from compiler.ir.tensor import IntArray
from compiler.moves import Named
from compiler.program import (
    FusedLayer,
    KernelCall,
    LayerProgram,
    OperandView,
    Place,
    Program,
    SegmentProgram,
    Transfer,
)

FILL = 0xA5


@dataclass(frozen=True)
class Simulation:
    """Output codes by tensor name, and what was counted, layer by layer."""

    outputs: Mapping[str, IntArray]
    counts: tuple[Counts, ...]


class _Machine:
    """Byte arenas by level; `blob` is read only."""

    def __init__(self, program: Program) -> None:
        self.memory = {level: np.full(size, FILL, np.uint8) for level, size in program.arena_bytes}
        blob = np.frombuffer(program.blob, np.uint8)
        self.memory["blob"] = blob
        for copy in program.boot:
            self.span(copy.target, copy.bytes)[:] = blob[copy.source_offset : copy.source_offset + copy.bytes]

    def span(self, place: Place, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """Bytes [offset, offset + size) of a level; raises IndexError outside the arena."""
        memory = self.memory[place.level]
        if place.offset < 0 or place.offset + size > len(memory):
            raise IndexError(
                f"{place.level}: [{place.offset}, {place.offset + size}) leaves {len(memory)} bytes"
            )
        return memory[place.offset : place.offset + size]

    def transfer(self, move: Transfer) -> None:
        source = move.source if move.row is None else move.source.at(self._offset(move.row))
        begin = move.target if move.into is None else move.target.at(self._offset(move.into))
        for line in range(move.lines):
            target = self.span(begin.at(line * move.target_pitch), move.line_bytes)
            target[:] = self.span(source.at(line * move.source_pitch), move.line_bytes)

    def _offset(self, row: Named) -> int:
        """Where a named row begins in its table."""
        number = int(self.span(row.place, 4).view(np.int32)[0])
        return min(max(number, 0), row.table.rows - 1) * row.table.row_bytes

    def view(self, view: OperandView, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> IntArray:
        """A strided window into an arena, bounds checked: `shape`, then the bytes of an element."""
        last = sum((n - 1) * pitch for n, pitch in zip(shape, view.pitches, strict=True))
        span = self.span(view.place, last + dtype.itemsize)
        return np.lib.stride_tricks.as_strided(span, (*shape, dtype.itemsize), (*view.pitches, 1))


def _decode(raw: IntArray, dtype: np.dtype[np.generic]) -> IntArray:
    return np.ascontiguousarray(raw).view(dtype)[..., 0]


def _encode(values: IntArray, dtype: np.dtype[np.generic]) -> IntArray:
    return np.ascontiguousarray(values.astype(dtype))[..., None].view(np.uint8)


def _run_call(machine: _Machine, graph: Graph, layer: LayerProgram | FusedLayer, call: KernelCall) -> None:
    op, tile = layer.operator, call.call
    types = [graph.by_name[name].dtype.dtype for name in op.inputs]
    inputs = [
        _decode(machine.view(view, region.shape, dtype), dtype)
        for view, region, dtype in zip(call.inputs, tile.inputs, types, strict=True)
    ]
    block = b""
    for part in (call.weights, call.params):
        if part is not None:
            block += machine.span(*part).tobytes()
    elements = int(np.prod(tile.output.shape))
    accumulator = None
    if layer.accumulator is not None and not tile.first:
        accumulator = machine.span(layer.accumulator, 4 * elements).view(np.int32).reshape(tile.output.shape)
    layout = ROWS if layer.params is not None and layer.params.fetches_rows else layer.layout
    result = op.compute(tile, inputs, block, layout, accumulator)
    if not tile.last:
        assert layer.accumulator is not None
        machine.span(layer.accumulator, 4 * elements).view(np.int32)[:] = result.ravel()
        return
    dtype = graph.by_name[op.output].dtype.dtype
    machine.view(call.output, tile.output.shape, dtype)[...] = _encode(result, dtype)


def _run_segment(machine: _Machine, graph: Graph, segment: SegmentProgram) -> None:
    for layer in segment.layers:
        for move in (*layer.before, *(prefetch.move for prefetch in layer.prefetches)):
            machine.transfer(move)
    for layer, step in segment.walk():
        for move in step.loads:
            machine.transfer(move)
        if step.call is not None:
            _run_call(machine, graph, layer, step.call)
        for move in step.stores:
            machine.transfer(move)


def _run_layer(machine: _Machine, graph: Graph, layer: LayerProgram) -> None:
    for move in (*layer.before, *(prefetch.move for prefetch in layer.prefetches)):
        machine.transfer(move)
    steps = layer.walk()
    step = next(steps)
    for move in step.loads:
        machine.transfer(move)
    while True:
        following = next(steps, None)
        if layer.buffering == 2 and following is not None:
            for move in following.loads:
                machine.transfer(move)
        _run_call(machine, graph, layer, step.call)
        for move in step.stores:
            machine.transfer(move)
        if following is None:
            break
        if layer.buffering == 1:
            for move in following.loads:
                machine.transfer(move)
        step = following
    for move in layer.after:
        machine.transfer(move)


def simulate(graph: Graph, program: Program, inputs: Mapping[str, IntArray]) -> Simulation:
    """Run a program on integer codes by input name; loads of the next tile happen before a call when
    double buffered, and prefetches when they are started, as they may on the chip."""
    machine = _Machine(program)
    for name, place in program.inputs:
        tensor = graph.by_name[name]
        codes = np.ascontiguousarray(inputs[name].astype(tensor.dtype.dtype)).reshape(tensor.shape)
        machine.span(place, tensor.bytes)[:] = codes.view(np.uint8).ravel()
    for unit in program.units:
        if isinstance(unit, SegmentProgram):
            _run_segment(machine, graph, unit)
        else:
            _run_layer(machine, graph, unit)
    outputs = {}
    for name, place in program.outputs:
        tensor = graph.by_name[name]
        raw = machine.span(place, tensor.bytes).copy().view(tensor.dtype.dtype)
        outputs[name] = raw.reshape(tensor.shape)
    counts = tuple(walk_counts(layer, layer.operator.space(graph.by_name).spec) for layer in program.layers)
    return Simulation(outputs, counts)
