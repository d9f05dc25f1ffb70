"""Checkers accept what is right in whatever form, and know each mistake by name."""

import ast
import importlib
import itertools
import math
import pkgutil
import random
import re
import sys
import warnings
from contextlib import contextmanager, suppress
from decimal import Decimal
from fractions import Fraction
from functools import partial

import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import start
from course_utils import exercises
from course_utils.exercises import Choice, Function, Number

MODULES = {m.name: importlib.import_module(f"course_utils.exercises.{m.name}")
           for m in pkgutil.iter_modules(exercises.__path__) if m.name[0] != "_"}
ALL = {f"{name}.{q}": exercise for name, module in MODULES.items()
       for q, exercise in vars(module).items() if isinstance(exercise, exercises.Exercise)}
NOTEBOOKS = sorted(p for p in start.NOTEBOOKS.glob("*.ipynb") if "tags" in p.read_text("utf-8")
                   and '"exercise"' in p.read_text("utf-8"))

every_exercise = pytest.mark.parametrize("exercise", ALL.values(), ids=ALL)


@contextmanager
def default(value):
    """A default dtype or device that a learner has set."""
    set_, usual = ((torch.set_default_device, None) if isinstance(value, str)
                   else (torch.set_default_dtype, torch.float32))
    set_(value)
    try:
        yield
    finally:
        set_(usual)


def given_by(answer):
    """What the source of an answer defines last."""
    space = {"torch": torch, "F": F, "math": math, "nn": torch.nn}
    known = set(space)
    exec(answer, space)
    return next(v for k, v in reversed(space.items()) if k not in known and k != "__builtins__")


def mistakes(exercise):
    if isinstance(exercise, Choice):
        return [(say, wrong) for wrong, say in exercise.replies.items()]
    if isinstance(exercise, Number):
        return [(say, wrong) for wrong, say in exercise.mistakes.items()]
    return list(exercise.mistakes)


@every_exercise
def test_its_own_solution_is_correct(exercise):
    verdict = exercise.judge(given_by(exercise.answer))
    assert verdict.state == "correct", verdict


@every_exercise
def test_at_least_four_mistakes_each_get_their_own_message(exercise):
    known = mistakes(exercise)
    assert len({say for say, _ in known}) >= 4
    for say, wrong in known:
        assert str(exercise.judge(wrong)) == f"✗ not yet: {say}"


# ------------------------------------------------------------------------------------------ hints

@every_exercise
def test_hints_come_one_after_the_other(exercise, capsys):
    assert len(exercise.hints) >= 2
    for n, hint in enumerate(exercise.hints, 1):
        exercise.hint()
        assert capsys.readouterr().out == f"Hint {n} of {len(exercise.hints)}: {hint}\n"
    exercise.solution()
    assert exercise.answer.strip() in capsys.readouterr().out


def squeezed(text):
    return re.sub(r"[\s`]", "", text)


def last_expression(answer):
    """What a solution returns or stores last, as a learner would write it."""
    lines = [node for node in ast.walk(ast.parse(answer))
             if isinstance(node, (ast.Return, ast.Assign))]
    return ast.unparse(max(lines, key=lambda node: node.lineno).value)


FORMULA = re.compile(r"(?:log|sqrt|\d|[-+*/().^\s])+")


def numbers_in(hint):
    """Every number in a hint, and the value of every formula, also in words: ``9 times 153``."""
    words = {"ln": "log", "to the power of": "^", "times": "*", "over": "/", "squared": "^ 2"}
    for word, sign in words.items():
        hint = re.sub(rf"\b{word}\b", f" {sign} ", hint)
    yield from map(float, re.findall(r"\d+\.?\d*", hint))
    for formula in FORMULA.findall(hint):
        formula = formula.strip().replace("^", "**").rstrip(".")
        formula = re.sub(r"(\d)\s*\(", r"\1*(", formula)  # 2 (w - 3), as one writes it
        formula = re.sub(r"log\s+([\d.]+)", r"log(\1)", formula)
        with suppress(Exception), warnings.catch_warnings(action="ignore"):
            yield float(eval(formula, {"log": math.log, "sqrt": math.sqrt}))


def gives_away(exercise, hint):
    """Whether a hint is the solution, or all of it that matters."""
    if isinstance(exercise, Number):
        close = max(exercise.within, 1e-3) * abs(exercise.value)
        return any(abs(number - exercise.value) <= close for number in numbers_in(hint))
    if isinstance(exercise, Choice):
        quoted = rf"[\"'(]{re.escape(exercise.right)}[\"')]" if len(exercise.right) < 3 else (
            rf"\b{re.escape(exercise.right)}\b")
        return re.search(quoted, hint, re.IGNORECASE) is not None
    return squeezed(last_expression(exercise.answer)) in squeezed(hint)


@pytest.mark.parametrize(("exercise", "hint", "away"), [
    ("training_loop.q1", "The second round adds to what is there: -4 + 2 (1.4 - 3).", True),
    ("training_loop.q10", "146 / 153 = 0.95425; 145 / 153 = 0.9477.", True),
    ("choosing_a_loss.q9", "(1 - 0.0025) to the power of 20.", True),
    ("choosing_a_loss.q9", "One claim stays quiet with probability 1 - 0.05/20.", False),
    ("imbalance.q4", "The best of many thresholds fits the noise: the threshold.", True),
    ("imbalance.q6", 'It is "c".', True),
    ("imbalance.q6", "Compare c with the others.", False),
    ("imbalance.q2", "Raise one where `p*amount > fee`.", True),
])
def test_a_hint_that_gives_the_solution_away_is_found(exercise, hint, away):
    assert gives_away(ALL[exercise], hint) == away


@every_exercise
def test_no_hint_is_the_solution(exercise):
    assert [hint for hint in exercise.hints if gives_away(exercise, hint)] == []


# ------------------------------------------------------------------------ a check never raises

def stub(*_):
    ...


def stub_with_docstring(*_):
    """What it will do."""
    ...


def forgotten_return(x, *_):
    2 * x


def printed(x, *_):
    print(x)


@every_exercise
def test_a_stub_is_not_attempted_and_code_without_return_is(exercise):
    assert exercise.judge(...).state == "not attempted"
    assert exercise.judge(None).state == "not yet"
    if isinstance(exercise, (Number, Choice)):
        return
    for untouched in [stub, stub_with_docstring, torch.no_grad()(stub)]:
        assert exercise.judge(untouched).state == "not attempted"
    for attempted in [lambda *a: print(), lambda *a: a[0].nothing if a[1:] == 3 else None]:
        message = exercise.judge(attempted).message
        assert message == "your function returned nothing; is there a return?"


class Stubborn:
    """An object that breaks whatever is asked of it."""

    def stop(self, *_, **__):
        sys.exit("stubborn")

    item = __eq__ = __bool__ = __float__ = __array__ = __iter__ = __len__ = __repr__ = stop
    __str__ = __getattr__ = stop

    def __hash__(self):
        return 0


class MuteError(Exception):
    def __str__(self):
        raise self


def endless(*_):
    while True:
        yield 1.0


def endless_in_endless(*_):
    while True:
        yield endless()


def in_itself(*_):
    ring = []
    ring.append(ring)
    return ring


def leaves(*_):
    sys.exit()


def raises_without_words(*_):
    raise MuteError


def deep(*_):
    return deep()


ODD_VALUES = [
    None, "", "x", "x" * 1000, "\ud800", b"b", 0, -1, True, 3.7, 1j, math.nan, math.inf, 10**400,
    -10**400, Fraction(10**400), Decimal("sNaN"), [], [1], [1, "x"], [None], {}, {"a": 1}, {1},
    range(10**12), np.array(["a", "b"]), np.array(["a"]), np.array([object()]), np.array([1j]),
    np.array(7.7), np.zeros((2, 0)), np.broadcast_to(np.float64(1), (10**9,)), torch.zeros(2),
    torch.zeros(7, 1), torch.tensor(7.7), torch.zeros(0), torch.zeros(2, device="meta"),
    torch.eye(2).to_sparse(), torch.ones(1).expand(10**12), torch.tensor(1j), object(), int, print,
    torch.nn.Identity(), Stubborn(), itertools.repeat(2.0),
]
ODD_FUNCTIONS = [
    leaves, raises_without_words, deep, endless, endless_in_endless, in_itself, lambda: 1,
    *[partial(lambda value, *_: value, value) for value in ODD_VALUES if value is not None],
]


@every_exercise
def test_no_answer_makes_a_check_raise(exercise, capsys):
    for odd in [*ODD_VALUES, *ODD_FUNCTIONS]:
        verdict = exercise.judge(odd)
        assert verdict.state == "not yet", verdict
        assert str(verdict).isprintable() or "\n" not in verdict.message
        assert len(verdict.message) < 400
        exercise.check(odd)
    capsys.readouterr()


@every_exercise
def test_the_stop_button_stops_a_check(exercise):
    def stopped(*_):
        raise KeyboardInterrupt

    if not isinstance(exercise, (Number, Choice)):
        with pytest.raises(KeyboardInterrupt):
            exercise.judge(stopped)


def test_exit_in_a_notebook_does_not_end_the_kernel(monkeypatch):
    class Shell:
        def ask_exit(self):
            pytest.fail("the kernel would be gone")

    shell = Shell()
    monkeypatch.setattr(exercises._running, "get_ipython", lambda: shell)
    says = twice().judge(lambda x: shell.ask_exit()).message  # what exit() and quit() call there
    assert says == "your function raised SystemExit"


def meddles(*_):
    """Leaves everything behind that a careless function can."""
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    np.seterr(all="raise")


def settings():
    return (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype(),
            torch.get_default_device(), torch.get_rng_state().tolist(), random.getstate(),
            np.random.get_state()[1].tolist(), np.geterr())


@every_exercise
def test_a_check_leaves_settings_and_seeds_alone(exercise):
    before = settings()
    exercise.judge(meddles)
    exercise.judge(given_by(exercise.answer))
    assert settings() == before


@every_exercise
def test_what_a_learner_has_left_behind_does_not_matter(exercise):
    answer = given_by(exercise.answer)
    for surroundings in [torch.inference_mode(), *map(default, [torch.float16, "meta"])]:
        with surroundings:
            assert exercise.judge(answer).state == "correct"
    with torch.no_grad():
        assert exercise.judge(answer).state == "correct"
        for say, wrong in mistakes(exercise):
            assert exercise.judge(wrong).message == say


# ------------------------------------------------------------------------- what an answer may be

def twice(*, gradient=False, **options):
    return Function(hints=["", ""], answer="", cases=[(torch.ones(2, 3),), (torch.zeros(2),)],
                    reference=lambda x: 2 * x, gradient=gradient, **options)


def twice_by_parts(x):
    return [2 * part for part in x]


@pytest.mark.parametrize("right", [
    lambda x: 2 * x.numpy(), lambda x: x.mul_(2), lambda x: (2 * x).tolist(),
    lambda x: (2 * x).detach(), lambda x: (2 * x.numpy())[::-1][::-1], twice_by_parts,
    lambda x: (2 * v for v in x), lambda x: reversed(twice_by_parts(x.flip(0))),
    lambda x: tuple(twice_by_parts(x)), lambda x: (2 * x.numpy())[:, None].squeeze(1),
    lambda x: [Fraction(2) * int(v) for v in x] if x.dim() == 1 else 2 * x,
    lambda x: (2 * x).to_sparse(), lambda x: (2 * x).to(torch.float16)])
def test_any_form_will_do_where_a_value_is_asked(right):
    assert twice().judge(right).state == "correct"


def test_a_gradient_is_compared_only_where_it_is_asked_for():
    for whole in [lambda x: 2 * x, lambda x: x.mul_(2), twice_by_parts]:
        assert twice(gradient=True).judge(whole).state == "correct"
    for cut in [lambda x: 2 * x.detach(), lambda x: (2 * x).tolist()]:
        assert twice().judge(cut).state == "correct"
        assert "no gradient comes through" in twice(gradient=True).judge(cut).message
    wrong = twice(gradient=True).judge(lambda x: x + x.detach())
    assert "the value is right, but the gradient is [1, 1, 1, 1, ...]" in wrong.message


@pytest.mark.parametrize(("given", "says"), [
    (forgotten_return, "your function returned nothing; is there a return?"),
    (printed, "your function returned nothing; is there a return?"),
    (lambda x: 2 * x if x.sum() else None,
     "for [0, 0]: your function returned nothing; is there a return?"),
    (lambda x: "2", "your function returned text; return a tensor or numbers"),
    (lambda x: [2, "2"], "your function returned a list with text in it; return a tensor or "
     "numbers"),
    (lambda x: {2: x}, "your function returned a dict; return a tensor or numbers"),
    (lambda x: [[1, 2], [3]], "your function returned a list that cannot be read"),
    (lambda x: 10**400, "your function returned a number too large for a float"),
    (itertools.repeat, "your function returned more than 1000 values"),
    (lambda x: 1j * x, "your function returned complex numbers"),
    (leaves, "your function raised SystemExit"),
    (lambda x: x / 0 if x.dim() else 0, "for [1, 1, 1, 1, ...]: the value is [inf, inf, inf, inf, "
     "...] and should be [2, 2, 2, 2, ...]"),
    (lambda: 1, "your function raised TypeError: <lambda>() takes 0 positional arguments but 1 was "
     "given"),
    (lambda x: x[0], "for [1, 1, 1, 1, ...]: the shape is (3,) and should be (2, 3)"),
    (lambda x: 2 * x + (torch.arange(x.numel()).view_as(x) == 4),
     "for [1, 1, 1, 1, ...]: the value at [1, 1] is 3 and should be 2"),
    (lambda x: 2.0003 * x, "for [1, 1, 1, 1, ...]: the value is [2.0003, 2.0003, 2.0003, 2.0003, "
     "...] and should be [2, 2, 2, 2, ...]"),
    (torch.ones(2), "give check the function itself, without calling it")])
def test_a_message_says_what_is_the_matter(given, says, capsys):
    assert twice().judge(given).message == says


def test_a_mistake_is_named_only_if_it_does_the_same_in_all_cases():
    exercise = twice(mistakes=[("three times", lambda x: 3 * x), ("not at all", lambda x: x)])
    assert exercise.judge(lambda x: 3.0 * x.double()).message == "three times"
    assert "the value is" in exercise.judge(lambda x: 3 * x if x.dim() > 1 else x + 1).message


def test_a_function_gets_copies():
    model = torch.nn.BatchNorm1d(2)

    def changes(x, model, numbers):
        numbers.append(x.add_(1))
        model.eval()
        return x

    exercise = Function(hints=["", ""], answer="", reference=lambda x, *_: x + 1,
                        cases=[(torch.zeros(1), model, [])])
    assert exercise.judge(changes).state == "correct"
    assert model.training
    assert exercise.cases[0][2] == []


def test_of_two_known_wrong_numbers_the_nearer_one_counts():
    exercise = Number(hints=["", ""], answer="", value=1, mistakes={0.95: "share", 20 / 21: "odds"})
    assert exercise.judge(0.952).message == "odds"
    assert exercise.judge(0.95).message == "share"


@pytest.mark.parametrize("right", [
    2, 2.0, np.float32(2), np.array([2]), torch.tensor([[2.0]]), Fraction(2), Decimal(2)])
def test_a_number_may_have_any_type(right):
    assert Number(hints=["", ""], answer="", value=2).judge(right).state == "correct"


@pytest.mark.parametrize(("given", "says"), [
    ("2", "the answer is a number, without quotes"), (10**400, "not the number; a hint may help"),
    ([2], "the answer is a number, and this is a list"),
    (None, "the answer is a number, and this is None"),
    (np.array(["a", "b"]), "the answer is a number, and this is an array of text")])
def test_what_is_no_number_is_named(given, says):
    assert Number(hints=["", ""], answer="", value=2).judge(given).message == says


@pytest.mark.parametrize("exercise", [e for e in ALL.values() if isinstance(e, Choice)])
def test_options_differ_in_more_than_spaces_and_capitals(exercise):
    options = [exercise.right, *exercise.replies]
    assert len({"".join(option.split()).lower() for option in options}) == len(options)
    for option in options:
        verdict = exercise.judge(option)
        for other in ["".join(option.split()).upper(), f'"{option}".', f"({option})\n"]:
            assert exercise.judge(other) == verdict
        if len(option) > 2:
            assert exercise.judge(f"The {option.removeprefix('the ')}") == verdict


# ---------------------------------------------------------- the same answer, differently written

DIFFERENTLY = {f"{name}.{q}": answers for name in MODULES
               for q, answers in importlib.import_module(f"answers_{name}").DIFFERENTLY.items()}


def test_every_exercise_has_a_differently_written_answer():
    assert set(DIFFERENTLY) == set(ALL)


@pytest.mark.parametrize(("name", "given"), [(n, g) for n, gs in DIFFERENTLY.items() for g in gs])
def test_right_answers_are_right_in_any_form(name, given):
    verdict = ALL[name].judge(given)
    assert verdict.state == "correct", verdict


WRONG = [(f"{name}.{q}", given, says) for name in MODULES for q, answers in
         getattr(importlib.import_module(f"answers_{name}"), "WRONG", {}).items()
         for given, says in answers]


@pytest.mark.parametrize(("name", "given", "says"), WRONG)
def test_further_wrong_answers_get_the_reply_that_fits(name, given, says):
    verdict = ALL[name].judge(given)
    assert verdict.state == "not yet"
    assert says in verdict.message


# ------------------------------------------------------------------------------ solved notebooks

def names(source):
    """What a cell leaves behind."""
    return {name for node in ast.parse(source).body for name in (
        [node.name] if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        else [alias.asname or alias.name for alias in node.names]
        if isinstance(node, (ast.Import, ast.ImportFrom))
        else [n.id for n in ast.walk(node) if isinstance(n, ast.Name)
              and isinstance(n.ctx, ast.Store)])}


def solved(notebook):
    """Set-up, imports, and the exercises, each with its answer in place of its stub."""
    cells = start.code_cells(notebook)
    exercises = [cell for cell in cells if "exercise" in cell.metadata.get("tags", [])]
    module = next(MODULES[line.split()[3]] for cell in cells for line in cell.source.splitlines()
                  if line.startswith("from course_utils.exercises import"))
    for cell in exercises:
        check = cell.source.strip().splitlines()[-1]
        answer = getattr(module, check.split(".")[1]).answer.strip()
        assert names(answer) <= names(cell.source), "an answer must not change another cell's names"
        cell.source = f"{answer}\n\n{check}"
    notebook.cells = [*cells[:2], *exercises]
    return exercises


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_solved_notebook_is_correct_throughout(path):
    """By what the learner has after the imports, also on the day after the lesson."""
    notebook = nbformat.read(path, as_version=4)
    exercises = solved(notebook)
    assert len(exercises) >= (1 if path.stem.startswith("00") else 5)
    assert start.execute(notebook, path.stem) == ""
    lines = ["".join(o.text for o in cell.outputs if o.output_type == "stream")
             for cell in exercises]
    assert [line.split(":")[0] for line in lines] == ["✓ correct"] * len(exercises)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_an_unsolved_notebook_says_not_attempted(path):
    notebook = nbformat.read(path, as_version=4)
    lines = [o.text for cell in start.code_cells(notebook) for o in cell.outputs
             if "exercise" in cell.metadata.get("tags", []) and o.output_type == "stream"]
    assert len(lines) == sum("exercise" in c.metadata.get("tags", []) for c in notebook.cells)
    assert all(line.startswith("… not attempted") for line in lines)
