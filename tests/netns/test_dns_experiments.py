"""The catalog's failures of DNS on a host of the lane's own: who keeps what it knows passes, its twin fails."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from catalog_files import each_experiment_of, files_of
from catalog_runs import passes
from catalog_runs import run as run_file
from naming import Naming
from talking import until

DNS_FAILS = next(file for file in files_of("netns") if file.stem == "dns-fails")
SERVICE = Path(__file__).parent / "support" / "named_service.py"
PORTS = {"resilient": 8080, "fragile": 8081}


@pytest.fixture(scope="module")
def host():
    """A namespace as a host: its programs read a resolv.conf of their own, and two services run on it."""
    naming = Naming(asker=False)
    folder = Path("/etc/netns") / naming.client.name
    folder.mkdir(parents=True)
    (folder / "resolv.conf").write_text(f"nameserver {naming.server_address}\noptions timeout:1 attempts:1\n")
    services = []
    try:
        for kind, port in PORTS.items():
            words = [sys.executable, SERVICE, str(port), f"--{kind}"]
            services.append(subprocess.Popen(["ip", "netns", "exec", naming.client.name, *words]))
        for port in PORTS.values():
            until(lambda port=port: status(naming.client, port) == "200", "the service is well")
        yield naming.client
    finally:
        for service in services:
            service.kill()
            service.wait()
        shutil.rmtree(folder)
        naming.stop()


def status(space, port):
    code = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).status)"
    return space.run(sys.executable, "-c", code, f"http://127.0.0.1:{port}/health", check=False).strip()


def given(space, port, **variables):
    """Return what runs a file as a person on that host does."""
    told = {"service_url": f"http://127.0.0.1:{port}", "read_path": "/read", "health_path": "/health"}
    return {"prefix": ("ip", "netns", "exec", space.name), **told, "duration": "2s", **variables}


@each_experiment_of("netns")
def test_a_service_that_keeps_what_it_knows_passes(host, tmp_path, file):
    before = host.run("nft", "list", "ruleset")
    report = passes(file, tmp_path, **given(host, PORTS["resilient"], names="db.internal"))
    assert "in this host" in report["faults"][0]["target"]
    assert host.run("nft", "list", "ruleset") == before


def test_its_twin_that_looks_up_for_every_reader_fails(host, tmp_path):
    code, report, said = run_file(DNS_FAILS, tmp_path, **given(host, PORTS["fragile"], names="db.internal"))
    assert code == 10, said
    assert {one["name"]: one["outcome"] for one in report["objectives"]}["availability"] == "missed"
    assert report["residue"] == []


def test_a_name_that_the_service_does_not_need_proves_nothing(host, tmp_path):
    variables = given(host, PORTS["resilient"], names="other.internal", duration="100ms")
    code, report, said = run_file(DNS_FAILS, tmp_path, **variables)
    assert code == 11, said
    assert "fault-without-effect" in {finding["code"] for finding in report["findings"]}
