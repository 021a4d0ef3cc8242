"""Guess the word that was meant."""

from __future__ import annotations

from collections.abc import Iterable

_MANY = 12


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like the given one, or None when none is near."""
    import difflib  # here, as most files hold no word that must be guessed

    plain = {_plain(candidate): candidate for candidate in known}
    near = difflib.get_close_matches(_plain(word)[:80], plain, n=1, cutoff=0.6)
    return plain[near[0]] if near else None


def hint_for(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or else what can be written."""
    words = sorted(set(known))
    meant = closest(word, words)
    if meant is not None:
        return f"did you mean '{meant}'?"
    return f"known are {', '.join(words)}" if 0 < len(words) <= _MANY else ""


def _plain(word: str) -> str:
    """Let `Steady_State` and `steady-state` be the same word."""
    return word.lower().replace("_", "-").replace(" ", "-")
