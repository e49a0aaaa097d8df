"""The affiliates' roster files: staged, published all together (`rosters`), with a line that says how far they are (`loading`)."""
