"""What can be wrong with a model, as values: findings, and the one exception that carries them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing in a model that cannot be imported.

    `node` is the ONNX node or tensor, `operator` its type, `attribute` the attribute or input at fault
    (empty where the operator as a whole is), `why` the reason, `supported` what would be accepted.
    """

    node: str
    operator: str
    attribute: str
    why: str
    supported: str

    def __str__(self) -> str:
        what = f"{self.operator}.{self.attribute}" if self.attribute else self.operator
        advice = f"; supported: {self.supported}" if self.supported else ""
        # Names come from the file and may hold anything.
        text = " ".join(f"{self.node}: {what}: {self.why}{advice}".split())
        return "".join(c if c.isprintable() else "?" for c in text)


class ModelError(ValueError):
    """A file that is not a model, or a model that cannot be imported. One line, then one per finding."""

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message, tuple(findings))
        self.message = message
        self.findings: tuple[Finding, ...] = tuple(findings)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {finding}" for finding in self.findings)])


def raise_findings(name: str, findings: Sequence[Finding]) -> None:
    """Raise ModelError where there are findings in the model `name`."""
    if findings:
        count = len(findings)
        what = "finding" if count == 1 else "findings"
        raise ModelError(f"{name}: the model is not supported ({count} {what})", findings)


class Refused(Exception):
    """Raised while one node is read; the reader turns it into a Finding and goes on with the next."""

    def __init__(self, attribute: str, why: str, supported: str = "") -> None:
        super().__init__(why)
        self.attribute = attribute
        self.why = why
        self.supported = supported
