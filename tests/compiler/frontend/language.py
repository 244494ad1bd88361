"""A language model of one layer as exporters write it: embedding, RMS norm, rotary attention, gated MLP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx

from tests.compiler.frontend.models import Weight, build

TOKENS, DEPTH, WIDTH, WORDS = 6, 4, 8, 12
HEADS = WIDTH // DEPTH
INPUTS = "int64[1,{rows}] tokens, " + ", ".join(
    f"float[1,1,{{rows}},{DEPTH}] {name}" for name in ("cos", "sin")
)

NORM = """
    {y}_2 = Mul({x}, {x}) {y}_m = ReduceMean<axes=[2]>({y}_2) {y}_e = Add({y}_m, eps) {y}_r = Sqrt({y}_e)
    {y}_d = Div({x}, {y}_r) {y} = Mul({y}_d, gain)
"""
HEAD = """
    {y}_p = MatMul(n, w{y}) {y}_r = Reshape({y}_p, split) {y} = Transpose<perm=[0,2,1,3]>({y}_r)
"""
ROTATED = """
    {y}_a = Slice({x}, zero, half, three) {y}_b = Slice({x}, half, end, three)
    {y}_n = Neg({y}_b) {y}_t = Concat<axis=3>({y}_n, {y}_a)
    {y}_c = Mul({x}, cos) {y}_s = Mul({y}_t, sin) {y} = Add({y}_c, {y}_s)
"""
BEGIN = "".join(
    (
        "x = Gather(words, tokens)",
        NORM.format(x="x", y="n"),
        *(HEAD.format(y=name) for name in "qkv"),
        ROTATED.format(x="q", y="qr"),
        ROTATED.format(x="k", y="kr"),
    )
)
PREFILL = """
    kt = Transpose<perm=[0,1,3,2]>(kr) s = MatMul(qr, kt) sc = Mul(s, scale) sm = {masked}
    p = Softmax<axis=-1>(sm) a = MatMul(p, v)
"""
DECODE = """
    present_k = Concat<axis=2>(past_k, kr) present_v = Concat<axis=2>(past_v, v)
    kt = Transpose<perm=[0,1,3,2]>(present_k) s = MatMul(qr, kt) sc = Mul(s, scale)
    p = Softmax<axis=-1>(sc) a = MatMul(p, present_v)
"""
END = "".join(
    (
        "at = Transpose<perm=[0,2,1,3]>(a) ar = Reshape(at, flat)",
        " o = MatMul(ar, wo) h = Add(x, o)",
        NORM.format(x="h", y="f"),
        "g = MatMul(f, w1) u = MatMul(f, w3) gs = Sigmoid(g) gg = Mul(g, gs) gu = Mul(gg, u)",
        " d = MatMul(gu, w2) h2 = Add(h, d)",
        NORM.format(x="h2", y="last"),
        "logits = MatMul(last, classes)",
    )
)
ADDED, CHOSEN = "Add(sc, mask)", "Where(seen, sc, hidden)"
"""Two ways to write a causal mask."""


def weights(rows: int) -> dict[str, Weight]:
    seen = np.tril(np.ones((1, 1, TOKENS, TOKENS), bool))
    return {
        "words": (WORDS, WIDTH),
        **dict.fromkeys(("wq", "wk", "wv", "wo"), (WIDTH, WIDTH)),
        **dict.fromkeys(("w1", "w3"), (WIDTH, 10)),
        "w2": (10, WIDTH),
        "classes": (WIDTH, WORDS),
        "gain": np.linspace(0.5, 1.5, WIDTH, dtype=np.float32),
        "eps": 1e-5,
        "scale": DEPTH**-0.5,
        "mask": np.where(seen, 0, -1e9).astype(np.float32),
        "seen": seen,
        "hidden": -1e9,
        "split": [1, rows, HEADS, DEPTH],
        "flat": [1, rows, WIDTH],
        "zero": [0],
        "half": [DEPTH // 2],
        "end": [DEPTH],
        "three": [3],
        "step": 0.02,
        "three8": np.full((), 3, np.int8),
    }


def language_model(masked: str = ADDED, *, rounded: bool = False, caches: bool = False) -> onnx.ModelProto:
    """rounded: with one activation that the model itself quantises. caches: it returns keys and values."""
    body = BEGIN + PREFILL.format(masked=masked) + END
    if rounded:
        rounding = (
            "gq = QuantizeLinear(gu, step, three8) gd = DequantizeLinear(gq, step, three8) d = MatMul(gd, w2)"
        )
        body = body.replace("d = MatMul(gu, w2)", rounding)
    outputs = "logits, kr, v" if caches else "logits"
    return build(body, weights(TOKENS), inputs=INPUTS.format(rows=TOKENS), outputs=outputs, opset=13)


def decode_model(past: int = TOKENS - 1) -> onnx.ModelProto:
    """The same for one token behind a past, by default one that fills the window."""
    caches = "".join(f", float[1,{HEADS},{past},{DEPTH}] past_{cache}" for cache in "kv")
    outputs = "logits, present_k, present_v"
    inputs = INPUTS.format(rows=1) + caches
    return build(BEGIN + DECODE + END, weights(1), inputs=inputs, outputs=outputs, opset=13)


def samples(count: int, seed: int = 0) -> dict[str, npt.NDArray[np.generic]]:
    """Random tokens, with the tables of a rotary embedding."""
    rng = np.random.default_rng(seed)
    angles = np.outer(np.arange(TOKENS), np.tile(0.1 ** np.arange(DEPTH // 2), 2))
    cos, sin = (np.repeat(f(angles)[None, None, None], count, 0).astype(np.float32) for f in (np.cos, np.sin))
    return {"tokens": rng.integers(0, WORDS, (count, 1, TOKENS)), "cos": cos, "sin": sin}
