"""Many databases, of one or many servers, in one drill."""
