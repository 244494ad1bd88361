"""Which combinations of homes, buffering and staging are priced together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dse.options.homes import HomeChoice, Mode

Combination = tuple[HomeChoice, Mode]
Placing = tuple[str, str]
"""Home and staging of one stream."""
Of = TypeVar("Of")


@dataclass(frozen=True)
class Block:
    """Combinations, by number, that buffer alike and use the same links in each direction, which decides
    what moves at the same time.

    placings: of every stream, in each of them. params: homes of the parameters in each.
    """

    numbers: tuple[int, ...]
    buffering: int
    placings: tuple[tuple[Placing, ...], ...]
    params: tuple[str, ...]

    def chosen(self, menus: Sequence[Mapping[Placing, Of]]) -> list[list[Of]]:
        """For every stream what its menu has for each combination."""
        return [[menu[key] for key in keys] for menu, keys in zip(menus, self.placings, strict=True)]


def placings(stream: int, combinations: Sequence[Combination]) -> tuple[Placing, ...]:
    """All that occur for one stream, in order."""
    found = dict.fromkeys((choice.streams[stream], mode.staging[stream]) for choice, mode in combinations)
    return tuple(found)


def blocks(
    combinations: Sequence[Combination], links: Sequence[Mapping[Placing, frozenset[str]]], most: int
) -> Iterator[Block]:
    """All combinations, at most `most` in a block. links: for every stream those that a placing uses."""
    groups: dict[object, list[int]] = {}
    for number, (choice, mode) in enumerate(combinations):
        keys = zip(choice.streams, mode.staging, strict=True)
        used = [of[key] for of, key in zip(links, keys, strict=True)]
        loads = frozenset[str]().union(*used[:-1])
        groups.setdefault((mode.buffering, loads, used[-1]), []).append(number)
    for members in groups.values():
        for start in range(0, len(members), most):
            yield _block(combinations, members[start : start + most])


def _block(combinations: Sequence[Combination], numbers: Sequence[int]) -> Block:
    some = [combinations[number] for number in numbers]
    streams = [tuple(zip(choice.streams, mode.staging, strict=True)) for choice, mode in some]
    params = tuple(choice.params for choice, _ in some)
    return Block(tuple(numbers), some[0][1].buffering, tuple(zip(*streams, strict=True)), params)
