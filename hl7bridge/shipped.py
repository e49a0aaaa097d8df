"""What ships with the program as data: reference tables, as bytes. Knows where they lie, and nothing of what they say."""

from __future__ import annotations

from importlib.resources import files


def interactions() -> bytes:
    """The reference list of interactions, for `channel.loading.interactions`; its head comment names the source."""
    return files("hl7bridge.affiliation").joinpath("reference", "interactions.csv").read_bytes()
