"""What a folder, its neighbours and the world may do to files on their way: nothing is lost, repeated, or held up for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.site import order
from tests.engine.watched import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# -- names and neighbours ----------------------------------------------------------------------------------------------------------


def test_a_vertical_tab_in_a_text_makes_no_frames_of_a_file(site: Site) -> None:
    site.put("a", order(1), order(2).replace(b"DOE", b"DOE\x0bJANE"), order(3))
    site.taken()
    assert site.delivered == ["7-1", "7-2", "7-3"]
    assert site.within("failed") == {}
