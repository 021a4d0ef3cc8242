"""Every code that `chaoslab check` can say, with its severities; docs/check.md says what each means and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from chaoslab.core.checks.finding import Severity

UNUSABLE = frozenset(
    {
        "alias-loop",
        "bad-arguments",
        "bad-value",
        "control-off",
        "duplicate-key",
        "duplicate-name",
        "empty",
        "float-tolerance",
        "key-type",
        "missing-key",
        "no-control",
        "no-file",
        "no-function",
        "no-mapping",
        "no-module",
        "no-objective",
        "no-phase",
        "no-prober",
        "nothing-proved",
        "syntax",
        "too-large",
        "unknown-control",
        "unknown-prober",
        "unknown-provider",
        "unknown-step",
        "unknown-type",
        "unreadable",
        "which-prober",
        "wrong-type",
        "yaml-tag",
    }
)
"""Why a file cannot be run by anybody, or, with our extension in it, not by chaoslab."""

DANGERS: Mapping[str, tuple[Severity, ...]] = {
    # what is not undone
    "no-rollback": ("error", "warning", "note"),
    "undo-of-another": ("error",),
    "undo-only-in-method": ("warning",),
    "rollback-repeats-fault": ("error", "warning"),
    "rollback-needs-output": ("error",),
    "rollback-order": ("error",),
    "rollbacks-off": ("error", "warning"),
    "rollbacks-not-always": ("note",),
    "irreversible": ("warning",),
    # what is hit
    "no-selector": ("error",),
    "default-namespace": ("note",),
    "does-nothing": ("error",),
    "bad-amount": ("error",),
    # what is proved
    "no-hypothesis": ("warning",),
    "no-probes": ("warning",),
    "proves-nothing": ("warning",),
    "never-met": ("error",),
    "always-met": ("error", "warning"),
    "tolerance-raises": ("error",),
    "empty-range": ("error",),
    "list-is-range": ("warning",),
    "bad-jsonpath": ("error",),
    "no-arguments": ("error",),
    "unknown-tolerance": ("error",),
    "action-in-hypothesis": ("warning",),
    "probe-changes": ("warning",),
    "stale-status": ("warning",),
    "no-pause": ("warning",),
    "hypothesis-never-fails": ("warning",),
    "no-baseline": ("warning",),
    # what is passed on
    "unknown-reference": ("error",),
    "late-reference": ("error",),
    "bad-reference": ("warning",),
    "not-replaced": ("warning",),
    "output-reference": ("warning",),
    "hidden-value": ("warning",),
    "flat-secret": ("error",),
    "secret-in-clear": ("error",),
    # how things are called
    "no-timeout": ("warning", "note"),
    "bad-timeout": ("error",),
    "main-thread": ("error",),
    "background-delays-undo": ("note",),
    "import-acts": ("warning", "note"),
    "shell-text": ("note", "warning"),
    "shell-in-list": ("error",),
    # what fails in silence
    "ignored": ("warning",),
    "exit-code-ignored": ("note",),
    "failure-goes-on": ("note",),
    "silent-when-empty": ("note",),
    "control-swallows": ("note", "warning"),
    # what is written and means something else
    "unknown-key": ("warning",),
    "unknown-extension": ("warning",),
    "yaml-trap": ("warning",),
}
"""What is dangerous or does nothing; the first severity is the usual one."""


def severity_of(code: str) -> Severity:
    """Return the usual severity of a code."""
    return "error" if code in UNUSABLE else DANGERS[code][0]
