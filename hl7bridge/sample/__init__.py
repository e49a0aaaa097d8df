"""Real traffic made safe to give to somebody else: every value is replaced, shifted, left out, or known to tell nothing of a person.

    standins   what stands in for a name, a number, a day: made of a key, the same for the same value
    common     which codes so many patients have that they tell nothing of one
    header     what of MSH says who sent it, and what the standard fixes
    ages       which observations are ages
    areas      places smaller than a state, and their search in the whole message
    safe       one message, field by field, by the data types of its version (HL7 chapter 2A)

It is for tests and for vendors' questions; it is no expert's determination (45 CFR 164.514(b)), and says so. Pure. What is not known
is not passed on.
"""
