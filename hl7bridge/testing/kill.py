"""Kills the engine again and again under load, and counts: `python -m hl7bridge.testing.kill --help`.

Feeds send numbered messages and repeat what was not answered; a hospital notes what it gets. At the end nothing acknowledged may be
lost, nothing out of order within its patient, and what came twice must be marked a possible duplicate in the store.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from random import Random

import click

from hl7bridge.engine import steady
from hl7bridge.operations import Operations
from hl7bridge.store.base import DeliveryQuery
from hl7bridge.testing.engineprocess import EngineProcess

CONFIG = {
    "pharmacy.yaml": """
channel: pharmacy
source: {{mllp: {{port: {feed_port}, host: 127.0.0.1}}}}
filter: {{MSH-11: P}}
map: [{{MSH-5: EPIC}}]
send_to: [hospital]
""",
    "destinations/hospital.yaml": """
destination: hospital
send: {{mllp: {{host: 127.0.0.1, port: {hospital_port}}}, timeout: 5s, connections: 4}}
retry: {{first: 100ms, factor: 2, most: 1s}}
""",
}


def message(patient: int, number: int) -> bytes:
    """One order of one patient; MSH-10 says which."""
    return (
        f"MSH|^~\\&|RX|S{patient}|HUB|HUB|20261121120000-0500||RDE^O11^RDE_O11|K{patient}-{number}|P|2.5.1\r"
        f"PID|1||{patient}^^^RETAIL^PI||DOE^JANE\rORC|NW|{number}^RETAIL\r"
    ).encode()


@click.command()
@click.option("--kills", default=5, show_default=True)
@click.option("--messages", default=4000, show_default=True)
@click.option("--patients", default=16, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--delay", "delay_s", default=0.002, show_default=True, help="Seconds the hospital takes to answer."
)
def main(kills: int, messages: int, patients: int, seed: int, delay_s: float) -> None:
    """Kill the engine under load; prints one JSON object, exit status 1 if a promise was broken."""
    reactor = steady.install()
    from twisted.internet.endpoints import TCP4ClientEndpoint

    from hl7bridge.testing.feed import Feed
    from hl7bridge.testing.hospital import Hospital, Script
    from hl7bridge.testing.world import Ledger, write_folder

    random = Random(seed)
    ledger = Ledger()
    folder = Path(tempfile.mkdtemp(prefix="hl7bridge-kill-"))
    hospital = reactor.listenTCP(
        0, Hospital(reactor, Script(delay_s=delay_s), ledger.seen(0)), interface="127.0.0.1"
    )
    probe = reactor.listenTCP(0, Hospital(reactor), interface="127.0.0.1")
    ports = {"feed_port": probe.getHost().port, "hospital_port": hospital.getHost().port}
    probe.stopListening()
    config = write_folder(folder / "config", {name: text.format(**ports) for name, text in CONFIG.items()})
    engine = EngineProcess(config, folder / "data")

    each = messages // patients
    feeds = [
        Feed(
            TCP4ClientEndpoint(reactor, "127.0.0.1", ports["feed_port"]),
            [message(patient, number) for number in range(each)],
            reactor,
            timeout_s=20,
            redial_s=0.05,
            tries=10_000,
            answered=ledger.told,
        )
        for patient in range(patients)
    ]
    wanted = each * patients
    done_kills = 0

    def strike() -> None:
        nonlocal done_kills
        if done_kills < kills:
            if engine.running:
                engine.kill()
                done_kills += 1
            engine.start(wait=False)
            reactor.callLater(1.0 + random.random(), strike)

    def look() -> None:
        if done_kills >= kills and all(feed.done.called for feed in feeds) and len(ledger.ids(0)) >= wanted:
            reactor.callLater(1.5, reactor.stop)  # what would come twice comes now
        else:
            reactor.callLater(0.1, look)

    reactor.callWhenRunning(lambda: engine.start(wait=False))
    reactor.callLater(1.2, strike)
    look()
    reactor.callLater(240, reactor.stop)
    reactor.run()
    engine.stop()
    result = account(ledger, folder / "data", wanted)
    result |= {"kills": done_kills, "resent_by_feeds": sum(feed.resent for feed in feeds), "seed": seed}
    click.echo(json.dumps(result))
    broken = ("lost_acknowledged", "reordered", "duplicates_unmarked", "missing")
    raise SystemExit(1 if any(result[each] for each in broken) or done_kills < kills else 0)


def account(ledger: object, data: Path, wanted: int) -> dict[str, int]:
    """What was promised against what happened."""
    from hl7bridge.testing.world import Ledger

    assert isinstance(ledger, Ledger)
    repeated = ledger.repeated(0)
    with Operations(data) as operations:
        marked = {
            operations.message(row.message_id).row.control_id
            for row in operations.deliveries(DeliveryQuery())
            if row.possible_duplicate
        }
    return {
        "acknowledged": len(ledger.answered),
        "delivered": len(ledger.ids(0)),
        "missing": wanted - len(ledger.ids(0)),
        "lost_acknowledged": len(ledger.lost(0)),
        "reordered": len(
            ledger.reordered(0, lambda each: each.partition("-")[0], lambda each: int(each.partition("-")[2]))
        ),
        "duplicates": len(repeated),
        "marked_possible_duplicate": len(marked),
        "duplicates_unmarked": len(repeated - marked),
    }


if __name__ == "__main__":
    main()
