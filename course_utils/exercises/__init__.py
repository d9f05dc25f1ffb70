"""Exercises with ``check``, ``hint`` and ``solution``; one module a notebook.

What belongs here: the three kinds of exercise (write a function, predict a number, choose an
answer) and how an answer is judged. The exercises themselves are in ``cross_entropy.py``,
``focal_loss.py`` and so on, one module a notebook. Nothing is sent anywhere.

An answer is *not attempted* while the stub's ``...`` stands, *not yet* with a message made for that
mistake, or *correct*. A check never raises, whatever the answer, so that an unsolved notebook runs
to its end; and it leaves seeds and settings as they were.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from . import _running
from ._running import Outcome, attempt, named

__all__ = ["Choice", "Exercise", "Function", "Number", "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """What a check says: ``state`` is ``"not attempted"``, ``"not yet"`` or ``"correct"``."""

    state: str
    message: str

    def __str__(self) -> str:
        mark = {"not attempted": "…", "not yet": "✗", "correct": "✓"}[self.state]
        return f"{mark} {self.state}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What all kinds share.

    Attributes:
        hints: shown one after the other: a pointer, a step, the last step but one. None of them is
            the solution.
        answer: Python source that solves the exercise when put into its cell in place of the stub;
            it defines what ``check`` is given.
        why: a sentence or two, shown with *correct* and with the solution.
    """

    hints: Sequence[str]
    answer: str
    why: str = ""
    _shown: list[int] = field(default_factory=list, repr=False)

    def judge(self, given: Any) -> Verdict:
        """The verdict on an answer, as an object."""
        with _running.usual_settings():
            verdict, error = attempt(self._verdict, given)
        if error:
            raised = _running.in_words(error)
            return Verdict("not yet", f"your answer cannot be read: it raised {raised}")
        return verdict

    def check(self, given: Any) -> None:
        """Print the verdict on an answer."""
        print(self.judge(given))

    def hint(self) -> None:
        """Print the next hint; after the last one, the first again."""
        n = len(self._shown) % len(self.hints)
        self._shown.append(n)
        print(f"Hint {n + 1} of {len(self.hints)}: {self.hints[n]}")

    def solution(self) -> None:
        """Print a solution."""
        print(self.answer.strip())
        if self.why:
            print(f"\n# {self.why}")

    def _verdict(self, given: Any) -> Verdict:
        if self._untouched(given):
            return Verdict("not attempted", "replace the ... and run the cell again")
        fault = self._fault(given)
        return Verdict("not yet", fault) if fault else Verdict("correct", self.why or "well done")

    def _untouched(self, given: Any) -> bool:
        """Whether the stub still stands."""
        return given is Ellipsis

    def _fault(self, given: Any) -> str:
        """What is wrong with the answer in a sentence; empty if nothing."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Number(Exercise):
    """Predict a number.

    Attributes:
        value: the right one.
        within: the relative tolerance.
        mistakes: wrong numbers that people give, each with what to say. Where two are within the
            tolerance, the nearer one counts.
        otherwise: what to say of any other number.
    """

    value: float
    within: float = 0.01
    mistakes: Mapping[float, str] = field(default_factory=dict)
    otherwise: str = "not the number; a hint may help"

    def _fault(self, given: Any) -> str:
        if isinstance(given, str):
            return "the answer is a number, without quotes"
        with suppress(Exception):  # a tensor or an array; of one element, a number
            given = given.item()
        if not isinstance(given, Real | Decimal) or isinstance(given, bool):
            return f"the answer is a number, and this is {named(given)}"
        try:
            given = float(given)
        except OverflowError:  # an int beyond 10 ** 308
            return self.otherwise
        if self._is(given, self.value) or (self.value == 0 and abs(given) < 1e-9):
            return ""
        known = [wrong for wrong in self.mistakes if self._is(given, wrong)]
        nearest = min(known, key=lambda wrong: abs(given - wrong), default=None)
        return self.otherwise if nearest is None else self.mistakes[nearest]

    def _is(self, given: float, value: float) -> bool:
        close = abs(given - value) <= self.within * abs(value)
        return given == value or close  # inf - inf is no number


@dataclass(frozen=True, kw_only=True)
class Choice(Exercise):
    """Choose one answer of several; each wrong one has its own reply.

    Attributes:
        right: the right option. In an answer spaces and capitals do not matter, nor does a *the*
            in front.
        replies: every wrong option with what to say.
    """

    right: str
    replies: Mapping[str, str]

    def _fault(self, given: Any) -> str:
        options = sorted([self.right, *self.replies])
        if not isinstance(given, str):
            return f"the answer is one of {', '.join(options)}, in quotes"
        known = {spelled: option for option in options for spelled in _spellings(option)}
        chosen = next((known[s] for s in _spellings(given) if s in known), None)
        if chosen is None:
            given = given if len(given) <= 60 else f"{given[:60]}..."
            return f"{given!r} is none of {', '.join(options)}"
        return "" if chosen == self.right else self.replies[chosen]


def _spellings(option: str) -> tuple[str, str]:
    """An option as it is and without its article, in small letters, without spaces or marks."""
    option = option.strip(" .,:;!()\"'`\n").lower()
    return tuple("".join(re.split(r"[\s_-]+", text))
                 for text in (option, option.removeprefix("the ")))


@dataclass(frozen=True, kw_only=True)
class Function(Exercise):
    """Write a function; it is compared with a reference in value and shape.

    It may return a tensor, an array, a number or a list, and may change its arguments, which are
    copies.

    Attributes:
        reference: what the function should do.
        cases: argument tuples to try it on, ordinary and extreme ones. Let them differ in all that
            the question leaves open: order, shape, sign, range, absent classes, a batch of one.
        gradient: whether the gradient of the first argument belongs to the question, as it does
            where a loss is asked for that can be trained with. If so, say it in the question.
        mistakes: functions that people write instead, each with what to say; recognised by doing
            the same on all cases.
        tolerance: the relative tolerance of values and gradients.
        absolute: the absolute one; smaller where tiny numbers are the point.
    """

    reference: Callable[..., Any]
    cases: Sequence[tuple]
    gradient: bool = False
    mistakes: Sequence[tuple[str, Callable[..., Any]]] = ()
    tolerance: float = 1e-4
    absolute: float = 1e-7

    def _untouched(self, given: Any) -> bool:
        return given is Ellipsis or _running.is_stub(given)

    def _fault(self, given: Any) -> str:
        if not callable(given):
            return "give check the function itself, without calling it"
        seen = list(self._outcomes(given))
        faults = list(map(self._difference, seen, self._outcomes(self.reference)))
        if not any(faults):
            return ""
        for say, mistake in self.mistakes:
            if not any(map(self._difference, seen, self._outcomes(mistake))):
                return say
        if seen[0].fault and len(set(faults)) == 1:
            return faults[0]
        case, fault = next((c, f) for c, f in zip(self.cases, faults, strict=True) if f)
        return f"for {', '.join(map(_running.brief, case))}: {fault}"

    def _outcomes(self, function: Callable[..., Any]) -> Iterator[Outcome]:
        return (_running.run(function, case, gradient=self.gradient) for case in self.cases)

    def _difference(self, seen: Outcome, wanted: Outcome) -> str:
        """What is different in what was seen, in words; empty if nothing."""
        if seen.fault or wanted.fault:
            return "" if seen.fault == wanted.fault else seen.fault or "your function did not raise"
        if seen.value.shape != wanted.value.shape:
            return (f"the shape is {tuple(seen.value.shape)} and should be "
                    f"{tuple(wanted.value.shape)}")
        fault = _running.compared("value", seen.value, wanted.value,
                                  self._close(seen.value, wanted.value))
        if fault or wanted.gradient is None:
            return fault
        if seen.gradient is None:
            return "no gradient comes through; is there a .detach(), .item() or no_grad in it?"
        fault = _running.compared("gradient", seen.gradient, wanted.gradient,
                                  self._close(seen.gradient, wanted.gradient))
        return fault and f"the value is right, but {fault}"

    def _close(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.isclose(a.double(), b.double(), rtol=self.tolerance, atol=self.absolute,
                             equal_nan=True)
