"""A point's roofline: MACs a cycle over MACs a byte, both logarithmic, a dot for every layer and link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from costmodels.platform import Platform
from dse.explain.layer import LayerExplanation
from dse.explain.roofline import LinkRoof, Roofline
from dse.report.svg import LogScale, element, line, picture, short, text

WIDTH, HEIGHT = 900, 360
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 44
ROOM = 1.6
"""Factor between the extreme values and the frame."""


def roofline_chart(platform: Platform, layers: Sequence[LayerExplanation]) -> Markup | None:
    """The drawing; None where no layer has MACs. Layers that move nothing stand at the right edge."""
    drawn = [(layer.name, layer.roofline) for layer in layers if layer.roofline is not None]
    if not drawn:
        return None
    across = [roof.macs_per_byte for _, of in drawn for roof in of.links] or [1.0]
    rates = [of.macs_per_cycle for _, of in drawn]
    peaks = _peaks([of for _, of in drawn])
    x = LogScale(min(across) / ROOM, max(across) * ROOM, LEFT, WIDTH - RIGHT)
    y = LogScale(min(rates) / ROOM, max(peaks.values()) * ROOM, HEIGHT - BOTTOM, TOP)
    shapes = [*_axes(x, y), *_ceilings(x, y, peaks, [roof for _, of in drawn for roof in of.links])]
    for name, of in drawn:
        shapes += _dots(platform, name, of, x, y)
    return picture(WIDTH, HEIGHT, shapes, "MACs a cycle over MACs for every byte moved")


def _peaks(rooflines: Sequence[Roofline]) -> dict[str, float]:
    """The highest ceiling of every engine."""
    peaks: dict[str, float] = {}
    for of in rooflines:
        peaks[of.engine] = max(peaks.get(of.engine, 0.0), of.peak_macs_per_cycle)
    return peaks


def _axes(x: LogScale, y: LogScale) -> Iterator[Markup]:
    bottom = HEIGHT - BOTTOM
    for tick in x.ticks():
        yield line(x(tick), TOP, x(tick), bottom, "grid")
        yield text(x(tick), bottom + 16, short(tick))
    for tick in y.ticks():
        yield line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid")
        yield text(LEFT - 7, y(tick) + 4, short(tick), anchor="end")
    yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "MAC for every byte moved over the link", "axis")
    middle = (TOP + bottom) / 2
    turned = {"x": 14, "y": middle, "class_": "axis", "text_anchor": "middle"}
    yield element("text", "MAC a cycle", transform=f"rotate(-90 14 {middle:g})", **turned)


def _ceilings(
    x: LogScale, y: LogScale, peaks: dict[str, float], roofs: Sequence[LinkRoof]
) -> Iterator[Markup]:
    """A level line for every engine, a slanted one for every bandwidth, cut where they leave the frame."""
    for engine, peak in peaks.items():
        yield line(LEFT, y(peak), WIDTH - RIGHT, y(peak), "roof")
        yield text(WIDTH - RIGHT - 4, y(peak) - 5, f"{engine}: {short(peak)} MAC a cycle", "tick", "end")
    for rate, names in _bandwidths(roofs).items():
        start, end = max(x.low, y.low / rate), min(x.high, max(peaks.values()) / rate)
        if start < end:
            yield line(x(start), y(start * rate), x(end), y(end * rate), "roof")
            label = f"{', '.join(names)}: {short(rate)} B a cycle"
            below = min(y(start * rate) + 8, HEIGHT - BOTTOM - 4)
            yield text(x(start) + 26, below, label, "tick", "start")


def _bandwidths(roofs: Sequence[LinkRoof]) -> dict[float, tuple[str, ...]]:
    """Links by their bandwidth."""
    found: dict[float, tuple[str, ...]] = {}
    for roof in roofs:
        names = found.get(roof.bytes_per_cycle, ())
        found[roof.bytes_per_cycle] = names if roof.link in names else (*names, roof.link)
    return found


def _dots(platform: Platform, name: str, of: Roofline, x: LogScale, y: LogScale) -> Iterator[Markup]:
    rates = f"{of.macs_per_cycle:.3g} MAC a cycle on {of.engine}, at most {of.peak_macs_per_cycle:.3g}"
    if not of.links:
        title = element("title", f"{name}: {rates}; moves nothing")
        yield element("circle", title, cx=WIDTH - RIGHT, cy=y(of.macs_per_cycle), r=4.5, class_="r-none")
    for roof in of.links:
        words = f"{name}: {rates}; {roof.macs_per_byte:.3g} MAC for every byte of {roof.link}, "
        title = element("title", f"{words}which allows {roof.macs_per_cycle:.3g} MAC a cycle")
        link = platform.link_of[roof.link]
        off = not (platform.level_of[link.from_level].on_chip and platform.level_of[link.to_level].on_chip)
        where = {"cx": x(roof.macs_per_byte), "cy": y(of.macs_per_cycle)}
        yield element("circle", title, r=4.5, class_="r-off" if off else "r-on", **where)
