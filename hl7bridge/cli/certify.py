"""certify."""

from __future__ import annotations

import signal
import socket
import ssl
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click

from hl7bridge.certify.feed import Feed, Listener
from hl7bridge.certify.hospital import Hospital
from hl7bridge.certify.link import Endpoint
from hl7bridge.certify.messages import Messages
from hl7bridge.certify.report import Check, Verdict, failed, page, plain, undone
from hl7bridge.channel.deciding.configuration import Configuration
from hl7bridge.channel.settings import ClientTls, DestinationSettings
from hl7bridge.channel.written.mistake import meant
from hl7bridge.cli.options import Number, OutputFile, echo_json, json_option
from hl7bridge.cli.wire import Address
from hl7bridge.engine.folder import load_folder
from hl7bridge.errors import HL7BridgeError

_COLOURS = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "red",
    Verdict.NOTED: "yellow",
    Verdict.SKIPPED: "yellow",
}


@click.command()
@click.argument("affiliate", required=False)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("channels"),
    show_default=True,
    help="The folder with the affiliate's file.",
)
@click.option(
    "--to", type=Address(), help="HOST:PORT of its test endpoint; needed unless its file says `status: test`."
)
@click.option(
    "--listen", type=Address(), help="Play the hospital here instead, for a feed's engineers, until Ctrl-C."
)
@click.option(
    "--timeout",
    "timeout_s",
    type=Number(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds to wait for an answer.",
)
@click.option("--html", type=OutputFile(), help="Write a page that both sides can sign.")
@json_option
def certify(
    affiliate: str | None,
    config: Path,
    to: tuple[str, int] | None,
    listen: tuple[str, int] | None,
    timeout_s: float,
    html: Path | None,
    as_json: bool,
) -> None:
    """Try the test endpoint of a new link to AFFILIATE with made-up messages (MSH-11 = T and nothing else): TLS, answers, refusals,
    character sets, long texts, disconnects, repetitions, parallel connections; or, with --listen, the sender of a new feed.

    Exit status 1 if a check failed or was not done.
    """
    if (affiliate is None) == (listen is None):
        raise click.UsageError("name an affiliate, or where to --listen")
    made = datetime.now().astimezone()
    if listen is not None:
        title, about, sides = (
            "A feed, tried by hl7bridge",
            {"listened on": f"{listen[0]}:{listen[1]}"},
            ("sender", "hl7bridge"),
        )
        checks = _listened(listen, as_json)
    else:
        assert affiliate is not None
        endpoint, messages, about = _endpoint(affiliate, config, to, timeout_s, made)
        title, sides = f"The link to {affiliate}", (affiliate, "hl7bridge")
        checks = []
        for check in Hospital(endpoint, messages).checks():
            checks.append(check)
            if not as_json:
                _show(check)
    if as_json:
        echo_json(plain(title, about, checks, made))
    if html is not None:
        html.write_text(page(title, about, checks, made, sides), encoding="utf-8")
    wrong, left = failed(checks), undone(checks)
    if not as_json:
        click.echo(f"{len(checks)} checks, {wrong} failed" + (f", {left} not done" if left else ""))
    if wrong or left:
        raise SystemExit(1)


def _must_be_nobodys_production(configuration: Configuration, host: str, port: int) -> None:
    """Raises HL7BridgeError for an address that the file of a destination names that is not for tests, however it is spelled."""
    wanted: set[str] | None = None
    for name, each in configuration.destinations.items():
        if each.mllp is not None and each.status != "test" and each.mllp.port == port:
            wanted = _addresses(host) if wanted is None else wanted
            if wanted & _addresses(each.mllp.host):
                raise HL7BridgeError(
                    f"{host}:{port} is what the file of {name} names, which is {each.status}: it may be its production",
                    code="not-a-test",
                    hint="if that is a test endpoint, the file says so: status: test",
                )


def _addresses(host: str) -> set[str]:
    """The name of a host and the addresses that it stands for."""
    name = host.casefold().rstrip(".")
    try:
        return {name, *(str(found[4][0]) for found in socket.getaddrinfo(name, None))}
    except OSError:
        return {name}


def _endpoint(
    affiliate: str, config: Path, to: tuple[str, int] | None, timeout_s: float, made: datetime
) -> tuple[Endpoint, Messages, dict[str, str]]:
    configuration = load_folder(config)
    settings = configuration.destinations.get(affiliate)
    if settings is None:
        hint = meant(affiliate, configuration.destinations)
        raise HL7BridgeError(f"there is no destination {affiliate}", code="unknown-destination", hint=hint)
    if settings.mllp is None:
        raise HL7BridgeError(f"{affiliate} is no MLLP endpoint", code="no-endpoint")
    if to is None and settings.status != "test":
        raise HL7BridgeError(
            f"{affiliate} is {settings.status}: what its file names may be its production",
            code="not-a-test",
            hint="name its test endpoint: --to HOST:PORT",
        )
    host, port = to or (settings.mllp.host, settings.mllp.port)
    _must_be_nobodys_production(configuration, host, port)
    tls = settings.mllp.tls
    context = None if tls is None else _context(config, tls)
    name = None if tls is None else tls.name or settings.mllp.host
    messages = Messages(f"T{made:%m%d%H%M%S}", _authority(settings), made, ("HL7BRIDGE", affiliate.upper()))
    about = {"endpoint": f"{host}:{port}", "TLS": "no" if tls is None else f"yes, for the name {name}"}
    return Endpoint(host, port, timeout_s, context, name), messages, about


def _authority(settings: DestinationSettings) -> str:
    return (settings.affiliate.authority if settings.affiliate is not None else None) or "TEST"


def _context(config: Path, tls: ClientTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if tls.ca is None else str(config / tls.ca))
        if tls.certificate is not None and tls.key is not None:
            context.load_cert_chain(config / tls.certificate, config / tls.key)
    except (OSError, ssl.SSLError) as error:
        raise HL7BridgeError(
            f"a TLS file cannot be read: {error.strerror or type(error).__name__}",
            code="tls-files",
            place=str(config),
        ) from None
    return context


def _listened(address: tuple[str, int], as_json: bool) -> list[Check]:
    feed = Feed(lambda line: click.echo(line, err=True))
    try:
        server = Listener(address, feed)
    except OSError as error:
        raise HL7BridgeError(
            f"cannot listen: {error.strerror}", code="cannot-listen", place=f"{address[0]}:{address[1]}"
        ) from None
    # `timeout 60 hl7bridge certify` ends with a report, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with server, suppress(KeyboardInterrupt):
        click.echo(
            f"listening on {address[0]}:{address[1]}; send some thirty test messages, then Ctrl-C", err=True
        )
        server.serve_forever()
    checks = list(feed.checks())
    if not as_json:
        for check in checks:
            _show(check)
    return checks


def _show(check: Check) -> None:
    took = "" if check.took_s is None else f"  ({check.took_s * 1000:,.0f} ms)"
    verdict = click.style(f"{check.verdict.value:8}", fg=_COLOURS[check.verdict])
    click.echo(f"{verdict} {check.name}: {check.seen}{took}")
