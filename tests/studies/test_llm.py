"""stories260K in integers: close to the float model on its own text, and it talks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.frontend import import_model
from compiler.targets import Target
from studies.llm.__main__ import main
from studies.llm.models import FloatModel, IntegerModel
from studies.llm.story import tell
from studies.llm.text import Accuracy, accuracy, greedy, loss, sampled
from studies.llm.tokenizer import BEGIN, Tokenizer, read_tokenizer
from tests.compiler.deployed import any_deployment, codes, emitted
from tests.shared_models import shared_model

PREFILL = "llama/stories260K_prefill64.onnx"


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("llm") / "calibration.npz"
    main(["calibrate", str(shared_model(PREFILL)), "--out", str(path), "--texts", "16"])
    return path


@pytest.fixture(scope="module")
def models(calibration: Path) -> tuple[FloatModel, IntegerModel]:
    path = shared_model(PREFILL)
    return FloatModel(path), IntegerModel(path, calibration)


def test_loss_and_agreement(models: tuple[FloatModel, IntegerModel]) -> None:
    texts = sampled(models[0], 16, seed=1)
    found = accuracy(*models, texts)
    assert found.tokens == 16 * 63
    assert 0 < found.float_loss < 1.5
    assert found.excess < 0.05
    assert found.agreement > 0.90


def test_greedy_text_begins_alike(models: tuple[FloatModel, IntegerModel]) -> None:
    tokenizer = read_tokenizer(shared_model("llama/tok512.bin"))
    prompt = tokenizer.encode("Once upon a time")
    real, codes = (tokenizer.decode(greedy(model, prompt)) for model in models)
    assert real.startswith("Once upon a time, there was a little")
    assert codes.startswith("Once upon a time, there was a little")


@pytest.mark.parametrize(("target", "steps"), [("host", 64), ("rv32", 2)])
def test_the_chip_tells_the_story_of_the_reference(
    models: tuple[FloatModel, IntegerModel], target: Target, steps: int, tmp_path: Path
) -> None:
    tokenizer = read_tokenizer(shared_model("llama/tok512.bin"))
    graph = models[1].imported.module.main
    point = emitted(tmp_path / "point", graph, any_deployment(graph, 1), codes(graph, 0)).folder
    result = tell(point, tmp_path / "story", tokenizer, "Lily had a dog", steps, target)
    prompt = tokenizer.encode("Lily had a dog")
    expected = greedy(models[1], prompt)[: len(prompt) + steps]
    assert (result.exit_code, result.stdout) == (0, tokenizer.decode(expected) + "\n")


def test_decoding_tells_the_same_story(
    models: tuple[FloatModel, IntegerModel], calibration: Path, tmp_path: Path
) -> None:
    tokenizer = read_tokenizer(shared_model("llama/tok512.bin"))
    decode = shared_model("llama/stories260K_decode_past63.onnx")
    found = import_model(decode, calibration=calibration, prefill=shared_model(PREFILL))
    graph = found.module.main
    point = emitted(tmp_path / "point", graph, any_deployment(graph, 1), codes(graph, 0)).folder
    result = tell(point, tmp_path / "story", tokenizer, "Lily had a dog", 64, "host")
    expected = greedy(models[1], tokenizer.encode("Lily had a dog"))
    assert (result.exit_code, result.stdout) == (0, tokenizer.decode(expected) + "\n")


def test_samples_depend_on_the_seed_only(models: tuple[FloatModel, IntegerModel]) -> None:
    once, again, other = (sampled(models[0], 2, seed) for seed in (5, 5, 6))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert (once[:, 0] == BEGIN).all()


def test_excess_is_relative() -> None:
    assert Accuracy(1, 2.0, 2.1, 1.0).excess == pytest.approx(0.05)


def test_loss_of_a_model_that_knows_nothing() -> None:
    assert loss(np.zeros((2, 3, 8)), np.zeros((2, 4), int)) == pytest.approx(np.log(8))


def byte_pairs() -> Tokenizer:
    """Bytes, a space, two letters and two merges of them; the longer merge has the higher score."""
    singles = (b"<unk>", b"\n<s>\n", b"\n</s>\n", *(b"<0x%02X>" % k for k in range(256)))
    words = (b" ", b"a", b"b", b"ab", b"ba", b" ab")
    return Tokenizer((*singles, *words), (*[0.0] * len(singles), -9.0, -9.0, -9.0, -2.0, -1.0, -3.0))


def test_pairs_merge_by_score() -> None:
    tokenizer = byte_pairs()
    named = {piece: token for token, piece in enumerate(tokenizer.pieces)}
    assert tokenizer.encode("ab") == (BEGIN, named[b" ab"])
    assert tokenizer.encode("aba") == (BEGIN, named[b" "], named[b"a"], named[b"ba"])
    assert tokenizer.encode("") == (BEGIN,)


@pytest.mark.parametrize("text", ["ab", "abba ba", "aé!"])
def test_decode_returns_the_text(text: str) -> None:
    tokenizer = byte_pairs()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_truncated_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tok.bin"
    path.write_bytes(bytes(4) + bytes(4) + (5).to_bytes(4, "little") + b"abc")
    with pytest.raises(ValueError, match="ends inside a piece"):
        read_tokenizer(path)
