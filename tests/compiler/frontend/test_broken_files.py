"""Whatever is in the file: a module or one ModelError, never anything else."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from compiler.frontend import ModelError, load
from tests.compiler.frontend.models import build, save

QDQ = """
q = QuantizeLinear(x, xs, xz) d = DequantizeLinear(q, xs, xz) v = DequantizeLinear<axis=0>(w, ws)
t = Conv<pads=[1,1,1,1],strides=[2,2]>(d, v, b) r = Relu(t)
p = QuantizeLinear(r, ys, yz) e = DequantizeLinear(p, ys, yz)
f = Flatten(e) m = MatMul(f, u) o = QuantizeLinear(m, ys, yz) y = DequantizeLinear(o, ys, yz)
"""


def small_qdq() -> onnx.ModelProto:
    rng = np.random.default_rng(3)
    return build(
        QDQ,
        {
            "xs": 0.02,
            "xz": np.array(3, np.int8),
            "ys": 0.05,
            "yz": np.array(-128, np.int8),
            "w": rng.integers(-128, 128, (3, 2, 3, 3)).astype(np.int8),
            "ws": np.array([0.01, 0.02, 0.03], np.float32),
            "b": (3,),
            "u": (27, 4),
        },
        inputs="float[1,2,6,6] x",
    )


def attempt(data: bytes, path: Path) -> bool:
    """Whether `data` is a model; anything but a well-formed ModelError fails the test."""
    path.write_bytes(data)
    try:
        load(path)
    except ModelError as error:
        caught = error
    else:
        return True
    head, *lines = str(caught).split("\n")
    assert head.startswith((str(path), path.name))
    assert len(lines) == len(caught.findings)
    return False


def test_the_model_that_is_broken_below_is_whole(tmp_path: Path) -> None:
    assert attempt(small_qdq().SerializeToString(), tmp_path / "m.onnx")


def test_every_truncation(tmp_path: Path) -> None:
    data = small_qdq().SerializeToString()
    for length in range(0, len(data) - 1, 7):
        attempt(data[:length], tmp_path / "m.onnx")


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits(tmp_path: Path, seed: int) -> None:
    data = small_qdq().SerializeToString()
    rng = random.Random(seed)
    accepted = 0
    for _ in range(250):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8, 40))):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        accepted += attempt(bytes(broken), tmp_path / "m.onnx")
    assert 0 < accepted < 250, "the flips must reach both outcomes"


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_wires(tmp_path: Path, seed: int) -> None:
    """Valid protobuf, invalid graphs: inputs exchanged between nodes, dimensions changed."""
    rng = random.Random(seed)
    for _ in range(60):
        model = small_qdq()
        for _ in range(rng.randint(1, 3)):
            first, second = rng.choice(model.graph.node), rng.choice(model.graph.node)
            first.input[rng.randrange(len(first.input))] = rng.choice(
                [*second.input, *second.output, "", "z"]
            )
            tensor = rng.choice(model.graph.initializer)
            if tensor.dims and rng.random() < 0.5:
                tensor.dims[0] = rng.choice((0, -1, 1, 1 << 40, tensor.dims[0] + 1))
        attempt(model.SerializeToString(), tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "empty"),
        (b"hello, this is no model", "not an ONNX model"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not an ONNX model"),
        (bytes(1000), "not an ONNX model"),
        (b'{"schema": 1}', "not an ONNX model"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=text) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.onnx: cannot be read: No such file"):
        load(tmp_path / "nothing.onnx")
    with pytest.raises(ModelError, match="is a folder"):
        load(tmp_path)


def test_huge_dimensions(tmp_path: Path) -> None:
    model = build("y = Relu(x)", inputs="float[1,1000000,1000000] x")
    with pytest.raises(ModelError, match="at most 268435456 elements"):
        load(save(model, tmp_path))
    model = build("t = Pad(x, p) y = Relu(t)", {"p": [0, 0, 0, 0, 0, 0, 1 << 30, 1 << 30]})
    with pytest.raises(ModelError, match="elements"):
        load(save(model, tmp_path))
    model = build("y = Relu(x)")
    model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20])
    with pytest.raises(ModelError, match=r"w: initializer\.shape"):
        load(save(model, tmp_path))


def test_wrong_types(tmp_path: Path) -> None:
    model = build("y = Relu(x)", inputs="string[1,4] x")
    with pytest.raises(ModelError, match="not float32"):
        load(save(model, tmp_path))
    model = build("q = QuantizeLinear(x, s, z) y = DequantizeLinear(q, s, z)",
                  {"s": 0.1, "z": np.array(3, np.int16)})  # fmt: skip
    with pytest.raises(ModelError, match=r"zero_point: activations of type int16; supported: int8 and uint8"):
        load(save(model, tmp_path))


def test_data_that_do_not_fill_their_dimensions(tmp_path: Path) -> None:
    model = small_qdq()
    model.graph.initializer[0].raw_data = b"\0\0"
    with pytest.raises(ModelError, match=r"xs: initializer\.data"):
        load(save(model, tmp_path))


def test_external_data_that_are_missing(tmp_path: Path) -> None:
    model = small_qdq()
    onnx.external_data_helper.set_external_data(model.graph.initializer[4], "gone.bin")
    model.graph.initializer[4].ClearField("raw_data")
    with pytest.raises(ModelError, match="external data cannot be read"):
        load(save(model, tmp_path))


def test_operator_sets_of_the_future_and_scalars(tmp_path: Path) -> None:
    model = build("y = Relu(x)", opset=999)
    with pytest.raises(ModelError, match=r"graph\.opset: operator set 999; supported: at most"):
        load(save(model, tmp_path))
    with pytest.raises(ModelError, match=r"x: input\.shape: a scalar"):
        load(save(build("y = Relu(x)", inputs="float x"), tmp_path))
