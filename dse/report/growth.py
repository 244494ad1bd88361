"""How the search went: hypervolume over time, and which parameters mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dse.report.scatter import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axes
from dse.report.svg import Scale, element, padded, picture
from dse.search.history import Mark

Row = tuple[str, tuple[tuple[str, float], ...]]


def growth_plots(history: Sequence[Mark]) -> tuple[Markup, ...]:
    """Share of the last front's hypervolume over trials and over wall clock; none with a single batch."""
    if len(history) < 2:
        return ()
    trials = _plot(history, [float(mark.trials) for mark in history], "trials")
    return (trials, _plot(history, [mark.seconds for mark in history], "seconds"))


def _plot(history: Sequence[Mark], across: Sequence[float], title: str) -> Markup:
    """A step line: between two batches nothing is known to have changed."""
    shares = [mark.share for mark in history]
    x = Scale(0.0, max(across) * 1.02, LEFT, WIDTH - RIGHT)
    y = Scale(*padded([*shares, 1.0]), HEIGHT - BOTTOM, TOP)
    shapes = axes(x, y, title, "share of the last hypervolume")
    corners = [f"{x(across[0])},{y(shares[0])}"]
    for before, here, share in zip(shares, across[1:], shares[1:], strict=False):
        corners += [f"{x(here)},{y(before)}", f"{x(here)},{y(share)}"]
    shapes.append(element("polyline", points=" ".join(corners), class_="growth"))
    for mark, here in zip(history, across, strict=True):
        said = f"{mark.trials} trials, {mark.seconds:.1f} s: {mark.points} points, {100 * mark.share:.2f} %"
        dot = element("circle", element("title", said), cx=x(here), cy=y(mark.share), r=2.6, class_="listed")
        shapes.append(dot)
    return picture(WIDTH, HEIGHT, shapes, f"share of the last hypervolume over {title}")


def importance_rows(run: Mapping[str, Any]) -> tuple[Row, ...]:
    """(parameter, its importance for every objective), the one that matters most in all first."""
    found: Mapping[str, Mapping[str, float]] = run.get("importances", {})
    names = dict.fromkeys(name for by_name in found.values() for name in by_name)
    rows = [
        (name, tuple((goal, float(by_name.get(name, 0.0))) for goal, by_name in found.items()))
        for name in names
    ]
    return tuple(sorted(rows, key=lambda row: -sum(value for _, value in row[1])))
