"""Sets as runs of other days would have made them: a set.json that tells the truth, and one small file a database."""

import hashlib

from chaoslab.backup.sets import BackupSet, DatabaseEntry, StoredFile


def fabricate(root, day, names):
    """Make a set of `server/database` names in a store; return its stamp."""
    stamp = f"{day:%Y%m%d}T000000Z"
    folder = root / stamp
    folder.mkdir(parents=True)
    entries = []
    for name in names:
        server, _, database = name.partition("/")
        content = f"{stamp} {name}".encode()
        (folder / f"{database}.dump").write_bytes(content)
        file = StoredFile(f"{database}.dump", len(content), hashlib.sha256(content).hexdigest())
        entries.append(DatabaseEntry(server, database, "ok", dump=file.path, files=(file,)))
    made = BackupSet(stamp, "", "", "host", "0", (), tuple(entries))
    (folder / "set.json").write_text(made.to_json())
    return stamp


def remote_sets(bucket, prefix):
    """Return the stamps whose set.json is in a bucket."""
    keys = [found.key.removeprefix(prefix) for found in bucket.objects(prefix)]
    return sorted(key.partition("/")[0] for key in keys if key.endswith("/set.json"))
