"""check, test, schema."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import click

from hl7bridge.channel.beside import TestResult, run_tests
from hl7bridge.channel.editors.foldernames import names_of
from hl7bridge.channel.loading.folder import look_over
from hl7bridge.channel.written.mistake import Mistake
from hl7bridge.cli.options import OutputFile, echo_json, json_option
from hl7bridge.engine.folder import load_folder, read_folder, read_secret
from hl7bridge.engine.lists.rosters import roster_mistakes
from hl7bridge.words import counted

CONFIG = click.argument("config", type=click.Path(path_type=Path), default=Path("channels"))


@click.command()
@CONFIG
@json_option
def check(config: Path, as_json: bool) -> None:
    """Read the channels in CONFIG (default: channels/) and name every mistake at once, with file:line:column.

    A warning names a path that goes beyond HL7 2.1 to 2.8.2: RXE-49, PID-7[2]. It stops nothing, since real feeds do so;
    where yours does, say so with site_fields: [PID-41] in hl7bridge.yaml. Editors mark the same (hl7bridge schema).

    Rosters are read too. Exit status 1 if there is a mistake.
    """
    found, doubts, configuration = look_over(
        read_folder(config), lambda reference: read_secret(config, reference)
    )
    lists = [] if configuration is None else roster_mistakes(config, configuration)
    if as_json:
        for row in [each._asdict() for each in found] + [each._asdict() for each in lists]:
            echo_json({**row, "severity": "mistake"})
        for each in doubts:
            echo_json({**each._asdict(), "severity": "warning"})
    else:
        for line in [str(each) for each in found] + [str(each) for each in lists]:
            click.echo(os.path.join(config, line))
        for each in doubts:
            click.echo(os.path.join(config, str(each._replace(what=f"warning: {each.what}"))))
    count = len(found) + len(lists)
    if count:
        click.echo(", ".join([counted(count, "mistake"), *_warnings(doubts)]), err=True)
        raise SystemExit(1)
    if not as_json and configuration is not None:
        click.echo(
            f"{config}: {counted(len(configuration.channels), 'channel')}, {counted(len(configuration.sources), 'source')}, "
            f"{counted(len(configuration.destinations), 'destination')} "
            f"({counted(len(configuration.affiliates), 'affiliate')}), "
            + ", ".join(["no mistakes", *_warnings(doubts)])
        )
        if not configuration.channels:
            click.echo(
                f"there is no channel in {config.resolve()}: an engine takes no message by it", err=True
            )


def _warnings(doubts: Sequence[Mistake]) -> list[str]:
    return [counted(len(doubts), "warning")] if doubts else []


@click.command()
@CONFIG
@click.option("--channel", help="Only the tests of this channel.")
@click.option("--junit", type=OutputFile(), help="Write the results as JUnit XML too.")
@json_option
def test(config: Path, channel: str | None, junit: Path | None, as_json: bool) -> None:
    """Run the *.test.yaml files beside the channels in CONFIG and show each field that came out differently.

    Exit status 1 if a test fails.
    """
    configuration = load_folder(config)
    results = run_tests(configuration, lambda path: (config / path).read_bytes(), channel=channel)
    if junit is not None:
        junit.write_bytes(_junit(results))
    failed = [result for result in results if not result.passed]
    gone = Counter(filter(None, (_gone(config, result) for result in results)))
    for result in results:
        if as_json:
            echo_json(
                {
                    "name": result.name,
                    "place": result.place,
                    "channel": result.channel,
                    "passed": result.passed,
                    "fault": result.fault,
                    "differences": [
                        {
                            "destination": each.destination,
                            "path": each.path,
                            "expected": each.expected,
                            "found": each.found,
                            "doubt": each.doubt,
                        }
                        for each in result.differences
                    ],
                }
            )
        elif not result.passed and _gone(config, result) is None:
            click.echo(f"{config}/{result.place}: {click.style('failed', fg='red')}: {result.name}")
            for line in [result.fault] if result.fault else map(str, result.differences):
                click.echo(f"    {line}")
    if not as_json:
        for folder, count in sorted(gone.items()):
            click.echo(
                f"{counted(count, 'test')} failed: there is no folder {folder.resolve()}, where their messages should be; "
                "copy it too, beside the folder of channels (cp -r)"
            )
        click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    if not results:
        click.echo("there are no tests; put them beside the channel as CHANNEL.test.yaml", err=True)
    raise SystemExit(1 if failed else 0)


def _gone(config: Path, result: TestResult) -> Path | None:
    """The outermost folder that is not there, of those in which a test's message should lie: it is missed once, not test by test."""
    if result.missing is None:
        return None
    folder = Path(os.path.normpath((config / result.missing).parent))
    gone = [each for each in (folder, *folder.parents) if not each.is_dir()]
    return gone[-1] if gone else None


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
def schema(config: Path | None) -> None:
    """Print the JSON Schema of the channel language, for editors.

    With CONFIG, a folder of channels, it knows the names in it too: tables and their columns, destinations, affiliates, scopes,
    sources, channels, and the site_fields of its hl7bridge.yaml; others are marked. Make it anew when there are new ones:

    \b
        hl7bridge schema channels > channels/schema/channel.json

    An editor finds it by its settings, or by a first line in each file:

    \b
        # yaml-language-server: $schema=./schema/channel.json
    """
    from hl7bridge.channel.editors.schema import printed
    from hl7bridge.channel.editors.schema import schema as language_schema

    click.echo(printed(language_schema(None if config is None else names_of(read_folder(config)))))


def _junit(results: Sequence[TestResult]) -> bytes:
    failures = sum(not result.passed for result in results)
    suite = ElementTree.Element(
        "testsuite", name="hl7bridge", tests=str(len(results)), failures=str(failures)
    )
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", classname=result.channel, name=result.name, file=result.file
        )
        if not result.passed:
            lines = [result.fault] if result.fault else [str(each) for each in result.differences]
            failure = ElementTree.SubElement(case, "failure", message=lines[0] or "")
            failure.text = "\n".join(line or "" for line in [result.place, *lines])
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))
