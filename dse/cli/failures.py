"""Which exceptions are the user's to mend. Imported only once something has failed."""

from __future__ import annotations

from compiler.deployment import DeploymentError
from compiler.frontend import ModelError
from compiler.targets import TargetError
from costmodels.errors import PlatformError
from dse.cli.errors import Ending, Exit
from dse.executors import ExecutorError
from dse.output import OutputError
from dse.search import SearchError, StorageError
from dse.sweep import StudyError
from dse.task import TaskError

BAD_INPUT = (
    ModelError,
    PlatformError,
    DeploymentError,
    ExecutorError,
    OutputError,
    SearchError,
    StorageError,
    StudyError,
    TaskError,
    TargetError,
)


def exit_of(error: Exception) -> Exit:
    """The code that an ending carries, 2 for bad input, 1 for everything else."""
    if isinstance(error, Ending):
        return error.code
    return Exit.BAD_INPUT if isinstance(error, BAD_INPUT) else Exit.INTERNAL
