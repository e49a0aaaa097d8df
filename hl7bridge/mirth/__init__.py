"""What another engine calls a channel, as ours: exports of Mirth Connect and the Open Integration Engine become YAML.

    the walk of an import   export (XML, read safely), elements (its channels, steps and rules), chains (channels that hand on),
                            script (the expressions in them), replacing (regular expressions), tame (what a script surely leaves
                            alone), values (what is certain where), rules (conditions), steps (a map), template (a new message),
                            connectors (where from, where to), filereader, queue (what is tried again), channel (all of it as
                            files), lines (YAML with comments), notes

What cannot be said for certain in our language is not said: it stands as a comment at its place, and in the list of what was not
carried over. Knows bytes and texts; refuses to know files and sockets.
"""
