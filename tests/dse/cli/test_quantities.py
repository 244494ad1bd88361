"""Sizes, times, budgets, objectives and pins mean what the contract says."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.cli import quantities as q


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100", 100), ("16B", 16), ("1kB", 1000), ("1KiB", 1024), ("1MB", 10**6), ("1MiB", 2**20),
        ("1.5MB", 1_500_000), ("0.5KiB", 512), ("0B", 0), (" 64 kB ", 64000), ("1GB", 10**9),
    ],
)  # fmt: skip
def test_sizes(text: str, value: int) -> None:
    assert q.size_bytes(text) == value


@pytest.mark.parametrize("text", ["", "B", "-1", "1.5", "1TB", "1e3", "1 2", "0.3KiB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"size|bytes"):
        q.size_bytes(text)


@given(st.integers(0, 10**12), st.sampled_from(["", "B", "kB", "KiB", "MB", "MiB"]))
def test_sizes_scale_exactly(amount: int, unit: str) -> None:
    factor = {"": 1, "B": 1, "kB": 1000, "KiB": 1024, "MB": 10**6, "MiB": 2**20}[unit]
    assert q.size_bytes(f"{amount}{unit}") == amount * factor


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("2min", 120), ("1h", 3600), ("90", 90), ("0.5s", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert q.time_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0s", "-1s", "soon", "5 days"])
def test_no_times(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        q.time_seconds(text)


def test_budgets() -> None:
    assert q.budget("1MB") == q.BudgetText(10**6, ())
    assert q.budget("l1=64kB,l2=1MB,l3=0B") == q.BudgetText(None, (("l1", 64000), ("l2", 10**6), ("l3", 0)))
    assert q.budget("128KiB,l1=1kB") == q.BudgetText(131072, (("l1", 1000),))


@pytest.mark.parametrize("text", ["l4=1kB", "l1=1kB,l1=2kB", "1kB,2kB", "", "l1=", "l1"])
def test_no_budgets(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        q.budget(text)


def test_objectives_keep_one_order() -> None:
    assert q.objectives("memory,latency") == ("latency", "memory")
    with pytest.raises(ArgumentTypeError, match="speed"):
        q.objectives("latency,speed")


@pytest.mark.parametrize(
    ("text", "pin"),
    [
        ("conv1.engine=npu", ("conv1", "engine", "npu")),
        ("conv1.tile=y=8,x=32", ("conv1", "tile", "y=8,x=32")),
        ("a.b/c.order=y-x-o", ("a.b/c", "order", "y-x-o")),
        ("*.buffering=2", ("*", "buffering", "2")),
        ("conv1.speed=2", None),
        ("conv1.engine", None),
        (".engine=npu", None),
    ],
)
def test_pins(text: str, pin: tuple[str, str, str] | None) -> None:
    assert q.inline_pin(text) == pin


@pytest.mark.parametrize(("text", "value"), [("0.01", 0.01), ("1%", 0.01), ("2.5%", 0.025), ("1e-3", 0.001)])
def test_shares(text: str, value: float) -> None:
    assert q.share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "%", "0", "1", "100%", "-1%", "nan", "inf", "one", "1 percent"])
def test_no_shares(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="share"):
        q.share(text)
