"""What plays the other ends, for commands, the demo and the tests.

in memory          network (with a clock that is turned by hand), world (a whole site on it)
on this machine    engineprocess, hospital, feed, peer; site and story with storymessages (the demo), kill, account
what is sent       traffic, people; synthetic (whole lives, from a seed)
"""
