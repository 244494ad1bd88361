"""`dse evaluate`: price one deployment again, layer by layer, and say why it costs that."""

from __future__ import annotations

import json
from argparse import Namespace

from dse.cli.energies import energy_headline, energy_table, rests_table
from dse.cli.explanations import binding_table, causes_table, headline, resource_table
from dse.cli.given import given
from dse.cli.tables import front_table, layer_table
from dse.cli.terminal import Terminal
from dse.explain import explain
from dse.explain.energy import explain_energy
from dse.output.documents import point_document
from dse.search.codec import to_plain
from dse.session import price_deployment


def main(arguments: Namespace) -> int:
    """Print the price as tables or JSON."""
    what = given(arguments)
    point = price_deployment(what.module, what.platform, what.deployment)
    why = explain(what.module, what.platform, point)
    energy = explain_energy(what.module, what.platform, point)
    terminal = Terminal.of()
    if arguments.format == "json":
        document = point_document(what.name, point, False)
        plain = {key: value for key, value in document.items() if key != "deployment"}
        terminal.say(json.dumps({**plain, "explanation": to_plain(why), "energy": to_plain(energy)}))
        return 0
    for table in (
        layer_table(point.layers),
        causes_table(why),
        binding_table(what.platform, why),
        resource_table(what.platform, why),
        energy_table(energy),
        rests_table(energy),
        front_table([("", point)], "-", [None]),
    ):
        terminal.table(table)
        terminal.say("")
    terminal.say(headline(what.platform, why))
    terminal.say(energy_headline(energy))
    return 0
