"""Drift of feeds: what they send that they never sent before, and whether the configuration is concerned."""
