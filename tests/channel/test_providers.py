"""The site's table of providers who are reached by fax or mail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hl7bridge.affiliation.messages.recipient import Recipient
from hl7bridge.channel.feed.npi import is_npi
from hl7bridge.channel.loading.folder import load
from tests.channel.conftest import folder

HEAD = "npi,name,fax,street,city,state,zip\n"


def test_a_provider_is_found_by_npi() -> None:
    row = "1234567893,Dr. Ada Okonkwo,+1 555 555 0142,12 Elm St,Springfield,IL,62701\n"
    found = load(folder("", {"tables/providers.csv": (HEAD + row).encode()})).providers
    assert found == {
        "1234567893": Recipient(
            "Dr. Ada Okonkwo", "1234567893", "+1 555 555 0142", "12 Elm St", "Springfield", "IL", "62701"
        )
    }
    assert load(folder("")).providers == {}


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("1234567890,A,5555550142,,,,", "is no NPI"),
        ("12345,A,5555550142,,,,", "is no NPI"),
        ("1234567893,,5555550142,,,,", "no name"),
        ("1234567893,A,call me,,,,", "no fax number"),
        ("1234567893,A,,,,,", "neither a fax number nor an address"),
        ("1234567893,A,,12 Elm St,,,", "neither a fax number nor an address"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line(
    mistakes: Callable[..., list[str]], row: str, what: str
) -> None:
    [found] = mistakes("", {"tables/providers.csv": (HEAD + row + "\n").encode()})
    assert found.startswith("tables/providers.csv:2:1")
    assert what in found


def test_a_table_without_its_columns_is_a_mistake(mistakes: Callable[..., list[str]]) -> None:
    assert any("no column fax" in each for each in mistakes("", {"tables/providers.csv": b"npi,name\n1,A\n"}))
    turned = b"name,npi,fax,street,city,state,zip\nA,1234567893,5555550142,,,,\n"
    assert any("first column" in each for each in mistakes("", {"tables/providers.csv": turned}))


@pytest.mark.parametrize(
    ("npi", "right"),
    [("1234567893", True), ("1650912233", False), ("1234567898", False), ("3234567893", False), ("", False)],
)
def test_the_last_digit_of_an_npi_checks_the_others(npi: str, right: bool) -> None:
    assert is_npi(npi) is right
