"""The kernels as shared objects: built by the host's C compiler, called through ctypes."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import compiler
from compiler.targets.runtime import KernelSet, kernel_units

RUNTIME = Path(compiler.__file__).parent / "runtime"
STUB = Path(__file__).parent / "hal_stub.c"
FLAGS = ("-std=c11", "-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZE = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def build(
    folder: Path, *, sanitize: bool = False, compiler_name: str = "gcc", kernels: KernelSet = "portable"
) -> Path:
    """Compile a set of kernels with the test HAL; raises CalledProcessError (the compiler's words shown)."""
    target = folder / f"kernels-{kernels}-{int(sanitize)}.so"
    # tile.c serves generated code, not kernels: it needs transfers, which the test HAL has not.
    paths = kernel_units(RUNTIME, kernels)
    sources = [str(path) for path in paths if path.name != "tile.c"]
    command = [compiler_name, *FLAGS, *(SANITIZE if sanitize else ()), "-DDSE_COUNTERS=1"]
    subprocess.run([*command, f"-I{RUNTIME / 'include'}", *sources, str(STUB), "-o", str(target)], check=True)
    return target


def sanitizer_environment() -> dict[str, str]:
    """The environment in which Python can load an object built with sanitizers."""
    found = subprocess.run(
        ["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    options = {"LD_PRELOAD": found, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    path = os.pathsep.join([str(Path(__file__).parents[3]), *filter(None, sys.path)])
    return {**os.environ, **options, "PYTHONPATH": path, "PYTHONMALLOC": "malloc"}


@dataclass(frozen=True)
class Kernels:
    """A loaded library. Counters are those since the last `reset`."""

    path: Path

    @cached_property
    def _library(self) -> ctypes.CDLL:
        library = ctypes.CDLL(str(self.path))
        for name in ("stub_macs", "stub_largest_share", "stub_get_calls", "stub_get_jobs"):
            getattr(library, name).restype = ctypes.c_uint64
        return library

    def reset(self, cores: int) -> None:
        """Clear the counters; fork over `cores` from now on."""
        self._library.stub_reset(ctypes.c_uint32(cores))

    def call(self, entry: str, args: ctypes.Structure) -> None:
        """Call an entry with its argument struct."""
        getattr(self._library, entry)(ctypes.byref(args))

    def struct_bytes(self, index: int) -> int:
        """sizeof the C struct number `index` of abi.STRUCTS."""
        return int(self._library.stub_sizes(ctypes.c_uint32(index)))

    @property
    def macs(self) -> int:
        return int(self._library.stub_macs())

    @property
    def largest_share(self) -> int:
        """MACs of the core that did most."""
        return int(self._library.stub_largest_share())

    @property
    def calls(self) -> int:
        return int(self._library.stub_get_calls())

    @property
    def jobs(self) -> int:
        return int(self._library.stub_get_jobs())
