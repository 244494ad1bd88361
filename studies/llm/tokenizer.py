"""The tokenizer of llama2.c: byte pairs merged by score (its tokenizer.py and run.c define the file)."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

BEGIN = 1
"""The token that every text begins with."""

FIRST_BYTE = 3
"""Tokens from here on stand for single bytes, 256 of them."""


@dataclass(frozen=True)
class Tokenizer:
    """Pieces of text by token, and how early two pieces that make this one are merged."""

    pieces: tuple[bytes, ...]
    scores: tuple[float, ...]

    @cached_property
    def _tokens(self) -> dict[bytes, int]:
        return {piece: token for token, piece in reversed(tuple(enumerate(self.pieces)))}

    def encode(self, text: str) -> tuple[int, ...]:
        """BEGIN and the tokens of `text`, a space before it."""
        tokens: list[int] = [BEGIN]
        for letter in f" {text}" if text else "":
            raw = letter.encode()
            known = self._tokens.get(raw)
            tokens += [byte + FIRST_BYTE for byte in raw] if known is None else [known]
        while (best := self._best(tokens)) is not None:
            place, merged = best
            tokens[place : place + 2] = [merged]
        return tuple(tokens)

    def _best(self, tokens: Sequence[int]) -> tuple[int, int] | None:
        """(place, token) of the pair whose merged piece has the highest score, the first of equals."""
        pairs = enumerate(itertools.pairwise(tokens))
        merged = ((k, self._tokens.get(self.pieces[a] + self.pieces[b])) for k, (a, b) in pairs)
        known = [(self.scores[token], -k, token) for k, token in merged if token is not None]
        if not known:
            return None
        _, place, token = max(known)
        return -place, token

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens; BEGIN and the space behind it count for nothing."""
        text = b""
        for before, token in zip((0, *tokens), tokens, strict=False):
            piece = self._bytes(token)
            text += piece[1:] if before == BEGIN and piece.startswith(b" ") else piece
        return text.decode(errors="replace")

    def _bytes(self, token: int) -> bytes:
        if token <= BEGIN:
            return b""
        if FIRST_BYTE <= token < FIRST_BYTE + 256:
            return bytes([token - FIRST_BYTE])
        return self.pieces[token]


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a file: the longest piece (int32), then score (float32), length (int32), piece.

    Raises ValueError where the file ends inside a piece.
    """
    data = path.read_bytes()
    pieces: list[bytes] = []
    scores: list[float] = []
    place = 4
    while place < len(data):
        try:
            score, length = struct.unpack_from("<fi", data, place)
        except struct.error as error:
            raise ValueError(f"{path}: ends inside a piece") from error
        place += 8 + length
        if length < 0 or place > len(data):
            raise ValueError(f"{path}: ends inside a piece")
        pieces.append(data[place - length : place])
        scores.append(score)
    return Tokenizer(tuple(pieces), tuple(scores))
