"""Every way in which a restored database can be wrong is found and named, against the facts of the snapshot."""

import pytest
from postgres_mutations import MUTATIONS

from chaoslab.lab.audit import AUDIT_RULE
from chaoslab.postgres.comparison.compare import compare
from chaoslab.postgres.facts import collect_facts
from chaoslab.postgres.proofs.audit import AuditRule

pytestmark = pytest.mark.postgres
AUDIT = AuditRule.parse(AUDIT_RULE)


@pytest.fixture(scope="module")
def healthy(forge):
    forge.renew()
    return collect_facts(forge.dsn, audit=AUDIT)


@pytest.fixture
def broken(forge):
    forge.renew()
    return forge


def test_a_copy_is_no_different(broken, healthy):
    assert compare(healthy, collect_facts(broken.dsn, audit=AUDIT)) == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_mutation_is_named(mutation, broken, healthy):
    broken.mutate(mutation.sql)
    found = compare(healthy, collect_facts(broken.dsn, audit=AUDIT))
    named = [one for one in found if one.code == mutation.code and mutation.where in one.where]
    assert named, found
    assert all(one.severity in {"failure", "warning"} for one in named)
    consequences = [one for one in found if one.severity == "failure"]
    assert len(consequences) <= 12, consequences
