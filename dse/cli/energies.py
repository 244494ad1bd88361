"""Tables of where energy goes, and what that rests on."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from costmodels.provenance import WEAK
from dse.cli.tables import plain_table, sourced_table
from dse.explain.energy import EnergyExplanation


def energy_table(why: EnergyExplanation) -> Table:
    """Energy by cause; `known` is how the least known of the figures behind it is."""
    table = plain_table("energy", "uJ", "share", "known", left=("energy", "known"))
    for cause in why.causes:
        known = Text(cause.how, style="yellow" if cause.is_weak else "")
        table.add_row(cause.name, f"{cause.uj:.4g}", f"{100 * cause.share:.1f}%", known)
    table.add_row("total", f"{why.uj:.4g}", "100.0%", "")
    return table


def rests_table(why: EnergyExplanation) -> Table:
    """Every figure behind the energy, once, the weak ones marked."""
    facts = {fact.key: fact for cause in why.causes for fact in cause.facts}
    return sourced_table((("energy rests on", tuple(facts.values())),))


def energy_headline(why: EnergyExplanation) -> str:
    """How much of the energy rests on figures that nobody can cite."""
    return f"{100 * why.weak_share:.0f} % of the energy rests on figures that are {' or '.join(WEAK)}"
