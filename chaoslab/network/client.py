"""Tell a running TCP proxy what to do."""

from chaoslab.runtime.proxyclient import ProxyClient, ProxyGone, ProxyRefused

__all__ = ["ProxyClient", "ProxyGone", "ProxyRefused"]
