"""What tests of several rooms share."""

from __future__ import annotations

import os

import pytest


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The inodes of files and folders that were made durable since the test began."""
    found: set[int] = set()
    fsync = os.fsync

    def noting(handle: int) -> None:
        fsync(handle)
        found.add(os.fstat(handle).st_ino)

    monkeypatch.setattr(os, "fsync", noting)
    return found
