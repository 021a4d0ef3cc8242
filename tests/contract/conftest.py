"""What the contract lane shares: where its suite and its targets are found."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "support")]
pytest.register_assert_rewrite("conformance")
