"""Exercises with ``check``, ``hint`` and ``solution``; one module a notebook.

What belongs here: the three kinds of exercise (write a function, predict a number, choose an
answer) and how an answer is judged. The exercises themselves are in ``cross_entropy.py``,
``focal_loss.py`` and so on, one module a notebook. Nothing is sent anywhere.

An answer is *not attempted* while the stub's ``...`` stands, *not yet* with a message made for that
mistake, or *correct*. A check never raises, whatever the answer, so that an unsolved notebook runs
to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from numbers import Real
from typing import Any

import torch
from torch import Tensor

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
        hints: told one after the other.
        answer: Python source that solves the exercise when put into its cell in place of the stub;
            it defines what ``check`` is given.
        why: a sentence or two, told with *correct* and with the solution.
    """

    hints: Sequence[str]
    answer: str
    why: str = ""
    _told: list[int] = field(default_factory=list, repr=False)

    def judge(self, given: Any) -> Verdict:
        """The verdict on an answer, as an object."""
        if given is None or given is Ellipsis:
            return Verdict("not attempted", "replace the ... and run the cell again")
        try:
            wrong = self._fault(given)
        except _NotAttemptedError:
            return Verdict("not attempted", "replace the ... and run the cell again")
        return Verdict("not yet", wrong) if wrong else Verdict("correct", self.why or "well done")

    def check(self, given: Any) -> None:
        """Print the verdict on an answer."""
        print(self.judge(given))

    def hint(self) -> None:
        """Print the next hint; after the last one, the first again."""
        n = len(self._told) % len(self.hints)
        self._told.append(n)
        print(f"Hint {n + 1} of {len(self.hints)}: {self.hints[n]}")

    def solution(self) -> None:
        """Print a solution."""
        print(self.answer.strip())
        if self.why:
            print(f"\n# {self.why}")

    def _fault(self, given: Any) -> str:
        """What is wrong with the answer in a sentence; empty if nothing."""
        raise NotImplementedError


class _NotAttemptedError(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class Number(Exercise):
    """Predict a number.

    Attributes:
        value: the right one.
        within: the relative tolerance.
        mistakes: wrong numbers that people give, each with what to say.
        otherwise: what to say of any other number.
    """

    value: float
    within: float = 0.01
    mistakes: Mapping[float, str] = field(default_factory=dict)
    otherwise: str = "not the number; a hint may help"

    def _fault(self, given: Any) -> str:
        if hasattr(given, "item"):  # a tensor or an array; of one element, a number
            with suppress(Exception):
                given = given.item()
        if not isinstance(given, Real) or isinstance(given, bool):
            return f"the answer is a number, and this is a {type(given).__name__}"
        if self._is(given, self.value):
            return ""
        return next((say for wrong, say in self.mistakes.items() if self._is(given, wrong)),
                    self.otherwise)

    def _is(self, given: float, value: float) -> bool:
        close = abs(given - value) <= self.within * abs(value) + (1e-9 if value == 0 else 0)
        return given == value or close  # inf - inf is no number


@dataclass(frozen=True, kw_only=True)
class Choice(Exercise):
    """Choose one answer of several; each wrong one has its own reply.

    Attributes:
        right: the right option; spaces and capitals do not matter in an answer.
        replies: every wrong option with what to say.
    """

    right: str
    replies: Mapping[str, str]

    def _fault(self, given: Any) -> str:
        options = sorted([self.right, *self.replies])
        if not isinstance(given, str):
            return f'the answer is one of {", ".join(options)}, in quotes'
        given = given.strip(" .\"'\n").lower()
        known = {option.replace(" ", ""): option for option in options}
        for spelled in (given, f"the {given}"):
            given = known.get(spelled.replace(" ", ""), given)
        if given == self.right:
            return ""
        return self.replies.get(given, f"{given!r} is none of {', '.join(options)}")


@dataclass(frozen=True, kw_only=True)
class Function(Exercise):
    """Write a function; it is compared with a reference in value, shape and gradient.

    Attributes:
        reference: what the function should do.
        cases: argument tuples to try it on, ordinary and extreme ones. Where the first argument is
            a floating-point tensor and the reference lets a gradient through to it, the gradients
            are compared too; elsewhere NumPy and operations in place will do.
        mistakes: functions that people write instead, each with what to say; recognised by doing
            the same on all cases.
        tolerance: the relative tolerance of values and gradients.
        absolute: the absolute one; smaller where tiny numbers are the point.
    """

    reference: Callable[..., Tensor]
    cases: Sequence[tuple]
    mistakes: Sequence[tuple[str, Callable[..., Tensor]]] = ()
    tolerance: float = 1e-4
    absolute: float = 1e-7

    def _fault(self, given: Any) -> str:
        if not callable(given):
            return "give check the function itself, without calling it"
        wanted = [_outcome(self.reference, case) for case in self.cases]
        tracked = [w.gradient is not None for w in wanted]

        def outcomes(function: Callable[..., Any]) -> Iterator[_Outcome]:
            return map(partial(_outcome, function), self.cases, tracked)

        seen = list(outcomes(given))
        if all(s.value is None for s in seen) and not any(s.raised for s in seen):
            raise _NotAttemptedError
        faults = [self._difference(s, w) for s, w in zip(seen, wanted, strict=True)]
        if not any(faults):
            return ""
        for say, mistake in self.mistakes:
            if not any(map(self._difference, seen, outcomes(mistake))):
                return say
        case, fault = next((c, f) for c, f in zip(self.cases, faults, strict=True) if f)
        return f"for {', '.join(_brief(a) for a in case)}: {fault}"

    def _difference(self, seen: _Outcome, wanted: _Outcome) -> str:
        if seen.raised or wanted.raised:
            return "" if seen.raised == wanted.raised else f"your function raised {seen.raised}"
        if seen.value is None:
            return "your function returned nothing; is there a return?"
        if seen.value.shape != wanted.value.shape:
            return (f"the shape is {tuple(seen.value.shape)} and should be "
                    f"{tuple(wanted.value.shape)}")
        if not self._close(seen.value, wanted.value):
            return f"the value is {_brief(seen.value)} and should be {_brief(wanted.value)}"
        if wanted.gradient is None:
            return ""
        if seen.gradient is None:
            return "no gradient comes through; is there a .detach(), .item() or no_grad in it?"
        if not self._close(seen.gradient, wanted.gradient):
            return ("the value is right but the gradient is "
                    f"{_brief(seen.gradient)} and should be {_brief(wanted.gradient)}")
        return ""

    def _close(self, a: Tensor, b: Tensor) -> bool:
        return torch.allclose(a.double(), b.double(), rtol=self.tolerance,
                              atol=self.absolute, equal_nan=True)


@dataclass(frozen=True)
class _Outcome:
    value: Tensor | None = None
    gradient: Tensor | None = None
    raised: str = ""


def _outcome(function: Callable[..., Any], case: tuple, track: bool = True) -> _Outcome:
    """What a function does with copies of its arguments: value, gradient, or what it raised.

    Without ``track`` the first argument requires no gradient, and none is looked for.
    """
    arguments = [a.clone() if isinstance(a, Tensor) else a for a in case]
    first = arguments[0]
    wants_gradient = track and isinstance(first, Tensor) and first.is_floating_point()
    if wants_gradient:
        first.requires_grad_()
    try:
        value = function(*arguments)
        if value is None or value is Ellipsis:
            return _Outcome()
        if isinstance(value, Iterator):
            value = list(islice(value, 10_000))  # it may have no end
        value = value if isinstance(value, Tensor) else torch.as_tensor(value)
        gradient = None
        if wants_gradient and value.requires_grad:
            gradient, = torch.autograd.grad(value.sum(), first, allow_unused=True)
    except Exception as error:
        return _Outcome(raised=f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
                        if str(error) else type(error).__name__)
    return _Outcome(value.detach(), gradient)


def _brief(value: object) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    flat = ", ".join(f"{v:.4g}" for v in value.flatten()[:4].tolist())
    return f"[{flat}{', ...' if value.numel() > 4 else ''}]" if value.dim() else flat
