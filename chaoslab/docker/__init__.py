"""Containers: what befalls one, and the network, limits and volumes that it has."""
