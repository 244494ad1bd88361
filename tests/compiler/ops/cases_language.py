"""Random small operators that language models have; see tests.compiler.ops.cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from compiler.ir import IntType, Tensor
from compiler.ops.embed import embed_from_table
from compiler.ops.rope import rope_from_scales
from compiler.ops.softmax import softmax_from_scales
from compiler.ops.update import update_of
from tests.compiler.ops.drawn import Case, Rng, case, pick, tensor, wide


def softmax(rng: Rng) -> Case:
    rows, channels = pick(rng, 1, 6), pick(rng, 1, 30)
    x = tensor(rng, "x", (rows, channels))
    y = Tensor("y", x.shape, IntType.I8, 1 / 256, -128)
    return case(rng, softmax_from_scales("softmax", rows, channels, x, y), x, y)


def causal(rng: Rng) -> Case:
    """With a mask, every other one of rows that begin at a position only known at run time."""
    period, channels = pick(rng, 1, 6), pick(rng, 1, 30)
    heads = pick(rng, 1, 3)
    rows = period * heads * pick(rng, 1, 3)
    x = tensor(rng, "x", (rows, channels))
    y = Tensor("y", x.shape, IntType.I8, 1 / 256, -128)
    mask, at = (period, pick(rng, 0, channels)), Tensor("at", (1,), IntType.I32)
    later = (at,) if rng.integers(2) else ()
    position = at if later else None
    op = softmax_from_scales("softmax", rows, channels, x, y, mask, position, causal_heads=heads)
    made = case(rng, op, x, *later, y)
    where = np.array([pick(rng, -2, channels + 2)], np.int32)
    return replace(made, arrays=(made.arrays[0], where)) if later else made


def embed(rng: Rng) -> Case:
    """Tokens that the table has, and some that it has not."""
    rows, vocabulary, channels = pick(rng, 1, 6), pick(rng, 2, 9), pick(rng, 1, 9)
    tokens = Tensor("tokens", (rows,), IntType.I32)
    y = wide(rng, tensor(rng, "y", (rows, channels)), IntType.I16)
    table = rng.integers(y.dtype.low, y.dtype.high + 1, (vocabulary, channels)).astype(y.dtype.dtype)
    made = case(rng, embed_from_table("embed", tokens, y, table), tokens, y)
    return replace(made, arrays=(rng.integers(-2, vocabulary + 2, rows).astype(np.int32),))


def update(rng: Rng) -> Case:
    """Rows that go to any place of a state, also to some that it has not."""
    capacity, channels = pick(rng, 1, 9), pick(rng, 1, 9)
    rows = pick(rng, 1, capacity)
    x = wide(rng, tensor(rng, "x", (rows, channels)), IntType.I16)
    at, y = Tensor("at", (1,), IntType.I32), replace(x, name="y", shape=(capacity, channels))
    made = case(rng, update_of("update", x, at, y, rows), x, at, y)
    return replace(made, arrays=(made.arrays[0], np.array([pick(rng, -2, capacity + 2)], np.int32)))


def rope(rng: Rng) -> Case:
    shape = (pick(rng, 1, 5), pick(rng, 1, 4), 2 * pick(rng, 1, 8))
    x, y = (replace(tensor(rng, name, shape), scale=0.05) for name in "xy")
    cos, sin = (Tensor(name, (shape[0], shape[2]), IntType.I16, 2.0**-14) for name in ("cos", "sin"))
    op = rope_from_scales("rope", x, cos, sin, y, *shape, interleaved=bool(rng.integers(2)))
    return case(rng, op, x, cos, sin, y)
