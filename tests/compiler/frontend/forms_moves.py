"""Forms that choose, cut, join and repeat."""

from __future__ import annotations

import numpy as np

from tests.compiler.frontend.forms import Form

_M = "Moving data"

MOVES: tuple[Form, ...] = (
    Form(
        _M, "Split", "a, b = Split<axis=2>(x, p) y = Concat<axis=2>(b, a)", "pad pad concat", {"p": [8, 12]}
    ),
    Form(
        _M,
        "Split with num_outputs",
        "a, b, c = Split<axis=2, num_outputs=3>(x) y = Concat<axis=2>(c, b, a)",
        "pad pad pad concat",
        opset=18,
        remark="the last part may be shorter",
        compiled=True,
    ),
    Form(_M, "Slice", "y = Slice(x, a, b, c)", "pad", {"a": [3], "b": [-2], "c": [2]}),
    Form(
        _M,
        "every second element",
        "y = Slice(x, a, b, c, d)",
        "pad",
        {"a": [1], "b": [20], "c": [2], "d": [2]},
        compiled=True,
    ),
    Form(
        _M,
        "Slice backwards",
        "y = Slice(x, a, b, c, d)",
        "pad pad pad pad pad pad pad concat",
        {"a": [-1], "b": [-99], "c": [1], "d": [-1]},
        remark="a copy for each run of neighbours, at most 16",
    ),
    Form(_M, "Gather of one index", "y = Gather<axis=1>(x, i)", "pad", {"i": np.array(-2)}),
    Form(
        _M,
        "Gather of a list",
        "y = Gather<axis=1>(x, i)",
        "pad pad concat",
        {"i": [1, 2, 5]},
        remark="constant indices, at most 16 runs of neighbours",
        compiled=True,
    ),
    Form(
        _M,
        "Gather by computed indices",
        "y = Gather<axis=1>(x, i)",
        "computed at run time",
        inputs="float[1,7,20] x, int64[2] i",
        refused=True,
        remark="of an activation; rows of constant tables are `embed`",
    ),
    Form(_M, "Expand", "y = Expand(x, s)", "concat", {"s": [1, 7, 20]}, "float[1,7,1] x", compiled=True),
    Form(_M, "Tile", "y = Tile(x, r)", "concat concat", {"r": [1, 2, 3]}),
    Form(
        _M,
        "Trilu of an activation",
        "y = Trilu(x)",
        "on activations",
        inputs="float[1,6,6] x",
        refused=True,
        remark="masks are constants",
    ),
)
