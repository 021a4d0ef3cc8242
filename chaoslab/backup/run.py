"""One run of `chaoslab backup`: clear what dead runs left, dump, send, and only then delete what is superfluous.

Whatever fails, what is good is kept, and nothing older is deleted in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from chaoslab.backup.remote import RemoteStore
from chaoslab.backup.retention import LOCAL, Kept, Policy, reasons, superfluous
from chaoslab.backup.sets import BackupSet, DatabaseEntry
from chaoslab.backup.store import Listing, Store
from chaoslab.backup.take import Request, Watching, choose, take_set
from chaoslab.backup.upload import Sent, send_set
from chaoslab.core.errors import Aborted, ChaoslabError
from chaoslab.postgres.fleet.members import Member
from chaoslab.runtime.clock import CLOCK
from chaoslab.s3.upload import Sending


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears how it goes."""

    check: Callable[[], None] = field(default=lambda: None)
    """Called again and again; what it raises stops the run."""
    chosen: Callable[[Sequence[Member]], None] = field(default=lambda _: None)
    begun: Callable[[Member], None] = field(default=lambda _: None)
    ended: Callable[[DatabaseEntry], None] = field(default=lambda _: None)
    sending: Callable[[BackupSet], None] = field(default=lambda _: None)
    sent: Callable[[int], None] = field(default=lambda _: None)
    """Called with the bytes of each part that has arrived, from the thread that sent it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is to do."""

    store: Store
    request: Request | None
    """None: nothing is dumped, only sent and deleted."""
    remote: RemoteStore | None = None
    sending: Sending = field(default_factory=Sending)
    local: Policy = LOCAL
    policy: Policy = field(default_factory=Policy)
    """Of the object store."""
    prune: bool = True


@dataclass
class Result:
    """What came of it."""

    made: BackupSet | None = None
    failures: list[str] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)
    """What dead runs left, a line each."""
    uploaded: list[Sent] = field(default_factory=list)
    not_uploaded: list[str] = field(default_factory=list)
    """Whole sets that lie here only."""
    removed_local: list[str] = field(default_factory=list)
    removed_remote: list[str] = field(default_factory=list)
    kept_local: dict[str, list[str]] = field(default_factory=dict)
    kept_remote: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    would_dump: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """`ok` when all that was asked for was done, else `failed`."""
        return "failed" if self.failures else "ok"


def run_backup(job: Job, told: Told) -> Result:
    """Do what is asked for; what fails is in the result, and stops nothing else that is safe to do.

    Raises:
        Refused: another run is at work on the same folder.
        BadUsage: the job makes no sense.
        Aborted: somebody stopped it; nothing half made is left under a final name.
    """
    result = Result()
    job.store.make()
    with job.store.alone():
        _clear_local(job, result)
        if job.request is not None:
            _take(job, job.request, result, told)
        today = _today(result.made)
        here = job.store.listing()
        result.failures += here.unreadable
        there = _send_and_clear(job, here, result, told, today) if job.remote is not None else None
        may_delete = job.prune and (job.request is None or (result.made is not None and bool(result.made.good)))
        if may_delete and not result.not_uploaded and (job.remote is None or there is not None):
            _prune(job, here, there, result, told, today)
    return result


def plan_backup(job: Job) -> Result:
    """Say what a run would do, without doing it.

    Raises:
        BadUsage: the job makes no sense.
    """
    result, now = Result(), CLOCK.wall()
    here = job.store.listing() if job.store.root.exists() else Listing()
    result.cleared = [f"{name}.partial" for name in (job.store.dead() if job.store.root.exists() else [])]
    local = [one.kept for one in here.sets]
    if job.request is not None:
        members, result.failures, result.left_out = choose(job.request)
        result.would_dump = [one.name for one in members]
        local.append(Kept(f"{now:%Y%m%dT%H%M%SZ}", frozenset(f"{one.server}/{one.database}" for one in members)))
    result.failures += here.unreadable
    remote = list(local)
    if job.remote is not None:
        there = job.remote.listing()
        known = {one.stamp for one in there.sets}
        remote = [one.kept for one in there.sets] + [one for one in local if one.stamp not in known]
        why = reasons(remote, job.policy, now.date())
        result.not_uploaded = [one.stamp for one in here.sets if one.stamp not in known and why[one.stamp]]
        result.removed_remote = [one.stamp for one in there.sets if not why[one.stamp]] if job.prune else []
    if job.prune:
        result.removed_local = superfluous(local, job.local, now.date())
    return result


def _clear_local(job: Job, result: Result) -> None:
    """Remove what dead runs left half made: we are alone, so whoever made it is dead."""
    for stamp in job.store.dead():
        job.store.discard(stamp)
        result.cleared.append(f"{stamp}.partial")


def _take(job: Job, request: Request, result: Result, told: Told) -> None:
    stamp, partial = job.store.begin(CLOCK.wall())
    try:
        made = take_set(request, stamp, partial, Watching(told.check, told.chosen, told.begun, told.ended))
        result.failures += made.failures
        if made.good:
            job.store.publish(made)
            result.made = made
        else:
            result.failures.append("nothing was dumped: there is no new set")
    except Aborted:
        raise
    except ChaoslabError as broken:
        if broken.exit_code != ChaoslabError.exit_code:
            raise  # bad usage, something missing: the run makes no sense
        result.failures.append(str(broken))
    finally:
        job.store.discard(stamp)


def _today(made: BackupSet | None) -> date:
    """Return the day from which ages are counted: by our clock or by the servers', whichever is behind.

    A clock that is ahead would let everything look old.
    """
    days = [CLOCK.wall().date()]
    if made is not None:
        told = [datetime.fromisoformat(one.taken_at).date() for one in made.databases if one.taken_at]
        days += [max(told)] if told else []
    return min(days)


def _send_and_clear(job: Job, here: Listing, result: Result, told: Told, today: date) -> Listing | None:
    """Send every whole set that is not there yet, the newest first; return what is there then, None if nobody knows."""
    assert job.remote is not None
    remote, pending = job.remote, list[BackupSet]()
    try:
        remote.bucket.check()
        mine = {one.stamp for one in here.sets}
        left = remote.clear(CLOCK.wall(), mine=mine.__contains__, watch=told.check)
        result.cleared += [f"{remote.place}{stamp}" for stamp in left.sets]
        result.cleared += [f"half uploads below {remote.place} ({left.half_uploads})"] if left.half_uploads else []
        there = remote.listing()
        known = {one.stamp: one for one in there.sets}
        kept = [one.kept for one in there.sets] + [one.kept for one in here.sets if one.stamp not in known]
        # What is deleted there as soon as it has arrived is not sent. Another set of the same name is met, and told.
        wanted = reasons(kept, job.policy, today)
        pending = [one for one in reversed(here.sets) if known.get(one.stamp) != one and wanted[one.stamp]]
        while pending:
            told.sending(pending[0])
            how = replace(job.sending, watch=told.check, sent=told.sent)
            sent = send_set(remote, pending[0], job.store.folder(pending[0].stamp), how)
            result.uploaded.append(sent)
            there.sets.append(pending.pop(0))
    except Aborted:
        raise
    except ChaoslabError as broken:
        result.failures.append(str(broken))
        result.not_uploaded = [one.stamp for one in pending] or ([result.made.stamp] if result.made else [])
        return None
    result.failures += there.unreadable
    return there


def _prune(job: Job, here: Listing, there: Listing | None, result: Result, told: Told, today: date) -> None:
    """Delete what no rule keeps: first there, then here, where it is the second copy."""
    try:
        if job.remote is not None and there is not None:
            result.kept_remote = reasons([one.kept for one in there.sets], job.policy, today)
            for one in sorted(there.sets, key=lambda one: one.stamp):
                if not result.kept_remote[one.stamp]:
                    told.check()
                    job.remote.remove(one)
                    result.removed_remote.append(one.stamp)
        result.kept_local = reasons([one.kept for one in here.sets], job.local, today)
        for stamp, why in result.kept_local.items():
            if not why:
                told.check()
                job.store.remove(stamp)
                result.removed_local.append(stamp)
    except Aborted:
        raise
    except ChaoslabError as broken:
        result.failures.append(f"not all that is superfluous could be deleted: {broken}")
    for kept, removed in ((result.kept_remote, result.removed_remote), (result.kept_local, result.removed_local)):
        for stamp in removed:
            kept.pop(stamp, None)
