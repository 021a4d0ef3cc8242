"""How backups are kept: storage class, encryption, and whether somebody could delete them. Reads what a place shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaoslab.backup.freshness.evidence import Copy
from chaoslab.backup.freshness.headers import HEADER_BYTES, read_header
from chaoslab.backup.freshness.judge_age import where_of
from chaoslab.backup.freshness.places import FolderPlace, Place, PlaceUnreadable
from chaoslab.postgres.difference import Difference

if TYPE_CHECKING:
    from chaoslab.backup.freshness.objects import ObjectPlace

_READERS = 8
_NO_SUCH = {
    "ObjectLockConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchConfiguration",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """How backups must be kept."""

    storage_classes: tuple[str, ...] = ()
    """Those that objects may have; any if empty."""
    encrypted: bool = False
    versioned: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Protection:
    """What a bucket does for all its objects. None where it does not say."""

    versioning: str | None = None
    """`Enabled`, `Suspended`, or '' when it never was."""
    lock: str | None = None
    """`COMPLIANCE 30 days` and the like; '' without one."""
    encryption: str | None = None
    """The default for new objects; '' without one."""


def judge_classes(copies: Iterable[Copy], rules: Rules) -> list[Difference]:
    """Say which backups in object stores have another storage class than they must."""
    if not rules.storage_classes:
        return []
    allowed = " or ".join(rules.storage_classes)
    return [
        Difference(
            "storage-class-differs",
            where_of(copy),
            f"{copy.name} is stored as {copy.storage_class}, not as {allowed}",
            allowed,
            copy.storage_class,
        )
        for copy in copies
        if copy.storage_class and copy.storage_class not in rules.storage_classes
    ]


def judge_protection(label: str, protection: Protection, rules: Rules) -> list[Difference]:
    """Say what a bucket lacks, and tell what it does."""
    found = []
    for required, value, good, code, what in (
        (
            rules.versioned,
            protection.versioning,
            protection.versioning == "Enabled",
            "bucket-not-versioned",
            "versioning",
        ),
        (rules.locked, protection.lock, bool(protection.lock), "bucket-not-locked", "an object lock"),
    ):
        if not required or good:
            continue
        if value is None:
            message = f"{label} does not show whether it has {what}: these credentials may not ask"
            found.append(Difference(code, label, message, severity="unknown"))
        else:
            message = f"{label} has no {what}: who can write there can destroy every backup"
            found.append(Difference(code, label, message, what, value or "none"))
    shown = {"versioning": protection.versioning, "object lock": protection.lock, "encryption": protection.encryption}
    told = ", ".join(f"{name} {'not shown' if value is None else value or 'none'}" for name, value in shown.items())
    return [*found, Difference("place-protection", label, f"{label}: {told}", severity="note")]


def look_at_encryption(place: Place, copies: Sequence[Copy]) -> list[Difference]:
    """Return a finding for each backup that nothing shows to be encrypted.

    Args:
        place: where they lie
        copies: the newest of each database
    """
    with ThreadPoolExecutor(_READERS, thread_name_prefix="encryption") as pool:
        answers = list(pool.map(lambda copy: _encryption(place, copy.first_file), copies))
    found = []
    for copy, answer in zip(copies, answers, strict=True):
        if answer is None:
            message = f"whether {copy.name} is encrypted cannot be read"
            found.append(Difference("backup-unencrypted", where_of(copy), message, severity="unknown"))
        elif not answer:
            message = f"{copy.name} is not encrypted: who reads the place reads the data"
            found.append(Difference("backup-unencrypted", where_of(copy), message, "encryption", "none"))
    return found


def _encryption(place: Place, name: str) -> str | None:
    """Return how an object or a file is encrypted; '' if it is not, None if that cannot be found out."""
    try:
        if not isinstance(place, FolderPlace):
            from chaoslab.backup.freshness.objects import ObjectPlace

            head = place.head(name) if isinstance(place, ObjectPlace) else None
            if head is not None and head.encryption:
                return head.encryption
        return "itself" if read_header(place.read(name, first=HEADER_BYTES)).form == "encrypted" else ""
    except PlaceUnreadable:
        return None


def protection_of(place: ObjectPlace) -> Protection:
    """Ask a bucket what it does for its objects; what it does not answer stays None."""
    from chaoslab.s3.errors import S3Failed, told

    def ask(operation: str) -> dict[str, object] | None:
        try:
            with told(operation):
                said = getattr(place.bucket.client, operation)(Bucket=place.bucket.name)
                return dict(said)
        except S3Failed as failed:
            return {} if failed.code in _NO_SUCH or failed.is_absent else None
        except PlaceUnreadable:
            return None

    versioning = ask("get_bucket_versioning")
    return Protection(
        None if versioning is None else str(versioning.get("Status", "")),
        _lock_text(ask("get_object_lock_configuration")),
        _encryption_text(ask("get_bucket_encryption")),
    )


def _lock_text(said: dict[str, object] | None) -> str | None:
    if said is None:
        return None
    configuration: dict = said.get("ObjectLockConfiguration") or {}  # type: ignore[type-arg, assignment]
    if configuration.get("ObjectLockEnabled") != "Enabled":
        return ""
    default = (configuration.get("Rule") or {}).get("DefaultRetention") or {}
    if not default:
        return "on, without a default period"
    period = f"{default['Days']} days" if default.get("Days") else f"{default.get('Years')} years"
    return f"{default.get('Mode')} {period}"


def _encryption_text(said: dict[str, object] | None) -> str | None:
    if said is None:
        return None
    configuration: dict = said.get("ServerSideEncryptionConfiguration") or {}  # type: ignore[type-arg, assignment]
    rules = [rule.get("ApplyServerSideEncryptionByDefault") or {} for rule in configuration.get("Rules") or ()]
    return next((str(rule["SSEAlgorithm"]) for rule in rules if rule.get("SSEAlgorithm")), "")
