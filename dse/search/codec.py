"""Frozen dataclasses to plain JSON values and back, by their type hints."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class CodecError(ValueError):
    """A value that is not what the type says; it was written by another version, or damaged."""


def to_plain(value: Any) -> Any:
    """`value` with dataclasses as dictionaries of their fields; tuples become JSON's lists when written."""
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if is_dataclass(value):
        kind: Any = type(value)
        return {name: to_plain(getattr(value, name)) for name in _field_names(kind)}
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """The dataclass `kind` out of what `to_plain` gave. Raises CodecError."""
    result: T = _decode(kind, plain)
    return result


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in _field_names(kind)}


def _decode(hint: Any, plain: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _decode_optional(hint, plain)
    if origin is tuple:
        return _decode_tuple(get_args(hint), plain)
    if is_dataclass(hint):
        return _decode_dataclass(hint, plain)
    if hint is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if not isinstance(hint, type) or type(plain) is not hint:
        raise CodecError(f"expected {getattr(hint, '__name__', hint)}, found {plain!r:.40}")
    return plain


def _decode_optional(hint: Any, plain: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    if len(kinds) != 1:
        raise CodecError(f"only `type | None` can be read back, not {hint}")
    return None if plain is None else _decode(kinds[0], plain)


def _decode_tuple(kinds: tuple[Any, ...], plain: Any) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise CodecError(f"expected a list, found {plain!r:.40}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_decode(kinds[0], item) for item in plain)
    if len(kinds) != len(plain):
        raise CodecError(f"expected {len(kinds)} entries, found {len(plain)}")
    return tuple(_decode(kind, item) for kind, item in zip(kinds, plain, strict=True))


def _decode_dataclass(kind: Any, plain: Any) -> Any:
    hints = _hints(kind)
    if not isinstance(plain, dict) or not _needed(kind) <= set(plain) <= set(hints):
        raise CodecError(f"expected the fields of {kind.__name__}, found {plain!r:.40}")
    return kind(**{name: _decode(hints[name], value) for name, value in plain.items()})


@cache
def _needed(kind: Any) -> frozenset[str]:
    """Fields that must be there: those with a default are later than some files."""
    return frozenset(field.name for field in fields(kind) if field.default is MISSING)
