"""Design points survive the way through JSON exactly, and wrong text is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import pytest

from dse.points import Bound, DesignPoint
from dse.search.codec import CodecError, from_plain, to_plain
from tests.dse.search.fake import point


@dataclass(frozen=True)
class Either:
    value: int | str


def through_json(value: object) -> object:
    return json.loads(json.dumps(to_plain(value)))


def test_design_point_comes_back_equal() -> None:
    before = replace(point(0.1 + 0.2, 1e-300, 7), latency_cycles=10**18)
    assert from_plain(DesignPoint, through_json(before)) == before


def test_bound_comes_back_equal() -> None:
    bound = Bound(0.1, 2.0, 3, ((1.0, 0.0, 0.1), (1e-9, 1.0, 2.0)))
    assert from_plain(Bound, through_json(bound)) == bound


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("latency_ms", "fast"),
        ("latency_cycles", 1.5),
        ("macs", True),
        ("layers", None),
        ("peak_bytes", [["l1"]]),
        ("setting", {"l1_bytes": 1}),
    ],
)
def test_a_wrong_field_is_refused(field: str, value: object) -> None:
    plain = to_plain(point(1.0, 2.0, 3))
    with pytest.raises(CodecError, match="expected"):
        from_plain(DesignPoint, {**plain, field: value})


def test_a_missing_or_unknown_field_is_refused() -> None:
    plain = to_plain(Bound(1.0, 2.0, 3))
    with pytest.raises(CodecError, match="fields of Bound"):
        from_plain(Bound, {**plain, "colour": "red"})
    del plain["memory_bytes"]
    with pytest.raises(CodecError, match="fields of Bound"):
        from_plain(Bound, plain)


def test_a_union_that_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(CodecError, match=r"type \| None"):
        from_plain(Either, {"value": 1})
