"""Copies under computing layers: the walk against a small machine, the closed form against the walk."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodels.prefetch import Copy, Span, added_cycles, timetable, walk_layers

cycles = st.integers(0, 50).map(float)
flags = st.tuples(st.booleans(), st.booleans(), st.booleans())


@st.composite
def networks(draw: st.DrawFn, farthest: int = 4) -> list[Span]:
    """Layers whose copies reach at most the last one; at most one copy for each layer."""
    count = draw(st.integers(1, 7))
    copies: list[list[Copy]] = [[] for _ in range(count)]
    for target in range(1, count):
        distance = draw(st.integers(0, min(farthest, target)))
        if distance:
            elapsed = draw(cycles)
            issue = min(elapsed, draw(st.integers(0, 5)))
            copies[target - distance].append(Copy(distance, elapsed, float(issue)))
    return [Span(draw(cycles), draw(cycles), draw(cycles), draw(flags), tuple(own)) for own in copies]


def machine(spans: Sequence[Span]) -> list[float]:
    """End of every layer on a core and a link that serves requests in order: one request at a time."""
    core = link = 0.0
    tickets: dict[int, float] = {}
    ends = []
    for number, span in enumerate(spans):
        if number in tickets:
            core = max(core, tickets[number])
        parts = list(zip((span.before, span.loop, span.after), span.shared, strict=True))
        for place, (duration, shared) in enumerate(parts):
            if place == 1:
                for copy in span.copies:
                    link = max(link, core) + copy.elapsed
                    tickets[number + copy.distance] = link
                    core += copy.issue
            if shared and duration:
                core = link = max(core, link) + duration
            else:
                core += duration
        ends.append(core)
    return ends


@given(networks())
def test_the_walk_is_the_machine(spans: list[Span]) -> None:
    added = walk_layers(spans)
    total = 0.0
    for span, more, end in zip(spans, added, machine(spans), strict=True):
        total += span.alone + more
        assert total == pytest.approx(end)
    assert min(added) >= 0


@given(networks(farthest=1))
def test_the_closed_form_is_the_walk(spans: list[Span]) -> None:
    """Copies for the next layer only: what a layer adds depends on nothing but itself and its copy."""
    expected = 0.0
    for span in spans:
        _, during, then = span.shared
        cover = 0.0 if during and span.loop else span.loop if then and span.after else span.loop + span.after
        expected += sum(float(added_cycles(copy.elapsed, copy.issue, cover)) for copy in span.copies)
    assert sum(walk_layers(spans)) == pytest.approx(expected)


@given(networks())
def test_without_copies_nothing_is_added(spans: list[Span]) -> None:
    alone = [Span(span.before, span.loop, span.after, span.shared) for span in spans]
    assert set(walk_layers(alone)) == {0.0}


@given(networks(farthest=1))
def test_a_copy_never_costs_more_than_when_it_is_waited_for(spans: list[Span]) -> None:
    assert sum(walk_layers(spans)) <= sum(copy.elapsed for span in spans for copy in span.copies) + 1e-9


@given(networks())
def test_parts_of_a_layer_follow_each_other_and_copies_share_a_link(spans: list[Span]) -> None:
    free = at = 0.0
    for span, placed in zip(spans, timetable(spans), strict=True):
        released = max((copy.released for copy in placed.copies), default=0.0)
        assert 0 <= placed.before <= placed.before + span.before <= placed.loop + 1e-9
        assert released <= placed.loop + 1e-9
        assert placed.loop + span.loop <= placed.after + 1e-9
        assert placed.after + span.after == pytest.approx(placed.end)
        for copy in placed.copies:
            assert copy.issued <= copy.begins
            assert free <= at + copy.begins + 1e-9
            free = at + copy.ends
        at += placed.end
