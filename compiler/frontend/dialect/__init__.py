"""The integer dialect of PACT, QuantLib and Deeploy: integers in float tensors, RequantShift between."""

from compiler.frontend.dialect.declare import declared, is_dialect
from compiler.frontend.dialect.handlers import read_net

__all__ = ["declared", "is_dialect", "read_net"]
