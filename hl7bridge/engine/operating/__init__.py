"""What people may do to a running engine, over its control socket (`control`, which also reloads).

operate                        hold, release, resend, cancel, status
replay, replaywhere, edited    messages go their way again; where; with an edited copy
entitle, revoke                who may now be told, and what must no longer leave, since a roster changed
settle                         who is who
"""
