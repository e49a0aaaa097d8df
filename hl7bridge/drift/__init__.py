"""Drift of feeds: what they send that they never sent before (`profile`; `coded` says which fields hold codes), and whether the
configuration is concerned (`concern`).
"""
