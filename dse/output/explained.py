"""Columns of layers.csv and front.csv that say why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from costmodels.ledger import EnergyTerm
from dse.explain import Explanation
from dse.explain.energy import EnergyCause
from dse.explain.layer import LayerExplanation

Row = Mapping[str, Any]


def layer_columns(layer: LayerExplanation) -> Row:
    """What binds, rates and intensities, whole cycles by cause, busy cycles by resource."""
    roof, first = layer.roofline, layer.shares[0] if layer.shares else None
    rates: Row = {}
    if roof is not None:
        rates = {
            "macs_per_cycle": roof.macs_per_cycle,
            "peak_macs_per_cycle": roof.peak_macs_per_cycle,
            **{f"{link.link}_macs_per_byte": link.macs_per_byte for link in roof.links},
        }
    return {
        "whole_cycles": layer.cycles,
        "bound_by": layer.bound_by,
        "bound_share": layer.bound_share,
        "bound_gain": first.gain if first else 0.0,
        **rates,
        **_causes(layer.by_cause),
        **{f"busy_{share.resource}_cycles": share.busy_cycles for share in layer.shares},
    }


def network_columns(why: Explanation) -> Row:
    """What binds the network, and whole cycles by cause."""
    return {"bound_by": why.bound_by, **_causes(why.by_cause)}


def energy_columns(terms: Iterable[EnergyTerm] | Iterable[EnergyCause]) -> Row:
    """Microjoules by cause."""
    return {f"energy_{term.name}_uj": term.uj for term in terms}


def _causes(cycles: Mapping[str, int]) -> Row:
    return {f"cause_{name}_cycles": value for name, value in cycles.items()}
