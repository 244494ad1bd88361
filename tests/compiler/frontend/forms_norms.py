"""Forms of normalisations and softmax."""

from __future__ import annotations

from tests.compiler.frontend.forms import TWO, Form, ramp
from tests.compiler.frontend.models import Weight

_N, _S = "Normalisations", "Softmax"
_RMS: dict[str, Weight] = {"two": 2.0, "one": 1.0, "e": 1e-5, "g": ramp(20)}
_LAYER: dict[str, Weight] = {"two": 2.0, "e": 1e-5, "g": ramp(20), "b": (20,)}
_MEAN = "v = ReduceMean<axes=[-1]>(s) a = Add(v, e) r = Sqrt(a)"
_CENTRED = "m = ReduceMean<axes=[-1]>(x) d = Sub(x, m)"
_END = "n = Div(d, r) k = Mul(n, g) y = Add(k, b)"

NORMS: tuple[Form, ...] = (
    Form(_N, "LayerNormalization", "y = LayerNormalization(x, g, b)", "norm", {"g": ramp(20), "b": (20,)}),
    Form(_N, "LayerNormalization without bias", "y = LayerNormalization(x, g)", "norm", {"g": ramp(20)}),
    Form(_N, "RMSNormalization", "y = RMSNormalization(x, g)", "norm", {"g": ramp(20)}, opset=23),
    Form(
        _N, "layer norm by Pow", f"{_CENTRED} s = Pow(d, two) {_MEAN} {_END}", "norm", _LAYER, compiled=True
    ),
    Form(_N, "layer norm by Mul", f"{_CENTRED} s = Mul(d, d) {_MEAN} {_END}", "norm", _LAYER),
    Form(
        _N,
        "layer norm with Cast",
        f"{_CENTRED} c = Cast<to=1>(d) s = Pow(c, two) {_MEAN} {_END}",
        "norm",
        _LAYER,
    ),
    Form(
        _N,
        "layer norm, two differences",
        f"{_CENTRED} c = Sub(x, m) s = Pow(c, two) {_MEAN} {_END}",
        "norm",
        _LAYER,
    ),
    Form(_N, "RMS norm by Div", f"s = Mul(x, x) {_MEAN} n = Div(x, r) y = Mul(n, g)", "norm", _RMS),
    Form(
        _N,
        "RMS norm by Reciprocal",
        f"s = Pow(x, two) {_MEAN} i = Reciprocal(r) n = Mul(x, i) y = Mul(g, n)",
        "norm",
        _RMS,
    ),
    Form(
        _N,
        "RMS norm of Llama",
        f"c = Cast<to=1>(x) s = Pow(c, two) {_MEAN} i = Div(one, r) n = Mul(c, i) k = Cast<to=1>(n)"
        " y = Mul(g, k)",
        "norm",
        _RMS,
    ),
    Form(
        _N,
        "residual and norm",
        "a = Add(x, z) y = LayerNormalization(a, g, b)",
        "add norm",
        {"g": ramp(20), "b": (20,)},
        TWO,
    ),
    Form(_S, "last axis", "y = Softmax(x)", "softmax", error=0.02),
    Form(
        _S,
        "an inner axis",
        "y = Softmax<axis=2>(x)",
        "transpose softmax transpose",
        inputs="float[1,3,5,7] x",
        remark="transposes vanish where a neighbour can read that order",
    ),
    Form(_S, "channels of an image", "y = Softmax<axis=1>(x)", "softmax", inputs="float[1,3,5,7] x"),
)
