"""The only room that knows Chaos Toolkit."""
