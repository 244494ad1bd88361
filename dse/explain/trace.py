"""The predicted timeline as Chrome trace events, which ui.perfetto.dev and chrome://tracing open.

Format: "Trace Event Format" (JSON object form): complete events (ph "X") with ts and dur in microseconds on
one thread (tid) for each resource, metadata events (ph "M") that name them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from costmodels.anatomy import CORE, Anatomy
from costmodels.blame import total_cycles
from costmodels.platform import Platform
from costmodels.prefetch import LINK, Placed, timetable
from costmodels.timeline import WAIT_CYCLES, Event, events
from dse.explain.layer import LayerExplanation, bound_text
from dse.explain.network import Explainer
from dse.points import DesignPoint, LayerEstimate

Plain = dict[str, Any]
LAYERS = "layers"
DEFAULT_TILES = 64
"""Tiles of a layer that are drawn one by one, unless more are asked for."""


def trace_document(explainer: Explainer, point: DesignPoint, tiles: int = DEFAULT_TILES) -> Plain:
    """The trace of a point. tiles: of each layer that are drawn one by one.

    Times are whole nanoseconds, the resolution of the viewers, so that neighbours stay neighbours; `args`
    hold the exact cycles. The last event ends at the point's latency.
    """
    platform, point = explainer.platform, explainer.priced(point)
    explanation = explainer.explain(point)
    clock_hz = platform.reference_hz(platform.point(point.deployment.operating_point))
    tracks = tracks_of(platform)
    rows: list[Plain] = [_name("process_name", 0, f"{point.deployment.model} on {platform.name}")]
    for tid, title in enumerate(tracks.values()):
        rows += [_name("thread_name", tid, title), _metadata("thread_sort_index", tid, {"sort_index": tid})]
    tids = {track: tid for tid, track in enumerate(tracks)}
    at = 0.0
    apart, placed = explainer.apart(point), timetable(explainer.spans(point))
    for number, (pieces, layer, when) in enumerate(zip(apart, point.layers, placed, strict=True)):
        rows.append(_layer_row(platform, layer, explanation.layers[number], at, clock_hz))
        drawn = _moved(events(pieces.anatomy, tiles), pieces.anatomy, when)
        for event in (*drawn, *_prefetches(point, number, when)):
            rows += _rows(event, tids, at, clock_hz)
        at += layer.cycles
    other = {"reference_clock_hz": clock_hz, "latency_cycles": point.latency_cycles, "tiles_drawn": tiles}
    return {"traceEvents": rows, "displayTimeUnit": "ns", "otherData": other}


def tracks_of(platform: Platform) -> Mapping[str, str]:
    """Tracks in the order from the top, with their titles: layers, core, engines, links."""
    links = {
        link.name: f"{'DMA' if link.asynchronous else 'copies'} {link.name.replace('_', ' to ')}"
        for link in platform.links
    }
    engines = {engine.name: engine.name for engine in platform.engines}
    return {LAYERS: LAYERS, CORE: "core: set-up, driving, waiting", **engines, **links}


def _moved(drawn: Iterable[Event], anatomy: Anatomy, when: Placed) -> Iterator[Event]:
    """A layer's events where its parts begin, and its waits for prefetches."""
    before = sum(cycles for _, cycles in anatomy.before)
    loop_end = total_cycles(anatomy) - sum(cycles for _, cycles in anatomy.after)
    issued = max((copy.released for copy in when.copies), default=when.before + before)
    for name, start, end in (
        ("wait for prefetched parameters", 0.0, when.before),
        ("wait for the link of a prefetch", issued, when.loop),
        ("wait for the link of a prefetch", when.loop + loop_end - before, when.after),
    ):
        if end - start > WAIT_CYCLES:
            yield Event(CORE, "wait", name, -1, start, end)
    for event in drawn:
        shift = when.loop - before
        if event.kind == "stage":
            shift = when.before if event.end <= before + WAIT_CYCLES else when.after - loop_end
        yield replace(event, start=event.start + shift, end=event.end + shift)


def _prefetches(point: DesignPoint, number: int, when: Placed) -> Iterator[Event]:
    """The copies that a layer starts for later ones."""
    for copy in when.copies:
        name = f"parameters of {point.layers[number + copy.distance].name}"
        yield Event(CORE, "issue", f"start {name}", -1, copy.issued, copy.released)
        yield Event(LINK, "prefetch", name, -1, copy.begins, copy.ends)


def _layer_row(
    platform: Platform, layer: LayerEstimate, why: LayerExplanation, at: float, clock_hz: float
) -> Plain:
    arguments: Plain = {
        "engine": layer.engine,
        "tile": layer.tile,
        "tiles": layer.calls,
        "buffers": layer.buffering,
        "homes": layer.homes,
        "cycles": why.cycles,
        "bound by": bound_text(platform, why.bound_by),
        **why.by_cause,
    }
    return _complete(
        layer.name, layer.kind, 0, _ns(at, clock_hz), _ns(at + layer.cycles, clock_hz), arguments
    )


def _rows(event: Event, tids: Mapping[str, int], at: float, clock_hz: float) -> Sequence[Plain]:
    """An event; none where it is shorter than half a nanosecond."""
    start, end = _ns(at + event.start, clock_hz), _ns(at + event.end, clock_hz)
    if end <= start:
        return ()
    arguments: Plain = {"cycles": round(event.end - event.start, 3)}
    if event.tile >= 0:
        arguments["tile"] = event.tile
    return (_complete(event.name, event.kind, tids[event.track], start, end, arguments),)


def _ns(cycles: float, clock_hz: float) -> int:
    """Thousandths of cycles first: two sums of one moment must not part at half a nanosecond."""
    return round(round(cycles, 3) / clock_hz * 1e9)


def _complete(name: str, category: str, tid: int, start_ns: int, end_ns: int, arguments: Plain) -> Plain:
    times = {"ts": start_ns / 1e3, "dur": (end_ns - start_ns) / 1e3}
    return {"name": name, "cat": category, "ph": "X", "pid": 0, "tid": tid, **times, "args": arguments}


def _name(what: str, tid: int, name: str) -> Plain:
    return _metadata(what, tid, {"name": name})


def _metadata(what: str, tid: int, arguments: Plain) -> Plain:
    return {"name": what, "ph": "M", "pid": 0, "tid": tid, "args": arguments}


def write_trace(path: Path, document: Plain) -> None:
    """One event a line."""
    head = {key: value for key, value in document.items() if key != "traceEvents"}
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in document["traceEvents"])
    text = json.dumps(head, separators=(",", ":"))
    path.write_text(f'{text[:-1]},"traceEvents":[\n{rows}\n]}}\n', encoding="utf-8")
