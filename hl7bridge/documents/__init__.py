"""Pages for people: a visit's summary, its withdrawal, the cover sheet before it. Pure: facts and times in, the bytes of a PDF out.

The only room that knows reportlab and pypdf; who needs a page imports it when the first one is due. The same arguments give the
same bytes.
"""
