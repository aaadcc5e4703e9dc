"""What a check says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from responder.errors import Unanswered

Outcome = Literal["ok", "advice", "wrong", "not_checked"]
"""`advice`: it works, and would work better; the others as they say. Only what was asked and answered is `ok`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One check of one thing. `mend` is empty where there is nothing to mend."""

    check: str
    about: str
    outcome: Outcome
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its name, of one thing: makes its lines."""

    name: str
    about: str

    def ok(self, detail: str) -> Line:
        """It is as it must be."""
        return Line(check=self.name, about=self.about, outcome="ok", detail=detail)

    def advice(self, detail: str, mend: str) -> Line:
        """It works, and would work better."""
        return Line(check=self.name, about=self.about, outcome="advice", detail=detail, mend=mend)

    def wrong(self, detail: str, mend: str) -> Line:
        """It is not as it must be."""
        return Line(check=self.name, about=self.about, outcome="wrong", detail=detail, mend=mend)

    def unchecked(self, detail: str, mend: str = "") -> Line:
        """Nobody knows, and why."""
        return Line(check=self.name, about=self.about, outcome="not_checked", detail=detail, mend=mend)

    def either(self, good: bool, fine: str, detail: str, mend: str) -> Line:
        """`ok` where it is so, else `wrong`."""
        return self.ok(fine) if good else self.wrong(detail, mend)

    def asking(self, body: Callable[[], Iterable[Line]], *, gone: tuple[str, str] = ("", "")) -> Iterator[Line]:
        """The lines of `body`; where a source gives no answer, one line that says so.

        `gone` is what is wrong, and its mend, where the answer is that there is no such thing.
        """
        try:
            yield from tuple(body())
        except Unanswered as error:
            if error.why == "not_found" and gone[0]:
                yield self.wrong(*gone)
            else:
                yield self.unchecked(f"{error.why}: {error.detail}", error.mend)
