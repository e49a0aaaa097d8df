"""What plays the other ends: scripted hospitals, feeds, transports in memory. Used by commands, the demo and the tests."""
