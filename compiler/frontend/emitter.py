"""The graph while it is emitted: tensors, operators, and where in memory order every value lies."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from compiler.frontend.binding import Binding
from compiler.frontend.errors import Refused
from compiler.frontend.layout import Layout, channels_last, row_major, state_layout
from compiler.frontend.steps import Net, Quant, Step, Value
from compiler.ir import Graph, Operator, Tensor
from compiler.ops.lut import lut_from_function
from compiler.ops.transpose import Transpose

NAME_LIMIT = 40


class Names:
    """Unique identifiers made of letters, digits and underscores."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def fresh(self, wish: str, fallback: str) -> str:
        """`wish` cleaned up, or `fallback` where it is too long or nothing remains, numbered if taken."""
        clean = re.sub(r"[^0-9A-Za-z]+", "_", wish).strip("_")
        if not clean or len(clean) > NAME_LIMIT or ";" in wish:
            clean = fallback
        if clean[0].isdigit():
            clean = f"n{clean}"
        name, number = clean, 1
        while name in self._taken:
            number += 1
            name = f"{clean}_{number}"
        self._taken.add(name)
        return name


class Emitter:
    """Builds one graph. A value is (tensor, layout); several values may share a tensor."""

    def __init__(self, net: Net, input_layouts: Mapping[str, Layout]) -> None:
        self.net = net
        self.moved_bytes = 0
        self.notes: list[str] = []
        self._names = Names()
        self._tensor_names = Names()
        self._tensors: dict[str, Tensor] = {}
        self._operators: list[Operator] = []
        self._places: dict[str, tuple[str, Layout]] = {}
        self._copies: dict[tuple[str, Layout], str] = {}
        self._bindings: dict[str, Binding] = {}
        self._inputs: list[str] = []
        self._states: list[tuple[str, str]] = []
        for name in net.inputs:
            value = net.values[name]
            layout = input_layouts.get(name, row_major(value.shape))
            tensor = self._tensor(self._tensor_names.fresh(value.name, "input"), layout, self.quant(value))
            self.place(value, tensor.name, layout)
            self._inputs.append(tensor.name)

    def value(self, name: str) -> Value:
        return self.net.values[name]

    def quant(self, value: Value) -> Quant:
        if value.quant is None:
            raise Refused("", f"{value.name} has no quantisation", "QuantizeLinear behind it")
        return value.quant

    def layout(self, value: Value) -> Layout:
        """The memory order that `value` has now."""
        return self._places[value.name][1]

    def tensor(self, value: Value) -> Tensor:
        """The tensor of `value` as it lies."""
        return self._tensors[self._places[value.name][0]]

    def place(self, value: Value, tensor: str, layout: Layout) -> None:
        """`value` is `tensor`, seen through `layout`."""
        self._places[value.name] = (tensor, layout)
        if value.origin and tensor not in self._bindings:
            shape = self._tensors[tensor].shape
            self._bindings[tensor] = Binding(tensor, value.origin, layout, self.quant(value), shape)

    def arranged(self, value: Value, layout: Layout) -> Tensor:
        """The tensor of `value` in memory order `layout`: as it lies, or through a Transpose."""
        name, current = self._places[value.name]
        if current == layout:
            return self._tensors[name]
        if (name, layout) not in self._copies:
            self._copies[name, layout] = self._moved(value, name, current, layout)
        return self._tensors[self._copies[name, layout]]

    def output(self, step: Step, layout: Layout) -> tuple[str, Tensor]:
        """(operator name, output tensor) for the operator of `step`."""
        value = self.value(step.output)
        name = self._names.fresh(*_wishes(step))
        tensor = self._tensor(self._result(name), layout, self.quant(value))
        self.place(value, tensor.name, layout)
        return name, tensor

    def intermediate(self, step: Step, layout: Layout, quant: Quant, suffix: str) -> tuple[str, Tensor]:
        """(operator name, tensor) for a value that ONNX does not have."""
        name = self._names.fresh(*(f"{wish}_{suffix}" for wish in _wishes(step)))
        return name, self._tensor(self._result(name), layout, quant)

    def add(self, operator: Operator) -> None:
        self._operators.append(operator)

    def keep(self, before: str, after: str) -> None:
        """Tensor `after` is what the state `before` becomes."""
        self._states.append((before, after))

    def requantised(self, step: Step, tensor: Tensor, layout: Layout) -> None:
        """The step's output is `tensor` in another quantisation: a table, or nothing where they agree."""
        value = self.value(step.output)
        quant = self.quant(value)
        if (tensor.scale, tensor.zero_point, tensor.dtype) == (quant.scale, quant.zero_point, quant.dtype):
            self.place(value, tensor.name, layout)
            return
        name, output = self.output(step, layout)
        self.add(lut_from_function(name, lambda x: x, tensor, output))

    def finish(self, graph_name: str) -> tuple[Graph, Mapping[str, Binding], tuple[Binding, ...]]:
        """The graph, the bindings of its tensors, and those of its outputs in the model's order."""
        outputs = tuple(
            self._bound_output(self.value(name), onnx)
            for name, onnx in zip(self.net.outputs, self.net.output_names, strict=True)
        )
        wanted = dict.fromkeys(binding.tensor for binding in outputs)
        new = {name: self._tensor_names.fresh(self._onnx_name(outputs, name), "output") for name in wanted}
        outputs = tuple(replace(binding, tensor=new[binding.tensor]) for binding in outputs)
        operators = tuple(_renamed(op, new) for op in self._operators)
        used = {name for op in operators for name in (*op.inputs, op.output)} | {*self._inputs, *new.values()}
        named = (replace(t, name=new.get(t.name, t.name)) for t in self._tensors.values())
        tensors = tuple(tensor for tensor in named if tensor.name in used)
        states = tuple((before, new.get(after, after)) for before, after in self._states)
        graph = Graph(graph_name, tensors, operators, tuple(self._inputs), tuple(new.values()), states)
        bindings = {b.tensor: b for b in self._bindings.values() if b.tensor in used}
        return graph, bindings | {b.tensor: b for b in outputs}, outputs

    def _onnx_name(self, outputs: Sequence[Binding], tensor: str) -> str:
        return next(binding.onnx for binding in outputs if binding.tensor == tensor)

    def _bound_output(self, value: Value, onnx: str) -> Binding:
        layout = state_layout(value.shape) if onnx in self.net.cache_rows else self.layout(value)
        kept = onnx in self.net.cache_rows or self.tensor(value).name in {after for _, after in self._states}
        if not kept and layout not in (row_major(value.shape), channels_last(value.shape)):
            layout = row_major(value.shape)
        tensor = self.arranged(value, layout)
        if tensor.name in self._inputs:
            raise Refused("", "the output is an input, unchanged", "a model that computes")
        self._tensors[tensor.name] = replace(tensor, shape=layout.storage_shape)
        return Binding(tensor.name, onnx, layout, self.quant(value), layout.storage_shape)

    @property
    def inputs(self) -> tuple[Binding, ...]:
        return tuple(self._bindings[name] for name in self._inputs)

    def _result(self, operator: str) -> str:
        return self._tensor_names.fresh(f"{operator}_out", f"{operator}_out")

    def _tensor(self, name: str, layout: Layout, quant: Quant) -> Tensor:
        tensor = Tensor(name, layout.storage_shape, quant.dtype, quant.scale, quant.zero_point)
        self._tensors[name] = tensor
        return tensor

    def _moved(self, value: Value, name: str, current: Layout, target: Layout) -> str:
        move = current.permutation_to(target)
        if move is None:
            between = row_major(value.shape)
            middle = self._transpose(value, name, between, *_known(current.permutation_to(between)))
            return self._transpose(value, middle, target, *_known(between.permutation_to(target)))
        return self._transpose(value, name, target, *move)

    def _transpose(
        self, value: Value, source: str, layout: Layout, shape: tuple[int, ...], perm: tuple[int, ...]
    ) -> str:
        name = self._names.fresh(f"{source.removesuffix('_out')}_transpose", "transpose")
        tensor = self._tensor(self._result(name), layout, self.quant(value))
        self._operators.append(
            Transpose(
                name=name,
                inputs=(source,),
                output=tensor.name,
                in_shape=shape,
                perm=perm,
                data_type=tensor.dtype,
            )
        )
        self.moved_bytes += math.prod(shape)
        if value.origin:
            binding = Binding(tensor.name, value.origin, layout, self.quant(value), tensor.shape)
            self._bindings[tensor.name] = binding
        return tensor.name


def _renamed(operator: Operator, new: Mapping[str, str]) -> Operator:
    """The operator with its tensors under their new names."""
    if new.keys().isdisjoint((*operator.inputs, operator.output)):
        return operator
    inputs = tuple(new.get(name, name) for name in operator.inputs)
    return replace(operator, inputs=inputs, output=new.get(operator.output, operator.output))


def _known(
    move: tuple[tuple[int, ...], tuple[int, ...]] | None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Row-major has whole axes as factors, so that a split common with it always exists."""
    return cast(tuple[tuple[int, ...], tuple[int, ...]], move)


def _wishes(step: Step) -> tuple[str, str]:
    """The ONNX node's name without its type, and a short one."""
    short = step.operator.lower()
    wish = step.node.removesuffix(f"/{step.operator}")
    return wish, short


def suffix_layout(layout: Layout, axes: Sequence[int]) -> Layout:
    """`layout` where every axis but `axes` has extent 1; the memory order of the rest stays."""
    kept = [index for index, owner in enumerate(layout.owners) if owner in axes]
    rank = {index: place for place, index in enumerate(kept)}
    factors = tuple(axis if k in axes else () for k, axis in enumerate(layout.factors))
    return Layout(factors, tuple(rank[index] for index in layout.order if index in rank))
