"""Memory banks that serve first come, first served, walked access by access.

For comparisons with a simulator; layers are priced by the closed forms of `costmodels.engines.cluster`.
Source of the rule: GVSoC's memories (READ: an access that finds its bank busy waits until it is free, then
keeps it for one cycle), and HARDWARE.md, core timing: 16 loads of one bank by 8 cores take 122 to 129 cycles.
In one cycle the core with the lower number comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from costmodels.validation.tables import Row

WORD_BYTES = 4
L1_BANKS = 16


@dataclass
class Accesses:
    """A core's accesses: cycles of other work before each, its word's bank, cycles after the last."""

    banks: int
    before: list[int] = field(default_factory=list)
    bank: list[int] = field(default_factory=list)
    after: int = 0

    def work(self, cycles: int) -> None:
        """Cycles without an access."""
        self.after += cycles

    def touch(self, address: int) -> None:
        """One access of a word at a byte address."""
        self.before.append(self.after)
        self.bank.append(address // WORD_BYTES % self.banks)
        self.after = 0

    def touch_all(self, addresses: Iterable[int]) -> None:
        """Accesses one behind the other."""
        for address in addresses:
            self.touch(address)

    @property
    def alone(self) -> int:
        """Cycles if no access ever waits."""
        return sum(self.before) + len(self.before) + self.after


def walk(cores: Sequence[Accesses], starts: Sequence[int]) -> tuple[int, ...]:
    """The cycle at which each core is done, that began its accesses at `starts`."""
    free = [0] * max(core.banks for core in cores)
    place = [0] * len(cores)
    ends = [start + core.after for core, start in zip(cores, starts, strict=True)]
    queue: list[tuple[int, int]] = []
    for number, core in enumerate(cores):
        if core.bank:
            heappush(queue, (starts[number] + core.before[0], number))
    while queue:
        now, number = heappop(queue)
        core, at = cores[number], place[number]
        served = max(now, free[core.bank[at]]) + 1
        free[core.bank[at]] = served
        place[number] = at + 1
        if at + 1 < len(core.bank):
            heappush(queue, (served + core.before[at + 1], number))
        else:
            ends[number] = served + core.after
    return tuple(ends)


def store_stall_cycles(addresses: Iterable[int], width_bytes: int) -> int:
    """Cycles that the output of a pixel tile waits for banks: width_bytes at each of `addresses`, one by one.

    An artefact of the simulator (READ: its stream-out): a pixel's words are stored at once, in one cycle, but
    the bytes before and behind them one by one, for which it keeps their bank and does not wait itself.
    """
    free = [0] * L1_BANKS
    now = waited = 0
    for start in addresses:
        end = start + width_bytes
        first, last = -(-start // WORD_BYTES) * WORD_BYTES, end // WORD_BYTES * WORD_BYTES
        if width_bytes < WORD_BYTES:
            first, last = end, end
        _store(free, now, range(start, first))
        wait = _store(free, now, range(first, last, WORD_BYTES))
        _store(free, now, range(last, end))
        now += 1 + wait
        waited += wait
    return waited


def _store(free: list[int], now: int, addresses: range) -> int:
    """Occupy the banks of these accesses, all begun now; the longest that one of them waits."""
    longest = 0
    for address in addresses:
        bank = address // WORD_BYTES % len(free)
        longest = max(longest, free[bank] - now)
        free[bank] = max(now, free[bank]) + 1
    return longest


@dataclass(frozen=True)
class BankAccesses(Row):
    """Accesses in a row by every core, and the instruction that reads the clock.

    banks: how many the memory has, 0 if no access ever waits. same: whether all go to one bank, else each
    core to one of its own.
    """

    variant: str
    cores: int
    accesses: int
    banks: int
    same: bool

    def predicted(self) -> float:
        """Cycles of the slowest core."""
        found = [Accesses(self.banks or self.cores) for _ in range(self.cores)]
        for number, core in enumerate(found):
            for _ in range(self.accesses):
                core.touch(0 if self.same else number * WORD_BYTES)
            core.work(1)
        return float(max(walk(found, [0] * self.cores)) if self.banks else found[0].alone)
