"""Periodic reports of affiliates, made beside the engine: patients read from the store, rows sorted on the disk, files written.

What a report says is decided in hl7bridge.affiliation.report.lines; here it is gathered, however many patients there are, with as much
memory as a few thousand of them need: `make` writes the files of what `gather` finds, and lays rows `aside` until they are sorted.
"""
