"""The state while a graph is read: what every ONNX name stands for, and the steps so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np
import onnx

from compiler.frontend.constants import AnyArray, Const, check_elements
from compiler.frontend.errors import Finding, Refused
from compiler.frontend.source import Node, Source
from compiler.frontend.steps import LAYOUT_KINDS, Kind, Net, Quant, Repeat, Reshape, Step, Transpose, Value

_INDEX_TYPES = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)


class Poisoned(Exception):
    """The node reads what an earlier finding left undefined: it is skipped in silence."""


class Reader:
    """Translates one graph node by node. Names are ONNX's; a name is a constant, a value, or poisoned.

    Handlers (compiler.frontend.operators) call the methods below and raise Refused.
    """

    def __init__(self, source: Source, input_quants: Mapping[str, Quant]) -> None:
        self.opset = source.opset
        self.findings: list[Finding] = []
        self.notes: list[str] = list(source.notes)
        self._constants = {name: Const(array) for name, array in source.constants.items()}
        self._values: dict[str, Value] = {}
        self._bound: dict[str, Value] = {}
        self._poisoned: set[str] = set()
        self._steps: list[Step] = []
        for port in source.inputs:
            value = Value(port.name, port.shape, input_quants.get(port.name), port.name)
            self._values[port.name] = self._bound[port.name] = value
        self._inputs = tuple(port.name for port in source.inputs)
        self._indices = {port.name for port in source.inputs if port.element in _INDEX_TYPES}

    def read(
        self,
        nodes: Sequence[Node],
        handlers: Mapping[str, Callable[[Self, Node], None]],
        refused: Collection[str] = (),
    ) -> None:
        """Read all nodes; what cannot be read becomes a finding and poisons its outputs.

        `refused` names nodes that have their finding already.
        """
        for node in nodes:
            if node.name in refused:
                self._poisoned.update(node.outputs)
                continue
            try:
                self._fresh(node)
                with np.errstate(all="ignore"):  # what is not finite is refused where it is used
                    handlers[node.operator](self, node)
            except Poisoned:
                self._poisoned.update(node.outputs)
            except Refused as error:
                self._refuse(node, error.attribute, error.why, error.supported)
            except (ValueError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
                # Contradictory shapes and types show up wherever numpy first meets them.
                why = " ".join(str(error).split())[:120] or type(error).__name__
                self._refuse(node, "", f"malformed node ({why})", "valid ONNX")

    def net(self, name: str, outputs: Sequence[str]) -> Net:
        """What was read. Outputs that are constants or undefined become findings."""
        bound: list[str] = []
        for output in outputs:
            if output in self._bound:
                bound.append(self._bound[output].name)
            elif output not in self._poisoned:
                what = "is a constant" if output in self._constants else "is never produced"
                self.findings.append(Finding(output, "output", "", f"the graph output {what}", "activations"))
        return Net(
            name,
            dict(self._values),
            tuple(self._steps),
            self._inputs,
            tuple(bound),
            tuple(output for output in outputs if output in self._bound),
            tuple(self.notes),
        )

    def constant(self, node: Node, index: int) -> Const | None:
        """Input `index` if it is a constant, None if it is absent or an activation."""
        if not node.has_input(index):
            return None
        name = node.inputs[index]
        if name in self._poisoned:
            raise Poisoned
        return self._constants.get(name)

    def required(self, node: Node, index: int, what: str) -> Const:
        """Input `index`, which must be a constant; raises Refused otherwise."""
        const = self.constant(node, index)
        if const is None:
            why = "is computed at run time" if node.has_input(index) else "is missing"
            raise Refused(what, f"{what} {why}", f"constant {what}")
        return const

    def value(self, node: Node, index: int = 0) -> Value:
        """Input `index` as an activation; raises Refused where it is absent or a constant."""
        if not node.has_input(index):
            raise Refused(f"input {index}", "is missing", "the inputs that ONNX demands")
        name = node.inputs[index]
        if name in self._poisoned:
            raise Poisoned
        if name in self._constants:
            raise Refused(f"input {index}", "is a constant", "an activation here")
        if name not in self._bound:
            raise Refused(f"input {index}", f"reads {name}, which nothing produces before it", "sorted nodes")
        return self._bound[name]

    def is_constant(self, node: Node) -> bool:
        """Whether every input that is there is a constant."""
        present = [index for index in range(len(node.inputs)) if node.has_input(index)]
        return all(self.constant(node, index) is not None for index in present)

    def is_index(self, value: Value) -> bool:
        """Whether the value is an int32 or int64 input, or one in another shape."""
        return value.name in self._indices

    def define(self, node: Node, const: Const) -> None:
        """The node's output is a constant."""
        check_elements(const.shape)
        self._constants[node.outputs[0]] = const

    def alias(self, node: Node, value: Value, place: int = 0) -> None:
        """The node's output `place` is `value` under another name."""
        self._bound[node.outputs[place]] = value

    def step(
        self,
        node: Node,
        kind: Kind,
        inputs: Sequence[Value],
        shape: Sequence[int],
        quant: Quant | None = None,
        *,
        inner: str = "",
        place: int = 0,
    ) -> Value:
        """Append a step and return its output (the node's output `place`).

        With `inner`, an intermediate value of that suffix.
        """
        check_elements(tuple(shape))
        if 0 in shape:
            raise Refused("shape", f"an empty output of shape {tuple(shape)}", "at least one element")
        origin = node.outputs[place]
        value = Value(origin + inner, tuple(int(extent) for extent in shape), quant, "" if inner else origin)
        names = tuple(v.name for v in inputs)
        self._steps.append(Step(kind, names, value.name, node.name, node.operator))
        if isinstance(kind, (*LAYOUT_KINDS, Repeat)) and names[0] in self._indices:
            self._indices.add(value.name)
        self._values[value.name] = value
        if not inner:
            self._bound[origin] = value
        return value

    def reshape(self, node: Node, x: Value, shape: Sequence[int], inner: str = "") -> Value:
        """The same elements in another shape; codes keep their quantisation."""
        return self.step(node, Reshape(), (x,), shape, x.quant, inner=inner)

    def transpose(self, node: Node, x: Value, perm: Sequence[int], inner: str = "") -> Value:
        """Axes permuted; codes keep their quantisation."""
        shape = [x.shape[axis] for axis in perm]
        return self.step(node, Transpose(tuple(perm)), (x,), shape, x.quant, inner=inner)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def _fresh(self, node: Node) -> None:
        if not node.outputs or not node.outputs[0]:
            raise Refused("output", "no output", "one output")
        for name in filter(None, node.outputs):
            if name in self._bound or name in self._constants or name in self._values:
                raise Refused("output", f"{name} is produced twice", "one producer for each tensor")

    def _refuse(self, node: Node, attribute: str, why: str, supported: str) -> None:
        self.findings.append(Finding(node.name, node.operator, attribute, why, supported))
        self._poisoned.update(name for name in node.outputs if name not in self._bound)


def integer(attributes: Mapping[str, Any], name: str, default: int) -> int:
    """An integer attribute; raises Refused for another type."""
    value = attributes.get(name, default)
    if not isinstance(value, int):
        raise Refused(name, f"value {value!r}", "an integer")
    return value


def number(attributes: Mapping[str, Any], name: str, default: float) -> float:
    """A finite number attribute; raises Refused otherwise."""
    value = attributes.get(name, default)
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise Refused(name, f"value {value!r}", "a finite number")
    return float(value)


def axis_of(axis: int, rank: int, name: str = "axis") -> int:
    """A possibly negative axis, normalised; raises Refused outside the rank."""
    if not -rank <= axis < rank:
        raise Refused(name, f"axis {axis} of a tensor of rank {rank}", f"{-rank} to {rank - 1}")
    return axis % rank


def integers(array: AnyArray, name: str) -> tuple[int, ...]:
    """A one-dimensional integer input; raises Refused otherwise."""
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise Refused(name, f"{array.dtype} of shape {array.shape}", "a list of integers")
    return tuple(int(v) for v in array.reshape(-1))
