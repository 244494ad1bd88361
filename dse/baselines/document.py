"""Baselines and gains as plain values, for files and machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dse.baselines.compare import Gain, Named

Plain = dict[str, Any]
SCHEMA = 1


def document(gains: Sequence[Gain]) -> Plain:
    """baselines.json: every policy with its figures, and the points of the front that it is held against."""
    return {"schema": SCHEMA, "baselines": [entry(gain) for gain in gains]}


def entry(gain: Gain) -> Plain:
    """One policy. gain: ratios baseline / front, larger than 1 where the front is better; null where there is
    nothing to compare."""
    policy, point = gain.baseline.policy, gain.baseline.point
    return {
        "name": policy.name,
        "what": policy.what,
        "source": policy.source,
        "feasible": point is not None,
        "why": gain.baseline.why,
        "latency_ms": point and point.latency_ms,
        "energy_uj": point and point.energy_uj,
        "memory_bytes": point and point.memory_bytes,
        "peak_bytes": dict(point.peak_bytes) if point else None,
        "engines": dict(point.engines) if point else None,
        "operating_point": point and point.deployment.operating_point,
        "quickest": _named(gain.quickest),
        "thriftiest": _named(gain.thriftiest),
        "smallest": _named(gain.smallest),
        "gain": {"latency": gain.latency, "energy": gain.energy, "memory": gain.memory},
        "covered": gain.covered,
    }


def _named(named: Named | None) -> Plain | None:
    if named is None:
        return None
    name, point = named
    return {
        "id": name,
        "latency_ms": point.latency_ms,
        "energy_uj": point.energy_uj,
        "memory_bytes": point.memory_bytes,
        "operating_point": point.deployment.operating_point,
    }


def flat(row: Mapping[str, Any]) -> Plain:
    """An entry as one row of a table: nested names joined by `_`; what is not there is empty."""
    result: Plain = {}
    for key in ("name", "feasible", "why", "latency_ms", "energy_uj", "memory_bytes", "operating_point"):
        result[key] = "" if row[key] is None else row[key]
    for who, what in (("quickest", "latency_ms"), ("thriftiest", "energy_uj"), ("smallest", "memory_bytes")):
        point = row[who] or {}
        result[f"{who}_id"] = point.get("id", "")
        result[f"{who}_{what}"] = point.get(what, "")
        result[f"{who}_operating_point"] = point.get("operating_point", "")
    for name, ratio in row["gain"].items():
        result[f"gain_{name}"] = "" if ratio is None else ratio
    result["covered"] = "" if row["covered"] is None else row["covered"]
    return result
