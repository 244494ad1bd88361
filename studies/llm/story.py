"""The emitted C of a language model as a program that reads a prompt and tells a story, on host or rv32."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.targets import RunResult, Target, build, run
from studies.llm.models import rotary
from studies.llm.tokenizer import Tokenizer

MAIN = Path(__file__).parent / "story.c"
UNIT = 1 << 14
"""The code of 1 in the tables of a rotary embedding."""

PORT = re.compile(r"/\* (input|output|state) \d+: (\S+), (\w+)\[([\d\]\[]+)\] \*/")
ARENA = re.compile(r"^#define \w+_(L1|L2|L3|WMEM_SRAM|WMEM_MRAM)_BYTES (\d+)u$", re.MULTILINE)
PREFIX = re.compile(r"^void (\w+)_init\(", re.MULTILINE)
REGIONS = {"WMEM_SRAM": "WM_SRAM", "WMEM_MRAM": "WM_MRAM"}


@dataclass(frozen=True)
class Port:
    """An input, output or state of an emitted network, as its header tells."""

    kind: str
    name: str
    type: str
    shape: tuple[int, ...]


def ports(header: str) -> tuple[Port, ...]:
    """Inputs, outputs and states that network.h declares, in order."""
    found = PORT.findall(header)
    return tuple(
        Port(kind, name, ctype, tuple(map(int, re.findall(r"\d+", dims))))
        for kind, name, ctype, dims in found
    )


def tell(
    project: Path,
    folder: Path,
    tokenizer: Tokenizer,
    prompt: str,
    steps: int,
    target: Target,
    timeout_s: float = 600,
    shows_runs: bool = False,
) -> RunResult:
    """Build `project`, an emitted point, with a loop for its main in `folder`, which must not exist; run it.

    steps: the most tokens behind the prompt. shows_runs: a last line says how often each graph of a pair ran.
    Raises TargetError where it cannot be built or run.
    """
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns("build"))
    (folder / "main.c").unlink()
    shutil.copyfile(MAIN, folder / "story.c")
    prefill = project / "prefill.h"
    of_pair = prefill.is_file()
    header = (project / ("decode.h" if of_pair else "network.h")).read_text(encoding="utf-8")
    first = prefill.read_text(encoding="utf-8") if of_pair else ""
    data = story_data(header, tokenizer, prompt, steps, first)
    text = f"#define STORY_SHOWS_RUNS {int(shows_runs)}\n{data}"
    (folder / "story_data.h").write_text(text, encoding="utf-8")
    return run(build(folder, target, counters=False), timeout_s=timeout_s)


def story_data(header: str, tokenizer: Tokenizer, prompt: str, steps: int, prefill: str = "") -> str:
    """The C header that story.c reads. header: of the network; prefill: of the prefill graph of a pair."""
    declared, read = ports(header), ports(prefill)
    by_name = {port.name: port for port in declared}
    caches = [port for port in declared if port.kind == "state"]
    depth = by_name["cos"].shape[-1]
    rows = next(port for port in (*read, *declared) if port.name == "cos").shape[-2]
    window = _capacity(caches[0]) if caches else rows
    cos, sin = (np.rint(table * UNIT).astype(np.int64) for table in rotary(range(window), depth))
    starts = np.cumsum([0, *map(len, tokenizer.pieces)])
    ranks = np.unique(np.array(tokenizer.scores), return_inverse=True)[1]
    arenas = [(level, int(size)) for level, size in ARENA.findall(header)]
    own = CACHED if caches else WHOLE
    numbers = {
        "WINDOW": window,
        "ROWS": rows,
        "DEPTH": depth,
        "CACHES": len(caches),
        "PREFILL": int(bool(prefill)),
        "WORDS": len(tokenizer.pieces),
        "LONGEST": max(map(len, tokenizer.pieces)),
        "STEPS": steps,
        "PROMPT": _text(prompt),
        "LOGIT": by_name["logits"].type,
        "BUFFERS": _buffers(declared, arenas, own),
        "ARENAS": ", ".join(_arena(*each) for each in arenas),
        "INPUTS": ", ".join(_place(p, own) for p in declared if p.kind == "input"),
        "OUTPUTS": ", ".join(_place(p, own) for p in declared if p.kind == "output"),
        "PROMPT_INPUTS": ", ".join(_place(p, WHOLE) for p in read if p.kind == "input"),
        "PROMPT_OUTPUTS": ", ".join(_place(p, WHOLE) for p in read if p.kind == "output"),
    }
    includes = ("prefill.h", "decode.h") if prefill else ("network.h",)
    lines = [
        *(f'#include "{name}"' for name in includes),
        f"#define STORY_NET(name) {PREFIX.findall(header)[0]}_##name",
        *(f"#define STORY_{name} {value}" for name, value in numbers.items()),
        _table("uint8_t", "story_pieces", b"".join(tokenizer.pieces)),
        _table("int32_t", "story_starts", starts),
        _table("int32_t", "story_ranks", ranks),
        _table("int16_t", "story_cos", cos.reshape(-1)),
        _table("int16_t", "story_sin", sin.reshape(-1)),
    ]
    return "\n".join(lines) + "\n"


WHOLE = {"tokens": "tokens", "cos": "story_cos", "sin": "story_sin", "logits": "logits"}
CACHED = {"tokens": "token", "position": "position", "cos": "cos_row", "sin": "sin_row", "logits": "logits"}
"""What story.c has itself for ports, without caches and with them."""


def _capacity(cache: Port) -> int:
    """Rows of a cache that lies row by row: its first axis, but for a batch of 1."""
    return next(extent for extent in cache.shape if extent > 1)


def _place(port: Port, own: Mapping[str, str]) -> str:
    return own.get(port.name, f"port_{port.name}")


def _buffers(declared: Iterable[Port], arenas: Sequence[tuple[str, int]], own: Mapping[str, str]) -> str:
    """Definitions of the arenas and of ports that the loop does not look at."""
    memory = (
        f"DSE_{REGIONS.get(level, level)} uint8_t STORY_NET(arena_{level.lower()})[{size}];"
        for level, size in arenas
        if size
    )
    other = (p for p in declared if p.name not in own and p.kind != "state")
    return " ".join((*memory, *(f"static {p.type} {_place(p, own)}[{math.prod(p.shape)}];" for p in other)))


def _arena(level: str, size: int) -> str:
    return f".{level.lower()} = " + (f"STORY_NET(arena_{level.lower()})" if size else "0")


def _table(ctype: str, name: str, values: Iterable[int]) -> str:
    return f"static const {ctype} {name}[] = {{{', '.join(str(int(v)) for v in values)}}};"


def _text(text: str) -> str:
    """A C string literal."""
    return '"' + "".join(f"\\{byte:03o}" for byte in text.encode()) + '"'
