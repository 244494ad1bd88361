"""The reader's state for the dialect: names may also stand for terms, which memory does not hold yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from compiler.frontend.dialect.kinds import Table
from compiler.frontend.dialect.requantshift import Requantisation, plain
from compiler.frontend.dialect.terms import Real, Scalar, Scaled, Term, code_type_of, codes_of, identity
from compiler.frontend.errors import Finding, Refused
from compiler.frontend.reader import Reader
from compiler.frontend.source import Node, Source
from compiler.frontend.steps import Net, Quant, Value


class DialectReader(Reader):
    """A reader whose names may stand for terms. A table becomes a step when a kernel needs its codes."""

    def __init__(self, source: Source, input_quants: Mapping[str, Quant]) -> None:
        super().__init__(source, input_quants)
        self._terms: dict[str, tuple[Node, Term, Quant | None]] = {}

    def pend(self, node: Node, term: Term, quant: Quant | None = None) -> None:
        """The node's output is `term`; codes of `quant` where a RequantShift said so."""
        self._terms[node.outputs[0]] = (node, term, quant)

    def term(self, node: Node, index: int = 0) -> Term:
        """Input `index` as a term; raises Refused where it is absent or a constant."""
        name = node.inputs[index] if node.has_input(index) else ""
        return self._terms[name][1] if name in self._terms else identity(self.value(node, index))

    def value(self, node: Node, index: int = 0) -> Value:
        """Input `index` as codes in memory; raises Refused where it is wider than 8 bits."""
        if node.has_input(index):
            self._settle(node.inputs[index])
        return super().value(node, index)

    def requantised(self, node: Node, by: Requantisation) -> None:
        """The node's output is its first input through a RequantShift."""
        term = self.term(node)
        if isinstance(term, Scalar) and by.is_scalar:
            self.pend(node, Scalar(term.shape, term.x, by.applied(term.values)), by.quant)
            return
        if isinstance(term, Scalar):
            x = term.x if np.array_equal(term.values, codes_of(term.x)) else self.value(node)
            term = Scaled(x.shape, x, np.zeros((), np.int64))
        term.requantised(self, node, by)

    def net(self, name: str, outputs: Sequence[str]) -> Net:
        for output in outputs:
            try:
                self._leave_reals(output)
                self._settle(output)
            except Refused as error:
                self.findings.append(Finding(output, "output", error.attribute, error.why, error.supported))
        return super().net(name, outputs)

    def _leave_reals(self, name: str) -> None:
        """An output of real numbers is the codes that they are dequantised from; a note says so."""
        node, term, _ = self._terms.get(name, (None, None, None))
        if node is not None and isinstance(term, Real):
            self._terms[name] = (node, term.codes, None)
            self.note(f"output {name} holds codes: the real numbers are {term.meaning}")

    def _settle(self, name: str) -> None:
        """Make codes of a term that may be codes; raises Refused for any other one."""
        if name not in self._terms or name in self._bound:
            return
        node, term, quant = self._terms[name]
        if isinstance(term, Real):
            raise Refused(
                "", f"{name} holds real numbers", "a Quant behind a Dequant, or an output of the graph"
            )
        if not isinstance(term, Scalar):
            raise Refused("", f"{name} holds sums of 32 bits", "a RequantShift behind them")
        dtype = quant.dtype if quant else code_type_of(term.values)
        if dtype is None:
            low, high = int(term.values.min()), int(term.values.max())
            raise Refused("", f"{name} reaches from {low} to {high}", "a RequantShift to 8 bits behind it")
        same = term.x.quant is not None and term.x.quant.dtype == dtype
        if same and np.array_equal(term.values, codes_of(term.x)):
            self.alias(node, term.x)
        else:
            self.step(node, Table(term.values.astype(dtype.dtype)), (term.x,), term.shape, plain(dtype))

    def _fresh(self, node: Node) -> None:
        super()._fresh(node)
        for name in node.outputs:
            if name in self._terms:
                raise Refused("output", f"{name} is produced twice", "one producer for each tensor")
