"""Real servers to hit: PostgreSQL with a streaming standby, Redis, Kafka."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "contract"), str(TESTS / "contract" / "support"), str(Path(__file__).parent / "support")]
pytest.register_assert_rewrite("conformance")

from catalog_runs import usual_lab  # noqa: E402 - found on the path of above
from postgres_pair import PostgresPair  # noqa: E402 - likewise
from redis_server import RedisServer  # noqa: E402 - likewise


@pytest.fixture(scope="session")
def lab(binaries, passable_root):
    """A small lab with a standby and a broker, the usual one while the tests run."""
    with usual_lab(passable_root / "lab", standby=True, kafka=True) as made:
        yield made


@pytest.fixture(scope="session")
def pair_of_servers(binaries, passable_root):
    """A primary with a streaming standby; whoever kills one of them takes it from `pair` again."""
    made = PostgresPair(passable_root / "pair", binaries)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def pair(pair_of_servers):
    """Both servers, up and in step."""
    pair_of_servers.start()
    yield pair_of_servers
    pair_of_servers.rest()


@pytest.fixture
def redis_server(tmp_path):
    """A Redis server of its own, with a password, two named clients and 100 keys."""
    made = RedisServer(tmp_path)
    yield made
    made.stop()
