"""What an exploration leaves: the directory with its front, points, tables, study and C projects."""

from dse.output.errors import EmissionError, OutputError
from dse.output.exploration import Exploration
from dse.output.golden import golden_inputs
from dse.output.layout import Layout
from dse.output.projects import Job, emit_all, emit_one
from dse.output.read import Explored, halves, open_explored
from dse.output.staging import Destination
from dse.output.write import write_exploration

__all__ = [
    "Destination",
    "EmissionError",
    "Exploration",
    "Explored",
    "Job",
    "Layout",
    "OutputError",
    "emit_all",
    "emit_one",
    "golden_inputs",
    "halves",
    "open_explored",
    "write_exploration",
]
