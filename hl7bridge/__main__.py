"""`python -m hl7bridge`."""

from hl7bridge.cli import main

main(prog_name="hl7bridge")
