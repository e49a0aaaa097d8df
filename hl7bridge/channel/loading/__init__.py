"""From a folder's files to a Configuration, with every mistake named at once: `folder` begins; the others read a kind of file each.

folder, filekind                                 the whole; the kinds of file
channelfile, testfile                            channels, and tests beside them
medicines, interactions, withheld, providers     the site's own tables
agreed, taken                                    what files must not say together
"""
