"""Running what a learner wrote, and reading what comes back.

What belongs here: whatever keeps a check from raising, from changing the notebook around it, and
from taking a strange answer for what it is not. Nothing here knows any exercise.
"""

from __future__ import annotations

import copy
import dis
import inspect
import itertools
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from IPython import get_ipython
from torch import Tensor

MOST = 1_000  # values that are read of a result, which may have no end


@contextmanager
def usual_settings() -> Iterator[None]:
    """Gradients, float32 and the CPU inside, whatever holds outside; afterwards all is as before.

    Seeds are put back too, so that an answer may call ``torch.manual_seed``. In a notebook, where
    ``exit()`` would end the kernel, it raises ``SystemExit`` inside, as ``sys.exit`` does.
    """
    shell = get_ipython()
    no_exit = patch.object(shell, "ask_exit", sys.exit) if shell else nullcontext()
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    python, numpy = random.getstate(), np.random.get_state()
    torch.set_default_dtype(torch.float32)
    _put_new_tensors_on(torch.device("cpu"))
    try:
        with (torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad(),
              np.errstate(), no_exit):
            yield
    finally:
        torch.set_default_dtype(dtype)
        _put_new_tensors_on(device)
        random.setstate(python)
        np.random.set_state(numpy)


def _put_new_tensors_on(device: torch.device) -> None:
    if torch.get_default_device() != device:
        torch.set_default_device(None if device.type == "cpu" else device)


def attempt(function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """What a call returns, and what it raised; ``sys.exit`` is caught, the stop button is not."""
    try:
        return function(*arguments), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return None, error


def in_words(error: BaseException) -> str:
    """The name of an exception and the first line of what it says."""
    says, failed = attempt(str, error)
    line = "" if failed else next(iter(says.strip().splitlines()), "")[:120]
    line = line.encode("utf-8", "replace").decode()  # so that it can be printed
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def named(value: object) -> str:
    """What kind of thing a value is, with its article."""
    if value is None or isinstance(value, str):
        return "None" if value is None else "text"
    if isinstance(value, np.ndarray) and value.dtype.kind in "USO":
        return f"an array of {'objects' if value.dtype.kind == 'O' else 'text'}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _nothing():
    ...


def is_stub(function: Callable[..., Any]) -> bool:
    """Whether the body of a function is still ``...``, with or without a docstring."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if not inspect.iscode(code):
        return False
    steps, none = ({step.opname for step in dis.get_instructions(c)}
                   for c in (code, _nothing.__code__))
    return steps <= none and set(code.co_consts) <= {None, ..., function.__doc__}


class UnfitError(Exception):
    """A result that is no tensor and cannot be read as one; the message says what it is."""


def as_tensor(result: Any) -> Tensor:
    """A result as a tensor: numbers of any kind, arrays, and lists of either, nested or not."""
    counted = itertools.count(1)

    def limit(number: int) -> None:
        if number > MOST:
            raise UnfitError(f"more than {MOST} values")

    def read(value: Any) -> Tensor:
        limit(next(counted))
        if isinstance(value, Tensor):
            limit(value.numel())
            if value.is_complex():
                raise UnfitError("complex numbers")
            return value.cpu().to_dense()
        if isinstance(value, Real | Decimal):
            return torch.tensor(_float(value), dtype=torch.float64)
        if hasattr(value, "__array__"):
            array = np.asarray(value)
            limit(array.size)
            if array.dtype.kind in "biuf":
                return torch.from_numpy(array.astype(np.float64))
        elif isinstance(value, Iterable) and not isinstance(value, str | bytes | dict | set):
            parts = [read(part) for part in itertools.islice(value, MOST + 1)]
            return torch.stack([part.double() for part in parts]) if parts else torch.zeros(0)
        what = named(value) if value is result else f"{named(result)} with {named(value)} in it"
        raise UnfitError(f"{what}; return a tensor or numbers")

    return read(result)


def _float(number: Real | Decimal) -> float:
    try:
        return float(number)
    except OverflowError:
        raise UnfitError("a number too large for a float") from None


@dataclass(frozen=True)
class Outcome:
    """What a function does with one case: a value, perhaps a gradient; or what is the matter."""

    value: Tensor | None = None
    gradient: Tensor | None = None
    fault: str = ""


def call(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Tensor | None, str]:
    """What a function returns, as a tensor; and what is the matter, if it cannot be had."""
    with usual_settings():
        result, error = attempt(lambda: _gathered(function(*arguments)))
    if error:
        return None, f"your function raised {in_words(error)}"
    if result is None or result is Ellipsis:
        return None, "your function returned nothing; is there a return?"
    value, error = attempt(as_tensor, result)
    if error:
        what = error if isinstance(error, UnfitError) else f"{named(result)} that cannot be read"
        return None, f"your function returned {what}"
    return value, ""


def run(function: Callable[..., Any], case: Sequence[Any], *, gradient: bool = False) -> Outcome:
    """What a function does with copies of its arguments, which it may change.

    With ``gradient``, the first argument requires one, and the outcome holds that of the sum of
    the values.
    """
    arguments = [a.detach().clone() if isinstance(a, Tensor) else copy.deepcopy(a) for a in case]
    start = arguments[0]
    if gradient and isinstance(start, Tensor) and start.is_floating_point():
        arguments[0] = start.requires_grad_().clone()  # a clone may be worked on in place
    value, fault = call(function, arguments)
    if fault:
        return Outcome(fault=fault)
    plain = value.detach().double()
    if arguments[0] is start or not value.requires_grad:
        return Outcome(plain)
    slopes, error = attempt(
        lambda: torch.autograd.grad(value.sum(), start, allow_unused=True)[0])
    if error:
        return Outcome(fault=f"backward through your function raised {in_words(error)}")
    return Outcome(plain, slopes)


def _gathered(result: Any) -> Any:
    """What comes one by one, as a list."""
    if isinstance(result, Iterator):
        return list(itertools.islice(result, MOST + 1))
    return result


def brief(value: object, digits: int = 4) -> str:
    """A value in a few characters: the first four numbers of a tensor."""
    if isinstance(value, Tensor):
        flat = ", ".join(f"{v:.{digits}g}" for v in value.flatten()[:4].tolist())
        return f"[{flat}{', ...' if value.numel() > 4 else ''}]" if value.dim() else flat
    text = repr(value)
    return text if len(text) <= 60 else named(value)


def compared(name: str, seen: Tensor, wanted: Tensor, close: Tensor) -> str:
    """Where and by how much a tensor is not what it should be; empty if it is close throughout."""
    if close.all():
        return ""
    place = (~close).nonzero()[0].tolist()
    if close.flatten()[:4].all():  # all that is shown of a tensor would look right
        name = f"{name} at {place}"
        seen, wanted = seen[tuple(place)], wanted[tuple(place)]
    pairs = [(brief(seen, digits), brief(wanted, digits)) for digits in (4, 6, 8, 17)]
    is_, should_be = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
    return f"the {name} is {is_} and should be {should_be}"
