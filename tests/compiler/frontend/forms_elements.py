"""Elementwise forms: activations, sums, choices, number formats."""

from __future__ import annotations

import numpy as np

from tests.compiler.frontend.forms import ROWS, TWO, Form
from tests.compiler.frontend.models import Weight

_A, _E = "Activations", "Elementwise"
_ERF: dict[str, Weight] = {"r": 1.4142135, "one": 1.0, "half": 0.5}
_TANH: dict[str, Weight] = {"three": 3.0, "a": 0.044715, "r": 0.7978846, "one": 1.0, "half": 0.5}

ELEMENTS: tuple[Form, ...] = (
    Form(_A, "Gelu", "y = Gelu(x)", "lut", opset=20, compiled=True),
    Form(_A, "Gelu, tanh", 'y = Gelu<approximate="tanh">(x)', "lut", opset=20),
    Form(
        _A,
        "Gelu by Erf",
        "a = Div(x, r) e = Erf(a) p = Add(e, one) h = Mul(x, half) y = Mul(h, p)",
        "lut",
        _ERF,
    ),
    Form(
        _A,
        "Gelu by Erf, half last",
        "a = Div(x, r) e = Erf(a) p = Add(e, one) h = Mul(x, p) y = Mul(h, half)",
        "lut",
        _ERF,
    ),
    Form(
        _A,
        "Gelu of GPT-2",
        "h = Mul(x, half) c = Pow(x, three) k = Mul(c, a) s = Add(x, k) t = Mul(s, r) u = Tanh(t)"
        " p = Add(u, one) y = Mul(h, p)",
        "lut",
        _TANH,
    ),
    Form(
        _A,
        "Gelu, products for the cube",
        "s = Mul(x, x) c = Mul(s, x) k = Mul(c, a) t = Add(x, k) v = Mul(t, r) u = Tanh(v)"
        " p = Add(u, one) m = Mul(x, p) y = Mul(half, m)",
        "lut",
        _TANH,
    ),
    Form(_A, "Gelu by Sigmoid", "a = Mul(x, c) s = Sigmoid(a) y = Mul(x, s)", "lut", {"c": 1.702}),
    Form(_A, "SiLU", "s = Sigmoid(x) y = Mul(x, s)", "lut"),
    Form(_A, "SiLU by Exp", "n = Neg(x) e = Exp(n) p = Add(e, one) y = Div(x, p)", "lut", {"one": 1.0}),
    Form(_A, "HardSwish", "y = HardSwish(x)", "lut"),
    Form(
        _A,
        "HardSwish by Clip",
        "a = Add(x, t) b = Clip(a, z, s) m = Mul(x, b) y = Div(m, s)",
        "lut",
        {"t": 3.0, "z": 0.0, "s": 6.0},
    ),
    Form(_A, "HardSwish by HardSigmoid", "a = HardSigmoid<alpha=0.1666667>(x) y = Mul(x, a)", "lut"),
    Form(_A, "Mish", "y = Mish(x)", "lut", opset=18),
    Form(_A, "Mish by Softplus", "a = Softplus(x) t = Tanh(a) y = Mul(x, t)", "lut"),
    Form(_A, "Softplus", "y = Softplus(x)", "lut"),
    Form(_A, "Elu", "y = Elu<alpha=0.7>(x)", "lut"),
    Form(_A, "Selu", "y = Selu(x)", "lut"),
    Form(_A, "Celu", "y = Celu<alpha=0.5>(x)", "lut"),
    Form(_A, "LeakyRelu", "y = LeakyRelu<alpha=0.1>(x)", "lut"),
    Form(_A, "gated unit", "s = Sigmoid(x) m = Mul(x, s) y = Mul(m, z)", "lut mul", inputs=TWO),
    Form(
        _A,
        "gated unit, halves of one product",
        "a, b = Split<axis=2, num_outputs=2>(x) s = Sigmoid(a) m = Mul(a, s) y = Mul(m, b)",
        "pad pad lut mul",
        opset=18,
        compiled=True,
    ),
    Form(_E, "sum of two", "y = Add(x, z)", "add", inputs=TWO),
    Form(_E, "difference of two", "y = Sub(x, z)", "add", inputs=TWO),
    Form(_E, "product of two", "y = Mul(x, z)", "mul", inputs=TWO, error=0.04),
    Form(
        _E, "quotient of two", "y = Div(x, z)", "outside a normalisation", inputs=TWO, refused=True,
        remark="8 bits of a divisor near 0 say nothing; quotients inside softmax and norms are recognised",
    ),
    Form(_E, "sum of three", "a = Add(x, z) y = Add(a, w)", "add add", inputs=f"{TWO}, float[1,7,20] w"),
    Form(
        _E, "sum with rows", "y = Add(x, z)", "add", inputs=f"{ROWS}, float[1,7,1] z",
        remark="one operand has the shape of the result",
    ),
    Form(
        _E, "sum with an Expand", "e = Expand(z, s) y = Add(x, e)", "add", {"s": [1, 7, 20]},
        f"{ROWS}, float[1,7,1] z", remark="nothing is expanded in memory", compiled=True,
    ),
    Form(_E, "Pow", "y = Pow(x, e)", "lut", {"e": 3.0}, remark="constant scalar exponent"),
    Form(_E, "Sqrt, Abs", "a = Abs(x) y = Sqrt(a)", "lut", error=0.06),
    Form(_E, "Log", "a = Sigmoid(x) y = Log(a)", "lut"),
    Form(_E, "Exp", "y = Exp(x)", "lut"),
    Form(_E, "Reciprocal", "a = Sigmoid(x) y = Reciprocal(a)", "lut", error=0.1),
    Form(_E, "Max, Min", "a = Max(x, c) y = Min(a, d)", "lut", {"c": -0.5, "d": 0.8}, remark="by a constant"),
    Form(_E, "Cast", "a = Cast<to=1>(x) y = Mul(a, a)", "lut", remark="to floats; indices to int32, int64"),
    Form(
        _E, "Where, constant mask", "y = Where(m, x, f)", "conv2d", {"m": np.arange(20) % 3 > 0, "f": -1.0},
        remark="one branch is a constant",
    ),
    Form(
        _E, "Where of a computed mask", "m = Greater(x, z) y = Where(m, x, z)", "on activations", inputs=TWO,
        refused=True, remark="conditions must be constants",
    ),
    Form(_E, "ReduceMean", "y = ReduceMean<axes=[-1]>(x)", "avgpool"),
    Form(_E, "ReduceSum", "y = ReduceSum(x, a)", "avgpool", {"a": [-1]}, compiled=True),
    Form(_E, "ReduceSum without the axis", "y = ReduceSum<keepdims=0>(x, a)", "avgpool", {"a": [1]}),
)  # fmt: skip
