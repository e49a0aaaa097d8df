"""What is documented is there, and what is there is documented."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from hl7bridge.cli.main import COMMANDS, main
from hl7bridge.delivery import machines

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands(group: click.Group, before: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        found.append(((*before, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*before, name))
    return found


@pytest.mark.parametrize(
    ("path", "command"), commands(main), ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_every_command_and_option_says_what_it_does_and_is_in_the_readme(
    path: tuple[str, ...], command: click.Command
) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("port", "host", "connections"):
            assert parameter.help, f"{' '.join(path)} {parameter.opts[0]}"
    assert (
        f"hl7bridge {' '.join(path)}" in README or f"`queue {path[-1]}" in README or f"`{path[0]}`" in README
    )


def test_the_readme_names_no_command_that_is_not_there() -> None:
    for name in re.findall(r"bin/hl7bridge ([a-z]+)", README):
        assert name in COMMANDS


def test_the_readme_opens_with_the_two_commands() -> None:
    head = README.split("\n\n")[1]
    assert "bin/hl7bridge demo" in head
    assert "bin/test" in head


@pytest.mark.parametrize("table", [machines.DELIVERY, machines.KEY, machines.LINK])
def test_the_diagrams_in_the_readme_are_the_tables(table: machines.Transitions) -> None:
    drawn = "\n".join(f"    {line}" for line in machines.diagram(table).splitlines())
    assert drawn in README


def test_every_module_that_is_named_by_its_path_is_there() -> None:
    package = ROOT / "hl7bridge"
    sources = [path for suffix in ("py", "sql") for path in package.rglob(f"*.{suffix}")]
    for source in [ROOT / "README.md", *sources]:
        for named in re.findall(r"(?<![\w/.~])((?:[a-z0-9_]+/)+[a-z0-9_]+\.py)\b", source.read_text()):
            assert any((top / named).is_file() for top in (ROOT, package, source.parent)), (
                f"{source}: {named}"
            )
