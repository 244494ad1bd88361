"""From an emitted project to a linked file: for the host, for bare RV32IMC, or for Siracusa."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from compiler.targets.cache import cache_dir, cached_object, content_key
from compiler.targets.errors import BuildFailed, TargetError
from compiler.targets.runtime import file_digest, headers_digest, translation_units
from compiler.targets.toolchain import Toolchain, host_toolchain, rv32_toolchain

Target = Literal["host", "rv32", "siracusa"]

MAX_HARTS = {"host": 64, "rv32": 8, "siracusa": 8}


@dataclass(frozen=True)
class Variant:
    """One way to build a project.

    harts: number of cores that a fork runs on. threads: (host) cores are POSIX threads instead of turns.
    sanitize: (host) address and undefined-behaviour sanitizers, every finding fatal. lazy: transfers and NPU
    jobs happen when they are waited for instead of when they are issued. counters: count calls, MACs, bytes.
    Raises TargetError for what a target does not have.
    """

    target: Target
    harts: int = 1
    threads: bool = False
    sanitize: bool = False
    lazy: bool = False
    counters: bool = True

    def __post_init__(self) -> None:
        if self.target not in MAX_HARTS:
            raise TargetError(f"unknown target '{self.target}': there are {', '.join(MAX_HARTS)}")
        if not 1 <= self.harts <= MAX_HARTS[self.target]:
            raise TargetError(f"{self.target} has 1 to {MAX_HARTS[self.target]} harts, not {self.harts}")
        if self.target != "host" and (self.threads or self.sanitize):
            raise TargetError(f"threads and sanitizers exist on the host only, not on {self.target}")

    @property
    def name(self) -> str:
        """A folder name that differs between variants, as `rv32-8` or `host-1-sanitize-lazy`."""
        switches = (
            ("threads", "sanitize", "lazy") if self.counters else ("threads", "sanitize", "lazy", "plain")
        )
        chosen = [s for s in switches if s == "plain" or getattr(self, s)]
        return "-".join([self.target, str(self.harts), *chosen])


@dataclass(frozen=True)
class Binary:
    """A linked program and how it was built."""

    path: Path
    variant: Variant


def build(
    project_dir: Path,
    target: Target,
    *,
    harts: int = 1,
    sanitize: bool = False,
    threads: bool = False,
    lazy: bool = False,
    counters: bool = True,
    out: Path | None = None,
    toolchain: Toolchain | None = None,
) -> Binary:
    """Compiles and links `project_dir` (its *.c, *.S and runtime/) to `out`.

    `out` defaults to build/<variant>/network inside the project. Objects of the runtime come from the user's
    cache. Raises MissingTool, BuildFailed, or TargetError if `project_dir` is no project.
    """
    variant = Variant(target, harts, threads, sanitize, lazy, counters)
    chain = toolchain or (host_toolchain() if target == "host" else rv32_toolchain())
    path = (out or project_dir / "build" / variant.name / "network").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = [str(o) for o in _runtime_objects(project_dir / "runtime", variant, chain)]
    command = (*chain.command, *_flags(variant, chain), *_project_sources(project_dir), *objects)
    _execute((*command, *_link_flags(variant, chain), "-o", str(path)), project_dir)
    return Binary(path, variant)


def _project_sources(project_dir: Path) -> list[str]:
    sources = sorted(p.name for p in project_dir.glob("*.[cS]"))
    if not sources:
        raise TargetError(f"{project_dir} holds no C sources: is it an emitted project?")
    return sources


def _runtime_objects(root: Path, variant: Variant, chain: Toolchain) -> list[Path]:
    headers = headers_digest(root)
    flags = _flags(variant, chain)
    return [
        _runtime_object(root, unit, headers, variant, chain, flags)
        for unit in translation_units(root, variant.target)
    ]


def _runtime_object(
    root: Path, unit: Path, headers: str, variant: Variant, chain: Toolchain, flags: tuple[str, ...]
) -> Path:
    relative = str(unit.relative_to(root))
    extra = _private_defines(relative, variant)
    digest = file_digest(unit, unit.stat().st_mtime_ns)
    key = content_key(chain.identity, *flags, *extra, relative, digest, headers)

    def compile_to(path: Path) -> None:
        source = str(Path("runtime") / relative)
        _execute((*chain.command, *flags, *extra, "-c", source, "-o", str(path)), root.parent)

    return cached_object(key, compile_to)


def _flags(variant: Variant, chain: Toolchain) -> tuple[str, ...]:
    """What every translation unit sees; paths are relative, so that objects serve every project."""
    sanitize = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g1")
    threads = ("-pthread",) if variant.threads else ()
    counters = f"-DDSE_COUNTERS={int(variant.counters)}"
    return (
        *chain.compile_flags,
        *(sanitize if variant.sanitize else ()),
        *threads,
        counters,
        *(("-DDSE_XPULP=1",) if variant.target == "siracusa" else ()),
        "-Iruntime/include",
    )


def _private_defines(relative: str, variant: Variant) -> tuple[str, ...]:
    """What a single file of the runtime sees, so that the others are shared between variants."""
    host = (f"-DDSE_CORES={variant.harts}", f"-DDSE_THREADS={int(variant.threads)}")
    lazy, harts = (f"-DDSE_LAZY={int(variant.lazy)}",), (f"-DDSE_HARTS={variant.harts}",)
    table = {
        "hal/transfer.c": lazy,
        "hal/npu_queue.c": lazy,
        "hal/host/host.c": host,
        "hal/rv32/harts.S": harts,
        "hal/siracusa/cores.S": harts,
    }
    return table.get(relative, ())


def _link_flags(variant: Variant, chain: Toolchain) -> tuple[str, ...]:
    script = () if variant.target == "host" else ("-T", f"runtime/hal/{variant.target}/link.ld")
    return (*chain.link_flags, *script)


def _execute(command: tuple[str, ...], folder: Path) -> None:
    zig_cache = str(cache_dir() / "zig")
    environment = {"ZIG_GLOBAL_CACHE_DIR": zig_cache, "ZIG_LOCAL_CACHE_DIR": zig_cache, **os.environ}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildFailed(command, done.stderr + done.stdout)
