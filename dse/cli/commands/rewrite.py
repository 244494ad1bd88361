"""`dse rewrite`: the ONNX file of a float model in which fused weights of attention save multiplications."""

from __future__ import annotations

from argparse import Namespace

from compiler.frontend.fused_attention import fuse_attention_weights
from compiler.frontend.quantise import is_float
from compiler.frontend.source import parse, read_bytes
from dse.cli.errors import UsageError
from dse.cli.terminal import Terminal


def main(arguments: Namespace) -> int:
    """Write the model anew, and say what was fused; an error where nothing is gained."""
    model = parse(read_bytes(arguments.model), arguments.model)
    if not is_float(model):
        raise UsageError(f"{arguments.model}: quantised weights cannot be fused, only those of a float model")
    fused, found = fuse_attention_weights(model)
    if not found:
        raise UsageError(f"{arguments.model}: no attention in it whose fused weights save multiplications")
    try:
        arguments.out.write_bytes(fused.SerializeToString())
    except OSError as error:
        raise UsageError(f"{arguments.out}: cannot be written: {error.strerror}") from error
    terminal = Terminal.of()
    for each in found:
        terminal.say(each.text)
    return 0
