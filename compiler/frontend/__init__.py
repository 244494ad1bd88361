"""ONNX import: QDQ or float files to modules of one integer graph."""

from compiler.frontend.binding import Binding
from compiler.frontend.errors import Finding, ModelError
from compiler.frontend.importer import Imported, ImportedPair, import_model, import_pair, load
from compiler.frontend.samples import by_input

__all__ = [
    "Binding",
    "Finding",
    "Imported",
    "ImportedPair",
    "ModelError",
    "by_input",
    "import_model",
    "import_pair",
    "load",
]
