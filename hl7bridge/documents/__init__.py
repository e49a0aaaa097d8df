"""Pages for people: a visit's summary and its withdrawal (`visit`), the cover sheet before it (`cover`), an affiliate's `report`; made
of what all share (`page`, `typeface`, `charts`) and put together by `join`. Pure: facts and times in, the bytes of a PDF out.

The only room that knows reportlab and pypdf; who needs a page imports it when the first one is due. The same arguments give the
same bytes.
"""
