"""What the programme says, as HL7 messages: alerts, and visit summaries with what is kept of those that were sent."""
