"""Graphs of integer operators, and modules of graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from compiler.ir.operator import Operator
from compiler.ir.tensor import Tensor


class GraphError(ValueError):
    """A graph that breaks an invariant: the message names the tensor or operator."""


@dataclass(frozen=True)
class Graph:
    """Operators in execution order over named tensors; every tensor has one producer.

    states: pairs of an input and an output, of equal shape and type, that are one memory which outlives a
    run: an operator that updates changes some rows of the input, and the output is what the input has become.
    Raises GraphError where a tensor is undefined, defined twice, used before it is produced, an output that
    nothing produces, or a state that is not of this form.
    """

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    states: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if len(self.by_name) != len(self.tensors):
            raise GraphError(f"graph {self.name}: two tensors share a name")
        produced = set(self.inputs)
        for name in self.inputs:
            self._known(name, "graph input")
        for op in self.operators:
            for name in op.inputs:
                self._known(name, f"input of {op.name}")
                if name not in produced:
                    raise GraphError(f"graph {self.name}: {op.name} reads {name} before it is produced")
            self._known(op.output, f"output of {op.name}")
            if op.output in produced:
                raise GraphError(f"graph {self.name}: tensor {op.output} is produced twice")
            produced.add(op.output)
        for name in self.outputs:
            if name not in produced:
                raise GraphError(f"graph {self.name}: output {name} is never produced")
        self._check_states()

    def _check_states(self) -> None:
        updated = {op.output for op in self.operators if op.updates}
        befores, afters = {before for before, _ in self.states}, {after for _, after in self.states}
        if len(befores) != len(self.states) or afters != updated or len(updated) != len(self.states):
            raise GraphError(f"graph {self.name}: states and operators that update do not match")
        read = {name for op in self.operators for name in op.inputs}
        for before, after in self.states:
            if before not in self.inputs or after not in self.outputs or before in read:
                raise GraphError(
                    f"graph {self.name}: state {before}, {after} is no unread input that becomes an output"
                )
            old, new = self.by_name[before], self.by_name[after]
            if (old.shape, old.dtype) != (new.shape, new.dtype):
                raise GraphError(f"graph {self.name}: state {before}, {after} changes its shape or type")

    def _known(self, name: str, what: str) -> None:
        if name not in self.by_name:
            raise GraphError(f"graph {self.name}: {what} {name} is not a tensor of the graph")

    @cached_property
    def by_name(self) -> Mapping[str, Tensor]:
        """Tensors by name, read-only."""
        return MappingProxyType({tensor.name: tensor for tensor in self.tensors})

    @cached_property
    def storage(self) -> Mapping[str, str]:
        """The tensor in whose memory each lies: another one for what an update makes of a state."""
        renamed = {after: before for before, after in self.states}
        return MappingProxyType({name: renamed.get(name, name) for name in self.by_name})

    @cached_property
    def placed(self) -> tuple[Tensor, ...]:
        """Tensors with memory of their own."""
        return tuple(tensor for tensor in self.tensors if self.storage[tensor.name] == tensor.name)

    @cached_property
    def last_use(self) -> Mapping[str, int]:
        """Index of the last operator that reads each tensor; graph outputs and states live to the end.

        What nothing reads lives while it is made; an input that nothing reads has -1.
        """
        last = dict.fromkeys(self.by_name, -1)
        for index, op in enumerate(self.operators):
            last[op.output] = index
            for name in op.inputs:
                last[name] = index
        for name in (*self.outputs, *(before for before, _ in self.states)):
            last[name] = len(self.operators) - 1
        return MappingProxyType(last)

    @cached_property
    def first_use(self) -> Mapping[str, int]:
        """Index of the operator that produces each tensor; 0 for graph inputs."""
        first = dict.fromkeys(self.inputs, 0)
        for index, op in enumerate(self.operators):
            first[op.output] = index
        return MappingProxyType(first)

    def __iter__(self) -> Iterator[Operator]:
        return iter(self.operators)

    def __reduce__(self) -> tuple[type[Graph], tuple[object, ...]]:
        return (Graph, (self.name, self.tensors, self.operators, self.inputs, self.outputs, self.states))


@dataclass(frozen=True)
class Module:
    """Named entry graphs of one model; today one, `main`.

    `sha256` is the digest of the file that the module was read from. `notes` are what a user must
    know about the import (synthetic calibration, a batch that became 1, a folded preprocessing).
    """

    name: str
    sha256: str
    graphs: tuple[Graph, ...]
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> Graph:
        """The entry graph `main`; raises GraphError where there is none."""
        for graph in self.graphs:
            if graph.name == "main":
                return graph
        raise GraphError(f"module {self.name} has no graph named main")
