"""Problems refuse what cannot be meant; the lower bound is right where it can be checked by hand."""

from collections.abc import Callable

import pytest

from compiler.memory import Buffer, Problem, ProblemError, live_profile, max_live_bytes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Buffer("x", 0, 0, 1), "size is 0 B"),
        (lambda: Buffer("x", -4, 0, 1), "size is -4 B"),
        (lambda: Buffer("x", 1, 2, 2), "[2, 2) is empty"),
        (lambda: Buffer("x", 1, 0, 1, 12), "alignment is 12 B"),
        (lambda: Buffer("x", 1, 0, 1, 0), "alignment is 0 B"),
        (lambda: Buffer("x", 1, 0, 1, 8, 12), "fixed offset 12 B"),
        (lambda: Buffer("x", 1, 0, 1, 1, -1), "fixed offset -1 B"),
        (lambda: Problem("L1", -1, ()), "capacity is -1 B"),
        (lambda: Problem("L1", 9, (Buffer("x", 1, 0, 1), Buffer("x", 1, 3, 4))), "two buffers are named 'x'"),
        (lambda: Problem("L1", 9, (Buffer("x", 1 << 61, 0, 1),)), "are supported"),
        (
            lambda: Problem("L1", 9, (Buffer("x", 8, 0, 2, 1, 0), Buffer("y", 8, 1, 3, 1, 7))),
            "fixed buffers 'x' and 'y' overlap",
        ),
    ],
)
def test_malformed_problems_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ProblemError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_fixed_buffers_may_touch_in_space_or_share_bytes_at_other_times() -> None:
    fixed = (Buffer("x", 8, 0, 2, 1, 0), Buffer("y", 8, 0, 2, 1, 8), Buffer("z", 16, 2, 3, 1, 0))
    assert max_live_bytes(Problem("L1", 16, fixed)) == 16


def bound(*buffers: Buffer) -> int:
    return max_live_bytes(Problem("L1", 0, buffers))


def test_bound_without_buffers_is_zero() -> None:
    assert bound() == 0


def test_bound_counts_half_open_lifetimes_once() -> None:
    assert bound(Buffer("a", 10, 0, 2), Buffer("b", 20, 2, 4), Buffer("c", 5, 1, 3)) == 25


def test_bound_pads_all_but_one_of_equally_aligned() -> None:
    assert bound(Buffer("a", 5, 0, 1, 8), Buffer("b", 6, 0, 1, 8), Buffer("c", 7, 0, 1, 8)) == 8 + 8 + 5


def test_bound_lets_unaligned_buffers_live_in_the_padding() -> None:
    assert bound(Buffer("a", 5, 0, 1, 8), Buffer("b", 5, 0, 1, 8), Buffer("c", 3, 0, 1)) == 13


def test_bound_reaches_the_end_of_a_fixed_buffer() -> None:
    assert bound(Buffer("a", 5, 0, 1, 1, 100), Buffer("b", 50, 0, 1)) == 105


def test_profile_holds_until_the_next_event() -> None:
    buffers = (Buffer("a", 10, 0, 3), Buffer("b", 20, 3, 5), Buffer("c", 1, 1, 4))
    assert live_profile(Problem("L1", 0, buffers)) == ((0, 10), (1, 11), (3, 21), (4, 20), (5, 0))
