"""`hl7bridge generate`: what lands in the folder or on standard output is the stream, and rosters that the engine reads."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from click.testing import CliRunner

from hl7bridge.affiliation.who.roster import read_roster
from hl7bridge.cli.main import main
from hl7bridge.hl7.batch import read_file
from hl7bridge.testing.synthetic import DIALECTS, SOURCES, generate, roster

RUN = ["generate", "--seed", "9", "--patients", "40", "--days", "60"]


def test_standard_output_holds_the_messages_and_nothing_else() -> None:
    result = CliRunner().invoke(main, [*RUN, "--from", "2026-03-01", "--dialect", "pdx"])
    assert result.exit_code == 0
    expected = [each.raw for each in generate(9, 40, 60, start=date(2026, 3, 1), dialects=["pdx"])]
    assert result.stdout_bytes == b"".join(expected)
    assert f"{len(expected):,} messages" in result.stderr


def test_a_folder_holds_each_sources_days_and_the_rosters(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*RUN, "--to", str(tmp_path / "feed"), "--json"])
    assert result.exit_code == 0
    expected = list(generate(9, 40, 60))
    assert json.loads(result.stdout)["messages"] == len(expected)
    for source in SOURCES:
        found = [
            raw
            for path in sorted((tmp_path / "feed" / source).glob("*.hl7"))
            for raw in read_file(path.read_bytes()).messages
        ]
        assert found == [each.raw for each in expected if each.source == source]
    listed = {
        (path.stem, entry.id, entry.authority, entry.valid_from, entry.valid_through, entry.npi)
        for path in (tmp_path / "feed" / "rosters").glob("*.csv")
        for entry in read_roster(path.read_bytes(), path.name)
    }
    assert listed == {
        (name, entry.id, entry.authority, entry.valid_from, entry.valid_through, entry.npi)
        for name, entry in roster(9, 40)
    }


def test_what_is_in_the_way_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    result = CliRunner().invoke(main, [*RUN, "--to", str(tmp_path)])
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_dialect_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(main, [*RUN, "--dialect", "qs-one"])
    assert result.exit_code == 2
    assert "did you mean 'qsone'" in result.stderr


def test_the_readme_names_every_dialect_and_where_it_has_the_days_supply() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for name, dialect in DIALECTS.items():
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{name}` |"))
        assert f"| {dialect.version.decode()} |" in row
        assert f"| {dialect.first} |" in row
        assert dialect.supply in row or dialect.supply == "nowhere"
