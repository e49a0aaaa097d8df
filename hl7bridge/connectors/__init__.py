"""Connectors: the edges where Twisted meets the network and the file system.

They receive callables and settings; they know frames and answers, and neither channels nor the store.

    MLLP        mllp_source; mllp_pool (all connections to a hospital) and mllp_destination (one of them); tls, straight, unreached
    files       file_source over inbox and message_file; file_destination; durable
    documents   document_outbox, smtp_destination; outgoing (what both are given)
    sparing     log lines that the other end can cause at will
"""
