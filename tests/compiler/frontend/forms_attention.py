"""Forms of attention: products of heads, masks, grouped queries."""

from __future__ import annotations

import numpy as np

from tests.compiler.frontend.forms import Form
from tests.compiler.frontend.models import Weight

_A, _M = "Attention", "Masks"
HEADS = "float[1,2,6,8] q, float[1,2,6,8] k, float[1,2,6,8] v"
GROUPED = "float[1,4,6,8] q, float[1,2,6,8] k, float[1,2,6,8] v"
SEEN = np.tril(np.ones((6, 6), bool))
SCORES = "t = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, t) c = Mul(s, f)"
END = "p = Softmax(m) y = MatMul(p, v)"
PLAIN = "matmul lut softmax matmul"


def mask(hidden: float) -> np.typing.NDArray[np.float32]:
    return np.where(SEEN, 0, hidden).astype(np.float32)


def masked(name: str, body: str, weights: dict[str, Weight], becomes: str = PLAIN, remark: str = "") -> Form:
    return Form(
        _M, name, f"{SCORES} {body} {END}", becomes, {"f": 0.35, **weights}, HEADS, remark=remark, error=0.06
    )


_RANGES: dict[str, Weight] = {
    "from": np.array(0), "to": np.array(6), "by": np.array(1), "a": [1], "b": [0], "hide": -1e9
}  # fmt: skip

ATTENTION: tuple[Form, ...] = (
    Form(
        _A,
        "scores scaled",
        f"{SCORES} p = Softmax(c) y = MatMul(p, v)",
        PLAIN,
        {"f": 0.35},
        HEADS,
        error=0.06,
        compiled=True,
    ),
    Form(
        _A,
        "scores divided",
        "t = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, t) m = Div(s, f) p = Softmax(m) y = MatMul(p, v)",
        PLAIN,
        {"f": 2.83},
        HEADS,
        error=0.06,
    ),
    Form(
        _A,
        "queries and keys scaled",
        "a = Mul(q, f) t = Transpose<perm=[0,1,3,2]>(k) b = Mul(t, f) s = MatMul(a, b) p = Softmax(s)"
        " y = MatMul(p, v)",
        "lut lut matmul softmax matmul",
        {"f": 0.6},
        HEADS,
        error=0.06,
    ),
    Form(
        _A,
        "scores capped",
        "t = Transpose<perm=[0,1,3,2]>(k) s = MatMul(q, t) a = Div(s, f) b = Tanh(a) m = Mul(b, f)"
        " p = Softmax(m) y = MatMul(p, v)",
        PLAIN,
        {"f": 5.0},
        HEADS,
        error=0.06,
    ),
    Form(
        _A,
        "grouped queries by Expand",
        "k5 = Unsqueeze(k, a) ke = Expand(k5, five) k4 = Reshape(ke, four) v5 = Unsqueeze(v, a)"
        " ve = Expand(v5, five) v4 = Reshape(ve, four) t = Transpose<perm=[0,1,3,2]>(k4) s = MatMul(q, t)"
        " p = Softmax(s) y = MatMul(p, v4)",
        "matmul softmax matmul",
        {"a": [2], "five": [1, 2, 2, 6, 8], "four": [1, 4, 6, 8]},
        GROUPED,
        remark="heads of keys are read again, not copied",
        error=0.08,
        compiled=True,
    ),
    Form(
        _A,
        "grouped queries by Tile",
        "k5 = Unsqueeze(k, a) ke = Tile(k5, n) k4 = Reshape(ke, four) v5 = Unsqueeze(v, a)"
        " ve = Tile(v5, n) v4 = Reshape(ve, four) t = Transpose<perm=[0,1,3,2]>(k4) s = MatMul(q, t)"
        " p = Softmax(s) y = MatMul(p, v4)",
        "matmul softmax matmul",
        {"a": [2], "n": [1, 1, 2, 1, 1], "four": [1, 4, 6, 8]},
        GROUPED,
        error=0.08,
    ),
    Form(
        _A,
        "one product for queries, keys, values",
        "a = MatMul(x, w) r = Reshape(a, five) t = Transpose<perm=[2,0,3,1,4]>(r) q = Gather<axis=0>(t, zero)"
        " k = Gather<axis=0>(t, one) v = Gather<axis=0>(t, two) kt = Transpose<perm=[0,1,3,2]>(k)"
        " s = MatMul(q, kt) p = Softmax(s) y = MatMul(p, v)",
        "conv2d pad pad matmul pad softmax matmul",
        {"w": (20, 48), "five": [1, 7, 3, 2, 8], "zero": np.array(0), "one": np.array(1), "two": np.array(2)},
        error=0.1,
    ),
    masked("added, -1e9", "m = Add(c, mask)", {"mask": mask(-1e9)}),
    masked("added, -10000", "m = Add(c, mask)", {"mask": mask(-1e4)}),
    masked("added, least float", "m = Add(c, mask)", {"mask": mask(float(np.finfo(np.float32).min))}),
    masked("added, minus infinity", "m = Add(c, mask)", {"mask": mask(-np.inf)}),
    masked("chosen", "m = Where(w, c, h)", {"w": SEEN, "h": -1e9}),
    masked("chosen, minus infinity", "m = Where(w, c, h)", {"w": SEEN, "h": float("-inf")}),
    masked(
        "by Trilu", "u = Trilu(o, d) i = Mul(u, h) m = Add(c, i)",
        {"o": np.ones((6, 6), np.float32), "d": np.array(1), "h": -1e9},
    ),
    masked(
        "by Range and Greater",
        "r = Range(from, to, by) ra = Unsqueeze(r, a) rb = Unsqueeze(r, b) g = Greater(rb, ra)"
        " h = Cast<to=1>(g) i = Mul(h, hide) m = Add(c, i)",
        _RANGES,
        remark="constants are folded",
    ),
    masked(
        "biases of positions", "m = Add(c, mask)", {"mask": (1, 2, 6, 6)}, "matmul lut conv2d softmax matmul",
        "any other constant is added",
    ),
)  # fmt: skip
