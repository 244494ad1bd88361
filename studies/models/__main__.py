"""`python -m studies.models [--out DIR] [NAME ...]`: write the models again, and print what they weigh."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import onnx

from studies.models.census import take_census
from studies.models.generate import files_of, write
from studies.models.networks import NETWORKS


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate the named networks, or all of them, into a folder."""
    names = [network.name for network in NETWORKS]
    parser = argparse.ArgumentParser(prog="python -m studies.models", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"unknown network {', '.join(unknown)}; there are {', '.join(names)}")
    # The quantiser advises a pre-processing that these graphs do not need: they are folded already.
    logging.getLogger().setLevel(logging.ERROR)
    for network in NETWORKS:
        if not options.names or network.name in options.names:
            write(files := files_of(network), options.out)
            _report(files)


def _report(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        if name.endswith(".onnx"):
            census = take_census(onnx.load_from_string(data))
            counts = " ".join(f"{operator}:{count}" for operator, count in census.operators)
            print(f"{name}: {census.macs} MACs, {census.parameters} parameters, {len(data)} bytes; {counts}")


if __name__ == "__main__":
    main()
