"""Memory maps: which buffer lies where in a level, and from which step to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from compiler.deployment import LEVELS, Deployment, PlacedBuffer
from dse.report.svg import Scale, element, line, picture, round_values, short, text

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 900, 62, 10, 8, 34
KINDS = {
    "t": "activation",
    "p": "parameters",
    "w": "weights",
    "q": "requantisation tables",
    "s": "tile slot",
    "g": "stage between L3 and L1",
    "f": "rows of a fused tensor",
    "h": "parameters held for a segment",
    "b": "parameter block of a segment",
}


@dataclass(frozen=True)
class LevelMap:
    """A level's map. peak_bytes: highest byte used; capacity_bytes: of the platform, None if it has none."""

    level: str
    peak_bytes: int
    capacity_bytes: int | None
    drawing: Markup


def memory_maps(deployment: Deployment, capacities: dict[str, int]) -> tuple[LevelMap, ...]:
    """Maps of all levels that the deployment uses."""
    maps = []
    for level in LEVELS:
        buffers = [buffer for buffer in deployment.buffers if buffer.level == level and buffer.bytes]
        if buffers:
            peak = deployment.peak_bytes(level)
            drawing = _drawing(buffers, peak, len(deployment.plans))
            maps.append(LevelMap(level, peak, capacities.get(level), drawing))
    return tuple(maps)


def _drawing(buffers: Sequence[PlacedBuffer], peak: int, steps: int) -> Markup:
    height = 200 if len(buffers) > 3 else 90
    x = Scale(0, steps, LEFT, WIDTH - RIGHT)
    y = Scale(0, peak, height - BOTTOM, TOP)
    shapes = [_block(buffer, x, y) for buffer in buffers]
    for tick in y.ticks(4):
        shapes += [
            line(LEFT - 4, y(tick), LEFT, y(tick), "tickline"),
            text(LEFT - 8, y(tick) + 4, short(tick), anchor="end"),
        ]
    for step in round_values(0, max(0, steps - 1), 12):
        if step == int(step):
            shapes.append(text(x(step + 0.5), height - BOTTOM + 15, f"{step:g}"))
    shapes.append(text((LEFT + WIDTH - RIGHT) / 2, height - 4, "step (layer)", "axis"))
    shapes.append(line(LEFT, height - BOTTOM, WIDTH - RIGHT, height - BOTTOM, "tickline"))
    return picture(WIDTH, height, shapes, "buffers over steps (across) and addresses (up)")


def _block(buffer: PlacedBuffer, x: Scale, y: Scale) -> Markup:
    left, right = x(buffer.first), x(buffer.last)
    top, bottom = y(buffer.offset + buffer.bytes), y(buffer.offset)
    kind = buffer.name[:1] if buffer.name[1:2] == "/" and buffer.name[:1] in KINDS else "t"
    end = buffer.offset + buffer.bytes
    where = f"at [{buffer.offset}, {end}), steps [{buffer.first}, {buffer.last})"
    words = f"{buffer.name}: {KINDS[kind]}, {buffer.bytes} B {where}"
    block = element(
        "rect",
        element("title", words),
        x=left,
        y=top,
        width=round(max(0.5, right - left), 2),
        height=round(max(0.5, bottom - top), 2),
        class_=f"b-{kind}",
    )
    name = buffer.name[2:]
    if bottom - top < 12 or right - left < 6.2 * len(name) + 6:
        return block
    return Markup("").join((block, text((left + right) / 2, (top + bottom) / 2 + 4, name, "inside")))
