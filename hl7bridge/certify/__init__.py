"""The onboarding of a link: what a new hospital's endpoint, or a new feed, does with what will come, found out before it does.

    link       one MLLP connection, step by step, with what its TLS showed
    messages   made-up messages for it: MSH-11 is T in all of them, and the patient is ZZTEST
    hospital   the checks of a hospital's test endpoint
    feed       the other way round: we play the hospital, and look at what the feed's engineers send
    report     what was found, for JSON and as a page that both sides can sign

Knows sockets and no store. It is a tool on the command line: it waits.
"""
