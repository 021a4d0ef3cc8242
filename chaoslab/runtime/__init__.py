"""What makes a run safe: clock, run log, undo ledger, reaper, locks, session."""
