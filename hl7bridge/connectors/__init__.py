"""Connectors: the edges where Twisted meets the network and the file system.

They receive callables and settings; they know frames and answers, and neither channels nor the store.
"""
