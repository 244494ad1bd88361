"""The report is one well-formed file that shows what the directory holds and asks nobody for anything."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.deployment import PlacedBuffer
from costmodels.platform import load_platform
from dse.baselines import POLICIES, Baseline, compare
from dse.baselines.document import document
from dse.explain import Cause, Explainer
from dse.output import Layout, open_explored
from dse.output.golden import synthetic_codes
from dse.output.platform_text import platform_text
from dse.output.run_record import RunRecord, run_document
from dse.output.tables import write_history
from dse.output.write import write_exploration, write_json
from dse.report import write_report
from dse.report.memory_map import memory_maps
from dse.report.page import render
from dse.report.roofline import roofline_chart
from dse.report.svg import LogScale, Scale, element, round_values, short
from dse.report.why import pieces_of
from dse.search.history import Mark
from tests.dse.found import deployment, found, network

VOID = {"meta", "br", "hr", "img", "input", "link"}
NOTE = "quantised from <synthetic> & samples"


class Balanced(HTMLParser):
    """Fails on tags that close what is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An explored directory without C."""
    root = tmp_path_factory.mktemp("explored")
    graph = network().main
    write_exploration(root, found(), {n: synthetic_codes(graph.by_name[n], 1) for n in graph.inputs}, "none")
    Layout(root).platform.write_text(platform_text("rv32sim"))
    record = RunRecord({"budget": "1MB", "out": None}, {"total": 1.0}, (NOTE,), "/m.onnx", 42, False)
    write_json(Layout(root).run, run_document(record, graph))
    return root


@pytest.fixture(scope="module")
def page(directory: Path) -> str:
    return write_report(directory).read_text()


def test_tags_balance(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []


def test_needs_no_network_and_no_script(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert not [tag for tag, _ in parser.seen if tag in ("script", "link", "iframe", "img", "object")]
    for _, attributes in parser.seen:
        assert "src" not in attributes
        assert not re.match(r"\w+:|//", attributes.get("href") or "")
    assert "@import" not in page
    assert "url(" not in page


def test_drawings_are_well_formed(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) > 3 + len(found().front)
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_every_point_is_drawn_once_in_every_plot(page: str) -> None:
    for plot in re.findall(r"<svg.*?</svg>", page, re.DOTALL)[:3]:
        circles = re.findall(r'<circle[^>]*class="(\w+)"', plot)
        assert sorted(circles) == ["knee", "listed", "listed", "met"]


@pytest.fixture(scope="module")
def explained(directory: Path) -> str:
    """The page of a directory whose model is there: here it never was a file."""
    explored = open_explored(directory)
    vars(explored)["module"] = network()
    return render(explored)


def test_without_the_model_it_says_that_it_cannot_explain(page: str) -> None:
    assert page.count("No explanations: ") == 1
    assert "Why it takes as long" not in page


def test_explains_every_listed_point(explained: str) -> None:
    parser = Balanced()
    parser.feed(explained)
    assert parser.open == []
    assert "No explanations" not in explained
    assert explained.count("<h3>Why it takes as long</h3>") == len(found().front)
    invented = len(found().front)
    assert explained.count("is not what the cost model gives now") == invented
    charts = re.findall(r"<svg[^>]*MACs a cycle over MACs.*?</svg>", explained, re.DOTALL)
    for chart in charts:
        ElementTree.fromstring(chart)
    drawn = sorted(len(re.findall(r'class="r-(?:on|off)"', chart)) for chart in charts)
    assert drawn == sorted(
        sum(1 for layer in point.layers if layer.macs for *_, size in layer.links if size)
        for point in found().front
    )
    assert drawn[0] > 0


def test_a_roofline_has_every_layer_at_its_intensities_under_its_ceilings() -> None:
    platform = load_platform("rv32sim")
    why = Explainer(network(), platform).explain(found().front[0])
    chart = roofline_chart(platform, why.layers)
    assert chart is not None
    titles = [str(title.text) for title in ElementTree.fromstring(chart).iter("title")]
    roofs = [(la.name, la.roofline) for la in why.layers if la.roofline is not None]
    assert len(titles) == sum(len(roof.links) or 1 for _, roof in roofs)
    for name, roof in roofs:
        assert any(title.startswith(f"{name}: {roof.macs_per_cycle:.3g} MAC a cycle") for title in titles)
    assert roofline_chart(platform, [la for la in why.layers if la.roofline is None]) is None


def test_pieces_of_a_bar_are_the_causes_in_the_order_of_their_groups() -> None:
    causes = (Cause("load_a", "load", "a", 1), Cause("x", "refresh", "x", 1), Cause("c", "compute", "e", 2))
    pieces = pieces_of((*causes, Cause("load_b", "load", "b", 4), Cause("none", "store", "s", 0)))
    assert [(piece.name, piece.share, piece.style) for piece in pieces] == [
        ("c", 0.25, "c-compute s0"),
        ("load_a", 0.125, "c-load s0"),
        ("load_b", 0.5, "c-load s1"),
        ("x", 0.125, "c-other s0"),
    ]


def test_equal_ratios_are_equal_distances() -> None:
    scale = LogScale(1, 100, 0, 200)
    assert (scale(1), scale(10), scale(100)) == (0, 100, 200)
    assert scale.ticks() == (1, 2, 5, 10, 20, 50, 100)
    assert LogScale(0.5, 2e5, 0, 1).ticks() == (1, 10, 100, 1000, 10000, 100000)


def test_shows_every_layer_of_every_listed_point(page: str) -> None:
    for point in found().front:
        for layer in point.layers:
            assert page.count(f"<td>{layer.name}</td><td>{layer.kind}</td>") == len(found().front)


def test_text_is_escaped_and_weak_sources_marked(page: str) -> None:
    assert "quantised from &lt;synthetic&gt; &amp; samples" in page
    assert '<span class="how weak">ASSUMED</span>' in page


def test_shows_policies_where_they_were_compared(directory: Path, page: str) -> None:
    assert "policies of the field" not in page
    base = Baseline(POLICIES[0], found().points[0])
    gains = compare([base, Baseline(POLICIES[1], None, "l2 needs <much>")], dict(found().named))
    path = Layout(directory).baselines
    write_json(path, document(gains))
    shown = render(open_explored(directory))
    path.unlink()
    assert "1.00 ×" in shown
    assert "no deployment: l2 needs &lt;much&gt;" in shown


def test_shows_how_the_search_went(directory: Path, page: str) -> None:
    assert "How the search went" not in page
    layout = Layout(directory)
    before = layout.run.read_text()
    growth = (Mark(16, 1.5, 3, 2.0, 0.5), Mark(32, 2.5, 5, 4.0, 1.0))
    write_history(layout.hypervolume, growth)
    shares = (("latency", (("arena", 0.75), ("<l1>", 0.25))),)
    record = RunRecord({}, {}, (NOTE,), "/m.onnx", 42, False, shares)
    write_json(layout.run, run_document(record, network().main))
    explored = open_explored(directory)
    shown = render(explored)
    layout.run.write_text(before)
    layout.hypervolume.unlink()
    assert explored.history == growth
    assert "16 trials, 1.5 s: 3 points, 50.00 %" in shown
    assert "<td>arena</td><td>75 %" in shown
    assert "<td>&lt;l1&gt;</td><td>25 %" in shown


def test_is_made_from_the_directory_alone(directory: Path, page: str) -> None:
    Layout(directory).report.unlink()
    assert write_report(directory).read_text() == page
    assert [p.name for p in directory.iterdir() if p.name.startswith(".")] == []


def test_reading_gives_back_what_was_written(directory: Path) -> None:
    explored = open_explored(directory)
    assert explored.points == dict(found().named)
    assert explored.platform == found().platform


def test_maps_keep_areas() -> None:
    """A buffer's rectangle is as high as its bytes and as wide as its life."""
    base = deployment(0)
    buffers = (PlacedBuffer("l1", "t/a", 0, 100, 0, 2), PlacedBuffer("l1", "s/b/in0/0", 100, 300, 1, 4))
    (shown,) = memory_maps(replace(base, buffers=buffers), {"l1": 1000})
    assert (shown.peak_bytes, shown.capacity_bytes) == (400, 1000)
    low, high = (
        {name: float(rect.attrib[name]) for name in ("x", "y", "width", "height")}
        for rect in ElementTree.fromstring(shown.drawing)
        if rect.tag == "rect"
    )
    assert high["height"] == pytest.approx(3 * low["height"], abs=0.05)
    assert high["width"] == pytest.approx(1.5 * low["width"], abs=0.05)
    assert high["y"] + high["height"] == pytest.approx(low["y"], abs=0.05)


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 12))
def test_ticks_are_inside_round_and_few(low: float, span: float, count: int) -> None:
    high = low + span
    ticks = round_values(low, high, count)
    slack = 1e-6 * max(abs(low), abs(high), span)
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(ticks) <= count + 1


def test_scales_are_linear_and_survive_a_single_value() -> None:
    scale = Scale(0, 10, 100, 0)
    assert (scale(0), scale(5), scale(10)) == (100, 50, 0)
    assert Scale(3, 3, 0, 100)(3) == 50


def test_elements_escape() -> None:
    assert (
        str(element("text", "a<b", class_="x", text_anchor='"'))
        == '<text class="x" text-anchor="&#34;">a&lt;b</text>'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (999.4, "999"), (1234, "1234"), (12345, "12.3k"), (2.5e6, "2.5M")],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text
