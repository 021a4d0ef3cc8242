"""What the lane of network namespaces shares: namespaces of its own on the host's kernel, and the contract's suite."""

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONTRACT = HERE.parent / "contract"
sys.path[:0] = [str(HERE / "support"), str(CONTRACT), str(CONTRACT / "support")]
pytest.register_assert_rewrite("conformance")


@pytest.fixture(autouse=True, scope="session")
def _as_root():
    if os.geteuid() != 0:
        pytest.skip("making network namespaces with names needs root")
