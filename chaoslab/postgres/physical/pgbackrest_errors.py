"""What pgBackRest complains about, as findings with stable codes. Pure text work."""

from __future__ import annotations

import re

from chaoslab.postgres.difference import Difference

_PLACES = "docs/backups.md says who has to be able to read what"
_SIGNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "repository-unreachable",
        ("certificate", "TLS error"),
        "its certificate is not trusted: see repo1-storage-ca-file",
    ),
    (
        "repository-key-wrong",
        ("CryptoError", "cipher header invalid", "cipher-pass", "unable to flush"),
        "its key does not open it, or none is given: put repo1-cipher-pass (and repo1-cipher-type) into the "
        "configuration or PGBACKREST_REPO1_CIPHER_PASS into the environment",
    ),
    (
        "scratch-disk-full",
        ("No space left on device",),
        "the scratch folder is full: choose another with --var scratch",
    ),
    ("repository-unreadable", ("Permission denied", "[13]", "(403)", "AccessDenied"), _PLACES),
    ("stanza-missing", ("missing stanza", "stanza-create", "No usable"), "look at `pgbackrest info` for its name"),
    (
        "repository-unreachable",
        (
            "unable to connect",
            "unable to get address",
            "HostConnectError",
            "ServiceError",
            "timeout",
            "(404)",
            "(5",
            "ProtocolError: unable to",
        ),
        "the place where the repository lies does not answer",
    ),
    ("backup-of-another-server", ("ArchiveMismatch", "unable to retrieve the archive id", "[044]"), ""),
    ("repository-too-new", ("expected format",), "install a pgBackRest at least as new as the one that wrote it"),
    (
        "backup-corrupt",
        ("FormatError", "ChecksumError", "FileMissingError", "zlib", "checksum", "[029]", "[055]", "manifest"),
        "",
    ),
)


def complaint(said: str, where: str, *, otherwise: str) -> Difference:
    """Return the finding for what pgBackRest complained about.

    Args:
        said: its messages, or the message of a status
        where: the repository or the backup
        otherwise: the code when nothing more is known
    """
    reason = _reason(said)
    for code, signs, remedy in _SIGNS:
        if any(sign in said for sign in signs):
            return Difference(code, where, f"{where}: {reason}" + (f"; {remedy}" if remedy else ""))
    return Difference(otherwise, where, f"{where}: {reason}")


def _reason(said: str) -> str:
    """Return the first error in one line: pgBackRest's hints follow it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "ERROR: [" in line] or lines or ["no message"]
    return "".join(filter(str.isprintable, re.sub(r"^.*?ERROR: ", "", telling[0])))[:300]
