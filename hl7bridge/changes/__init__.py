"""What a change of the configuration would do to real traffic: stored messages are decided again under the old and the new one.

    the walk of a comparison   versions (which two), traffic (every message, in processes), difference (of two decisions; of two
                               messages, see hl7.changed), tally (the same difference of many messages is one), marks (what became of
                               them, hashed), accepted, result, page (HTML)
    the preview of a replay    preview (each message, and all of them), newer (what came of their patients since)

Nothing is sent, and nothing is written but what `accepted` and `page` are asked for. Refuses to know sockets.
"""
