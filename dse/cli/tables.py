"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from compiler.deployment import LEVELS
from costmodels.facts import Fact
from costmodels.platform import Platform
from costmodels.provenance import WEAK
from dse.pairs import PairPoint
from dse.points import DesignPoint, LayerEstimate
from dse.verify import Link, Tally, Verification


def plain_table(*columns: str, left: Sequence[str] = ()) -> Table:
    """Right-aligned columns without a frame; those in `left` hold text."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    return table


def front_table(named: Sequence[tuple[str, DesignPoint]], knee_id: str, where: Sequence[str | None]) -> Table:
    """The front: figures, bytes by level, layers by engine, the knee, and where the C lies."""
    levels = [level for level in LEVELS if any(dict(point.peak_bytes).get(level) for _, point in named)]
    engines = sorted({engine for _, point in named for engine, _ in point.engines})
    points = sorted({point.deployment.operating_point for _, point in named})
    table = plain_table(
        "id",
        "latency ms",
        "energy uJ",
        "memory B",
        *levels,
        *engines,
        "point",
        "",
        "C",
        left=("point", "", "C"),
    )
    for (name, point), folder in zip(named, where, strict=True):
        peaks, layers = dict(point.peak_bytes), dict(point.engines)
        knee = name == knee_id
        table.add_row(
            name,
            f"{point.latency_ms:.4g}",
            f"{point.energy_uj:.4g}",
            str(point.memory_bytes),
            *(str(peaks.get(level, 0)) for level in levels),
            *(str(layers.get(engine, 0)) for engine in engines),
            point.deployment.operating_point if len(points) > 1 else "",
            "knee" if knee else "",
            folder or "",
            style="bold green" if knee else None,
        )
    return table


def pair_table(named: Sequence[tuple[str, PairPoint]], knee_id: str, where: Sequence[str | None]) -> Table:
    """The front of pairs: figures of a token, bytes by level of both together, the knee, where the C lies."""
    levels = [level for level in LEVELS if any(dict(point.peak_bytes).get(level) for _, point in named)]
    points = sorted({point.operating_point for _, point in named})
    figures = ("first token ms", "us/token", "token/s", "uJ/token", "memory B")
    table = plain_table("id", *figures, *levels, "point", "", "C", left=("point", "", "C"))
    for (name, point), folder in zip(named, where, strict=True):
        peaks = dict(point.peak_bytes)
        knee = name == knee_id
        table.add_row(
            name,
            f"{point.first_token_ms:.4g}",
            f"{point.token_ms * 1e3:.4g}",
            f"{point.tokens_per_s:.4g}",
            f"{point.token_uj:.4g}",
            str(point.memory_bytes),
            *(str(peaks.get(level, 0)) for level in levels),
            point.operating_point if len(points) > 1 else "",
            "knee" if knee else "",
            folder or "",
            style="bold green" if knee else None,
        )
    return table


def layer_table(layers: Sequence[LayerEstimate]) -> Table:
    """Vela's questions: where the time goes, what runs where, what it costs."""
    text = ("layer", "kind", "engine", "tile", "order", "homes")
    table = plain_table(
        "layer", "kind", "engine", "tile", "order", "buf", "homes", "cycles", "share", "uJ",
        "L1 B", left=text,
    )  # fmt: skip
    total = sum(layer.cycles for layer in layers) or 1.0
    for layer in layers:
        table.add_row(
            layer.name,
            layer.kind,
            layer.engine,
            layer.tile,
            layer.order,
            str(layer.buffering),
            layer.homes,
            f"{layer.cycles:.0f}",
            f"{100 * layer.cycles / total:.1f}%",
            f"{layer.energy_uj:.4g}",
            str(layer.l1_bytes),
        )
    return table


def verification_table(result: Verification) -> Table:
    """Predicted and counted, layer by layer; one number where they agree."""
    links = sorted({link for tally in result.prediction.tallies for link in tally.links})
    timed = ("cycles predicted", "measured", "error") if result.cycles_comparable else ()
    table = plain_table(
        "layer", "engine", "calls", "MACs", *(f"{link} n/lines/B" for link in links), *timed, "",
        left=("layer", "engine", ""),
    )  # fmt: skip
    rows = zip(result.prediction.layers, result.prediction.tallies, result.records.layers, strict=False)
    for (name, _, engine), predicted, counted in rows:
        cells = [_both(predicted.calls, counted.calls), _both(predicted.macs, counted.macs)]
        cells += [_both(_link(predicted, link), _link(counted, link)) for link in links]
        if timed:
            cells += _timing(predicted.cycles, counted.cycles)
        right = predicted.counts == counted.counts
        table.add_row(name, engine, *cells, "ok" if right else "WRONG", style=None if right else "bold red")
    return table


def _link(tally: Tally, name: str) -> str:
    link: Link = tally.links.get(name, (0, 0, 0))
    return "/".join(map(str, link)) if link[0] else "-"


def _both(predicted: object, counted: object) -> str:
    return str(counted) if predicted == counted else f"{predicted} predicted, {counted} counted"


def _timing(predicted: float, measured: float) -> list[str]:
    return [f"{predicted:.0f}", f"{measured:.0f}", relative_error(predicted, measured)]


def relative_error(predicted: float, measured: float) -> str:
    """Signed error of a prediction relative to what was measured."""
    return f"{100 * (predicted / measured - 1):+.1f}%" if measured else "-"


def platforms_table(platforms: Sequence[Platform]) -> Table:
    """One line for every platform."""
    table = plain_table(
        "name", "levels", "engines", "description", left=("name", "levels", "engines", "description")
    )
    for platform in platforms:
        levels = " ".join(f"{level.name}={level.capacity_bytes // 1024}KiB" for level in platform.levels)
        engines = ", ".join(engine.name for engine in platform.engines)
        table.add_row(platform.name, levels, engines, platform.description)
    return table


def facts_table(platform: Platform) -> Table:
    """Every number of a platform: how it is known, and from where."""
    return sourced_table((("", platform.facts),))


def sourced_table(groups: Sequence[tuple[str, Sequence[Fact]]]) -> Table:
    """Facts under their titles ("" for none), the weak ones marked."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("key", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("how", no_wrap=True)
    table.add_column("source", overflow="fold")
    for title, facts in groups:
        if title:
            table.add_row(Text(title, style="bold"))
        for fact in facts:
            how = Text(fact.how, style="yellow" if fact.how in WEAK else "")
            table.add_row(f"  {fact.key}" if title else fact.key, shown(fact.value), how, fact.source)
    return table


def shown(value: object) -> str:
    """A fact's value as text."""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
