"""Our form of a file that was written for plain Chaos Toolkit: a proposal, with what a person must decide marked."""
