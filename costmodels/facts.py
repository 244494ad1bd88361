"""Strict reading of TOML tables into frozen dataclasses; every number carries how it is known.

The fields of a dataclass are its keys. A number, or an array of numbers, is written
`{ value = 8, how = "READ", source = "where" }`; booleans and strings may stand bare. A table of named
tables (levels, links, engines) becomes a tuple of dataclasses whose `name` is the table's key; where
several classes are possible, the one whose `kind` literal matches is read.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from costmodels.errors import PlatformError

HOW = ("READ", "SIM", "DERIVED", "FIT", "RECALLED", "ASSUMED", "MEASURED")
POSITIVE: Mapping[str, Any] = types.MappingProxyType({"positive": True})

MOST = 1e15
"""No fact is larger: prices stay far from where doubles lose whole cycles (2^53) or overflow."""

Value = bool | int | float | str | tuple[Any, ...]


@dataclass(frozen=True)
class Fact:
    """One value of a platform file: its dotted key, and how (one of `HOW`) and from where it is known."""

    key: str
    value: Value
    how: str
    source: str


@dataclass(frozen=True)
class Reader:
    """Reads the tables of one file; `facts` collects every sourced value in the order of reading."""

    file: str
    facts: list[Fact] = dataclasses.field(default_factory=list)

    def fail(self, key: str, problem: str, advice: str) -> PlatformError:
        return PlatformError(self.file, key, problem, advice)

    def record(self, cls: type[Any], table: object, key: str, **given: object) -> Any:
        """An instance of the dataclass `cls`; `given` are fields that the table does not hold."""
        if not isinstance(table, Mapping):
            raise self.fail(key, f"is {_kind(table)}", "must be a table")
        hints = typing.get_type_hints(cls)
        fields = {f.name: f for f in dataclasses.fields(cls) if f.init and f.name not in given}
        for name in table:
            if name not in fields:
                raise self.fail(_join(key, name), "unknown key", nearest(name, tuple(fields)))
        values = dict(given)
        for name, field in fields.items():
            if name in table:
                values[name] = self._field(hints[name], table[name], _join(key, name), field)
            elif _required(field):
                raise self.fail(_join(key, name), "missing", f"must be {describe(hints[name])}")
        return cls(**values)

    def _field(self, hint: Any, raw: object, key: str, field: dataclasses.Field[Any]) -> object:
        value = self._value(_without_none(hint), raw, key)
        for number in _numbers(value):
            self._check_number(number, key, bool(field.metadata.get("positive")))
        return value

    def _check_number(self, value: float, key: str, positive: bool) -> None:
        if value < 0 or (positive and value == 0):
            raise self.fail(key, f"is {value}", f"must be {'greater than 0' if positive else '0 or greater'}")
        if not value <= MOST:
            raise self.fail(key, f"is {value}", f"must be finite, and at most {MOST:g}")

    def _value(self, hint: Any, raw: object, key: str) -> object:
        if dataclasses.is_dataclass(hint):
            return self.record(typing.cast("type[Any]", hint), raw, key)
        members = named_records(hint)
        if members:
            return self._named(members, raw, key)
        return self._leaf(hint, raw, key)

    def _named(self, classes: tuple[type[Any], ...], raw: object, key: str) -> tuple[Any, ...]:
        if not isinstance(raw, Mapping) or not raw:
            raise self.fail(key, f"is {_kind(raw)}", "must be a table of named tables")
        return tuple(self._variant(classes, body, _join(key, name), name) for name, body in raw.items())

    def _variant(self, classes: tuple[type[Any], ...], body: object, key: str, name: str) -> Any:
        if len(classes) == 1:
            return self.record(classes[0], body, key, name=name)
        kinds = {kind: cls for cls in classes for kind in typing.get_args(typing.get_type_hints(cls)["kind"])}
        kind = body.get("kind") if isinstance(body, Mapping) else None
        if not isinstance(kind, str) or kind not in kinds:
            problem = "missing" if kind is None else f"is {kind!r}"
            raise self.fail(_join(key, "kind"), problem, f"must be one of {', '.join(kinds)}")
        return self.record(kinds[kind], body, key, name=name)

    def _leaf(self, hint: Any, raw: object, key: str) -> object:
        if isinstance(raw, Mapping):
            return self._sourced(hint, raw, key)
        if _has_numbers(hint):
            advice = f'write {{ value = {_literal(raw)}, how = "READ", source = "..." }}'
            raise self.fail(key, "a number without its source", advice)
        return self._typed(hint, raw, key)

    def _sourced(self, hint: Any, raw: Mapping[str, object], key: str) -> object:
        for name in raw:
            if name not in ("value", "how", "source"):
                raise self.fail(_join(key, name), "unknown key", nearest(name, ("value", "how", "source")))
        for name in ("value", "how", "source"):
            if name not in raw:
                raise self.fail(_join(key, name), "missing", "a fact has value, how and source")
        how, source = raw["how"], raw["source"]
        if how not in HOW:
            raise self.fail(_join(key, "how"), f"is {how!r}", f"must be one of {', '.join(HOW)}")
        if not isinstance(source, str) or not source.strip():
            raise self.fail(
                _join(key, "source"), f"is {source!r}", "must say in words where the value is from"
            )
        value = self._typed(hint, raw["value"], key)
        self.facts.append(Fact(key, typing.cast(Value, value), str(how), source))
        return value

    def _typed(self, hint: Any, raw: object, key: str) -> object:
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Literal:
            if raw not in args:
                options = tuple(str(arg) for arg in args)
                advice = f"must be one of {', '.join(options)}" + _guess(str(raw), options)
                raise self.fail(key, f"is {raw!r}", advice)
            return raw
        if origin is tuple:
            return self._tuple(args, raw, key, hint)
        if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
            return float(raw)
        if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
            raise self.fail(key, f"is {_kind(raw)} ({_literal(raw)})", f"must be {describe(hint)}")
        return raw

    def _tuple(self, args: tuple[Any, ...], raw: object, key: str, hint: Any) -> tuple[object, ...]:
        many = len(args) == 2 and args[1] is Ellipsis
        if not isinstance(raw, list) or (not many and len(raw) != len(args)):
            raise self.fail(key, f"is {_kind(raw)} ({_literal(raw)})", f"must be {describe(hint)}")
        hints = [args[0]] * len(raw) if many else list(args)
        return tuple(self._typed(h, item, key) for h, item in zip(hints, raw, strict=True))


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Advice for an unknown name: the nearest known one, or all of them."""
    return _guess(name, known).strip(" ()") or f"known are {', '.join(known)}"


def named_records(hint: Any) -> tuple[type[Any], ...]:
    """The dataclasses D of a `tuple[D, ...]` or `tuple[D1 | D2, ...]`; empty for any other type."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) is not tuple or len(args) != 2 or args[1] is not Ellipsis:
        return ()
    members = typing.get_args(args[0]) if isinstance(args[0], types.UnionType) else (args[0],)
    return tuple(members) if all(dataclasses.is_dataclass(member) for member in members) else ()


def describe(hint: Any) -> str:
    """A type in words for a message."""
    hint = _without_none(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, args))}"
    if origin is tuple:
        if named_records(hint):
            return "a table of named tables"
        if len(args) == 2 and args[1] is Ellipsis:
            return f"an array, each item {describe(args[0])}"
        return f"an array of {len(args)}: {', '.join(map(describe, args))}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
    return words.get(hint, "a table")


def _guess(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType):
        kept = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return kept[0] if len(kept) == 1 else hint
    return hint


def _has_numbers(hint: Any) -> bool:
    if typing.get_origin(hint) is tuple:
        return any(_has_numbers(arg) for arg in typing.get_args(hint) if arg is not Ellipsis)
    return hint in (int, float)


def _numbers(value: object) -> Iterator[float]:
    """The numbers of a field's value, also those in arrays of arrays."""
    if isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def _kind(raw: object) -> str:
    if raw is None:
        return "missing"
    names = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(raw), "a table")


def _literal(raw: object) -> str:
    text = str(raw).lower() if isinstance(raw, bool) else repr(raw)
    return text if len(text) <= 40 else text[:37] + "..."


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
