"""How far the standard goes: the table is what all versions say together, and nobody loads hl7apy to read it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hl7bridge.channel.written.segments import SEGMENTS
from hl7bridge.hl7 import extenttable
from hl7bridge.hl7.extent import extent, extents, is_composite, last_field, parts
from hl7bridge.hl7.names import WITHDRAWN, Element, standard
from hl7bridge.hl7.versions import module, versions

ROOT = Path(__file__).parents[2]


def elements() -> Iterator[tuple[str, int, Element]]:
    """Every field of every version, but for those that it has withdrawn."""
    for version in versions():
        tables = standard(version)
        for segment in tables.segments:
            for number, element in enumerate(tables.fields(segment), 1):
                if element is not WITHDRAWN and element.most != 0:
                    yield segment, number, element


def test_the_table_is_what_hl7apy_says() -> None:
    written = Path(extenttable.__file__).read_text(encoding="utf-8")
    assert written == module(), (
        "write it anew: python -m hl7bridge.hl7.versions > hl7bridge/hl7/extenttable.py"
    )


def test_no_version_goes_further() -> None:
    seen = 0
    for segment, number, element in elements():
        found = extent(segment, number)
        assert found is not None, f"{segment}-{number}"
        assert (last_field(segment) or 99) >= number
        assert found.most is None or (element.most is not None and element.most <= found.most), segment
        known = parts(found.datatypes)
        if known is None:
            continue
        assert len(element.parts) <= len(known), f"{segment}-{number}"
        for part, count in zip(element.parts, known, strict=False):
            assert count is None or len(part.parts) <= count, f"{segment}-{number} {part.name}"
        seen += 1
    assert seen > 20_000


@pytest.mark.parametrize(
    ("segment", "fields"),
    [("RXE", 45), ("PID", 40), ("OBX", 30), ("MSH", 25), ("QPD", None), ("RDT", None), ("ZPH", None)],
)
def test_how_many_fields_a_segment_has(segment: str, fields: int | None) -> None:
    assert last_field(segment) == fields


def test_what_a_field_may_hold() -> None:
    name, born, value = extent("PID", 5), extent("PID", 7), extent("OBX", 5)
    assert name is not None
    assert born is not None
    assert value is not None
    assert (name.most, born.most, value.most) == (None, 1, None)
    assert (parts(name.datatypes) or ())[:3] == (5, 1, 1), "FN has five parts"
    assert parts(born.datatypes) == (1, 1), "TS had a degree of precision"
    assert parts(value.datatypes) is None
    assert extent("PID", 41) is extent("ZPH", 1) is None


def test_which_fields_have_components_is_what_2_5_1_says() -> None:
    for segment in SEGMENTS:
        for number in range(1, len(extents(segment)) + 2):
            element = standard().element(segment, number)
            usual = element is not None and bool(element.parts) and element.datatype not in ("TS", "DTM")
            assert is_composite(segment, number) == usual, f"{segment}-{number}"


def test_every_segment_of_any_version_may_be_named() -> None:
    assert {segment for segment, _, _ in elements()} <= SEGMENTS


def test_a_folder_is_loaded_and_checked_without_hl7apy() -> None:
    code = (
        "import sys; from pathlib import Path; from hl7bridge.engine.folder import load_folder, read_folder; "
        "from hl7bridge.channel.loading.folder import look_over; folder = Path(sys.argv[1]); load_folder(folder); "
        "assert look_over(read_folder(folder))[:2] == ([], []); sys.exit('hl7apy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ROOT / "channels")], cwd=ROOT, check=False)
    assert done.returncode == 0
