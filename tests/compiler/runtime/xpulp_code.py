"""Just enough of an Xpulp disassembler: hardware loops of a function, and what their instructions do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from compiler.targets.toolchain import Toolchain
from tests.compiler.runtime.library import RUNTIME

LOAD, STORE, CUSTOM_LOAD, CUSTOM_STORE = 0x03, 0x23, 0x0B, 0x2B
VECTOR, LOOP = 0x57, 0x7B
STACK_POINTER = 2

# funct7 of the byte dot products: with and without sums, unsigned, mixed, signed.
DOT_PRODUCTS = {0x40, 0x44, 0x4C, 0x50, 0x54, 0x5C}


@dataclass(frozen=True)
class Instruction:
    """One instruction of 32 bits at byte `at` of its function."""

    at: int
    word: int

    @property
    def opcode(self) -> int:
        return self.word & 0x7F

    @property
    def funct3(self) -> int:
        return self.word >> 12 & 7

    @property
    def immediate(self) -> int:
        """The unsigned immediate of the I format."""
        return self.word >> 20

    @property
    def loads(self) -> bool:
        return self.opcode in (LOAD, CUSTOM_LOAD)

    @property
    def stores(self) -> bool:
        return self.opcode in (STORE, CUSTOM_STORE)

    @property
    def is_dot_product(self) -> bool:
        return self.opcode == VECTOR and self.funct3 == 1 and self.word >> 25 in DOT_PRODUCTS

    @property
    def is_loop(self) -> bool:
        """lp.setup"""
        return self.opcode == LOOP and self.funct3 == 4

    @property
    def uses_stack(self) -> bool:
        return (self.loads or self.stores) and self.word >> 15 & 31 == STACK_POINTER


@dataclass(frozen=True)
class Loop:
    """A hardware loop: the instructions that one turn of it runs once, inner loops included."""

    level: int
    body: tuple[Instruction, ...]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(instructions, loads, stores, dot products) of a turn."""
        counts = (sum(getattr(i, what) for i in self.body) for what in ("loads", "stores", "is_dot_product"))
        loads, stores, products = counts
        return len(self.body), loads, stores, products


def compile_kernel(chain: Toolchain, name: str, folder: Path) -> Path:
    """Compile runtime/xpulp/NAME.c with the real instructions; the object file."""
    target = folder / f"{name}.o"
    source = RUNTIME / "xpulp" / f"{name}.c"
    flags = (*chain.compile_flags, "-DDSE_XPULP=1", f"-I{RUNTIME / 'include'}")
    subprocess.run([*chain.command, *flags, "-c", str(source), "-o", str(target)], check=True)
    return target


def functions(path: Path) -> dict[str, bytes]:
    """Code of every function, from an object with a section for each."""
    with path.open("rb") as file:
        sections = [(s.name, s.data()) for s in ELFFile(file).iter_sections() if s.name.startswith(".text.")]
    return {name.removeprefix(".text."): data for name, data in sections}


def instructions(code: bytes) -> Iterator[Instruction]:
    """Instructions of 32 bits; compressed ones are passed over."""
    at = 0
    while at < len(code):
        word = int.from_bytes(code[at : at + 4], "little")
        long = word & 3 == 3
        if long:
            yield Instruction(at, word)
        at += 4 if long else 2


def loops(code: bytes) -> tuple[Loop, ...]:
    """All hardware loops of a function, in the order of their setups."""
    listed = tuple(instructions(code))
    found = []
    for setup in (i for i in listed if i.is_loop):
        last = setup.at + 2 * setup.immediate
        body = tuple(i for i in listed if setup.at < i.at <= last)
        assert body[-1].at == last, "a loop ends inside an instruction"
        assert len(body) == setup.immediate // 2, "a loop holds compressed instructions"
        found.append(Loop(setup.word >> 7 & 1, body))
    return tuple(found)
