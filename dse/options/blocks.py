"""Which homes and stagings are priced together, and which prices follow from others.

An operand staged whole through L2 is copied before or after the layer, which then does what it does with that
operand at home in L2. So only these, the bases, are priced as pipelines: where every operand stays, moves
between L2 and L1, or comes from L3 tile by tile. What a whole stage adds depends on no tile but its own size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.deployment import DIRECT, L2, WHOLE
from costmodels.platform import Platform
from costmodels.prefetch import LINK
from dse.options.homes import HomeChoice, Mode

Combination = tuple[HomeChoice, Mode]
Placing = tuple[str, str]
"""Home and staging of one stream."""
Base = tuple[Placing, ...]
"""Of every stream (inputs, parameters, output), none of them staged whole."""


def base_of(choice: HomeChoice, staging: Sequence[str]) -> tuple[Base, tuple[int, ...]]:
    """What a choice of homes does within the layer, and which streams are staged whole around it."""
    placed = tuple(zip(choice.streams, staging, strict=True))
    whole = tuple(number for number, (_, stage) in enumerate(placed) if stage == WHOLE)
    return tuple((L2, DIRECT) if stage == WHOLE else (home, stage) for home, stage in placed), whole


@dataclass(frozen=True)
class Block:
    """Bases, by number, in all of which loads and stores move at once or in none, and in all of which the
    link of prefetches is free or in none.

    codes: of every stream, which of its placings each of them has. params: homes of the parameters.
    """

    numbers: tuple[int, ...]
    codes: tuple[tuple[int, ...], ...]
    params: tuple[str, ...]


def placings(stream: int, bases: Sequence[Base]) -> tuple[Placing, ...]:
    """All that occur for one stream, in order."""
    return tuple(dict.fromkeys(base[stream] for base in bases))


def blocks(
    bases: Sequence[Base],
    links: Sequence[Mapping[Placing, frozenset[str]]],
    platform: Platform,
    most: int,
) -> Iterator[Block]:
    """All bases, at most `most` in a block. links: of every stream those that each of its placings uses."""
    channel = {link.name: link.channel for link in platform.links}
    numbers = [{placing: number for number, placing in enumerate(of)} for of in links]
    groups: dict[object, list[int]] = {}
    for number, base in enumerate(bases):
        used = [of[placing] for of, placing in zip(links, base, strict=True)]
        loads = {channel[link] for of in used[:-1] for link in of}
        stores = {channel[link] for link in used[-1]}
        key = loads.isdisjoint(stores), channel.get(LINK) in loads | stores
        groups.setdefault(key, []).append(number)
    for members in groups.values():
        for start in range(0, len(members), most):
            some = tuple(members[start : start + most])
            codes = tuple(tuple(of[bases[k][s]] for k in some) for s, of in enumerate(numbers))
            yield Block(some, codes, tuple(bases[k][-2][0] for k in some))
