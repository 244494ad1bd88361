"""Platform files: the four that come with the package, and what a wrong one is told."""

from __future__ import annotations

import pickle
from importlib import resources
from pathlib import Path

import pytest

from costmodels.engines import NpuEngine
from costmodels.errors import PlatformError
from costmodels.facts import HOW
from costmodels.platform import load_platform, parse_platform, platform_names

KIB = 1024


def text_of(name: str) -> str:
    return (resources.files("costmodels") / "platforms" / f"{name}.toml").read_text(encoding="utf-8")


def broken(old: str, new: str, name: str = "siracusa") -> PlatformError:
    """The error of a platform file with one replacement."""
    text = text_of(name)
    assert old in text
    with pytest.raises(PlatformError) as caught:
        parse_platform(text.replace(old, new, 1), "mine.toml")
    return caught.value


@pytest.mark.parametrize(
    ("name", "l1", "l2", "npu"),
    [
        ("siracusa", 256 * KIB, 2048 * KIB, "neureka"),
        ("gap9", 128 * KIB, 1536 * KIB, "ne16"),
        ("gap8", 64 * KIB, 512 * KIB, None),
        ("rv32sim", 64 * KIB, 512 * KIB, None),
    ],
)
def test_builtin_sizes(name: str, l1: int, l2: int, npu: str | None) -> None:
    platform = load_platform(name)
    assert platform.level_of["l1"].capacity_bytes == l1
    assert platform.level_of["l2"].capacity_bytes == l2
    kinds = {"rv32sim": "portable", "siracusa": "xpulp"}
    assert platform.engine_of["cluster"].kind == kinds.get(name, "cluster")
    npus = [engine.kind for engine in platform.engines if isinstance(engine, NpuEngine)]
    assert npus == ([npu] if npu else [])


def test_names_are_the_files() -> None:
    assert platform_names() == ("gap8", "gap9", "rv32sim", "siracusa")


def test_weight_memories_are_two_levels() -> None:
    levels = load_platform("siracusa").level_of
    assert levels["wmem_sram"].capacity_bytes == levels["wmem_mram"].capacity_bytes == 4096 * KIB
    assert levels["wmem_sram"].volatile
    assert not levels["wmem_mram"].volatile


def test_rv32sim_moves_data_by_a_core() -> None:
    assert {link.mover for link in load_platform("rv32sim").links} == {"core"}


@pytest.mark.parametrize("name", platform_names())
def test_every_fact_has_a_source(name: str) -> None:
    facts = load_platform(name).facts
    assert len(facts) > 90
    assert all(fact.how in HOW and len(fact.source) > 5 for fact in facts)
    assert len({fact.key for fact in facts}) == len(facts)


def test_every_number_of_the_file_is_a_fact() -> None:
    """A number without `how` cannot slip in: numbers stand only inside facts."""
    keys = {fact.key for fact in load_platform("siracusa").facts}
    for key in ("levels.l2.capacity_bytes", "engines.cluster.cores", "engines.npu.constraints.windows"):
        assert key in keys
    error = broken(
        'capacity_bytes = { value = 262_144, how = "READ"', "capacity_bytes = 262_144 #", "siracusa"
    )
    assert error.problem == "a number without its source"


def test_platforms_are_values() -> None:
    platform = load_platform("gap9")
    assert platform == pickle.loads(pickle.dumps(platform)) == load_platform("gap9")
    assert hash(platform) == hash(load_platform("gap9"))


def test_paths_between_levels() -> None:
    platform = load_platform("siracusa")
    assert [link.name for link in platform.path("l3", "l1")] == ["l3_l2", "l2_l1"]
    assert platform.path("l2", "l2") == ()
    with pytest.raises(PlatformError, match="none lead from wmem_sram to l1"):
        platform.path("wmem_sram", "l1")


def test_own_file_by_path(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text(text_of("gap8").replace('name = "gap8"', 'name = "chip"'), encoding="utf-8")
    assert load_platform(path).name == load_platform(str(path)).name == "chip"


def test_unknown_operating_point() -> None:
    with pytest.raises(PlatformError, match="known are nominal, low"):
        load_platform("siracusa").point("turbo")


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("beat_bytes = ", "beat_byte = ", "links.l2_l1.beat_byte", "did you mean 'beat_bytes'?"),
        ('io_home = "l2"', "", "io_home", "must be one of l1, l2, l3, wmem_sram, wmem_mram"),
        ('io_home = "l2"', 'io_home = "L2"', "io_home", "must be one of l1, l2"),
        ('how = "READ"', 'how = "HEARD"', "levels.l1.capacity_bytes.how", "must be one of READ, SIM"),
        ("value = 262_144,", "value = 262_144.5,", "levels.l1.capacity_bytes", "must be a whole number"),
        ("value = 262_144,", "value = -4,", "levels.l1.capacity_bytes", "must be greater than 0"),
        ("value = 262_144,", "value = true,", "levels.l1.capacity_bytes", "must be a whole number"),
        ("value = 262_144,", 'value = "256k",', "levels.l1.capacity_bytes", "must be a whole number"),
        (
            "value = 262_144,",
            "value = 1_024,",
            "levels.l1.reserved_bytes",
            "must be below the capacity of 1024",
        ),
        ("value = 0.25,", "value = -0.25,", "levels.l1.read_pj_per_byte", "must be 0 or greater"),
        ("value = 0.25,", "value = nan,", "levels.l1.read_pj_per_byte", "must be finite"),
        ("value = 0.25,", "value = 1e300,", "levels.l1.read_pj_per_byte", "at most 1e+15"),
        ("[[1, 1], [3, 3]]", "[[1, 1], [0, 3]]", "engines.npu.constraints.windows", "must be greater than 0"),
        ("[[1, 1], 32]", "[[1, 1], -32]", "engines.npu.constraints.k_in_tile", "must be greater than 0"),
        (
            "k_out_tile = { value = 32",
            "k_out_tile = { value = 0",
            "engines.npu.constraints.k_out_tile",
            "than 0",
        ),
        ('kind = "neureka"', "kind = []", "engines.npu.kind", "must be one of cluster, neureka, ne16"),
        ('mover = "dma"', 'mover = "dmaa"', "links.l2_l1.mover", "did you mean 'dma'?"),
        ('from_level = "l2"', 'from_level = "l3"', "links.l2_l1", "call it 'l3_l1'"),
        ("[links.l2_l1]", "[links.l2_l5]", "links.l2_l1", "every platform has it"),
        ("[levels.wmem_sram]", "[levels.wmem_srm]", "levels.wmem_srm", "did you mean 'wmem_sram'?"),
        ('kind = "neureka"', 'kind = "tpu"', "engines.npu.kind", "must be one of cluster, neureka, ne16"),
        ('kind = "neureka"', "", "engines.npu.kind", "must be one of cluster"),
        ('clock = "npu"', 'clock = "gpu"', "engines.npu.clock", "did you mean 'npu'?"),
        ("default = true", "default = false", "operating_points", "default = true on exactly one"),
        ("on_chip = true", "on_chip = 1", "levels.l1.on_chip", "must be true or false"),
        ("[[1, 1], [3, 3]]", "[[1, 1], [3]]", "engines.npu.constraints.windows", "an array of 2"),
        (
            "[engines.cluster.kernels.mul]",
            "[engines.cluster.kernels.mull]",
            "engines.cluster.kernels.mull",
            "'mul'",
        ),
    ],
)
def test_wrong_files_are_refused(old: str, new: str, key: str, said: str) -> None:
    error = broken(old, new)
    assert (error.file, error.key) == ("mine.toml", key)
    assert said in str(error)
    assert "\n" not in str(error)


def test_missing_source() -> None:
    error = broken('source = "HARDWARE.md section 1: TCDM 256 KiB"', 'source = " "')
    assert error.key == "levels.l1.capacity_bytes.source"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("siracuse", "did you mean 'siracusa'?"),
        ("/nowhere/chip.toml", "cannot be read"),
        ("./", "cannot be read"),
    ],
)
def test_wrong_names_are_refused(name: str, said: str) -> None:
    with pytest.raises(PlatformError) as caught:
        load_platform(name)
    assert said in str(caught.value)


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"", b"levels = 3"])
def test_no_file_content_is_a_traceback(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "chip.toml"
    path.write_bytes(content)
    with pytest.raises(PlatformError, match=r"chip\.toml"):
        load_platform(path)
