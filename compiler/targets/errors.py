"""What can go wrong between C sources and a finished run, each as one line with advice."""

from __future__ import annotations


class TargetError(Exception):
    """Base of everything this package raises; its text is one clear line."""


class MissingTool(TargetError):
    """A compiler or simulator is not installed."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what} not found: {advice}")
        self.what, self.advice = what, advice


class BuildFailed(TargetError):
    """The compiler refused the sources; `log` holds all it said."""

    def __init__(self, command: tuple[str, ...], log: str) -> None:
        errors = [line for line in log.splitlines() if "error" in line or "undefined" in line]
        first = next(iter(errors or log.splitlines()), "no message")
        super().__init__(f"{command[0]}: {first}")
        self.command, self.log = command, log


class RunTimeout(TargetError):
    """The program did not end in time; `stdout` is what it had printed."""

    def __init__(self, program: str, timeout_s: float, stdout: str) -> None:
        super().__init__(f"{program} did not end within {timeout_s:g} s")
        self.timeout_s, self.stdout = timeout_s, stdout


class BadElf(TargetError):
    """The file is not an ELF file that this reader understands."""
