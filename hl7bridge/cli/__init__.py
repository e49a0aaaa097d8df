"""The command line. It knows click and tables, and asks `operations` and the engine for everything else.

Results go to standard output, logs and progress to standard error. Exit status: 0 fine, 1 findings, 2 usage or an error.
"""

from __future__ import annotations

from hl7bridge.cli.main import main

__all__ = ["main"]
