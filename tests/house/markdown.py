"""Just enough Markdown: code blocks, links and headings of the documents that people read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced code block; `language` is "" where none is named."""

    document: Path
    language: str
    text: str


def documents() -> tuple[Path, ...]:
    """Every Markdown file at the root and under docs/ and studies/."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("studies/**/*.md")]
    return tuple(sorted(found))


def name_of(document: Path) -> str:
    """The path as a test's id."""
    return str(document.relative_to(ROOT))


def blocks(document: Path) -> Iterator[Block]:
    """All fenced blocks."""
    for language, text in _FENCE.findall(document.read_text(encoding="utf-8")):
        yield Block(document, language, text)


def shell_lines(document: Path) -> Iterator[str]:
    """Commands of `sh` blocks and the lines after `$ ` of `console` blocks, continuations joined."""
    for block in blocks(document):
        text = block.text.replace("\\\n", " ")
        for line in text.splitlines():
            if block.language == "sh" and line.strip() and not line.startswith("#"):
                yield line
            elif block.language == "console" and line.startswith("$ "):
                yield line[2:]


def commands(document: Path, program: str) -> Iterator[list[str]]:
    """Arguments of every call of `program` in shell blocks; redirections and pipes end a call."""
    for line in shell_lines(document):
        for part in re.split(r"\s*(?:&&|\|\|?|;|>)\s", line):
            words = shlex.split(part, comments=True)
            if words and Path(words[0]).name == program:
                yield words[1:]


def inline_code(document: Path) -> Iterator[str]:
    """Everything between single backticks, code blocks left out."""
    yield from _INLINE.findall(_FENCE.sub("", document.read_text(encoding="utf-8")))


def links(document: Path) -> Iterator[str]:
    """Targets of links, code blocks left out."""
    yield from _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8")))


def anchors(document: Path) -> frozenset[str]:
    """Anchors of the headings, as GitHub makes them."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+\s+(.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings)
