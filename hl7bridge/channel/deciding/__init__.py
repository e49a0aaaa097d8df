"""What becomes of a message: `decide`, the heart, and what it walks through.

configuration, plan   a folder that was read without a mistake, compiled
decide, case          one message through its channels; what these share meanwhile
leaving, outcome      one delivery; what a channel makes of a message
expected              what a test beside the channels expects
"""
