"""The laboratory: what the course measures in an hour, and keeps as data.

What belongs here: experiments with a hundred seeds on which the pages rest, and the rule that turns
their scores into verdicts. A page shows one idea in a minute; evidence that needs more comes from
here. ``python start.py lab`` runs or resumes all of it and writes ``data/lab``.

- ``benches``: tasks, with fresh data for every seed;
- ``experiments``: which losses are trained on them, with which learning rates;
- ``scores``: metrics, and decision rules that need no training;
- ``claims``: sentences about losses, as comparisons of such scores;
- ``verdicts``: the rule, from scores to outcomes;
- ``running``: pieces, files, and the command.

A verdict can be computed again in a few lines::

    scores = pandas.read_csv("data/lab/long_tail.csv.xz").query("set == 'first'")
    mean = scores.groupby(["part", "loss", "rule", "lr"])["macro F1"].mean()
    rate = mean["val"].unstack("lr").idxmax(axis="columns")   # chosen on validation
    best = {side: mean["test"][*side, lr] for side, lr in rate.items()}
    best["focal 2", "as trained"] - best["cross entropy", "as trained"]
"""

from .running import load, run
from .verdicts import Reading, Side, interval, outcome, seeds_needed, verdict

__all__ = ["Reading", "Side", "interval", "load", "outcome", "run", "seeds_needed", "verdict"]
