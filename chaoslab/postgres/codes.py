"""The codes of findings about a database: stable words that people, jobs and reports build on.

docs/findings.md says of each what it means and what to do; a test keeps both in step.
"""

from __future__ import annotations

from typing import Literal

Severity = Literal["failure", "unknown", "warning", "note"]

NOUNS = {
    "schemas": "schema",
    "tables": "table",
    "columns": "column",
    "constraints": "constraint",
    "indexes": "index",
    "row_security": "row-security",
    "views": "view",
    "functions": "function",
    "triggers": "trigger",
    "event_triggers": "event-trigger",
    "rules": "rule",
    "types": "type",
    "policies": "policy",
    "roles": "role",
    "memberships": "membership",
    "owners": "owner",
    "grants": "grant",
    "default_privileges": "default-privilege",
    "settings": "setting",
    "extensions": "extension",
    "publications": "publication",
    "sequence_rules": "sequence",
    "comments": "comment",
    "objects": "object",
    "system_grants": "system-grant",
    "parameter_grants": "parameter-grant",
    "published_schemas": "published-schema",
    "subscriptions": "subscription",
    "security_labels": "security-label",
    "tablespaces": "tablespace",
}
"""Kinds of structural facts, and the word that begins their codes: `policy-missing`, `policy-differs`."""

_MISSING_OR_DIFFERENT: dict[str, Severity] = {
    f"{noun}-{what}": "failure" for noun in NOUNS.values() for what in ("missing", "differs")
}
STRUCTURE: dict[str, Severity] = {
    **_MISSING_OR_DIFFERENT,
    "object-unexpected": "failure",
    "comment-missing": "warning",
    "comment-differs": "warning",
    "extension-differs": "warning",
    "database-differs": "failure",
    "subscription-missing": "note",
    "collation-version-differs": "failure",
    "row-security-behaviour-differs": "failure",
    "row-security-not-tried": "warning",
}

CONTENT: dict[str, Severity] = {
    "data-missing": "failure",
    "row-count-differs": "failure",
    "content-differs": "failure",
    "sequence-behind": "failure",
    "sequence-ahead": "failure",
    "large-objects-differ": "failure",
    "audit-chain-broken": "failure",
    "audit-chain-shortened": "failure",
    "audit-chain-absent": "failure",
    "materialized-view-refreshed": "note",
    "invalid-index-left-out": "note",
}

PHYSICAL: dict[str, Severity] = {
    "index-corrupt": "failure",
    "table-corrupt": "failure",
    "indexes-not-checked": "warning",
}

BACKUP: dict[str, Severity] = {
    "backup-truncated": "failure",
    "backup-corrupt": "failure",
    "backup-checksum-differs": "failure",
    "backup-of-another-database": "failure",
    "backup-too-new": "failure",
    "backup-without-manifest": "note",
    "backup-age": "note",
    "globals-absent": "warning",
    "globals-from-source": "warning",
}

RESTORE: dict[str, Severity] = {
    "restore-error": "failure",
    "restore-too-slow": "failure",
    "scratch-server-died": "failure",
    "scratch-disk-full": "failure",
    "locale-missing": "failure",
    "constraint-violated": "failure",
    "tablespace-moved": "note",
    "faster-than-production": "note",
    "smoke-failed": "failure",
    "service-check-failed": "failure",
}

RECOVERY_POINT: dict[str, Severity] = {
    "heartbeat-hole": "failure",
    "heartbeat-absent": "failure",
    "heartbeat-stands-still": "unknown",
    "no-heartbeat": "warning",
    "recovery-point-beyond-objective": "failure",
    "recovery-point-unknown": "unknown",
    "explained-by-age": "note",
    "rows-not-compared": "unknown",
}

CORRUPTION: dict[str, Severity] = {
    "corruption-not-detected": "failure",
    "detection-unknown": "unknown",
    "detector-not-available": "warning",
    "backup-passed-over": "warning",
    "no-usable-backup": "failure",
    "damage-still-there": "failure",
    "acknowledged-lost": "failure",
    "transactions-torn": "failure",
}

REPOSITORY: dict[str, Severity] = {
    "repository-unreadable": "failure",
    "repository-unreachable": "failure",
    "repository-key-wrong": "failure",
    "repository-config-missing": "failure",
    "repository-too-new": "failure",
    "stanza-missing": "failure",
    "backup-orphaned": "failure",
    "backup-with-bad-pages": "failure",
    "backup-of-another-server": "failure",
    "backup-not-checked": "warning",
    "wal-damaged": "failure",
}

FRESHNESS: dict[str, Severity] = {
    "backup-absent": "failure",
    "backup-place-absent": "failure",
    "backup-place-unreadable": "unknown",
    "backup-too-old": "failure",
    "backup-age-unclear": "unknown",
    "backup-age-weak": "warning",
    "backup-older-than-it-looks": "failure",
    "backup-from-the-future": "failure",
    "databases-not-named": "note",
    "database-without-backup": "failure",
    "backup-of-unknown-database": "note",
    "source-not-asked": "unknown",
    "clock-skew": "unknown",
    "backup-shrunk": "failure",
    "backup-grown": "warning",
    "backup-run-failed": "failure",
    "backup-unfinished": "warning",
    "backup-not-read": "note",
    "manifest-missing": "failure",
    "manifest-unreadable": "failure",
    "manifest-contradicts": "failure",
    "retention-hole": "failure",
    "retention-not-provable": "warning",
    "storage-class-differs": "failure",
    "backup-unencrypted": "failure",
    "bucket-not-versioned": "failure",
    "bucket-not-locked": "failure",
    "place-protection": "note",
    "archive-off": "failure",
    "archive-failing": "failure",
    "archive-stopped": "failure",
    "archive-timeout-long": "warning",
    "wal-segment-truncated": "failure",
    "base-backup-unusable": "failure",
    "recovery-window": "note",
    "recovery-window-empty": "failure",
    "recovery-window-unknown": "warning",
    "wal-gap": "failure",
}

POINT_IN_TIME: dict[str, Severity] = {
    "manifest-broken": "failure",
    "backup-file-unexpected": "failure",
    "backup-missing": "failure",
    "backup-label-missing": "failure",
    "backup-chain-broken": "failure",
    "backup-not-supported": "failure",
    "server-version-differs": "failure",
    "preload-left-out": "note",
    "wal-of-another-system": "failure",
    "wal-of-another-timeline": "failure",
    "tablespace-made-since": "failure",
    "timeline-not-reachable": "failure",
    "target-before-backup": "failure",
    "wal-ends-before-backup": "failure",
    "recovery-start-missing": "failure",
    "recovery-target-not-reached": "failure",
    "recovery-failed": "failure",
    "recovery-too-slow": "failure",
    "committed-before-missing": "failure",
    "committed-after-present": "failure",
    "unlogged-table-empty": "note",
    "disaster-not-detected": "failure",
}

FLEET: dict[str, Severity] = {
    "server-unreachable": "failure",
    "database-not-found": "failure",
    "database-left-out": "note",
    "database-without-backup": "failure",
    "backup-without-database": "note",
    "database-not-dumped": "failure",
    "database-not-verified": "unknown",
    "snapshot-held-too-long": "failure",
}

CODES: dict[str, Severity] = {
    **FLEET,
    **POINT_IN_TIME,
    **REPOSITORY,
    **STRUCTURE,
    **CONTENT,
    **PHYSICAL,
    **BACKUP,
    **RESTORE,
    **RECOVERY_POINT,
    **CORRUPTION,
    **FRESHNESS,
}
"""Every code, with the severity it has unless a finding says otherwise."""
