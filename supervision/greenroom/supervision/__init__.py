"""Who lives: actors on Pykka, supervisors, leases, clocks, runtimes. Knows nothing of audio."""
