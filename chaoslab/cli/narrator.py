"""Tell a run in lines, one a step, as it happens."""

from collections.abc import Callable, Mapping
from typing import Any

from chaoslab.cli.progress import Progress
from chaoslab.cli.terminal import faint, flat, mark, plural, styled
from chaoslab.core.units import format_duration

Event = Mapping[str, Any]
_FINDINGS_TOLD = 10
_PROGRESS_EVERY_S = 5.0


class Narrator:
    """Turns the events of one run into lines."""

    def __init__(self, write: Callable[[str], None], *, verbose: bool = False, progress: bool = True) -> None:
        """Take what writes a line.

        Args:
            write: writes it
            verbose: tell of every fault, mark and figure too
            progress: tell every few seconds how far a long step is; no, where that is drawn anyway
        """
        self._progress = Progress() if progress else None
        self._progress_at_s = 0.0
        self._write = write
        self._verbose = verbose
        self._faults: dict[int, str] = {}
        self._findings = 0

    def __call__(self, event: Event) -> None:
        """Take the next event of the run log, or a reminder."""
        method = getattr(self, "_on_" + str(event["kind"]).replace("-", "_"), None)
        if method is not None:
            method(flat(event))

    def _line(self, event: Event, outcome: str, what: str, text: str) -> None:
        self._write(f"{faint(f'{event.get("mono_s", 0.0):7.1f}s')}  {mark(outcome)} {what:<9} {text}".rstrip())

    def _detail(self, event: Event, outcome: str, what: str, text: str) -> None:
        if self._verbose:
            self._line(event, outcome, what, text)

    def _on_run_started(self, event: Event) -> None:
        run = event["run"]
        self._write(styled(str(run.get("title") or run["slug"]), "none"))
        self._write(faint(f"{run.get('kind', 'exercise')} {run['slug']}, run {run['id']}"))

    def _on_progress(self, event: Event) -> None:
        if self._progress is None:
            return
        if event["what"] != self._progress.what:
            self._progress_at_s = event["mono_s"]  # what is done at once needs no line
        self._progress.take(event)
        if event["mono_s"] - self._progress_at_s >= _PROGRESS_EVERY_S:
            self._progress_at_s = event["mono_s"]
            self._line(event, "running", str(event["what"]), self._progress.text())

    def _on_step_started(self, event: Event) -> None:
        self._detail(event, "running", event["phase"], f"{event['name']} begins")

    def _on_step_ended(self, event: Event) -> None:
        outcome = str(event["outcome"])
        text = f"{event['name']}  {faint(format_duration(event['duration_s']))}"
        if outcome != "ok":
            text += f"  {styled(outcome, outcome)}" + (f": {event['error']}" if event.get("error") else "")
        self._line(event, outcome, str(event["phase"]), text)

    def _on_hypothesis(self, event: Event) -> None:
        if not event["met"]:
            probe = f" ({event['failed_probe']})" if event.get("failed_probe") else ""
            text = f"the steady state was not met {event['when']} the fault{probe}"
            self._line(event, "deviated", "steady", text)

    def _on_fault_intended(self, event: Event) -> None:
        self._faults[event["entry"]] = f"{event['name']} on {event['target']}"

    def _on_fault_injected(self, event: Event) -> None:
        self._detail(event, "ok", "fault", f"{self._fault(event)} is on")

    def _on_fault_effective(self, event: Event) -> None:
        if not event["effective"]:
            detail = f": {event['detail']}" if event.get("detail") else ""
            self._line(event, "unknown", "fault", f"{self._fault(event)} does not bite{detail}")

    def _on_fault_undone(self, event: Event) -> None:
        if event["by"] == "reaper":
            self._line(event, "unknown", "undo", f"{self._fault(event)} was undone by the reaper: its time was over")
        else:
            self._detail(event, "ok", "undo", f"{self._fault(event)} is undone")

    def _on_fault_undo_failed(self, event: Event) -> None:
        self._line(event, "residue", "UNDO", f"{self._fault(event)} cannot be undone: {event['error']}")

    def _on_mark(self, event: Event) -> None:
        self._detail(event, "note", "mark", str(event["name"]))

    def _on_figure(self, event: Event) -> None:
        self._detail(event, "note", "figure", f"{event['name']} {event['value']} {event['unit']}")

    def _on_finding(self, event: Event) -> None:
        if event["severity"] == "note" and not self._verbose:
            return
        self._findings += 1
        if self._findings <= _FINDINGS_TOLD or self._verbose:
            outcome = "failed" if event["severity"] == "failure" else str(event["severity"])
            self._line(event, outcome, "finding", f"{event['code']} at {event['where']}: {event['message']}")
        elif self._findings == _FINDINGS_TOLD + 1:
            self._write(faint("          further findings are in the report"))

    def _on_refused(self, event: Event) -> None:
        self._line(event, "refused", "refused", f"by {event['guard']}: {event['reason']}")

    def _on_interrupted(self, event: Event) -> None:
        self._line(event, "interrupted", "stop", f"{event['reason']}: stopping, and undoing what is on")

    def _on_reminder(self, event: Event) -> None:
        left = event["open"]
        what = f"{plural(len(left), 'thing')} to undo: {', '.join(left)}" if left else "nothing is left to undo"
        self._write(f"{mark('interrupted')} {event['signal']} again: already stopping; {what}")

    def _fault(self, event: Event) -> str:
        return self._faults.get(event["entry"], f"entry {event['entry']}")
