"""What an exercise can need of the machine it runs on, and what to do where that is absent."""

from __future__ import annotations

from collections.abc import Mapping

NEEDS: Mapping[str, str] = {
    "lab": "start one with `chaoslab lab start`",
    "postgres": "pip install 'chaoslab[pg]', and name a reachable server",
    "postgres-binaries": "install PostgreSQL's server programs (Debian: apt-get install postgresql)",
    "root": "run as root, for instance with sudo",
    "net-admin": "run as root, give the process CAP_NET_ADMIN, or name a network namespace of your own",
    "nftables": "install nft (Debian: apt-get install nftables), and use a Linux kernel that has nf_tables",
    "netem": "use a Linux kernel that has sch_netem (modprobe sch_netem)",
    "docker": "pip install 'chaoslab[docker]', start Docker, and let this user reach its socket",
    "kubernetes": "pip install 'chaoslab[k8s]', and set KUBECONFIG to a cluster that may be disturbed",
    "s3": "pip install 'chaoslab[aws]', and set an endpoint and credentials for the object store",
    "redis": "pip install 'chaoslab[redis]', and name a reachable Redis server",
    "kafka": "pip install 'chaoslab[kafka]', and name a reachable Kafka broker",
    "prometheus": "name a reachable Prometheus server",
    "alertmanager": "name a reachable Alertmanager",
    "dns": "name a reachable authoritative DNS server",
}
"""Every capability that `needs` may list, with the one line that brings it."""
