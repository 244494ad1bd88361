"""The front as scatter plots, one for every pair of objectives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dse.points import Bound, DesignPoint
from dse.report.svg import Scale, element, line, padded, picture, short, text

WIDTH, HEIGHT = 420, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 44
PAIRS = (("latency", "energy"), ("latency", "memory"), ("memory", "energy"))
TITLES = {"latency": "latency [ms]", "energy": "energy [µJ]", "memory": "on-chip memory [kB]"}


@dataclass(frozen=True)
class Dot:
    """A point to draw. `listed`: in front.json."""

    id: str
    point: DesignPoint
    listed: bool
    knee: bool


def value(point: DesignPoint | Bound, objective: str) -> float:
    """The objective in the units of `TITLES`."""
    if objective == "latency":
        return point.latency_ms
    return point.energy_uj if objective == "energy" else point.memory_bytes / 1000


def scatters(dots: Sequence[Dot]) -> tuple[Markup, ...]:
    """One drawing for every pair; each point says its figures when the mouse rests on it."""
    return tuple(_scatter(dots, across, up) for across, up in PAIRS)


def _scatter(dots: Sequence[Dot], across: str, up: str) -> Markup:
    xs = [value(dot.point, across) for dot in dots]
    ys = [value(dot.point, up) for dot in dots]
    x = Scale(*padded(xs), LEFT, WIDTH - RIGHT)
    y = Scale(*padded(ys), HEIGHT - BOTTOM, TOP)
    shapes = axes(x, y, TITLES[across], TITLES[up])
    behind_first = sorted(dots, key=lambda dot: (dot.listed, dot.knee))
    shapes += [_dot(dot, x(value(dot.point, across)), y(value(dot.point, up))) for dot in behind_first]
    return picture(WIDTH, HEIGHT, shapes, f"{TITLES[up]} over {TITLES[across]}")


def axes(x: Scale, y: Scale, across: str, up: str) -> list[Markup]:
    """Grid, ticks and titles of a drawing of WIDTH by HEIGHT."""
    bottom = HEIGHT - BOTTOM
    shapes = []
    for tick in x.ticks():
        shapes += [line(x(tick), TOP, x(tick), bottom, "grid"), text(x(tick), bottom + 16, short(tick))]
    for tick in y.ticks():
        shapes += [line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid")]
        shapes += [text(LEFT - 7, y(tick) + 4, short(tick), anchor="end")]
    shapes.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across, "axis"))
    middle = (TOP + bottom) / 2
    turned = {"x": 14, "y": middle, "class_": "axis", "text_anchor": "middle"}
    shapes.append(element("text", up, transform=f"rotate(-90 14 {middle:g})", **turned))
    return shapes


def _dot(dot: Dot, x: float, y: float) -> Markup:
    point = dot.point
    figures = f"{point.latency_ms:.4g} ms, {point.energy_uj:.4g} µJ, {point.memory_bytes} B"
    title = element("title", f"{dot.id}{' (knee)' if dot.knee else ''}: {figures}")
    if not dot.listed:
        return element("circle", title, cx=x, cy=y, r=2.6, class_="met")
    circle = element(
        "circle", title, cx=x, cy=y, r=6.5 if dot.knee else 4.5, class_="knee" if dot.knee else "listed"
    )
    if not dot.knee:
        return circle
    right = x < WIDTH - RIGHT - 80
    label = text(x + (10 if right else -10), y - 8, f"{dot.id} knee", "mark", "start" if right else "end")
    return Markup("").join((circle, label))
