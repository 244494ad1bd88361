"""From an ONNX file to a module of one integer graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import onnx

from compiler.frontend import source as files
from compiler.frontend.binding import Binding
from compiler.frontend.calibrated import calibrated, reads_tokens, vocabulary
from compiler.frontend.calibration import (
    SYNTHETIC_SAMPLES,
    Samples,
    check_indices,
    load_samples,
    sample_notes,
    synthetic_samples,
)
from compiler.frontend.carried import carried, carrying
from compiler.frontend.complete import complete
from compiler.frontend.decode import growing, handed_over, has_caches, with_scales_of
from compiler.frontend.dialect import declared, is_dialect, read_net
from compiler.frontend.emit import emit
from compiler.frontend.errors import Finding, ModelError, Refused, raise_findings
from compiler.frontend.fused_attention import attentions_to_fuse
from compiler.frontend.integer_inputs import input_quants
from compiler.frontend.operators import HANDLERS
from compiler.frontend.quantise import is_float, quantise
from compiler.frontend.reader import Reader
from compiler.frontend.simplify import insides, simplify
from compiler.frontend.source import Port, Source
from compiler.frontend.steps import Net
from compiler.frontend.support import check
from compiler.ir import Module
from compiler.schedule.order import least_live_order
from compiler.schedule.pair import Cache, Shared, shared_layers


@dataclass(frozen=True)
class Imported:
    """A module and what ties it to the model it came from.

    bindings: by graph tensor, the ONNX tensor whose codes it holds, where there is one. inputs, outputs:
    those of the graph's inputs, and of the model's outputs in their order. qdq: the QDQ model that was
    imported (for a float model what the quantiser made), serialised.
    """

    module: Module
    bindings: Mapping[str, Binding]
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    qdq: bytes


def load(path: Path | str, *, calibration: Path | str | None = None, seed: int = 0) -> Module:
    """Import an ONNX file: QDQ and the integer dialect as they are, float after static quantisation.

    calibration: an .npz with an array for each input. Float models are quantised with it; without it they
    are quantised from synthetic data of `seed`, which a note says. Where the dialect leaves the integer
    types of inputs open, it tells them. Raises ModelError.
    """
    return import_model(path, calibration=calibration, seed=seed).module


def import_model(
    path: Path | str,
    *,
    calibration: Path | str | None = None,
    seed: int = 0,
    prefill: Path | str | None = None,
) -> Imported:
    """Like `load`, with the bindings between graph and model.

    prefill: the model is the decode graph of this prefill graph: calibration is for that one, whose scales it
    gets, and its caches grow by the row (compiler.frontend.decode).
    """
    file = Path(path)
    data = files.read_bytes(file)
    model = files.parse(data, file)
    if prefill is not None:
        return _decoding(model, data, file, Path(prefill), calibration, seed)
    if is_dialect(model):
        model, notes = declared(model, None if calibration is None else Path(calibration), file.name)
        return _imported(read_net(model, file.name), notes, files.digest(data), model, file)
    if (given := carried(model, file.name)) is not None:
        net, source = _read(model, file.name)
        return _language_model(given.on(simplify(net)), given.grows, source.notes, model, file, data)
    return _ordinary(model, data, file, calibration, seed)


def _decoding(
    model: onnx.ModelProto,
    data: bytes,
    file: Path,
    prefill: Path,
    calibration: Path | str | None,
    seed: int,
) -> Imported:
    """A decode graph with the scales of the prefill graph."""
    given = _Begun.read(model, file, prefill, calibration, seed)
    return given.decoding(model, data, file)


@dataclass(frozen=True)
class _Begun:
    """A calibrated prefill graph: its file, what was read, its quantised net, notes."""

    file: Path
    data: bytes
    model: onnx.ModelProto
    net: Net
    notes: tuple[str, ...]

    @classmethod
    def read(
        cls, decode: onnx.ModelProto, file: Path, prefill: Path, calibration: Path | str | None, seed: int
    ) -> _Begun:
        """Calibrate `prefill`. Raises ModelError where one of the two is no float language model."""
        data = files.read_bytes(prefill)
        first = files.parse(data, prefill)
        net, _ = _read(first, prefill.name)
        if is_dialect(decode) or not is_float(decode) or not is_float(first) or not reads_tokens(net):
            raise ModelError(f"{file.name}, {prefill.name}: not the float graphs of a language model")
        if has_caches(simplify(net)):
            raise ModelError(f"{prefill.name} reads caches: a prefill graph does not, and is named first")
        quantised, notes = _calibrated(first, net, prefill, calibration, seed)
        return cls(prefill, data, first, quantised, notes)

    @property
    def imported(self) -> Imported:
        return _language_model(self.net, False, self.notes, self.model, self.file, self.data)

    def decoding(self, model: onnx.ModelProto, data: bytes, file: Path) -> Imported:
        """The decode graph `model` with the scales of this one."""
        decode, source = _read(model, file.name)
        net = with_scales_of(simplify(decode), self.net)
        return _language_model(net, True, (*source.notes, *self.notes), model, file, data)


@dataclass(frozen=True)
class ImportedPair:
    """Both graphs of a language model, and what they share."""

    prefill: Imported
    decode: Imported
    shared: Shared


def import_pair(
    prefill: Path | str, decode: Path | str, *, calibration: Path | str | None = None, seed: int = 0
) -> ImportedPair:
    """The prefill and the decode graph of a float language model with the same scales.

    calibration: for the prefill graph. Raises ModelError, also where the two are not of one model, or a cache
    of decode is nothing that prefill returns.
    """
    first, second = Path(prefill), Path(decode)
    data = files.read_bytes(second)
    model = files.parse(data, second)
    begun = _Begun.read(model, second, first, calibration, seed)
    caches = handed_over(simplify(_read(model, second.name)[0]), begun.net)
    begun = replace(begun, net=replace(begun.net, cache_rows=frozenset(rows for rows, _ in caches)))
    found, other = begun.imported, begun.decoding(model, data, second)
    both = tuple(_cache(names, found, other, first.name) for names in caches)
    layers = shared_layers(found.module.main, other.module.main)
    return ImportedPair(found, other, Shared(layers, both))


def _cache(names: tuple[str, str], prefill: Imported, decode: Imported, file: str) -> Cache:
    """The tensors of a cache. names: ONNX names of prefill's rows and of decode's past.

    Raises ModelError where the rows are no rows of the cache.
    """
    rows = next(each for each in prefill.outputs if each.onnx == names[0])
    past = next(each for each in decode.inputs if each.onnx == names[1])
    (_, count, *row), (_, capacity, *own) = rows.stored_shape, past.stored_shape
    if row != own or count > capacity:
        raise ModelError(
            f"{file}: {rows.onnx} of shape {rows.shape} does not fit into cache {past.onnx} of {past.shape}"
        )
    return Cache(rows.tensor, past.tensor, count, capacity)


def _language_model(
    net: Net, grows: bool, notes: tuple[str, ...], model: onnx.ModelProto, file: Path, data: bytes
) -> Imported:
    """A net that is simplified and quantised, and carries that; grows: its caches do, by the row."""
    quantised = replace(net, notes=())  # one note for each layer's weights says nothing here
    completed, findings = complete(growing(quantised) if grows else quantised)
    raise_findings(file.name, findings)
    carrier = model if carried(model, file.name) is not None else carrying(model, net, grows)
    return _imported(completed, notes, files.digest(data), carrier, file)


def _calibrated(
    model: onnx.ModelProto, net: Net, file: Path, calibration: Path | str | None, seed: int
) -> tuple[Net, tuple[str, ...]]:
    """A float language model's net, simplified and quantised, and notes."""
    source = files.read(model, file.name)
    samples, notes = _samples(source.inputs, file.name, calibration, seed, vocabulary(net))
    return calibrated(simplify(net), model, source.inputs, samples), (*source.notes, *notes)


def _ordinary(
    model: onnx.ModelProto, data: bytes, file: Path, calibration: Path | str | None, seed: int
) -> Imported:
    """A QDQ or float model."""
    net, source = _read(model, file.name)
    notes: tuple[str, ...] = ()
    if reads_tokens(net):
        net, notes = _calibrated(model, net, file, calibration, seed)
        return _language_model(net, False, notes, model, file, data)
    if is_float(model):
        offers = [f"fused weights save: {found.text} (dse rewrite)" for found in attentions_to_fuse(model)]
        model, warnings = _quantised(model, source.inputs, file.name, (calibration, seed), insides(net))
        notes = (*source.notes, *warnings, *offers)
        net, _ = _read(model, file.name)
    completed, findings = complete(simplify(net))
    raise_findings(file.name, findings)
    return _imported(completed, notes, files.digest(data), model, file)


def _quantised(
    model: onnx.ModelProto,
    ports: tuple[Port, ...],
    name: str,
    data: tuple[Path | str | None, int],
    inside: frozenset[str],
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The QDQ form of a float model, and notes; data: calibration file, and the seed where that is None."""
    for port in ports:
        if port.element != onnx.TensorProto.FLOAT:
            raise ModelError(f"{name}: input {port.name} of a float model is not float32")
    samples, notes = _samples(ports, name, *data)
    return quantise(model, ports, samples, name, inside), notes


def _samples(
    ports: tuple[Port, ...],
    name: str,
    calibration: Path | str | None,
    seed: int,
    indices: Mapping[str, int] = MappingProxyType({}),
) -> tuple[Samples, tuple[str, ...]]:
    """The samples of a file or synthetic ones, and notes; indices: extents of what inputs are indices of."""
    if calibration is not None:
        samples = load_samples(Path(calibration), ports)
        check_indices(Path(calibration), samples, indices)
        return samples, sample_notes(Path(calibration), samples)
    note = (
        f"{name}: a float model without calibration data: quantised from {SYNTHETIC_SAMPLES} synthetic "
        f"samples (seed {seed}); its accuracy means nothing. Pass --calibration data.npz"
    )
    return synthetic_samples(ports, seed, indices), (note,)


def _read(model: onnx.ModelProto, name: str) -> tuple[Net, Source]:
    """The net of `model`; raises ModelError with everything in it that is not supported."""
    source = files.read(model, name)
    known = tuple(check(source.nodes, (port.name for port in source.inputs)))
    refused = {finding.node for finding in known}
    reader = Reader(source, input_quants(source))
    reader.read(source.nodes, HANDLERS, refused)
    net = reader.net(name, source.outputs)
    raise_findings(name, (*known, *reader.findings))
    return net, source


def _imported(net: Net, notes: tuple[str, ...], sha256: str, model: onnx.ModelProto, file: Path) -> Imported:
    emitter, findings = emit(net)
    raise_findings(file.name, findings)
    try:
        graph, bindings, outputs = emitter.finish("main")
    except Refused as error:
        raise_findings(file.name, (Finding("graph", "output", error.attribute, error.why, error.supported),))
        raise
    if not graph.operators:
        raise ModelError(f"{file.name}: the model computes nothing")
    module = Module(
        file.stem,
        sha256,
        (least_live_order(graph),),
        tuple(dict.fromkeys((*notes, *net.notes, *emitter.notes))),
    )
    return Imported(
        module, MappingProxyType(dict(bindings)), emitter.inputs, outputs, model.SerializeToString()
    )
