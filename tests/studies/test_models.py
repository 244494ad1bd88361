"""The committed models: unchanged, valid, alive, and what their generators make."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from studies.models.census import take_census
from studies.models.generate import files_of
from studies.models.networks import NETWORKS, Network, generate
from studies.models.quantise import fold_normalisation
from studies.models.tape import session

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "studies" / "models"
SIZE_LIMIT_BYTES = 1_500_000
MODELS = sorted(path.name for path in FOLDER.glob("*.onnx"))
INT8_MODELS = [name for name in MODELS if name.endswith("_int8.onnx")]
FLOAT_MODELS = [name for name in MODELS if name.endswith("_float.onnx")]
# Counted on MLPerf Tiny's own int8 files (ad, ic, kws, vww): the topologies are the same.
MACS = {"resnet8": 12_501_632, "dscnn": 2_656_768, "mobilenetv1_025": 7_489_664, "autoencoder": 264_192}


def load(name: str) -> ModelProto:
    return onnx.load(FOLDER / name)


def network_of(name: str) -> Network:
    stem = name.removesuffix(".onnx").removesuffix("_int8").removesuffix("_float")
    return next(network for network in NETWORKS if network.name == stem)


def infer(model: ModelProto, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    running = session(model)
    return np.concatenate([running.run(None, {"input": sample[None]})[0] for sample in samples])


def fresh_samples(name: str, count: int) -> NDArray[np.float32]:
    return network_of(name).sample(np.random.default_rng(2024), count)


def constants(model: ModelProto) -> dict[str, NDArray[np.generic]]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def assert_same_content(made: bytes, kept: bytes) -> None:
    """Same nodes with the same attributes and wiring; same constants, bit for bit."""
    one, other = onnx.load_from_string(made), onnx.load_from_string(kept)
    assert list(map(str, one.graph.node)) == list(map(str, other.graph.node))
    values, expected = constants(one), constants(other)
    assert values.keys() == expected.keys()
    assert all(values[key].dtype == expected[key].dtype for key in expected)
    assert [key for key in expected if values[key].tobytes() != expected[key].tobytes()] == []


def test_manifest_lists_every_file_with_its_hash() -> None:
    lines = [line.split("  ") for line in (FOLDER / "SHA256SUMS").read_text().splitlines()]
    kept = {path.name for path in FOLDER.iterdir() if path.suffix in (".onnx", ".npz")}
    assert {name for _, name in lines} == kept
    assert {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in kept} == {
        name: digest for digest, name in lines
    }


def test_files_are_small() -> None:
    assert sum((FOLDER / name).stat().st_size for name in os.listdir(FOLDER)) < SIZE_LIMIT_BYTES


@pytest.mark.parametrize("name", MODELS)
def test_model_is_valid_onnx_of_opset_17(name: str) -> None:
    model = load(name)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    assert not model.producer_version


@pytest.mark.parametrize("name", MODELS)
def test_outputs_vary_with_the_input(name: str) -> None:
    outputs = infer(load(name), fresh_samples(name, 40))
    assert np.isfinite(outputs).all()
    assert len(np.unique(outputs, axis=0)) > 20
    assert (outputs.std(axis=0) > 0.02).mean() > 0.9


@pytest.mark.parametrize("name", [name for name in MODELS if "autoencoder" not in name])
def test_classifier_uses_its_classes(name: str) -> None:
    outputs = infer(load(name), fresh_samples(name, 100))
    np.testing.assert_allclose(outputs.sum(axis=1), 1.0, atol=0.03)
    assert len(np.unique(outputs.argmax(axis=1))) >= 0.7 * outputs.shape[1]


@pytest.mark.parametrize("name", INT8_MODELS)
def test_int8_model_follows_its_float_model(name: str) -> None:
    samples = fresh_samples(name, 40)
    exact = infer(fold_normalisation(generate(network_of(name)).model), samples)
    assert np.corrcoef(exact.ravel(), infer(load(name), samples).ravel())[0, 1] > 0.95


@pytest.mark.parametrize("name", INT8_MODELS)
def test_weights_are_int8_per_channel_and_biases_int32(name: str) -> None:
    model, values = load(name), constants(load(name))
    dequantised = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            weight, weight_scale, weight_zero = (values[k] for k in dequantised[node.input[1]].input)
            bias, _, _ = (values[k] for k in dequantised[node.input[2]].input)
            assert [str(weight.dtype), str(bias.dtype)] == ["int8", "int32"]
            assert weight_scale.shape == bias.shape == weight.shape[:1]
            assert not weight_zero.any()


@pytest.mark.parametrize("name", INT8_MODELS)
def test_activations_are_int8_with_zero_points(name: str) -> None:
    model, values = load(name), constants(load(name))
    zeros = [values[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert {zero.dtype for zero in zeros} == {np.dtype(np.int8)}
    assert any(int(zero) not in (0, -128) for zero in zeros)
    assert not any(node.op_type in ("Relu", "BatchNormalization") for node in model.graph.node)


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_float_model_keeps_normalisation_and_has_calibration_data(name: str) -> None:
    assert any(node.op_type == "BatchNormalization" for node in load(name).graph.node)
    with np.load(FOLDER / name.replace("_float.onnx", "_calibration.npz")) as archive:
        samples = archive["input"]
    assert len(samples) == 8
    assert infer(load(name), samples).std(axis=0).min() > 0


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_folding_keeps_the_function(name: str) -> None:
    samples = fresh_samples(name, 8)
    folded = fold_normalisation(load(name))
    assert not any(node.op_type == "BatchNormalization" for node in folded.graph.node)
    np.testing.assert_allclose(infer(folded, samples), infer(load(name), samples), atol=1e-4)


def test_symbolic_batch_runs_at_any_size() -> None:
    model, samples = load("resnet8_int8.onnx"), fresh_samples("resnet8_int8.onnx", 3)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    np.testing.assert_array_equal(session(model).run(None, {"input": samples})[0], infer(model, samples))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_generator_makes_the_committed_files(network: Network) -> None:
    for name, data in files_of(network).items():
        if name.endswith(".onnx"):
            assert_same_content(data, (FOLDER / name).read_bytes())
        else:
            assert data == (FOLDER / name).read_bytes(), name


def test_command_is_deterministic_across_processes(tmp_path: Path) -> None:
    def command(folder: str, hash_seed: str) -> dict[str, bytes]:
        arguments = [sys.executable, "-m", "studies.models", "--out", str(tmp_path / folder), "dscnn"]
        subprocess.run(arguments, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, check=True)
        return {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}

    first = command("a", "1")
    assert len(first) == 4
    assert first == command("b", "2")


def test_command_refuses_an_unknown_network(tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "studies.models", "--out", str(tmp_path / "x"), "dscn"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown network dscn" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", MODELS)
def test_macs_are_those_of_the_benchmark_topology(name: str) -> None:
    assert take_census(load(name)).macs == MACS[network_of(name).name]


@pytest.mark.parametrize("name", MODELS)
def test_readme_states_what_the_file_is(name: str) -> None:
    census = take_census(load(name))
    row = next(line for line in (FOLDER / "README.md").read_text().splitlines() if f"`{name}`" in line)
    for figure in (census.macs, census.parameters, (FOLDER / name).stat().st_size):
        assert f" {figure:,} ".replace(",", " ") in row
