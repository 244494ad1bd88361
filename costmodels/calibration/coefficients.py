"""Records of cycle coefficients as vectors, so that they can be fitted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

Costs = TypeVar("Costs")


def names_of(costs: object) -> tuple[str, ...]:
    """Dotted names of all float fields of a record of records, in the order of declaration."""
    found: list[str] = []
    for field in dataclasses.fields(_record(costs)):
        value = getattr(costs, field.name)
        if dataclasses.is_dataclass(value):
            found += [f"{field.name}.{name}" for name in names_of(value)]
        elif isinstance(value, float):
            found.append(field.name)
    return tuple(found)


def values_of(costs: object) -> tuple[float, ...]:
    """The values of `names_of`."""
    return tuple(_get(costs, name.split(".")) for name in names_of(costs))


def with_values(costs: Costs, values: Sequence[float]) -> Costs:
    """The record with other coefficients, in the order of `names_of`; whole numbers and texts are kept."""
    result: Any = costs
    for name, value in zip(names_of(costs), values, strict=True):
        result = _set(result, name.split("."), float(value))
    return result  # type: ignore[no-any-return]


def _record(costs: object) -> Any:
    return costs


def _get(costs: Any, path: Sequence[str]) -> float:
    for name in path:
        costs = getattr(costs, name)
    return float(costs)


def _set(costs: Any, path: Sequence[str], value: float) -> Any:
    head, *rest = path
    return dataclasses.replace(costs, **{head: _set(getattr(costs, head), rest, value) if rest else value})
