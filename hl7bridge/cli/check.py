"""check, test, schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click

from hl7bridge.cli.options import echo_json, json_option
from hl7bridge.engine.folder import read_folder, read_secret

CONFIG = click.argument("config", type=click.Path(path_type=Path), default=Path("channels"))
