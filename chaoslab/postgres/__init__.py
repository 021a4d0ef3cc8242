"""PostgreSQL: back up, restore into a scratch server, compare, measure what was lost."""
