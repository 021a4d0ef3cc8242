"""Redis: what befalls a cache."""
