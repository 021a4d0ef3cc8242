"""The service without its cache, and without the service that it asks."""

import json
import urllib.error
import urllib.request

import pytest
from waiting import until

from chaoslab.runtime.proxyclient import ProxyClient


def ask(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, json.loads(answer.read()), "X-Degraded" in answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), False


@pytest.fixture
def cut(lab):
    """Cut off a dependency: `cut("downstream")`; afterwards all is well again."""
    controls = []

    def one(section):
        if section not in lab:
            pytest.skip(f"the lab has no {section}")
        controls.append(ProxyClient(lab[section]["proxy"]))
        controls[-1].add("cut", "blackhole", ttl_s=60)
        return controls[-1]

    yield one
    for control in controls:
        control.remove("cut")
    until(lambda: ask(lab["service"]["health"])[1]["status"] == "UP", "it is well again")


def state_of(lab, breaker):
    return ask(lab["service"]["health"])[1]["components"]["circuitBreakers"]["details"][breaker]["state"]


def test_without_its_cache_it_goes_on(lab, cut):
    url = lab["service"]["url"]
    control = cut("redis")
    until(lambda: ask(lab["service"]["health"])[1]["status"] == "DEGRADED", "it says so")
    status, told, _ = ask(lab["service"]["health"])
    assert status == 200
    assert told["components"]["redis"]["status"] == "DOWN"
    assert ask(f"{url}/appointments/1")[::2] == (200, False), "the database has it"
    assert ask(f"{url}/providers/3")[0] == 200
    control.remove("cut")
    until(lambda: state_of(lab, "redis") == "CLOSED", "the breaker closes")


def test_without_the_downstream_service_it_serves_what_it_remembers(lab, cut):
    url = lab["service"]["url"]
    assert ask(f"{url}/providers/7")[0] == 200
    cut("downstream")
    until(lambda: state_of(lab, "downstream") == "OPEN", "the breaker opens")
    until(lambda: ask(f"{url}/providers/7")[::2] == (200, True), "what was cached is stale by now")
    assert ask(f"{url}/providers/499")[0] == 503, "nobody has asked for it before"
    assert ask(lab["service"]["health"])[0] == 200


def test_what_it_read_is_in_the_cache(lab):
    """Redis has it also for a service that has just been started, and knows nothing itself."""
    if "redis" not in lab:
        pytest.skip("the lab has no redis")
    assert ask(f"{lab['service']['url']}/appointments/1")[0] == 200
    proxy = ProxyClient(lab["proxy"]["control"])
    proxy.add("gone", "reset", ttl_s=60)
    try:
        until(lambda: ask(f"{lab['service']['url']}/appointments/1")[::2] == (200, True), "it degrades")
        with urllib.request.urlopen(lab["service"]["metrics"], timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        [hits] = [line for line in lines if line.startswith("cache_gets_total") and 'result="hit"' in line]
        assert float(hits.rsplit(" ", 1)[1]) >= 1
    finally:
        proxy.remove("gone")


def test_providers_beyond_the_last_are_not_there(lab):
    assert ask(f"{lab['service']['url']}/providers/501")[0] == 404
