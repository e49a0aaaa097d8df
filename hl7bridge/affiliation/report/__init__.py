"""The periodic report for one affiliate: its `lines` patient by patient, the `figures` on top, and both as `rows` of text."""
