"""What a folder, its neighbours and the world may do to files on their way: nothing is lost, repeated, or held up for ever."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hl7bridge.engine import answer
from hl7bridge.store.base import StoreFault
from tests.engine.site import order
from tests.engine.watched import CHANNEL, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# -- names and neighbours ----------------------------------------------------------------------------------------------------------


def test_a_vertical_tab_in_a_text_makes_no_frames_of_a_file(site: Site) -> None:
    site.put("a", order(1), order(2).replace(b"DOE", b"DOE\x0bJANE"), order(3))
    site.taken()
    assert site.delivered == ["7-1", "7-2", "7-3"]
    assert site.within("failed") == {}


def test_what_the_store_can_never_keep_is_set_aside(site: Site) -> None:
    site.put("a", order(1), order(2), order(3))
    site.world.run(9)
    commit = site.store.commit

    def refusing(batch: Any) -> Any:
        if any(message.control_id == "7-2" for message in batch.messages):
            raise StoreFault("a value cannot be stored")
        return commit(batch)

    site.store.commit = refusing  # type: ignore[method-assign]
    site.taken(120)
    assert site.delivered == ["7-1", "7-3"]
    assert b"message 2: the program failed on it" in site.within("failed")["a.reason"]


def test_an_answer_that_cannot_be_made_stops_no_file(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> bytes:
        raise ValueError

    monkeypatch.setattr(answer, "ack", SimpleNamespace(build=broken))
    site.put("a", order(1), order(2))
    site.taken()
    assert site.within("done").keys() == {"a"}


def test_a_source_that_gets_another_name_loses_no_message(site: Site) -> None:
    site.put("a", *[order(number) for number in range(1, 60)])
    engine = site.world.engine
    frame, frames = engine.receiver.frame, []

    def reloading(received: Any) -> None:
        frame(received)
        frames.append(received)
        if len(frames) == 20:
            list(engine.reload())

    engine.receiver.frame = reloading  # type: ignore[method-assign]
    named = (CHANNEL % ("", "")).replace("source: {file", "source: evening\n#")
    (site.world.folder / "night.yaml").write_text(named)
    (site.world.folder / "sources").mkdir()
    (site.world.folder / "sources" / "evening.yaml").write_text(
        "source: evening\nfile: {folder: in, every: 5s, settled: 10s}\n"
    )
    site.taken(120)
    assert site.times == [f"7-{number}" for number in range(1, 60)]
    assert site.within("failed") == {}
