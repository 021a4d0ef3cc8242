"""Run folders for the tests of the reports: real run logs, written as a run writes them, on a simulated clock."""

from datetime import UTC, datetime

from chaoslab.runtime.clock import SimulatedClock, stamp
from chaoslab.runtime.runlog import NAME, RunLog
from chaoslab.runtime.secrets import Secrets

BEGUN = datetime(2026, 1, 31, 23, 59, 30, tzinfo=UTC)
RTO = {"name": "rto", "bound": "at_most", "target": 7200.0, "unit": "s"}
RPO = {"name": "rpo", "bound": "at_most", "target": 900.0, "unit": "s"}
AVAILABILITY = {"name": "availability", "bound": "at_least", "target": 0.95, "unit": "share", "of": "api"}
RECOVERY = {"name": "recovery", "bound": "at_most", "target": 5.0, "unit": "s", "of": "api"}


class Story:
    """Tells what happens in a run, line by line, into its log."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.clock = SimulatedClock(wall=BEGUN)
        self.log = RunLog.create(folder / NAME, clock=self.clock, secrets=Secrets())
        self._steps = 0

    def begin(self, *objectives, **changes):
        run = {
            "id": "20260131T235930Z-shop",
            "slug": "shop",
            "title": "Restore the shop",
            "description": "Passing proves that the shop comes back.",
            "kind": "drill",
            "started_at": stamp(BEGUN),
            "host": "lab-1",
            "pid": 4711,
            "versions": {"chaoslab": "0.1.0", "postgresql": "16.4"},
            "seed": 42,
            "plan_sha256": "ab" * 32,
            "file": "drills/shop.yaml",
            "blast_radius": "reads the source",
        }
        targets = ["postgres 127.0.0.1:5432/shop"]
        fields = {"objectives": list(objectives), "targets": targets, "origin_mono": 1000.0}
        return self.say("run-started", run=run | changes, **fields)

    def say(self, kind, **fields):
        self.log.append(kind, **fields)
        return self

    def after(self, seconds):
        self.clock.sleep(seconds)
        return self

    def step(self, name, phase, seconds, outcome="ok", error=""):
        self._steps += 1
        self.say("step-started", step=self._steps, name=name, phase=phase).after(seconds)
        fields = {"outcome": outcome, "duration_s": seconds, "error": error}
        return self.say("step-ended", step=self._steps, name=name, phase=phase, **fields)

    def healthy(self, when="before"):
        return self.say("hypothesis", when=when, met=True, failed_probe=None)

    def intend(self, entry=1, name="process.pause", target="process 4711 (service)", role="fault"):
        fields = {"name": name, "target": target, "role": role, "ttl_s": 60.0, "undo": f"chaoslab.{name}:undo"}
        return self.say("fault-intended", entry=entry, **fields)

    def bite(self, entry=1, seconds=0.1):
        self.say("fault-injected", entry=entry).after(seconds)
        return self.say("fault-effective", entry=entry, effective=True, detail="")

    def undone(self, entry=1, by="run"):
        return self.say("fault-undone", entry=entry, by=by)

    def sampled(self, *spans, prober="api", every_s=0.1):
        """Take samples: each span is (from_s, until_s, good, latency_s)."""
        batch = []
        for from_s, until_s, good, latency_s in spans:
            count = round((until_s - from_s) / every_s)
            note = "" if good else "timeout"
            batch += [[round(from_s + n * every_s, 6), latency_s, good, note] for n in range(count)]
        return self.say("samples", prober=prober, batch=batch)

    def finding(self, code="row-count-differs", severity="failure", where="shop.orders", **fields):
        fields = {"message": "rows are missing after the restore", "expected": 10, "actual": 9} | fields
        return self.say("finding", code=code, severity=severity, where=where, **fields)

    def end(self):
        self.say("run-ended", status="completed")
        self.log.close()
        return self.folder


def drill(folder, *, loss_s=(0.2, 1.4)):
    """A restore drill that keeps its promises."""
    story = Story(folder).begin(RTO, RPO).healthy().intend(1, "postgres.scratch", "scratch server", "scratch")
    story.say("fault-injected", entry=1).say("mark", name="disaster").after(0.5).say("mark", name="detected")
    story.step("fetch the dump", "recover", 1.5).say("mark", name="fetched")
    story.step("restore the dump", "recover", 6.0).say("mark", name="restored")
    story.step("verify what came back", "verify", 2.0).say("mark", name="verified")
    story.say("figure", name="lost_s", value=list(loss_s), unit="s")
    story.say("figure", name="restored_bytes", value=54_525_952, unit="bytes")
    story.say("figure", name="restored_rows", value=1_204_331, unit="rows")
    return story.healthy("after").undone(1)


def experiment(folder):
    """An experiment whose fault makes the service fail for three seconds of thirty."""
    story = Story(folder).begin(
        AVAILABILITY, RECOVERY, kind="experiment", title="Service paused", slug="service-paused"
    )
    story.healthy().after(10).intend().bite().after(2.9).undone().after(17)
    story.sampled((0, 10, True, 0.004), (10, 13, False, 1.0), (13, 30, True, 0.005))
    return story.healthy("after")
