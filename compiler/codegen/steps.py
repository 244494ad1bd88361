"""The statements with which a layer's tile loop moves its streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.codegen.moves import Moves


def guarded(condition: str, statements: Sequence[str]) -> list[str]:
    """C lines of statements under a condition; an empty condition always holds."""
    if not condition:
        return list(statements)
    if len(statements) == 1:
        return [f"if ({condition}) {statements[0]}"]
    return [f"if ({condition}) {{", *(f"    {text}" for text in statements), "}"]


def _fetch(prefix: str, via: Moves, step: str, at: str, slot: str) -> str:
    return f"t_{via.name} = {prefix}_{via.name}_{step}({via.arguments(at, slot)});"


def _pass(prefix: str, via: Moves, at: str) -> list[str]:
    """The second hop, once the first is complete."""
    if not via.staged:
        return []
    return [f"dse_wait(t_{via.name});", _fetch(prefix, via, "pass", at, via.slot_parameter)]


def begin(prefix: str, streams: Sequence[Moves]) -> Iterator[str]:
    """Fetch the first tiles; those that stay for the whole layer are waited for here.

    Rows of a table are fetched when their names have come.
    """
    for named in (False, True):
        yield from _begin(prefix, [via for via in streams if via.by_row == named])


def _begin(prefix: str, streams: Sequence[Moves]) -> Iterator[str]:
    for via in streams:
        if via.slot_parameter:
            yield f"uint32_t {via.slot_parameter} = 0u;"
        yield f"dse_ticket {_fetch(prefix, via, 'load', 'at', via.slot_parameter)}"
    for via in streams:
        yield from _pass(prefix, via, "at")
    for via in streams:
        if not via.level:
            yield f"dse_wait(t_{via.name});"


def prefetch(prefix: str, streams: Sequence[Moves], loops: int) -> Iterator[str]:
    """Double buffered streams: fetch the next tile to the other slot while this one is used."""
    for via in streams:
        if via.slots > 1:
            inner = "" if via.level == loops else f" && level <= {via.level}u"
            load = _fetch(prefix, via, "load", "next", f"{via.slot_parameter} ^ 1u")
            yield from guarded(f"level != 0u{inner}", [load])


def advance(prefix: str, streams: Sequence[Moves], loops: int) -> Iterator[str]:
    """Turn to the next tile of every stream that moves."""
    for via in streams:
        if via.level:
            flip = f"{via.slot_parameter} ^= 1u;"
            first = flip if via.slots > 1 else _fetch(prefix, via, "load", "next", "")
            condition = "" if via.level == loops else f"level <= {via.level}u"
            yield from guarded(condition, [first, *_pass(prefix, via, "next")])


def store(prefix: str, output: Moves, finished: str) -> list[str]:
    """Take a finished tile home, `finished` being the condition; double buffered without waiting."""
    if output.in_place:
        return []
    call = f"{prefix}_out_store({output.arguments('at', 'slot_out')})"
    if output.slots > 1:
        return guarded(finished, [f"t_out[slot_out] = {call};", "slot_out ^= 1u;"])
    return guarded(finished, [f"dse_wait({call});"])
