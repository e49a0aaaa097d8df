"""What an interface engineer writes in YAML, and what it decides: loading with file:line:column mistakes,
filters, mappings, code tables, routing, what does not leave for whom, what a feed tells the affiliation programme, and `decide`.

Pure: a folder comes in as bytes by name, secrets through a callable, times and rosters as arguments. It knows
no socket, no store, no clock and opens no file.
"""

from hl7bridge.channel.beside import Difference, TestResult, run_tests
from hl7bridge.channel.configuration import ChannelSettings, Configuration
from hl7bridge.channel.decide import ChannelOutcome, Decision, Outgoing, decide
from hl7bridge.channel.filename import file_name
from hl7bridge.channel.folder import check, load
from hl7bridge.channel.mistake import ConfigurationErrors, Mistake
from hl7bridge.channel.settings import (
    ClientTls,
    DestinationSettings,
    DocumentsTarget,
    EngineSettings,
    FileTarget,
    MllpListener,
    MllpTarget,
    Retry,
    ServerTls,
    SmtpTarget,
    SourceSettings,
)

__all__ = [
    "ChannelOutcome",
    "ChannelSettings",
    "ClientTls",
    "Configuration",
    "ConfigurationErrors",
    "Decision",
    "DestinationSettings",
    "Difference",
    "DocumentsTarget",
    "EngineSettings",
    "FileTarget",
    "Mistake",
    "MllpListener",
    "MllpTarget",
    "Outgoing",
    "Retry",
    "ServerTls",
    "SmtpTarget",
    "SourceSettings",
    "TestResult",
    "check",
    "decide",
    "file_name",
    "load",
    "run_tests",
]
