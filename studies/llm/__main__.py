"""Calibration data from a float language model itself, what its integer form is worth, and its stories.

python -m studies.llm calibrate MODEL.onnx --out calibration.npz
python -m studies.llm accuracy MODEL.onnx --calibration calibration.npz
python -m studies.llm text MODEL.onnx --calibration calibration.npz --prompt "Once upon a time"
python -m studies.llm story OUT/points/000 --target rv32 --prompt "Once upon a time"
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.llm.models import FloatModel, IntegerModel, feed
from studies.llm.story import tell
from studies.llm.text import accuracy, greedy, sampled
from studies.llm.tokenizer import read_tokenizer

TOKENIZER = Path("../shared/models/llama/tok512.bin")


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    given.command(given)


def calibrate(given: argparse.Namespace) -> None:
    """Write the inputs of the graph for texts that the float model tells."""
    model = FloatModel(given.model)
    texts = sampled(model, given.texts, given.seed)
    feeds = [feed(text.tolist(), model.window, model.depth) for text in texts]
    arrays = {name: np.stack([each[name] for each in feeds]) for name in feeds[0]}
    np.savez_compressed(given.out, allow_pickle=False, **arrays)
    print(f"{given.out}: {len(texts)} texts of {model.window} tokens, seed {given.seed}")


def measure(given: argparse.Namespace) -> None:
    """Print loss and agreement on fresh text of the float model."""
    model = FloatModel(given.model)
    texts = sampled(model, given.texts, given.seed)
    found = accuracy(model, IntegerModel(given.model, given.calibration), texts)
    print(
        f"tokens          {found.tokens} in {given.texts} texts that the float model told, seed {given.seed}"
    )
    print(f"loss float      {found.float_loss:.4f} nats a token")
    print(f"loss integer    {found.integer_loss:.4f}  ({found.excess:+.2%})")
    print(f"argmax equal    {found.agreement:.2%}")


def compare(given: argparse.Namespace) -> None:
    """Print greedy text of the float model and of its integer form."""
    tokenizer = read_tokenizer(given.tokenizer)
    prompt = tokenizer.encode(given.prompt)
    float_text = tokenizer.decode(greedy(FloatModel(given.model), prompt))
    integer_text = tokenizer.decode(greedy(IntegerModel(given.model, given.calibration), prompt))
    print(f"float:   {float_text}\ninteger: {integer_text}")


def story(given: argparse.Namespace) -> None:
    """Print what the emitted C of a prefill graph tells."""
    tokenizer = read_tokenizer(given.tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "story"
        result = tell(given.point, place, tokenizer, given.prompt, given.steps, given.target)
    print(result.stdout, end="")
    if result.exit_code:
        raise SystemExit(f"the program ended with {result.exit_code}: {result.stderr}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.llm")
    commands = parser.add_subparsers(required=True)

    def command(name: str, function: object, argument: str, of: str) -> argparse.ArgumentParser:
        it = commands.add_parser(name, help=function.__doc__)
        it.set_defaults(command=function)
        it.add_argument(argument, type=Path, help=of)
        return it

    graph = "a prefill graph of ../shared/models/llama"
    it = command("calibrate", calibrate, "model", graph)
    _sampling(it, texts=32, seed=0)
    it.add_argument("--out", type=Path, required=True)
    it = command("accuracy", measure, "model", graph)
    _sampling(it, texts=72, seed=1)
    it.add_argument("--calibration", type=Path, required=True)
    it = command("text", compare, "model", graph)
    it.add_argument("--calibration", type=Path, required=True)
    _telling(it)
    it = command("story", story, "point", "an emitted point of such a graph, as OUT/points/000")
    it.add_argument("--target", choices=("host", "rv32"), default="host")
    it.add_argument("--steps", type=int, default=64, help="most tokens behind the prompt; default: 64")
    _telling(it)
    return parser


def _sampling(it: argparse.ArgumentParser, texts: int, seed: int) -> None:
    it.add_argument("--texts", type=int, default=texts, help=f"default: {texts}")
    it.add_argument("--seed", type=int, default=seed, help=f"default: {seed}")


def _telling(it: argparse.ArgumentParser) -> None:
    it.add_argument("--prompt", default="Once upon a time")
    it.add_argument("--tokenizer", type=Path, default=TOKENIZER, help=f"default: {TOKENIZER}")


if __name__ == "__main__":
    main()
