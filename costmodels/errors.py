"""Errors of the cost models that a user can cause."""

from __future__ import annotations


class PlatformError(Exception):
    """A platform that cannot be used: which file, which dotted key, what is wrong, what would be right."""

    def __init__(self, file: str, key: str, problem: str, advice: str) -> None:
        super().__init__(file, key, problem, advice)
        self.file, self.key, self.problem, self.advice = file, key, problem, advice

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.problem}; {self.advice}"


class UnsupportedKernel(ValueError):
    """A kernel that an engine cannot run, or a split that it has no formula for."""
