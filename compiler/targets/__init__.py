"""Where emitted C runs: tool chains, builds with an object cache, runners, and what a linked file holds."""

from compiler.targets.build import Binary, Target, Variant, build
from compiler.targets.elf import symbol_sizes
from compiler.targets.errors import BadElf, BuildFailed, MissingTool, RunTimeout, TargetError
from compiler.targets.run import RunResult, run, siracusa_simulator
from compiler.targets.runtime import RUNTIME_DIR, copy_runtime

__all__ = [
    "RUNTIME_DIR",
    "BadElf",
    "Binary",
    "BuildFailed",
    "MissingTool",
    "RunResult",
    "RunTimeout",
    "Target",
    "TargetError",
    "Variant",
    "build",
    "copy_runtime",
    "run",
    "siracusa_simulator",
    "symbol_sizes",
]
