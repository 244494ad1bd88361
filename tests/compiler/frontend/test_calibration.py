"""Calibration data: what is accepted, what is refused in one line, and what it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from compiler.frontend import ModelError, import_model, load
from compiler.ir import Module
from tests.compiler.frontend.models import build, save

Array = npt.NDArray[Any]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(
        build("t = Conv(x, w, b) y = Relu(t)", {"w": (3, 2, 3, 3), "b": (3,)}, inputs="float[N,2,6,6] x"),
        tmp_path,
    )


def archive(folder: Path, **arrays: Array) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle for an array
    return path


def samples(*shape: int, scale: float = 1.0) -> Array:
    return np.random.default_rng(0).uniform(-scale, scale, shape).astype(np.float32)


def input_scale(module: Module) -> float:
    return module.main.by_name[module.main.inputs[0]].scale


@pytest.mark.parametrize("name", ["x", "anything"])
@pytest.mark.parametrize("shape", [(5, 2, 6, 6), (5, 1, 2, 6, 6)])
def test_data_set_the_ranges(model: Path, tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    module = load(model, calibration=archive(tmp_path, **{name: samples(*shape, scale=10.0)}))
    assert input_scale(module) == pytest.approx(20 / 255, rel=0.05)
    assert not any("synthetic" in note for note in module.notes)


def test_integers_are_numbers_too(model: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 2, 6, 6), np.uint8)
    assert input_scale(load(model, calibration=archive(tmp_path, x=pixels))) == pytest.approx(1.0, rel=0.02)


def test_without_data_a_note_warns_and_the_seed_decides(model: Path) -> None:
    first, again, other = load(model), load(model, seed=0), load(model, seed=1)
    assert "synthetic samples (seed 0)" in " ".join(first.notes)
    assert "dynamic batch became 1" in " ".join(first.notes)
    assert first == again
    assert input_scale(first) != input_scale(other)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": samples(5, 2, 6, 7)}, r"has shape \(5, 2, 6, 7\), not \(samples, 1, 2, 6, 6\) or"),
        ({"x": samples(2, 6, 6)}, "has shape"),
        ({"x": samples(0, 2, 6, 6)}, "has shape"),
        ({"x": samples(3, 2, 6, 6) + np.nan}, "not finite"),
        ({"x": np.array(["a"] * 3)}, "not numbers"),
        ({"a": samples(3, 2, 6, 6), "b": samples(3, 2, 6, 6)}, "no array named 'x'; it has a, b"),
    ],
)
def test_data_that_do_not_fit(model: Path, tmp_path: Path, arrays: dict[str, Array], text: str) -> None:
    with pytest.raises(ModelError, match=text) as caught:
        load(model, calibration=archive(tmp_path, **arrays))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"no archive", b"\x93NUMPY\x01\x00"])
def test_files_that_are_no_archives(model: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"data\.npz"):
        load(model, calibration=path)
    with pytest.raises(ModelError, match="cannot be read"):
        load(model, calibration=tmp_path / "absent.npz")


def test_a_single_array_is_no_archive(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", samples(3, 2, 6, 6))
    with pytest.raises(ModelError, match=r"is an \.npz archive, which this is not"):
        load(model, calibration=tmp_path / "data.npy")


def test_samples_that_never_change_are_noted(model: Path, tmp_path: Path) -> None:
    notes = load(model, calibration=archive(tmp_path, x=np.zeros((3, 2, 6, 6), np.float32))).notes
    assert any("all samples of 'x' are 0: the ranges measured with them mean nothing" in n for n in notes)
    assert not any(
        "mean nothing" in n for n in load(model, calibration=archive(tmp_path, x=samples(3, 2, 6, 6))).notes
    )


def test_pickles_are_never_opened(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.array([print], dtype=object))
    with pytest.raises(ModelError, match="plain arrays"):
        load(model, calibration=path)


def test_bindings_carry_samples_into_codes_and_back(model: Path) -> None:
    imported = import_model(model)
    (binding,) = imported.inputs
    real = samples(1, 2, 6, 6)
    codes = binding.encode(real)
    assert codes.shape == imported.module.main.by_name[binding.tensor].shape == (1, 6, 6, 2)
    assert np.abs(binding.decode(codes) - real).max() <= binding.quant.scale / 2 + 1e-9
    np.testing.assert_array_equal(binding.encode(binding.logical(codes)), codes)
    with pytest.raises(ValueError, match="integers outside int8"):
        binding.encode(np.full((1, 2, 6, 6), 300))
