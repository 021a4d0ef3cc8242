"""Is what was restored what was backed up? Facts against facts, and rows against the rows of a source that went on."""
