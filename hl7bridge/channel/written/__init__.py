"""What stands in a file of the folder, each node with its place: YAML as it was written, mistakes, and the kinds of value that a key
may hold. It knows neither messages nor what a key is for.

    yaml, mistake              nodes with file, line and column; what is wrong and what to do
    model, kinds, record       kinds of value: plain ones, those of the world (networks, days, zones), those that hold others
    language                   what is only passed on here and compiled by `rules`
    beyond, segments           what the standard has of the fields and segments that are named
    named, contract, filename  what a file names; an affiliate's agreement; templates of file names
"""
