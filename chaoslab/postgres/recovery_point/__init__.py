"""The recovery point: a writer's heartbeat before the disaster, and what of it is there afterwards."""
