"""Taking roundings out of a QDQ model where a pattern must stay whole."""

from __future__ import annotations

import onnx

SUFFIX = "_quantized"
"""What onnxruntime's quantiser appends to the name of a constant that it quantised."""


def unrounded(model: onnx.ModelProto, origin: onnx.ModelProto, names: frozenset[str]) -> onnx.ModelProto:
    """`model` without the QuantizeLinear and DequantizeLinear on the activations `names`.

    Constants beside them are those of the float model `origin` again. Edits `model`.
    """
    if not names:
        return model
    makers = {output: node for node in model.graph.node for output in node.output}
    reals = {tensor.name: tensor for tensor in origin.graph.initializer}
    real_constants: set[str] = set()

    def before(name: str, beside: bool) -> str:
        """What a node reads instead of `name`."""
        maker = makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return name
        codes = maker.input[0]
        rounding = makers.get(codes)
        if rounding is not None and rounding.op_type == "QuantizeLinear" and rounding.input[0] in names:
            return str(rounding.input[0])
        constant = codes.removesuffix(SUFFIX)
        if beside and rounding is None and constant in reals:
            real_constants.add(constant)
            return str(constant)
        return name

    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        inputs = [before(name, False) for name in node.input]
        beside = not names.isdisjoint((*inputs, *node.output))
        node.input[:] = [before(name, beside) for name in node.input]
    present = {tensor.name for tensor in model.graph.initializer}
    model.graph.initializer.extend(reals[name] for name in sorted(real_constants - present))
    return model
