"""Scales, ticks and shapes for inline SVG. Colours are CSS classes, so that dark mode works."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Scale:
    """Maps [low, high] of data to [start, end] of pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, count: int = 5) -> tuple[float, ...]:
        """About `count` round values inside [low, high]."""
        return round_values(self.low, self.high, count)


@dataclass(frozen=True)
class LogScale:
    """Maps [low, high] of positive data to [start, end] of pixels, equal ratios to equal distances."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self) -> tuple[float, ...]:
        """Powers of ten inside [low, high], with 2 and 5 times them where there are few."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        factors = (1, 2, 5) if last - first < 4 else (1,)
        values = (factor * 10.0**power for power in range(first, last + 1) for factor in factors)
        return tuple(value for value in values if self.low <= value <= self.high)


def round_values(low: float, high: float, count: int) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten in [low, high], about `count` of them."""
    if not high > low:
        return (low,)
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if raw <= power * factor * (1 + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(k * step for k in range(first, last + 1))


def padded(values: list[float], margin: float = 0.06) -> tuple[float, float]:
    """A range with room around the values."""
    low, high = min(values), max(values)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return max(0.0, low - room) if low >= 0 else low - room, high + room


def element(name: str, content: str | Markup = "", **attributes: object) -> Markup:
    """`<name ...>content</name>`; attribute names: `_` becomes `-`, a trailing one goes (class_)."""
    pairs = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{pairs}>{escape(content)}</{name}>") if content else Markup(f"<{name}{pairs}/>")


def text(x: float, y: float, content: str, class_: str = "tick", anchor: str = "middle") -> Markup:
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def picture(width: float, height: float, shapes: list[Markup], label: str) -> Markup:
    """A whole drawing that scales with its place; `label` is what a screen reader says."""
    return element(
        "svg",
        Markup("").join(shapes),
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
    )


def short(value: float) -> str:
    """Three significant digits without an exponent where that is short: 0.0123, 4.57, 12.3k, 1.05M."""
    for factor, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= factor:
            return f"{value / (factor if suffix != 'k' else 1e3):.3g}{suffix}"
    return f"{value:.4g}" if abs(value) >= 1000 else f"{value:.3g}"
