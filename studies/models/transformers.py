"""A BERT-like encoder and a GPT-2-like decoder as exporters decompose them: float, seeded random parameters.

`python -m studies.models.transformers --out DIR [NAME ...]` writes NAME.onnx and NAME.npz, samples for
`dse explore --calibration`. Opset 17; layer norms, GELU, masks and heads are written out in small nodes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, parser

OPSET = 17
SAMPLES = 16
Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Shape:
    """tokens x width, in blocks of attention heads and a hidden layer; `words` in the vocabulary."""

    tokens: int = 8
    width: int = 32
    heads: int = 4
    hidden: int = 64
    words: int = 48
    blocks: int = 2
    classes: int = 3


NORM = """
{y}_mean = ReduceMean<axes=[-1]>({x}) {y}_d = Sub({x}, {y}_mean) {y}_sq = Pow({y}_d, two)
{y}_var = ReduceMean<axes=[-1]>({y}_sq) {y}_e = Add({y}_var, epsilon) {y}_root = Sqrt({y}_e)
{y}_n = Div({y}_d, {y}_root) {y}_g = Mul({y}_n, {y}_gain) {y} = Add({y}_g, {y}_bias)
"""
HEADS = """
{p}_q1 = Reshape({p}_q0, heads) {p}_q = Transpose<perm=[0,2,1,3]>({p}_q1)
{p}_k1 = Reshape({p}_k0, heads) {p}_kt = Transpose<perm=[0,2,3,1]>({p}_k1)
{p}_v1 = Reshape({p}_v0, heads) {p}_v = Transpose<perm=[0,2,1,3]>({p}_v1)
{p}_s = MatMul({p}_q, {p}_kt) {p}_c = Div({p}_s, root)
"""
WEIGHED = """
{p}_w = Softmax<axis=-1>({p}_m) {p}_a = MatMul({p}_w, {p}_v) {p}_t = Transpose<perm=[0,2,1,3]>({p}_a)
{p}_r = Reshape({p}_t, flat)
"""
LINEAR = "{y}_p = MatMul({x}, {y}_weight) {y} = Add({y}_p, {y}_offset)\n"
"""A linear layer of BERT."""
CONV1D = """
{y}_x = Reshape({x}, rows_{inputs}) {y}_p = Gemm({y}_x, {y}_weight, {y}_offset)
{y} = Reshape({y}_p, wide_{outputs})
"""
"""A linear layer of GPT-2."""
ERF = """
{p}_b = Div({p}_u, root_two) {p}_f = Erf({p}_b) {p}_o = Add({p}_f, one) {p}_x = Mul({p}_u, {p}_o)
{p}_h = Mul({p}_x, half)
"""
TANH = """
{p}_b = Mul({p}_u, half) {p}_c3 = Pow({p}_u, three) {p}_c4 = Mul({p}_c3, cubic) {p}_c5 = Add({p}_u, {p}_c4)
{p}_c6 = Mul({p}_c5, slope) {p}_f = Tanh({p}_c6) {p}_o = Add({p}_f, one) {p}_h = Mul({p}_b, {p}_o)
"""


class Writer:
    """Node text and the parameters that it names."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.text = shape, ""
        self._rng = np.random.default_rng(0)
        width, depth = shape.width, shape.width // shape.heads
        self.constants: Arrays = {
            **{name: np.array(value, np.float32) for name, value in _scalars(depth).items()},
            "heads": np.array([1, shape.tokens, shape.heads, depth]),
            "flat": np.array([1, shape.tokens, width]),
        }

    def random(self, name: str, *shape: int, spread: float = 1.0) -> None:
        self.constants[name] = (spread * self._rng.standard_normal(shape)).astype(np.float32)

    def norm(self, x: str, y: str) -> None:
        self.text += NORM.format(x=x, y=y)
        self.constants[f"{y}_gain"] = np.linspace(0.7, 1.3, self.shape.width, dtype=np.float32)
        self.random(f"{y}_bias", self.shape.width, spread=0.1)

    def linear(self, x: str, y: str, inputs: int, outputs: int, form: str = LINEAR) -> None:
        self.text += form.format(x=x, y=y, inputs=inputs, outputs=outputs)
        self.random(f"{y}_weight", inputs, outputs, spread=inputs**-0.5)
        self.random(f"{y}_offset", outputs, spread=0.1)
        if form == CONV1D:
            self.constants[f"rows_{inputs}"] = np.array([-1, inputs])
            self.constants[f"wide_{outputs}"] = np.array([1, self.shape.tokens, outputs])

    def model(self, output: str, extents: Sequence[int]) -> onnx.ModelProto:
        """The model of the text: tokens in, one float output."""
        dims = ",".join(map(str, extents))
        head = f"transformer (int64[1,{self.shape.tokens}] tokens) => (float[{dims}] {output})"
        graph = parser.parse_graph(f"{head} {{ {self.text} }}")
        read = {name for node in graph.node for name in node.input}
        kept = {name: array for name, array in self.constants.items() if name in read}
        graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in kept.items())
        for node in graph.node:
            node.name = f"/{node.output[0]}/{node.op_type}"
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _scalars(depth: int) -> Mapping[str, float]:
    gelu = {"half": 0.5, "root_two": 2**0.5, "cubic": 0.044715, "slope": (2 / np.pi) ** 0.5}
    return {"one": 1.0, "two": 2.0, "three": 3.0, "epsilon": 1e-5, "root": depth**0.5, **gelu}


def encoder(shape: Shape) -> onnx.ModelProto:
    """BERT: norms behind the residual sums, three projections, GELU by Erf, a pooler on the first token."""
    writer, width = Writer(shape), shape.width
    writer.random("words", shape.words, width)
    writer.random("positions", 1, shape.tokens, width, spread=0.5)
    writer.text = "e = Gather(words, tokens) ep = Add(e, positions)"
    writer.norm("ep", "x0")
    for k in range(shape.blocks):
        p = f"b{k}"
        for part in "qkv":
            writer.linear(f"x{k}", f"{p}_{part}0", width, width)
        writer.text += HEADS.format(p=p).replace(f"{p}_c =", f"{p}_m =") + WEIGHED.format(p=p)
        writer.linear(f"{p}_r", f"{p}_y", width, width)
        writer.text += f"{p}_z = Add({p}_y, x{k})"
        writer.norm(f"{p}_z", f"{p}_n")
        writer.linear(f"{p}_n", f"{p}_u", width, shape.hidden)
        writer.text += ERF.format(p=p)
        writer.linear(f"{p}_h", f"{p}_d", shape.hidden, width)
        writer.text += f"{p}_end = Add({p}_d, {p}_n)"
        writer.norm(f"{p}_end", f"x{k + 1}")
    writer.constants["first"] = np.array(0)
    writer.text += f"pooled = Gather<axis=1>(x{shape.blocks}, first)"
    writer.linear("pooled", "dense", width, width)
    writer.text += "active = Tanh(dense)"
    writer.linear("active", "logits", width, shape.classes)
    return writer.model("logits", (1, shape.classes))


def decoder(shape: Shape) -> onnx.ModelProto:
    """GPT-2: norms before each part, one product for queries, keys and values, Gemm on rows, GELU by Tanh."""
    writer, width = Writer(shape), shape.width
    writer.random("words", shape.words, width)
    writer.random("positions", 1, shape.tokens, width, spread=0.5)
    seen = np.tril(np.ones((1, 1, shape.tokens, shape.tokens), bool))
    writer.constants |= {"seen": seen, "hidden": np.array(np.finfo(np.float32).min, np.float32)}
    writer.constants["thirds"] = np.array([width] * 3)
    writer.text = "e = Gather(words, tokens) x0 = Add(e, positions)"
    for k in range(shape.blocks):
        p = f"b{k}"
        writer.norm(f"x{k}", f"{p}_n")
        writer.linear(f"{p}_n", f"{p}_qkv", width, 3 * width, CONV1D)
        writer.text += f"{p}_q0, {p}_k0, {p}_v0 = Split<axis=2>({p}_qkv, thirds)" + HEADS.format(p=p)
        writer.text += f"{p}_m = Where(seen, {p}_c, hidden)" + WEIGHED.format(p=p)
        writer.linear(f"{p}_r", f"{p}_y", width, width, CONV1D)
        writer.text += f"{p}_z = Add({p}_y, x{k})"
        writer.norm(f"{p}_z", f"{p}_l")
        writer.linear(f"{p}_l", f"{p}_u", width, shape.hidden, CONV1D)
        writer.text += TANH.format(p=p)
        writer.linear(f"{p}_h", f"{p}_d", shape.hidden, width, CONV1D)
        writer.text += f"x{k + 1} = Add({p}_d, {p}_z)"
    writer.norm(f"x{shape.blocks}", "last")
    writer.random("classes", width, shape.words, spread=width**-0.5)
    writer.text += "logits = MatMul(last, classes)"
    return writer.model("logits", (1, shape.tokens, shape.words))


TRANSFORMERS: Mapping[str, Callable[[Shape], onnx.ModelProto]] = MappingProxyType(
    {"bert": encoder, "gpt2": decoder}
)


def samples(shape: Shape, count: int = SAMPLES, seed: int = 0) -> Arrays:
    """Random tokens, [count, 1, tokens]."""
    return {"tokens": np.random.default_rng(seed).integers(0, shape.words, (count, 1, shape.tokens))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the named transformers, or all of them."""
    found = argparse.ArgumentParser(prog="python -m studies.models.transformers", description=__doc__)
    found.add_argument("--out", type=Path, required=True, metavar="DIR")
    found.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(TRANSFORMERS)}; all by default"
    )
    options = found.parse_args(arguments)
    if unknown := sorted(set(options.names) - TRANSFORMERS.keys()):
        found.error(f"unknown transformer {', '.join(unknown)}; there are {', '.join(TRANSFORMERS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or TRANSFORMERS:
        onnx.save(TRANSFORMERS[name](Shape()), options.out / f"{name}.onnx")
        np.savez(options.out / f"{name}.npz", **samples(Shape()))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
