"""STUDY.toml: what a sweep explores. Strict: an unknown key or a wrong type is an error that names it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dse.points import OBJECTIVES

SCHEMA = 1
EMITS = ("front", "knee", "none")


class StudyError(ValueError):
    """A study file that cannot be used: which file, which key, what is wrong, what would be right."""


@dataclass(frozen=True)
class SweepStudy:
    """The cross product of models, platforms, budgets and seeds, all with the same objectives and trials.

    Paths (of models, and of platforms ending in .toml) are absolute. Budgets are as on the command line.
    """

    name: str
    models: tuple[Path, ...]
    platforms: tuple[str, ...]
    budgets: tuple[str, ...]
    seeds: tuple[int, ...]
    objectives: tuple[str, ...]
    trials: int
    points: int
    emit: str


def read_study(
    path: Path, check_budget: Callable[[str], object] = str, check_platform: Callable[[str], object] = str
) -> SweepStudy:
    """Read a study file; the checks raise an exception with a message on what they cannot read.

    Keys: schema (1), models, platforms, budgets (lists of text), trials (a number) are needed; name (text),
    seeds (list of numbers, [0]), objectives (list, all), points (16), emit ("front", "knee", "none": none)
    have defaults. Models and platform files are relative to the study. Raises StudyError.
    """
    reader = _Reader(path, _table(path))
    reader.check_keys()
    reader.number("schema", least=SCHEMA, most=SCHEMA)
    base = path.absolute().parent
    return SweepStudy(
        name=reader.text("name", path.stem),
        models=tuple(reader.file("models", base / model) for model in reader.texts("models")),
        platforms=tuple(
            reader.checked("platforms", _platform(reader, base, name), check_platform, "see `dse platforms`")
            for name in reader.texts("platforms")
        ),
        budgets=tuple(
            reader.checked("budgets", text, check_budget, "as --budget") for text in reader.texts("budgets")
        ),
        seeds=reader.numbers("seeds", (0,)),
        objectives=reader.choices("objectives", OBJECTIVES),
        trials=reader.number("trials"),
        points=reader.number("points", 16),
        emit=reader.one_of("emit", EMITS, "none"),
    )


def _table(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise StudyError(f"{path}: {reason}") from error


def _platform(reader: _Reader, base: Path, name: str) -> str:
    return str(reader.file("platforms", base / name)) if name.endswith(".toml") else name


_KEYS = (
    "schema",
    "name",
    "models",
    "platforms",
    "budgets",
    "seeds",
    "objectives",
    "trials",
    "points",
    "emit",
)
_NEEDED = ("schema", "models", "platforms", "budgets", "trials")


@dataclass(frozen=True)
class _Reader:
    """Typed access to the table; every method raises StudyError naming the key."""

    path: Path
    table: Mapping[str, Any]

    def error(self, key: str, problem: str, right: str) -> StudyError:
        return StudyError(f"{self.path}: {key}: {problem}; {right}")

    def check_keys(self) -> None:
        """No unknown key, all needed ones."""
        for key in self.table:
            if key not in _KEYS:
                close = get_close_matches(key, _KEYS, 1)
                right = f"did you mean {close[0]}?" if close else f"keys are {', '.join(_KEYS)}"
                raise self.error(key, "unknown key", right)
        for key in _NEEDED:
            if key not in self.table:
                raise self.error(key, "is missing", f"a study needs {', '.join(_NEEDED)}")

    def text(self, key: str, default: str) -> str:
        value = self.table.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.error(key, f"is {value!r}", "needs text")
        return value

    def number(self, key: str, default: int = 0, least: int = 1, most: int = 2**32 - 1) -> int:
        return self._number(key, self.table.get(key, default), least, most)

    def _number(self, key: str, value: object, least: int, most: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            expected = f"{least}" if least == most else f"a whole number from {least} to {most}"
            raise self.error(key, f"is {value!r}", f"needs {expected}")
        return value

    def _list(self, key: str, default: tuple[Any, ...] | None) -> list[Any]:
        value = self.table.get(key, None if default is None else list(default))
        if not isinstance(value, list) or not value:
            raise self.error(key, f"is {value!r}", "needs a list with at least one entry")
        for entry in value:
            if value.count(entry) > 1:
                raise self.error(key, f"{entry!r} stands there twice", "needs different entries")
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self._list(key, default)
        for value in values:
            if not isinstance(value, str) or not value:
                raise self.error(key, f"contains {value!r}", "needs a list of text")
        return tuple(values)

    def numbers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self._number(key, value, 0, 2**32 - 1) for value in self._list(key, default))

    def choices(self, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
        asked = self.texts(key, known)
        for name in asked:
            self._known(key, name, known)
        return tuple(name for name in known if name in asked)

    def one_of(self, key: str, known: tuple[str, ...], default: str) -> str:
        return self._known(key, self.text(key, default), known)

    def _known(self, key: str, value: str, known: tuple[str, ...]) -> str:
        if value not in known:
            raise self.error(key, f"{value!r} is not known", f"needs {', '.join(known)}")
        return value

    def file(self, key: str, path: Path) -> Path:
        if not path.is_file():
            raise self.error(key, f"{path} is not there", "paths are relative to the study file")
        return path

    def checked(self, key: str, text: str, check: Callable[[str], object], right: str) -> str:
        try:
            check(text)
        except Exception as error:  # argparse's own type is not a ValueError
            raise self.error(key, str(error), right) from error
        return text
