"""The RISC-V ISA simulator spike as a machine of one to eight RV32IMC harts with 256 MiB of RAM.

Why spike: pip ships it, it runs any number of harts, and minstret is deterministic. Harts that sleep in wfi
cost nothing, so eight harts simulate as fast as one.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from compiler.targets.cache import cache_dir
from compiler.targets.fdt import Node, device_tree_blob
from compiler.targets.toolchain import find_spike

ISA = "rv32imc_zicsr_zicntr"
RAM_BASE, RAM_BYTES = 0x8000_0000, 0x1000_0000
CLINT_BASE, CLINT_BYTES = 0x0200_0000, 0xC_0000


def spike_command(program: Path, harts: int) -> tuple[str, ...]:
    """The command line that simulates `program` on `harts` harts. Raises MissingTool."""
    memory = f"-m{RAM_BASE:#x}:{RAM_BYTES:#x}"
    return (
        str(find_spike()),
        f"--isa={ISA}",
        f"-p{harts}",
        memory,
        f"--dtb={_tree_file(harts)}",
        str(program),
    )


def machine_tree(harts: int) -> Node:
    """The device tree of the machine: harts, RAM, and the CLINT whose software interrupts wake harts."""
    cells: dict[str, str | bytes | tuple[int, ...]] = {"#address-cells": (2,), "#size-cells": (2,)}
    software_and_timer = tuple(c for hart in range(harts) for c in (hart + 1, 3, hart + 1, 7))
    clint = Node(
        f"clint@{CLINT_BASE:x}",
        {
            "compatible": "riscv,clint0",
            "interrupts-extended": software_and_timer,
            "reg": (0, CLINT_BASE, 0, CLINT_BYTES),
        },
    )
    memory = Node(f"memory@{RAM_BASE:x}", {"device_type": "memory", "reg": (0, RAM_BASE, 0, RAM_BYTES)})
    cpus = {"#address-cells": (1,), "#size-cells": (0,), "timebase-frequency": (10_000_000,)}
    soc = Node("soc", {**cells, "compatible": "simple-bus", "ranges": b""}, (clint,))
    children = (Node("cpus", cpus, tuple(_hart(i) for i in range(harts))), memory, soc)
    return Node("", {**cells, "compatible": "rvdse,rv32sim", "model": "rvdse,rv32sim"}, children)


def _hart(index: int) -> Node:
    controller = Node(
        "interrupt-controller",
        {
            "#address-cells": (2,),
            "#interrupt-cells": (1,),
            "interrupt-controller": b"",
            "compatible": "riscv,cpu-intc",
            "phandle": (index + 1,),
        },
    )
    return Node(
        f"cpu@{index}",
        {
            "device_type": "cpu",
            "reg": (index,),
            "status": "okay",
            "compatible": "riscv",
            "riscv,isa": ISA,
            "mmu-type": "riscv,sv32",
            "riscv,pmpregions": (0,),
            "riscv,pmpgranularity": (4,),
        },
        (controller,),
    )


def _tree_file(harts: int) -> Path:
    """The blob in the user's cache; written beside it first, so that concurrent runs never see half of it."""
    blob = device_tree_blob(machine_tree(harts))
    path = cache_dir() / f"rv32sim-{harts}.dtb"
    if path.exists() and path.read_bytes() == blob:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(blob)
    os.replace(fresh, path)
    return path
