"""A day's reconciliation with a destination: what became of every message that was received for it, and what its own list says.

    the walk    day (which), walk (the store's messages of it, with routes: which channels send there, and ends: what became of
                each), ledger (all of it, on the disk), theirs (the hospital's list), compared (the two), result

Nothing is sent, and nothing of the store is changed. A ledger holds control IDs and numbers, and no body. Refuses to know sockets.
"""
