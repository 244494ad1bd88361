"""stories260K as one C program of two graphs: prefill reads the prompt, decode tells, like the references."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from compiler.codegen.pair import Half, behind, emit_pair
from compiler.codegen.project import Golden
from compiler.deployment import Deployment
from compiler.frontend import ImportedPair, import_pair
from compiler.ir import Graph
from compiler.ir.tensor import IntArray
from compiler.reference import execute
from compiler.schedule import Together, place_together
from compiler.targets import Target
from studies.llm.__main__ import main
from studies.llm.models import rotary
from studies.llm.story import UNIT, tell
from studies.llm.tokenizer import read_tokenizer
from tests.compiler.deployed import ROOM, codes, deployed, outputs_of
from tests.compiler.networks import Choice, random_decisions
from tests.shared_models import shared_model

PREFILL, DECODE = "llama/stories260K_prefill64.onnx", "llama/stories260K_decode_past255.onnx"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> ImportedPair:
    data = tmp_path_factory.mktemp("pair") / "calibration.npz"
    main(["calibrate", str(shared_model(PREFILL)), "--out", str(data), "--texts", "8"])
    return import_pair(shared_model(PREFILL), shared_model(DECODE), calibration=data)


@pytest.fixture(scope="module")
def project(pair: ImportedPair, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Emitted from random deployments whose tensors are all in L2."""
    prefill, decode = pair.prefill.module.main, pair.decode.module.main
    found = place_together(in_l2(prefill, 0), in_l2(decode, 1), pair.shared, ROOM)
    assert isinstance(found, Together)
    inputs = codes(prefill, 0)
    golden = Golden(inputs, outputs_of(prefill, inputs))
    later = behind(golden, decode, codes(decode, 1), pair.shared.caches)
    folder = tmp_path_factory.mktemp("project")
    halves = Half(prefill, found.prefill, golden), Half(decode, found.decode, later)
    emit_pair(folder, *halves, pair.shared.caches)
    return folder


def in_l2(graph: Graph, seed: int) -> Deployment:
    return deployed(graph, random_decisions(graph, random.Random(seed), Choice(homes=("l2",))))


@dataclass(frozen=True)
class References:
    """Both graphs in numpy, from prompt to text."""

    pair: ImportedPair

    def greedy(self, prompt: Sequence[int], steps: int) -> list[int]:
        """The prompt and `steps` tokens, always the likeliest next."""
        tokens, caches = list(prompt), self.pair.shared.caches
        rows, capacity = caches[0].prefill_rows, caches[0].capacity_rows
        first = min(len(tokens), rows)
        values = execute(self.pair.prefill.module.main, self._inputs(tokens[:rows], range(rows)))
        states = {}
        for cache in caches:
            state = np.zeros((capacity, *values[cache.rows].shape[2:]), np.int8)
            state[:rows] = values[cache.rows][0]
            states[cache.state] = state[None]
        row = values["logits"][0, first - 1]
        for at in range(first, len(tokens) + steps):
            if at == len(tokens):
                tokens.append(int(np.argmax(row)))
            given = {**self._inputs(tokens[at : at + 1], range(at, at + 1)), **states}
            values = execute(self.pair.decode.module.main, given | {"position": np.array([at], np.int32)})
            states = {name: values[after] for name, after in self.pair.decode.module.main.states}
            row = values["logits"].reshape(-1)
        return tokens

    def _inputs(self, tokens: Sequence[int], places: range) -> dict[str, IntArray]:
        padded = np.zeros((1, len(places)), np.int32)
        padded[0, : len(tokens)] = tokens
        depth = self.pair.decode.module.main.by_name["cos"].shape[-1]
        cos, sin = (np.rint(table * UNIT).astype(np.int16)[None, None] for table in rotary(places, depth))
        return {"tokens": padded, "cos": cos, "sin": sin}


@pytest.mark.parametrize(("target", "steps"), [("host", 90), ("rv32", 3)])
def test_a_story_is_that_of_the_references(
    pair: ImportedPair, project: Path, target: Target, steps: int, tmp_path: Path
) -> None:
    """One run of prefill tells the first token, decode each of the others."""
    tokenizer = read_tokenizer(shared_model("llama/tok512.bin"))
    result = tell(project, tmp_path / "story", tokenizer, "Lily had a dog", steps, target, shows_runs=True)
    expected = tokenizer.decode(References(pair).greedy(tokenizer.encode("Lily had a dog"), steps))
    runs = f"runs of prefill 1, of decode {steps - 1}"
    assert (result.exit_code, result.stdout) == (0, f"{expected}\n{runs}\n")


def test_decode_reads_what_prefill_has_no_rows_for(pair: ImportedPair, project: Path, tmp_path: Path) -> None:
    tokenizer = read_tokenizer(shared_model("llama/tok512.bin"))
    prompt = "One day, a little girl named Lily went to the park with her mom. She saw a big dog. " * 3
    tokens = tokenizer.encode(prompt)
    assert len(tokens) > 64
    result = tell(project, tmp_path / "story", tokenizer, prompt, 5, "host", shows_runs=True)
    expected = tokenizer.decode(References(pair).greedy(tokens, 5))
    assert result.stdout == f"{expected}\nruns of prefill 1, of decode {len(tokens) - 64 + 4}\n"
