"""hl7bridge: an HL7 v2 interface engine. Follow one message: engine/receiving/receive.py reads like its walk."""
