"""For editors: the JSON Schema (`schema`), made from the tables that the loader reads by, with the paths of HL7 (`pathpattern`,
`pathnames`) and the names of a folder (`foldernames`).
"""
