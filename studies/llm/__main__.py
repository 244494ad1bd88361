"""Calibration data from a float language model itself, and what its integer form is worth.

python -m studies.llm calibrate MODEL.onnx --out calibration.npz
python -m studies.llm accuracy MODEL.onnx --calibration calibration.npz
python -m studies.llm text MODEL.onnx --calibration calibration.npz --prompt "Once upon a time"
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studies.llm.models import FloatModel, IntegerModel, feed
from studies.llm.text import accuracy, greedy, sampled
from studies.llm.tokenizer import read_tokenizer


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


def tell(given: argparse.Namespace) -> None:
    """Print greedy text of both."""
    tokenizer = read_tokenizer(given.tokenizer or given.model.parent / "tok512.bin")
    prompt = tokenizer.encode(given.prompt)
    for name, model in (
        ("float", FloatModel(given.model)),
        ("integer", IntegerModel(given.model, given.calibration)),
    ):
        print(f"{name + ':':9}{tokenizer.decode(greedy(model, prompt))}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studies.llm", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for name, command, texts, seed in (
        ("calibrate", calibrate, 32, 0),
        ("accuracy", measure, 72, 1),
        ("text", tell, 0, 0),
    ):
        it = commands.add_parser(name, help=command.__doc__)
        it.set_defaults(command=command)
        it.add_argument("model", type=Path, help="a prefill graph of ../shared/models/llama")
        if texts:
            it.add_argument("--texts", type=int, default=texts, help=f"default: {texts}")
            it.add_argument("--seed", type=int, default=seed, help=f"default: {seed}")
        if command is calibrate:
            it.add_argument("--out", type=Path, required=True)
        else:
            it.add_argument("--calibration", type=Path, required=True)
        if command is tell:
            it.add_argument("--prompt", default="Once upon a time")
            it.add_argument("--tokenizer", type=Path, help="default: tok512.bin beside the model")
    return parser


if __name__ == "__main__":
    main()
