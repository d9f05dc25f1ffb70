"""Checkers accept what is right in whatever form, and know each mistake by name."""

import ast
import importlib
import itertools
import math
import pkgutil

import nbformat
import pytest
import torch
import torch.nn.functional as F

import start
from course_utils import exercises
from course_utils.exercises import Choice, Function, Number

MODULES = {m.name: importlib.import_module(f"course_utils.exercises.{m.name}")
           for m in pkgutil.iter_modules(exercises.__path__)}
ALL = {f"{name}.{q}": exercise for name, module in MODULES.items()
       for q, exercise in vars(module).items() if isinstance(exercise, exercises.Exercise)}
NOTEBOOKS = sorted(p for p in start.NOTEBOOKS.glob("*.ipynb") if "tags" in p.read_text("utf-8")
                   and '"exercise"' in p.read_text("utf-8"))

every_exercise = pytest.mark.parametrize("exercise", ALL.values(), ids=ALL)


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
    assert len(known) >= 4
    assert len({say for say, _ in known}) == len(known)
    for say, wrong in known:
        assert str(exercise.judge(wrong)) == f"✗ not yet: {say}"


def stub(*_):
    ...


@every_exercise
def test_a_stub_is_not_attempted(exercise):
    for nothing in [..., None, *([stub] if isinstance(exercise, Function) else [])]:
        assert exercise.judge(nothing).state == "not attempted"


@every_exercise
def test_no_answer_makes_a_check_raise(exercise, capsys):
    def broken(*_):
        raise ZeroDivisionError("oh")

    for odd in ["", "x", 0, True, 3.7, math.nan, [1], {}, torch.zeros(2), broken, lambda: 1, int,
                lambda *a: "text", lambda *a: [1, "x"], lambda *a: torch.zeros(7), object()]:
        assert exercise.judge(odd).state == "not yet", odd
        exercise.check(odd)
    capsys.readouterr()


@every_exercise
def test_hints_come_one_after_the_other(exercise, capsys):
    assert len(exercise.hints) >= 2
    for n, hint in enumerate(exercise.hints, 1):
        exercise.hint()
        assert capsys.readouterr().out == f"Hint {n} of {len(exercise.hints)}: {hint}\n"
    exercise.solution()
    assert exercise.answer.strip() in capsys.readouterr().out


# ------------------------------------------------------------------------- what an answer may be

def twice(*, differentiable):
    return Function(hints=["", ""], answer="", cases=[(torch.ones(3),), (torch.zeros(2),)],
                    reference=lambda x: 2 * x if differentiable else (2 * x).detach())


def test_numpy_and_work_in_place_will_do_unless_a_gradient_is_wanted():
    for right in [lambda x: 2 * x.numpy(), lambda x: x.mul_(2), lambda x: 2 * x.tolist()[0]
                  + torch.zeros_like(x)]:
        assert twice(differentiable=False).judge(right).state == "correct"
        assert twice(differentiable=True).judge(right).state == "not yet"
    assert "no gradient" in twice(differentiable=True).judge(lambda x: 2 * x.detach()).message


def test_what_comes_one_by_one_is_gathered_even_if_it_never_ends():
    exercise = twice(differentiable=False)
    assert exercise.judge(lambda x: (2 * v for v in x)).state == "correct"
    assert exercise.judge(lambda x: reversed([2 * v for v in x.tolist()])).state == "correct"
    assert "the shape is" in exercise.judge(lambda x: itertools.repeat(2.0)).message


@pytest.mark.parametrize("exercise", [e for e in ALL.values() if isinstance(e, Choice)])
def test_options_differ_in_more_than_spaces_and_capitals(exercise):
    options = [exercise.right, *exercise.replies]
    assert len({"".join(option.split()).lower() for option in options}) == len(options)
    for option in options:
        squeezed = exercise.judge("".join(option.split()).upper())
        assert squeezed == exercise.judge(option)


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
    said = ["".join(o.text for o in cell.outputs if o.output_type == "stream")
            for cell in exercises]
    assert [text.split(":")[0] for text in said] == ["✓ correct"] * len(exercises)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_an_unsolved_notebook_says_not_attempted(path):
    notebook = nbformat.read(path, as_version=4)
    said = [o.text for cell in start.code_cells(notebook) for o in cell.outputs
            if "exercise" in cell.metadata.get("tags", []) and o.output_type == "stream"]
    assert len(said) == sum("exercise" in c.metadata.get("tags", []) for c in notebook.cells)
    assert all(line.startswith("… not attempted") for line in said)
