"""`python -m studies.attention memory|weights|model`: the tables of docs/attention.md, or a model of them."""

import argparse
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx

from compiler.frontend import load
from compiler.frontend.fused_attention import fuse_attention_weights
from compiler.ir import Module
from costmodels.platform import load_platform
from dse.evaluator import ProblemEvaluator
from dse.search import SearchOptions
from dse.session import explore_task
from dse.task import Budget, Pin, Task
from studies.attention.model import Shape, attention

MEMORY = (
    "64,64,4,16",
    "128,64,4,16",
    "200,64,4,16",
    "256,64,4,16",
    "512,64,4,16",
    "128,64,8,32",
    "128,128,4,32",
    "256,32,8,8",
)
WEIGHTS = ("32,16,8,64", "32,32,8,64", "64,32,8,32", "81,32,8,32", "64,64,4,64", "128,64,4,16")
TRIALS = 16


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table, or write one model."""
    parser = argparse.ArgumentParser(prog="python -m studies.attention", description=__doc__)
    parser.add_argument("what", choices=("memory", "weights", "model"))
    parser.add_argument("shapes", nargs="*", metavar="TOKENS,WIDTH,HEADS,DEPTH")
    parser.add_argument("--platform", default="siracusa")
    parser.add_argument("--out", type=Path, default=Path("attention.onnx"), metavar="FILE.onnx")
    options = parser.parse_args(arguments)
    # The quantiser advises a pre-processing that these graphs do not need.
    logging.getLogger().setLevel(logging.ERROR)
    shapes = [Shape.of(text) for text in options.shapes]
    if options.what == "model":
        onnx.save(attention(shapes[0]), options.out)
    elif options.what == "memory":
        memory(shapes or [Shape.of(text) for text in MEMORY], options.platform)
    else:
        weights(shapes or [Shape.of(text) for text in WEIGHTS], options.platform)


def memory(shapes: Sequence[Shape], platform: str) -> None:
    """Least bytes on chip with activations there: layer by layer, and depth-first."""
    print(
        "| tokens,width,heads,depth | scores | layer by layer | depth-first | less by |",
        "|---|---|---|---|---|",
        sep="\n",
    )
    for shape in shapes:
        module = imported(attention(shape))
        task = Task(module, load_platform(platform), Budget(None))
        least, *_ = ProblemEvaluator(task).least_memories()
        scores = shape.heads * shape.tokens**2
        alone, fused = least.layer_by_layer or 0, least.fused or 0
        print(f"| {shape} | {scores} | {alone} | {fused} | {alone / max(fused, 1):.2f}x |", flush=True)


def weights(shapes: Sequence[Shape], platform: str) -> None:
    """The shortest latency with plain and with fused weights, on the cores and on all engines."""
    print("| tokens,width,heads,depth | engines | plain ms | fused ms | faster by |\n|---|---|---|---|---|")
    for shape in shapes:
        plain = attention(shape)
        fused, found = fuse_attention_weights(plain)
        for engines, pins in (("cluster", (Pin("*", "engine", "cluster"),)), ("all", ())):
            before = latency_ms(imported(plain), platform, pins)
            if not found:
                print(f"| {shape} | {engines} | {before:.3f} | not offered | |", flush=True)
                continue
            after = latency_ms(imported(fused), platform, pins)
            print(f"| {shape} | {engines} | {before:.3f} | {after:.3f} | {before / after:.2f}x |", flush=True)


def imported(model: onnx.ModelProto) -> Module:
    """The quantised network of a float model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attention.onnx"
        onnx.save(model, path)
        return load(path)


def latency_ms(module: Module, platform: str, pins: tuple[Pin, ...]) -> float:
    """The shortest latency that a search finds without a cap on memory."""
    chip = load_platform(platform)
    task = Task(module, chip, Budget(None), pins=pins, objectives=("latency", "memory"))
    found = explore_task(task, SearchOptions(trials=TRIALS, seed=0), refining=None)
    assert isinstance(found, tuple)
    return min(point.latency_ms for point in found[0].points)


if __name__ == "__main__":
    main()
