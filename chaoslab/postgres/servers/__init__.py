"""Servers of our own on this machine: in which folder, on which port, and how nothing of them is left."""
