"""demo: the engine at work on made-up traffic, for everybody to see, with an account at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

import hl7bridge
from hl7bridge.cli.options import echo_json, json_option
from hl7bridge.cli.tables import console
from hl7bridge.errors import HL7BridgeError

if TYPE_CHECKING:
    from hl7bridge.testing.account import Account
    from hl7bridge.testing.site import Site

#: The checkout, beside which channels/ and samples/ lie.
TOP = Path(hl7bridge.__file__).resolve().parent.parent
_SCREENS_A_SECOND = 5
_LINE_EVERY_S = 5.0


@click.command()
@click.option(
    "--messages",
    default=5000,
    show_default=True,
    type=click.IntRange(100, 1_000_000),
    help="How many to send.",
)
@click.option(
    "--seconds",
    default=15.0,
    show_default=True,
    type=click.FloatRange(2, 3600),
    help="How long sending takes.",
)
@click.option(
    "--seed", default=1, show_default=True, help="Another seed makes other patients, stores and messages."
)
@click.option("--keep", is_flag=True, help="Keep the data folder, and say how to look into it.")
@click.option(
    "--only",
    type=click.Choice(["story", "traffic"]),
    help="The story alone, or the traffic alone; both if left out.",
)
@json_option
def demo(messages: int, seconds: float, seed: int, keep: bool, only: str | None, as_json: bool) -> None:
    """Run everything once: the engine with channels/ as it is, made-up patients, and hospitals that misbehave.

    First the story: one patient's three weeks pass in seconds, told with the messages that were really sent. She does not pick up
    her metformin, and her physician is alerted; she does, and the alert is taken back; a visit far from home reaches her own
    health system; another physician's fax lies in the outbox.

    Then the traffic: pharmacies, clinics and a hospital send; four health systems receive: one is slow, one refuses some, one
    goes down for a while, one is quick. At the end the engine's store is compared with what the hospitals counted
    themselves. Exit status 0 only if nothing is missing. With --json the traffic alone.
    """
    if only == "story":
        if as_json:
            raise click.UsageError("the story is told in words; --json is for the traffic")
        from hl7bridge.cli import demo_story

        demo_story.show(_checkout()[0], keep=keep)
        return
    if only is None and not as_json:
        # In a process of its own: each has a reactor and its ports.
        story = [sys.executable, "-m", "hl7bridge", "demo", "--only", "story", *(["--keep"] if keep else [])]
        ran = subprocess.run(story, check=False)
        if ran.returncode:
            raise SystemExit(ran.returncode)
        click.echo()
    from hl7bridge.engine import steady

    reactor = steady.install()

    from hl7bridge.testing import account

    screen = console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="hl7bridge-demo-"))
    site: Site | None = None
    try:
        with screen.status("making messages, starting the engine ..."):
            site = _site(folder / "data", messages, seconds, seed, reactor)
            site.prepare()
        _run(site, reactor, screen, f"hl7bridge demo: {site.traffic.count:,} messages, seed {seed}")
        site.end()
        if not site.done.called:
            keep = False
            click.echo("stopped before the end; nothing was compared", err=True)
            raise SystemExit(130)
        result = account.of_site(site)
        keep = keep or bool(result.problems)
        if as_json:
            echo_json({"seed": seed, "data": str(site.data) if keep else None, **asdict(result)})
        else:
            _tell(result)
            if keep:
                _ways_on(site.data)
        raise SystemExit(1 if result.problems else 0)
    except HL7BridgeError:
        keep = False
        raise
    finally:
        if site is not None:
            site.end()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _checkout() -> tuple[Path, Path]:
    """channels/ and samples/ of this checkout."""
    folder, samples = TOP / "channels", TOP / "samples"
    for needed in (folder, samples):
        if not needed.is_dir():
            raise HL7BridgeError(
                f"the demo needs {needed.name}/, which is not there",
                code="no-checkout",
                place=str(needed),
                hint="run bin/hl7bridge demo from a checkout",
            )
    return folder, samples


def _site(data: Path, messages: int, seconds: float, seed: int, reactor: Any) -> Site:
    """The site of this checkout's channels/ and samples/, with traffic of today."""
    from hl7bridge.engine.folder import load_folder
    from hl7bridge.testing import people, traffic
    from hl7bridge.testing.site import Site

    folder, samples = _checkout()
    configuration = load_folder(folder)
    rosters = people.rosters(folder, configuration)
    random = Random(seed)
    made = traffic.make(
        {path.relative_to(samples).as_posix(): path.read_bytes() for path in samples.rglob("*.hl7")},
        people.patients(rosters, random),
        list(configuration.tables["stores"].rows),
        messages,
        random,
        traffic.utc_now(),
    )
    return Site(folder, configuration, data, made, reactor, seconds)


def _run(site: Site, reactor: Any, screen: Console, heading: str) -> None:
    """Until everything has arrived, or somebody presses Ctrl-C."""
    from rich.live import Live
    from twisted.internet.task import LoopingCall

    from hl7bridge.cli import demo_view

    signal.signal(signal.SIGINT, lambda *_: reactor.callFromThread(reactor.stop))
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(reactor.stop))
    site.done.addCallback(lambda _: reactor.stop())
    reactor.callWhenRunning(site.begin)
    if not screen.is_terminal:
        click.echo(heading, err=True)
        shown = _Lines(site, lambda text: click.echo(text, err=True))
        LoopingCall(shown.show).start(1 / _SCREENS_A_SECOND)
        reactor.run(installSignalHandlers=False)
        shown.show()
        return
    with Live(console=screen, auto_refresh=False) as live:
        LoopingCall(lambda: live.update(demo_view.screen(site, heading), refresh=True)).start(
            1 / _SCREENS_A_SECOND
        )
        reactor.run(installSignalHandlers=False)
        live.update(demo_view.screen(site, heading), refresh=True)


class _Lines:
    """The progress where there is no terminal: what happens, and a line now and then."""

    def __init__(self, site: Site, say: Callable[[str], None]) -> None:
        self._site = site
        self._say = say
        self._told = 0
        self._next_s = 0.0

    def show(self) -> None:
        """Says what is new."""
        from hl7bridge.cli import demo_view

        for at, text in self._site.events[self._told :]:
            self._say(f"{at:5.1f} s  {text}")
        self._told = len(self._site.events)
        if self._site.elapsed_s >= self._next_s:
            self._say(demo_view.line(self._site))
            self._next_s += _LINE_EVERY_S


def _tell(result: Account) -> None:
    """The tables and the verdict, on standard output."""
    from hl7bridge.cli import demo_view

    out = console()
    out.print()
    out.print(demo_view.feeds_table(result))
    out.print(demo_view.destinations_table(result))
    out.print(demo_view.LEGEND, style="dim")
    out.print()
    if result.problems:
        for problem in result.problems:
            out.print(problem, style="bold red")
        out.print("Something is missing, see above.", style="bold red")
        return
    refused = f", {result.refused:,} were refused and wait for an operator" if result.refused else ""
    out.print(
        f"Nothing is missing: {result.acknowledged:,} messages were acknowledged, {result.delivered:,} "
        f"deliveries arrived, each patient's in order{refused}.",
        style="bold green",
    )


def _ways_on(data: Path) -> None:
    """Commands to look further, ready to be pasted."""
    program = _program()
    click.echo("\nThe engine's data is kept. To look into it:\n")
    click.echo(f"  export HL7BRIDGE_DATA={data}")
    click.echo(f"  {program} messages --limit 10      # what came, newest first")
    click.echo(f"  {program} show 1                   # one message and its deliveries")
    click.echo(f"  {program} queue list               # what was refused, and why")
    click.echo(
        "\nTo send again, with the engine and a hospital that refuses nothing, each in\na terminal of its own:\n"
    )
    click.echo(f"  {program} run {_shown(TOP / 'channels')} --data {data}")
    click.echo(f"  {program} receive --port 6702")
    click.echo(f"  {program} queue resend --all-failed rush")
    click.echo(f"  {program} replay --channel clinic --to rush --rate 50")
    click.echo(f"\nWhen you are done: rm -r {data.parent}")


def _program() -> str:
    """How this program is called from here."""
    script = TOP / "bin" / "hl7bridge"
    return _shown(script) if script.exists() else Path(sys.argv[0]).name


def _shown(path: Path) -> str:
    near = os.path.relpath(path)
    return near if len(near) < len(str(path)) else str(path)
