"""The engine joins the rooms: what a listener receives is decided, kept, acknowledged and delivered.

Begin with receive.py. service.py alone sees everything.

    the walk of a message   feed, receive, in_time, accept, journal, answer, deliver, release, pool, about, numbers, identity, budget
    its life                process, service, ports, folders, folder, connect, documents, signals, steady, lock, writer, upkeep,
                            trailhead
    rosters                 rosters, loading, revoke, entitle
    the programme           programme (who is due), tell (what was told), telling, alerting, summaries
    operators               control, operate, settle, replay
    what is watched         drift (what feeds never sent before)
"""
