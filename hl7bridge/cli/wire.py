"""send and receive: a feed and a hospital from the command line."""

from __future__ import annotations

import re
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from hl7bridge.cli.options import echo_json, json_option
from hl7bridge.errors import HL7BridgeError
from hl7bridge.hl7 import batch
from hl7bridge.words import counted


class Address(click.ParamType):
    """HOST:PORT."""

    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            self.fail(f"'{value}' is not HOST:PORT, such as 127.0.0.1:2575")
        return host.strip("[]"), int(port)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", required=True, type=Address(), help="HOST:PORT of an MLLP listener.")
@click.option("--connections", default=1, show_default=True, type=click.IntRange(1, 1000))
@click.option("--rate", default=0.0, help="Messages a second; 0: as fast as answers come.")
@click.option(
    "--timeout", "timeout_s", default=30.0, show_default=True, help="Seconds to wait for an answer."
)
@click.option(
    "--repeat", default=1, show_default=True, type=click.IntRange(1), help="Send everything so many times."
)
@json_option
def send(
    files: tuple[Path, ...],
    to: tuple[str, int],
    connections: int,
    rate: float,
    timeout_s: float,
    repeat: int,
    as_json: bool,
) -> None:
    """Send the messages in FILES (folders and batch files too) over MLLP and count the answers.

    Exit status 1 if a message was not answered AA or CA.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from hl7bridge.cli.tables import console, table

    messages = [message for file in _files(files) for message in _read(file)] * repeat
    if not messages:
        raise HL7BridgeError("there is no message in these files", code="no-messages")
    reactor = _reactor()
    from twisted.internet.endpoints import HostnameEndpoint

    from hl7bridge.testing.feed import Feed

    with Progress(
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("", total=len(messages))
        feed = Feed(
            HostnameEndpoint(reactor, *to),
            messages,
            reactor,
            connections=min(connections, len(messages)),
            rate=rate,
            timeout_s=timeout_s,
            tries=3,
            answered=lambda message, code: progress.advance(task),
        )
        started = reactor.seconds()
        feed.done.addBoth(lambda _: reactor.stop())
        reactor.run()
        seconds = reactor.seconds() - started
    good = feed.codes["AA"] + feed.codes["CA"]
    if as_json:
        echo_json(
            {
                "sent": len(messages),
                "answers": dict(feed.codes),
                "resent": feed.resent,
                "seconds": round(seconds, 3),
            }
        )
    else:
        table(["answer", "messages"], sorted(feed.codes.items()))
        click.echo(
            f"{counted(len(messages), 'message')} in {seconds:.2f} s ({len(messages) / max(seconds, 1e-9):,.0f}/s)"
        )
    if feed.codes["none"] and feed.last_error:
        click.echo(f"{to[0]}:{to[1]}: {feed.last_error}", err=True)
    sys.exit(0 if good == len(messages) else 1)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(path.rglob("*.hl7")) if path.is_dir() else [path]
    return found


def _read(file: Path) -> list[bytes]:
    """The messages of a file; line feeds, which editors leave, become the carriage returns of the standard."""
    whole = batch.read_file(file.read_bytes())
    for error in whole.errors:
        click.echo(f"{file}: {error}", err=True)
    return [message.replace(b"\r\n", b"\r").replace(b"\n", b"\r") for message in whole.messages]


def _reactor() -> Any:
    from hl7bridge.engine import steady

    return steady.install()


@click.command()
@click.option(
    "--port", required=True, type=click.IntRange(0, 65535), help="The TCP port to listen on; 0 chooses one."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--answer",
    default="AA",
    show_default=True,
    help="AA AE AR CA CE CR, or silence, garbage, wrong-id, twice, close, half.",
)
@click.option("--delay", "delay_s", default=0.0, help="Seconds before each answer.")
@click.option("--drop-every", default=0, help="Close the connection instead of answering every N-th message.")
@click.option(
    "--save", type=click.Path(file_okay=False, path_type=Path), help="Keep each message as a file here."
)
@click.option("--count", type=int, help="Stop after so many messages.")
@json_option
def receive(
    port: int,
    host: str,
    answer: str,
    delay_s: float,
    drop_every: int,
    save: Path | None,
    count: int | None,
    as_json: bool,
) -> None:
    """Play a hospital: receive over MLLP, answer as told, print a line for each message.

    A line names type and control ID only. Ctrl-C ends it with a count.
    """
    from hl7bridge.testing.hospital import MANNERS, Hospital, Script

    if answer not in MANNERS and answer not in ("AA", "AE", "AR", "CA", "CE", "CR"):
        raise click.UsageError(f"'{answer}' is no answer; choose AA AE AR CA CE CR or {', '.join(MANNERS)}")
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
    reactor = _reactor()
    codes: Counter[str] = Counter()

    def seen(payload: bytes, code: str) -> None:
        codes[code] += 1
        number = codes.total()
        kind, control_id = _named(payload)
        if save is not None:
            (save / f"{number:06d}-{re.sub(r'[^A-Za-z0-9._-]+', '_', control_id)[:80]}.hl7").write_bytes(
                payload
            )
        if as_json:
            echo_json(
                {
                    "number": number,
                    "type": kind,
                    "control_id": control_id,
                    "bytes": len(payload),
                    "answer": code,
                }
            )
        else:
            click.echo(f"{number:>7}  {kind:<12} {control_id:<24} {len(payload):>9,} bytes  {code}")
        if number == count:
            reactor.callLater(delay_s + 0.2, reactor.stop)

    hospital = Hospital(reactor, Script(answer, delay_s, drop_every), seen)
    from twisted.internet.error import CannotListenError

    from hl7bridge.engine.edges.connect import CannotListen

    try:
        listening = reactor.listenTCP(port, hospital, interface=host)
    except CannotListenError as error:
        raise CannotListen(
            f"port {port} cannot be opened: {error.socketError}", code="cannot-listen"
        ) from None
    click.echo(f"listening on {host}:{listening.getHost().port}, answering {answer}", err=True)
    signal.signal(signal.SIGINT, lambda *_: reactor.callFromThread(reactor.stop))
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))
    reactor.run(installSignalHandlers=False)
    click.echo(f"{counted(codes.total(), 'message')} received", err=True)


def _named(payload: bytes) -> tuple[str, str]:
    from hl7bridge.hl7.message import Message

    try:
        message = Message(payload)
    except HL7BridgeError:
        return "unreadable", ""
    kind = b"^".join(filter(None, (message.type_code, message.trigger)))
    return kind.decode("ascii", "replace"), message.control_id.decode("ascii", "replace")
