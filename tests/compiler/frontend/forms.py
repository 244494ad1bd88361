"""The forms of operators that exporters write, and the integer operators that each becomes.

One table: test_forms.py holds every form to ONNX's own semantics and to the simulation, and
`python -m tests.compiler.frontend.forms` writes it as docs/onnx-forms.md, which a house test keeps current.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import onnx

from tests.compiler.frontend.models import Weight, build

ROWS = "float[1,7,20] x"
TWO = f"{ROWS}, float[1,7,20] z"
DOCUMENT = Path(__file__).parents[3] / "docs" / "onnx-forms.md"


@dataclass(frozen=True)
class Form:
    """becomes: kinds of the integer operators in order, or part of the refusal where `refused`.

    remark: what the document says beside it. error: the largest difference from ONNX, as a share of the span
    of the output, that int8 may cause on random data. compiled: also in C on the host.
    """

    section: str
    name: str
    body: str
    becomes: str
    weights: dict[str, Weight] = field(default_factory=dict)
    inputs: str = ROWS
    opset: int = 17
    outputs: str = "y"
    remark: str = ""
    error: float = 0.03
    refused: bool = False
    compiled: bool = False

    def model(self) -> onnx.ModelProto:
        return build(self.body, self.weights, inputs=self.inputs, outputs=self.outputs, opset=self.opset)

    @property
    def operators(self) -> str:
        """The ONNX operators, in order."""
        return " ".join(node.op_type for node in self.model().graph.node)


def document(forms: tuple[Form, ...]) -> str:
    """docs/onnx-forms.md."""
    return "\n".join((*HEAD, *_tables(forms), ""))


HEAD = """# ONNX forms of transformers

What exporters write for the parts of transformers, and what becomes of it. Every row is a test: the form is
built, imported, and compared with ONNX's reference implementation and with the simulated deployment
(`tests/compiler/frontend/test_forms.py`). `python -m tests.compiler.frontend.forms` writes this page.

`becomes` names kinds of `compiler/ops`, in order. Unary functions are tables (`lut`), linear layers and
products with constants by channel are `conv2d`.""".splitlines()


def _tables(forms: tuple[Form, ...]) -> Iterator[str]:
    for section, members in groupby(forms, key=lambda form: form.section):
        yield from ("", f"## {section}", "", "| form | ONNX operators | opset | becomes | remark |")
        yield "|---|---|---|---|---|"
        for form in members:
            becomes = "refused" if form.refused else f"`{form.becomes}`"
            remark = form.remark or (form.becomes if form.refused else "")
            yield f"| {form.name} | `{form.operators}` | {form.opset} | {becomes} | {remark} |"


def ramp(extent: int) -> Weight:
    """A gain that is not constant."""
    return np.linspace(0.5, 1.5, extent, dtype=np.float32)


def main() -> None:
    """Write the document."""
    from tests.compiler.frontend.forms_table import FORMS

    DOCUMENT.write_text(document(FORMS))


if __name__ == "__main__":
    main()
