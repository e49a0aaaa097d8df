"""What does not leave, for whom: withheld categories found in a message (`sensitive`) and taken out of it (`withhold`), and the
fields that leave (`share`).
"""
