from __future__ import annotations

import subprocess
import sys

import pytest

from hl7bridge.hl7.names import WITHDRAWN, segment_name, standard


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (("PID", 3), "Patient Identifier List"),
        (("PID", 3, 1), "Patient Identifier List: ID Number"),
        (("PID", 3, 4, 1), "Patient Identifier List: Assigning Authority: Namespace ID"),
        (("PID", 8), "Administrative Sex"),
        (("PID", 8, 1), "Administrative Sex"),
        (("MSH", 9, 2), "Message Type: Trigger Event"),
        (("PID", 6), "Mother's Maiden Name"),
        (("PID",), "Patient Identification"),
        (("OBR", 1), "Set ID OBR"),
        (("FT1", 29), "NDC Code"),
        (("TQ1", 14), "Total Occurrence's"),
        (("PID", 99), None),
        (("PID", 3, 99), None),
        (("PID", 8, 2), None),
        (("ZPH", 1), None),
        (("ZPH",), None),
    ],
)
def test_places_have_the_standard_s_names(place: tuple[str, int], name: str | None) -> None:
    assert standard().name(*place) == name


def test_versions_differ() -> None:
    assert standard("2.3").name("RXD", 33) is None
    assert standard("2.5.1").name("RXD", 33) == "Dispense Type"
    assert standard("2.2").version == "2.2"
    assert standard("2.5.7").version == "2.5.1"
    assert standard("2.9").version == "2.8.2"
    assert standard("").version == "2.5.1"


def test_what_a_version_has_withdrawn_moves_no_name() -> None:
    latest = standard("2.8.2")
    assert latest.name("DG1", 15) == "Diagnosis Priority"
    assert latest.name("DG1", 7) is None
    assert latest.name("ERR", 3) == "HL7 Error Code"
    assert standard("2.6").name("PID", 13, 2) == "Phone Number Home: Telecommunication Use Code"
    assert standard("2.7").fields("QRD") == ()


def test_the_segments_of_a_version() -> None:
    segments = standard().segments
    assert {"MSH", "PID", "RXD", "TQ1"} <= set(segments)
    assert segments == tuple(sorted(segments))
    assert segment_name("RXD") == "Pharmacy/Treatment Dispense"


def test_a_field_knows_its_type_and_table() -> None:
    field = standard().element("PID", 10)
    assert field is not None
    assert (field.datatype, field.table, field.least, field.most) == ("CE", "0005", 0, None)
    assert "F" in standard().codes("0001")
    assert standard("2.3").codes("0001") == standard().codes("9999") == ()


def test_reading_messages_does_not_load_the_tables() -> None:
    code = (
        "import sys, hl7bridge.hl7.ack, hl7bridge.hl7.batch, hl7bridge.hl7.path, hl7bridge.hl7.names, "
        "hl7bridge.hl7.conformance; sys.exit('hl7apy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("version", ["2.5.1", "2.6", "2.7", "2.8", "2.8.2"])
def test_what_a_version_has_withdrawn_moves_nothing_that_stands_behind_it(version: str) -> None:
    tables = standard(version)
    assert tables.name("EVN", 6) == "Event Occurred"
    assert tables.name("PID", 30) == "Patient Death Indicator"
    assert tables.name("OBR", 25) == "Result Status"
    assert tables.name("FT1", 10) == "Transaction Quantity"


def test_a_place_that_a_version_has_withdrawn_has_nothing() -> None:
    assert standard("2.8.2").element("EVN", 1) is None
    assert standard("2.8.2").name("EVN", 1) is None
    assert standard("2.8.2").fields("EVN")[0] is WITHDRAWN
