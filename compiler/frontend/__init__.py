"""ONNX import: QDQ or float files to modules of one integer graph."""

from compiler.frontend.binding import Binding
from compiler.frontend.errors import Finding, ModelError
from compiler.frontend.importer import Imported, import_model, load

__all__ = ["Binding", "Finding", "Imported", "ModelError", "import_model", "load"]
