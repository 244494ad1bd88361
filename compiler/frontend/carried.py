"""A float model that carries the quantisation of its values, so that it is imported again as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import onnx

from compiler.frontend.errors import ModelError
from compiler.frontend.steps import Net, Quant
from compiler.ir import IntType

KEY = "dse.quantisation"
"""The entry of the model's metadata."""


@dataclass(frozen=True)
class Carried:
    """Quantisations by name of the simplified net's values; grows: whether caches grow by the row.

    cache_rows: outputs that are rows of another graph's caches, as `Net.cache_rows`.
    """

    quants: Mapping[str, Quant]
    grows: bool
    cache_rows: frozenset[str] = frozenset()

    def on(self, net: Net) -> Net:
        """`net`, simplified, with these quantisations. Raises ModelError where it lacks such a value."""
        missing = sorted(self.quants.keys() - net.values.keys())
        if missing:
            raise ModelError(f"{net.name}: {KEY} speaks of {missing[0]}, which the model has not")
        values = {name: replace(v, quant=self.quants.get(name, v.quant)) for name, v in net.values.items()}
        return replace(net, values=values, cache_rows=self.cache_rows)


def carrying(model: onnx.ModelProto, net: Net, grows: bool) -> onnx.ModelProto:
    """A copy of `model` that carries the quantisations of `net`, which was read from it and simplified."""
    quants = {name: value.quant for name, value in net.values.items() if value.quant is not None}
    rows = {name: [quant.scale, quant.zero_point, quant.dtype.value] for name, quant in quants.items()}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    handed = {"cache_rows": sorted(net.cache_rows)} if net.cache_rows else {}
    text = json.dumps({"grows": grows, "values": rows, **handed}, sort_keys=True)
    copy.metadata_props.append(onnx.StringStringEntryProto(key=KEY, value=text))
    return copy


def carried(model: onnx.ModelProto, name: str) -> Carried | None:
    """What `model` carries, if it does. Raises ModelError where that cannot be read."""
    text = next((entry.value for entry in model.metadata_props if entry.key == KEY), None)
    if text is None:
        return None
    try:
        data = json.loads(text)
        rows = {str(key): _quant(*row) for key, row in data["values"].items()}
        return Carried(rows, bool(data["grows"]), frozenset(map(str, data.get("cache_rows", ()))))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ModelError(f"{name}: {KEY} cannot be read ({error})") from error


def _quant(scale: float, zero_point: int, dtype: str) -> Quant:
    quant = Quant(float(scale), int(zero_point), IntType(dtype))
    if not 0 < quant.scale < float("inf") or not quant.dtype.low <= zero_point <= quant.dtype.high:
        raise ValueError(f"scale {scale}, zero point {zero_point} of {dtype}")
    return quant
