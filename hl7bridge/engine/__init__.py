"""The engine joins the rooms: what a listener receives is decided, kept, acknowledged and delivered.

Begin with engine/receiving/receive.py. service.py alone sees everything. A room imports only those above it, and names the type of
the engine that it is handed:

    keeping       group commits, numbers, hashes of patients
    delivering    from a queue to another system
    receiving     the walk of one message, up to its acknowledgement
    edges         from settings to sockets and folders
    lists         the affiliates' rosters
    programme     who is due, and what is told
    operating     what operators may do
    here          the engine's life (service, process, signals, lock, upkeep, trailhead, folder, steady), and drift, which watches
                  what feeds send
"""
