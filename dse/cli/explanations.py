"""Tables of an explanation: cycles by cause, what binds, resources."""

from __future__ import annotations

from rich.table import Table

from costmodels.platform import Platform
from dse.cli.tables import plain_table
from dse.explain import Explanation
from dse.explain.layer import LayerExplanation, bound_text


def causes_table(why: Explanation) -> Table:
    """Whole cycles of every layer by cause; the last row and the last column are sums."""
    sums = why.by_cause
    table = plain_table("cycles by cause", *sums, "sum", left=("cycles by cause",))
    for layer in why.layers:
        found = layer.by_cause
        cells = [str(found[name]) if found.get(name) else "-" for name in sums]
        table.add_row(layer.name, *cells, str(layer.cycles))
    table.add_row("network", *(str(cycles) for cycles in sums.values()), str(why.cycles), style="bold")
    return table


def binding_table(platform: Platform, why: Explanation) -> Table:
    """What would have to be faster, what that could save at most, and how near layers are to their roofs."""
    links = [link.name for link in platform.links if any(link.name in _intensity(la) for la in why.layers)]
    columns = ("what binds", "bound by", "of path", "gain <=", "MAC/cycle", "peak")
    table = plain_table(*columns, *(f"MAC/B {name}" for name in links), left=columns[:2])
    for layer in why.layers:
        gain = f"{100 * layer.shares[0].gain:.0f}%" if layer.shares else "-"
        roof, intensity = layer.roofline, _intensity(layer)
        rates = (f"{roof.macs_per_cycle:.3g}", f"{roof.peak_macs_per_cycle:.3g}") if roof else ("-", "-")
        bound = bound_text(platform, layer.bound_by)
        moved = (f"{intensity[name]:.3g}" if name in intensity else "-" for name in links)
        table.add_row(layer.name, bound, f"{100 * layer.bound_share:.0f}%", gain, *rates, *moved)
    return table


def _intensity(layer: LayerExplanation) -> dict[str, float]:
    """MACs for every byte, by link."""
    return {link.link: link.macs_per_byte for link in layer.roofline.links} if layer.roofline else {}


def resource_table(platform: Platform, why: Explanation) -> Table:
    """Every resource over the whole network: how long it works, how much of that shows, how much binds."""
    table = plain_table("resource", "busy", "of all", "exposed", "binds", "gain <=", left=("resource",))
    total = why.cycles or 1
    for share in why.shares:
        table.add_row(
            bound_text(platform, share.resource),
            f"{share.busy_cycles:.0f}",
            f"{100 * share.busy_cycles / total:.1f}%",
            str(share.exposed_cycles),
            f"{100 * share.binding_cycles / total:.1f}%",
            f"{100 * share.gain:.1f}%",
        )
    return table


def headline(platform: Platform, why: Explanation) -> str:
    """One line about the network."""

    def words(resource: str, cycles: float, of: str) -> str:
        return f"{bound_text(platform, resource)} ({100 * cycles / (why.cycles or 1):.0f}% of {of})"

    first, busy, shown = why.shares[0], why.busiest, why.most_exposed
    return (
        f"network: {why.cycles} cycles, "
        f"bound by {words(first.resource, first.binding_cycles, 'the longest path')}, "
        f"busiest {words(busy.resource, busy.busy_cycles, 'the time')}, "
        f"most exposed {words(shown.resource, shown.exposed_cycles, 'the time')}"
    )
