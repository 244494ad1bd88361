"""Which exceptions are the user's to mend. Imported only once something has failed."""

from __future__ import annotations

from compiler.deployment import DeploymentError
from compiler.frontend import ModelError
from compiler.targets import TargetError
from costmodels.errors import PlatformError
from dse.cli.errors import Exit, UsageError
from dse.executors import ExecutorError
from dse.output import OutputError

BAD_INPUT = (UsageError, ModelError, PlatformError, DeploymentError, ExecutorError, OutputError, TargetError)


def exit_of(error: Exception) -> Exit:
    """2 for bad input, 1 for everything else."""
    return Exit.BAD_INPUT if isinstance(error, BAD_INPUT) else Exit.INTERNAL
