# %% [markdown] slideshow={"slide_type": "slide"}
# # 08. Choosing a loss: the folklore laboratory
#
# Three questions for this notebook:
#
# 1. Which of the things that people repeat about these losses survive a fair experiment?
# 2. What makes an experiment fair, and its verdict a matter of rule and not of taste?
# 3. Which loss, then, should you try first?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | 1. The rule, before the results | 11 | turn an interval into a verdict |
# | 2. The benches | 8 | give each seed its own data, and both sides the same effort |
# | 3. Rare classes | 16 | say what helps a rare class, and what only seems to |
# | 4. Balanced and easy data | 7 | claim that there is *no* effect, with evidence |
# | 5. Hard samples and wrong labels | 12 | tell hard from wrong |
# | 6. What else must change | 11 | see what depends on the loss besides the loss |
# | 7. Smoothing, soft F1, probabilities, costs | 18 | choose by what is reported |
# | 8. All verdicts | 6 | know which of them are fragile |
# | 9. A guide | 6 | decide, and point to the evidence |
# | 10. Exercises | 30 | design and criticise such experiments |
#
# **Needs** notebooks 01 to 04. **Data**: scikit-learn's digits, features of 397 photos of ants and
# bees, the fraud table's synthetic twin, Gaussian clouds. Runs in about a minute.

# %% [markdown]
# The next cell finds the course's helper package; run it once and go on.

# %% tags=["setup"]
# @title Set-up: find the course's helper package
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from IPython.core.error import UsageError  # shown as a sentence, without a traceback
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: waiting threads sleep
REPO = ""  # the course's address, for notebooks opened on their own
if importlib.util.find_spec("course_utils") is None:
    folders = [Path.cwd(), *Path.cwd().parents]
    root = next((f for f in folders if (f / "course_utils").is_dir()), folders[0] / "course")
    if not (root / "course_utils").is_dir():
        address = os.environ.get("COURSE_REPO", REPO)
        if root.exists():
            raise UsageError(f"{root} is not the course: rename it and run this cell again.")
        if not address:
            raise UsageError("Open this notebook in the course's folder, or set COURSE_REPO.")
        if not shutil.which("git"):
            raise UsageError("git is missing: install it from git-scm.com, then try again.")
        if subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, root]).returncode:
            raise UsageError(f"git cannot fetch {address}: check the address and the network.")
        subprocess.run([sys.executable, "-m", "pip", "install", "-qq", "--editable", root])
    sys.path.insert(0, str(root))

# %%
import math
import time
from functools import partial
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.stats import binom, norm
from sklearn.datasets import load_digits
from torch import nn

from course_utils import metrics, plots, runtime, verdicts
from course_utils.data import creditcard_twin, load_features
from course_utils.exercises import choosing_a_loss as ex
from course_utils.losses import focal_loss, label_smoothing_cross_entropy, soft_f1_loss
from course_utils.sweeps import train_many
from course_utils.verdicts import control, different, less, more, same

runtime.set_threads(1)
plt.style.use(plots.STYLE)
pd.set_option("display.max_colwidth", None, "display.max_rows", None)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. The rule, before the results
#
# Two blog posts are our witnesses (References). *Post A* lists seventeen claims and cautions about
# focal loss, *post B* gives a verdict on four losses; the rest is what everybody says about
# smoothing, F1, weights and costs. We write each down in a sentence that an experiment can refute:
# A1 to A17, B1 to B4, C1 to C10.
#
# > **Predict.** Suppose all 31 are empty talk, and each is tested at the usual 5 %. How probable is
# > it that at least one seems to hold?

# %% tags=["nbval-check-output"]
print(f"{1 - binom.pmf(0, 31, 0.05):.2f}")

# %% [markdown]
# (For independent tests; ours share their data, so take it as a rough figure.) That is why reviews
# of such comparisons ask for many seeds (Bouthillier and others), paired tests (Demšar) and a
# correction.
#
# So we need a rule, and need it now. It has three parts.
#
# **Paired seeds.** Both sides of a comparison get the same seed: the same draw of data, the same
# start, the same order of batches. We look at the differences, seed by seed, and at the 95 %
# interval of their mean, by Student's $t$.

# %%
first = int(os.environ.get("COURSE_FIRST_SEED", 0))
seeds = range(first, first + 12)

# %% [markdown]
# **A correction for many tests.** With $m$ intervals, each gets an error of $0.05/m$ instead of
# 0.05 (*Bonferroni*): then *all* of them are right together with at least 95 %. The price is width.
#
# > **Predict.** Twelve differences scatter with a standard deviation of 0.01. How wide is the
# > interval, alone and as one of 92?

# %% tags=["nbval-check-output"]
signs = np.tile([1, -1], 6)
sample = 0.01 * signs / np.std(signs, ddof=1)
for m in [1, 92]:
    _, low, high = verdicts.interval(sample, comparisons=m)
    print(f"as one of {m}: plus or minus {(high - low) / 2:.4f}")

# %% [markdown]
# **The smallest effect worth caring about**, stated per metric before anything is trained: nobody
# changes a loss for a tenth of a point. (ECE is the calibration error of
# notebook 03. A learning rate counts as changed when it doubles; the others are shares.)

# %%
SMALLEST = {"accuracy": 0.01, "F1": 0.01, "recall": 0.02, "ECE": 0.02,
            "share of gradient": 0.05, "ln(lr)": math.log(2), "time": 0.10, "cost": 0.05}

# %% [markdown]
# Then the rule needs an interval and that number:
#
# | the interval of the effect | outcome |
# |---|---|
# | lies above 0, and its middle is at least the smallest effect | yes |
# | lies wholly below the smallest effect | no |
# | neither | open |
#
# A claim that there is *less* than that effect has yes and no exchanged. One that speaks of a
# *difference*, whichever its sign, is a yes if the interval leaves 0 out and its middle is at least
# that far away, and a no if it lies between minus and plus the smallest effect; *same* has these
# two exchanged.
#
# > **Predict.** Three intervals of accuracy: which outcome has each?

# %% tags=["nbval-check-output"]
for low, high in [(0.004, 0.030), (0.002, 0.006), (-0.004, 0.030)]:
    told = verdicts.outcome((low + high) / 2, low, high, smallest=SMALLEST["accuracy"])
    print(f"[{low:+.3f}, {high:+.3f}]: {told}")

# %% [markdown]
# The second is surely above 0, and a no: it is too small to care about. The third has the same
# upper end as the first, and is open: it may be chance.
#
# A claim is tried in several settings. All yes: **holds**. Some yes, the others no: **holds only
# when ...**; some of the others open: **holds when ...**. All no: **did not hold here**. No yes and
# something open: **not testable at this size**, since twelve seeds cannot tell.

# %% [markdown]
# **Controls.** Where distillation gains nothing, nothing can hurt it. So a setting may have a
# *control*: an effect that must be there before the claim is asked at all. If the control is not a
# yes, the setting is open.

# %%
docket = verdicts.Docket(SMALLEST, comparisons=92)

# %% [markdown]
# **What was added later.** The first version of this page had 72 intervals. A critical reading
# found rivals without tuning, a setting without a control, and reasons that were told and not
# tested. Settings that came in after it, with some of their results known, are marked *later*; for
# them the second set of seeds (section 8) is the cleaner test. To make room in the same minute, the
# networks train for three quarters of the epochs (frauds: all), with twelve seeds for 16.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The benches
#
# A *bench* is a pool of rows and how many of each class go to train, validation and test. With a
# share of wrong labels it has `noise`, in train and validation; the test labels are right.

# %%
class Bench(NamedTuple):
    pool: torch.Tensor  # (P, D), all rows
    kind: torch.Tensor  # (P,), what each row shows
    rows: dict  # part -> how many rows of each class
    kinds: list  # how many kinds make a class
    shuffle: bool = True  # draw afresh which kind is which class
    noise: float = 0.0

# %%
def target(bench, part):
    n = torch.tensor(bench.rows[part])
    y, coin = torch.repeat_interleave(torch.arange(len(n)), n), torch.Generator().manual_seed(0)
    wrong = torch.rand(len(y), generator=coin) < (0 if part == "test" else bench.noise)
    other = (y + torch.randint(1, len(n), y.shape, generator=coin)) % len(n)
    return torch.where(wrong, other, y)

# %% [markdown]
# If all seeds shared one split, our intervals would speak of that split alone. So each network
# draws its own rows when it is made, by its own seed, and is then given row numbers.

# %%
def draw(bench):
    kinds = torch.randperm(sum(bench.kinds)) if bench.shuffle else torch.arange(sum(bench.kinds))
    parts = [[] for _ in bench.rows]
    for some, *need in zip(kinds.split(bench.kinds), *bench.rows.values(), strict=True):
        of_class = torch.isin(bench.kind, some).nonzero()[:, 0]
        mine = of_class[torch.randperm(len(of_class))[:sum(need)]]
        for part, rows in zip(parts, mine.split(need), strict=True):
            part.append(rows)
    return torch.cat([torch.cat(part) for part in parts])

# %%
class OwnDraw(nn.Module):
    def __init__(self, bench, network):
        super().__init__()
        self.register_buffer("rows", draw(bench))
        self.network, self.pool = network(), bench.pool

    def forward(self, number):
        return self.network(self.pool[self.rows[number]])

# %% [markdown]
# Is that so? Two seeds, how many rows in common? And none of train in test?

# %%
digits, shown = load_digits(return_X_y=True)
digits, shown = torch.tensor(digits / 16, dtype=torch.float32), torch.tensor(shown)
even = {"train": [30] * 10, "val": [30] * 10, "test": [100] * 10}
balanced = Bench(digits, shown, even, kinds=[1] * 10)

# %% tags=["nbval-check-output"]
torch.manual_seed(0)
one, two = draw(balanced), draw(balanced)
print(f"{len(one)} rows, {len(set(one.tolist()))} different; in the training parts of two seeds: "
      f"{len(set(one[:300].tolist()) & set(two[:300].tolist()))} in common")

# %% [markdown]
# What remains shared is the pool of 1,797 digits: we speak of other draws from it, not of other
# handwriting. Three more benches come from it:
#
# - *long tail*: from 60 training rows in the first class down to 3 in the last;
# - *ages*: three unequal classes of six, three and one digits, as the under-thirties, the middle
#   and the few over sixty of post B's classifier of faces;
# - *wrong labels*: one in five.

# %%
few = [60, 43, 31, 22, 16, 11, 8, 6, 4, 3]
benches = {
    "balanced": balanced,
    "long tail": balanced._replace(rows={"train": few, "val": [20] * 10, "test": [90] * 10}),
    "ages": balanced._replace(rows={"train": [200, 90, 20], "val": [200, 90, 20],
                                    "test": [500, 300, 110]}, kinds=[6, 3, 1]),
    "wrong labels": balanced._replace(noise=0.2),
}

# %% [markdown]
# Mind one thing on the *long tail*: its validation and test parts are balanced, so that each class
# counts alike. Class weights say just that to the loss. With test shares as in training they should
# gain less; B2 looks.

# %% [markdown]
# And one function trains all losses with all learning rates and all seeds, side by side
# (`train_many`; a network of 64, 32 and 10 units, Adam, 30 epochs).

# %%
def mlp(inputs, *sizes):
    steps = [nn.Linear(a, b) for a, b in zip((inputs, *sizes), sizes, strict=False)]
    return nn.Sequential(*[layer for step in steps for layer in (step, nn.ReLU())][:-1])

# %%
adam = partial(torch.optim.Adam, fused=True)

def train(bench, network, losses, *, lr, epochs=30, batch_size=64, optimizer=adam, model=OwnDraw,
          on=("train",)):
    ends = np.cumsum([sum(n) for n in bench.rows.values()]).tolist()
    parts = {part: (torch.arange(end - sum(bench.rows[part]), end), target(bench, part))
             for part, end in zip(bench.rows, ends, strict=True)}
    learn = tuple(torch.cat(both) for both in zip(*(parts[part] for part in on), strict=True))
    sweep = train_many(partial(model, bench, network), losses, learn, parts=parts, seeds=seeds,
                       epochs=epochs, batch_size=batch_size, lr=lr, optimizer=optimizer,
                       progress=False)
    grid = len(losses), len(lr), len(seeds)
    return {part: (dict(zip(losses, sweep.logits[part].unflatten(0, grid), strict=True)), y)
            for part, (_, y) in parts.items()}

# %% [markdown]
# *Equal effort*: each loss tries the same learning rates. Kept is the one with the best mean over
# the seeds on validation, by one metric a bench (the second argument of `choose`), the same for all
# losses; only A9, A13 and A15 choose seed by seed. Then comes the test part, once.

# %%
def best(raw, score):
    logits, y = raw["val"]
    return {loss: score(z, y).mean(dim=1).argmax().item() for loss, z in logits.items()}

def choose(raw, score):
    rate = best(raw, score)
    return {part: ({loss: z[rate[loss]] for loss, z in logits.items()}, y)
            for part, (logits, y) in raw.items()}

def at_rate(raw, k):
    return {part: ({loss: z[k] for loss, z in logits.items()}, y)
            for part, (logits, y) in raw.items()}

# %% [markdown]
# The metrics, from logits of any leading shape: accuracy, recall and F1 of each class, and of the
# *rare* ones (the last third; of three classes or two, the last).

# %%
def accuracy(z, y):
    return (z.argmax(-1) == y).double().mean(-1)

def recalls(z, y):
    hit = (z.argmax(-1) == y).double()
    return torch.stack([hit[..., y == c].mean(-1) for c in range(z.shape[-1])], dim=-1)

def f1s(z, y):
    told, classes = z.argmax(-1), range(z.shape[-1])
    hit = torch.stack([((told == c) & (y == c)).sum(-1) for c in classes], dim=-1)
    size = torch.stack([(told == c).sum(-1) + (y == c).sum() for c in classes], dim=-1)
    return 2 * hit.double() / size

# %%
def rare(each):
    return each[..., -max(1, each.shape[-1] // 3):].mean(-1)

def macro_f1(z, y):
    return f1s(z, y).mean(-1)

def rare_recall(z, y):
    return rare(recalls(z, y))

def rare_f1(z, y):
    return rare(f1s(z, y))

# %% [markdown]
# And what every test compares: a loss against a rival, seed by seed.

# %%
results = {}

def reached(bench, loss, metric, part="test"):
    logits, y = results[bench][part]
    return metric(logits[loss], y)

def gain(bench, loss, metric, rival="cross entropy", part="test"):
    return reached(bench, loss, metric, part) - reached(bench, rival, metric, part)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Rare classes
#
# The reason for which most people reach for focal loss. The rivals are cross entropy, plain and
# with class weights (the inverse of the class's share).

# %%
def smooth(logits, y):
    return F.cross_entropy(logits, y, label_smoothing=0.1)

def weighted(bench):
    n = torch.tensor(bench.rows["train"], dtype=torch.float32)
    return partial(F.cross_entropy, weight=n.sum() / (len(n) * n))

# %%
focal = {f"focal {gamma}": partial(focal_loss, gamma=gamma) for gamma in [1, 2, 5]}
losses = {"cross entropy": F.cross_entropy, "smoothing": smooth, "soft F1": soft_f1_loss, **focal}

def absolute(logits, y):  # 1 - p_t, for section 7
    return 1 - torch.softmax(logits, dim=1).gather(1, y[:, None]).mean()

rates, wide = [3e-3, 1e-2, 3e-2], [1e-2, 3e-2, 1e-1]

# %%
def some(*names):
    return {name: losses[name] for name in names}

# %%
bench, raw = benches["long tail"], {}
raw["long tail"] = train(bench, partial(mlp, 64, 32, 10), losses | {"weighted": weighted(bench)},
                         lr=wide)
results["long tail"] = choose(raw["long tail"], macro_f1)

# %%
bench, names = benches["ages"], some("cross entropy", "smoothing", "soft F1", "focal 2")
raw["ages"] = train(bench, partial(mlp, 64, 32, 3), names | {"weighted": weighted(bench)}, lr=rates)
results["ages"] = choose(raw["ages"], macro_f1)

# %% [markdown]
# Before we compare: does the best rate lie inside the grid, or is a loss stuck at its end? The mean
# macro F1 on validation (0.003 was worse for all of them):

# %%
logits, y = raw["long tail"]["val"]
pd.DataFrame({loss: macro_f1(z, y).mean(1) for loss, z in logits.items()}, index=wide).round(3)

# %% [markdown]
# And a shorter run, half the epochs: once *tuned* like the others, and once *in a hurry*, with one
# learning rate, 0.01, for all losses, as it is often done. (Class weights run with it later.)

# %%
bench = benches["long tail"]
short = train(bench, partial(mlp, 64, 32, 10),
              some("cross entropy", "focal 2") | {"weighted": weighted(bench)}, lr=wide, epochs=15)
results["short, tuned"], results["in a hurry"] = choose(short, macro_f1), at_rate(short, 0)

# %% [markdown]
# **A1. "Focal loss helps minority classes."** Then the recall of the rare classes rises.
#
# > **Predict.** In which of the four settings?

# %%
docket.test("A1", "focal loss helps minority classes", {
    where: more(gain(where, "focal 2", rare_recall), "recall")
    for where in ["long tail", "ages", "short, tuned", "in a hurry"]})

# %% [markdown]
# **A4. "It can beat cross entropy, above all on imbalanced data."** Then macro F1 rises, or the
# accuracy on balanced data; section 4 has the second half.

# %%
docket.test("A4", "focal loss can beat cross entropy on imbalanced data", {
    where: more(gain(where, "focal 2", macro_f1), "F1")
    for where in ["long tail", "ages", "short, tuned", "in a hurry"]})

# %% [markdown]
# In a hurry focal loss wins clearly, and it is no chance: with that learning rate it *learns the
# tail sooner*. Give each side a rate of its own, and of this gain nothing is left to be seen.
# Whoever compares short untuned runs sees a better loss where there is a faster start.

# %% [markdown]
# **A5. "Gamma needs tuning."** Then gamma chosen on validation, from 1, 2 and 5, each with its own
# learning rate, beats gamma 2. (The first version let gamma be 0, so that the best choice was to
# drop focal loss. Of *alpha*, which A5 names too, speaks A12.)

# %%
def tuned(raw, names, score):
    """Scores of the loss and learning rate that are best on validation, in the mean over seeds."""
    both = {part: ({"tuned": torch.cat([logits[name] for name in names])}, y)
            for part, (logits, y) in raw.items()}
    logits, y = choose(both, score)["test"]
    return score(logits["tuned"], y)

# %%
def tuning_gain(bench, metric):
    logits, y = raw[bench]["val"]
    print(bench, {name: round(metric(logits[name], y).mean(1).max().item(), 3) for name in focal})
    return tuned(raw[bench], focal, metric) - reached(bench, "focal 2", metric)

a5 = {"long tail": more(tuning_gain("long tail", macro_f1), "F1")}

# %% [markdown]
# The second setting comes with section 5, and so does the verdict. **A16. "Accuracy may not move
# while minority metrics do."** Accuracy is now that of a test part with the *training* shares.

# %%
def natural_accuracy(z, y, few=few):
    share = torch.tensor(few if z.shape[-1] == 10 else [200, 90, 20], dtype=torch.float64)
    return recalls(z, y) @ (share / share.sum())

# %%
def only_rare(bench, loss):
    return [more(gain(bench, loss, rare_recall), "recall"),
            same(gain(bench, loss, natural_accuracy), "accuracy")]

docket.test("A16", "accuracy may not move while minority metrics do", {
    "focal, in a hurry": only_rare("in a hurry", "focal 2"),
    "weights, long tail": only_rare("long tail", "weighted")})

# %% [markdown]
# Now post B's verdicts. **B2. "Cross entropy is too plain for unequal classes."** The simplest
# thing less plain is a class weight, with the same number of trials. *Later*: the run in a hurry,
# and F1 on a test part with the shares of training, for which each loss chooses its rate anew.

# %%
def natural_f1(z, y, few=few):
    share = torch.tensor(few, dtype=torch.float64)[:, None]
    told, truth = (F.one_hot(c, len(few)).double() for c in [z.argmax(-1), y])
    seen = (truth / truth.sum(0) @ share) * told  # each row with the weight of its class
    hit = (seen * truth).sum(-2)
    return (2 * hit / (seen.sum(-2) + share[:, 0])).mean(-1)

results["long tail, natural shares"] = choose(raw["long tail"], natural_f1)

# %% [markdown]
# > **Predict.** Do weights do what focal loss did not? With all four?

# %%
docket.test("B2", "plain cross entropy is beaten by class weights when classes are unequal", {
    where: more(gain(where, "weighted", natural_f1 if "natural" in where else macro_f1), "F1")
    for where in ["long tail", "ages", "long tail, natural shares", "in a hurry"]})

# %% [markdown]
# *Later*: **C8. "For rare classes, weights do more than focal loss."** The paper on focal loss
# found the reverse, for a detector with a thousand easy negatives to each object. Both sides with
# the same trials, and in a hurry.

# %%
docket.test("C8", "for rare classes weights do more than focal loss", {
    where: more(gain(where, "weighted", macro_f1, rival="focal 2"), "F1")
    for where in ["long tail", "ages", "short, tuned", "in a hurry"]})

# %% [markdown]
# In a hurry too, then: what focal loss gains there, weights gain more than twice. (With balanced
# test parts, and on the long tail; the *ages* are open.)

# %% [markdown]
# **B3. "Focal loss, because the over-sixties are few."** Then *their* F1 rises. **B4. "Smoothing is
# to be tried."** Then macro F1 rises.

# %%
docket.test("B3", "focal loss, because the rarest class is small", {
    where: more(gain(where, "focal 2", rare_f1), "F1") for where in ["ages", "long tail"]})
docket.test("B4", "smoothing is worth a try on unequal classes", {
    where: more(gain(where, "smoothing", macro_f1), "F1") for where in ["long tail", "ages"]})

# %% [markdown]
# **B1. "F1 loss is out, because F1 is binary."** Macro F1 has any number of classes (notebook 04),
# so the reason is wrong. But is the conclusion, that soft F1 trains worse? Then cross entropy has
# the higher macro F1.

# %%
docket.test("B1", "F1 loss is out for several classes", {
    where: more(-gain(where, "soft F1", macro_f1), "F1") for where in ["long tail", "ages"]})

# %% [markdown]
# All of it in one figure. So that different metrics share an axis, each effect is divided by the
# smallest one that counts.

# %%
MARKS = {"yes": ("o", "#009E73"), "no": ("s", "#D55E00"), "open": ("D", "#999999")}

def forest(claims):
    rows = docket.frame[docket.frame["claim"].isin(claims)].iloc[::-1]
    fig, ax = plt.subplots(figsize=(9.5, 0.8 + 0.34 * len(rows)))
    for height, row in enumerate(rows.itertuples()):
        mark, colour = MARKS[row.outcome]
        low, effect, high = np.clip(np.array([row.low, row.effect, row.high]) / row.smallest, -8, 8)
        ax.plot([low, high], [height, height], "-", color=colour)
        ax.plot(effect, height, mark, color=colour, markersize=8)
    ax.axvline(0, color="#999999", linewidth=1, linestyle="-")
    ax.axvline(1, color="black", linewidth=1, linestyle="--")
    ax.set(yticks=range(len(rows)), xlim=(-8, 8),
           xlabel="effect, in units of the smallest that counts (dashed)")
    ax.set_yticklabels([f"{r.claim}  {r.where}, {r.metric} "
                        f"({r.side if r.role == 'claim' else 'control'}): {r.outcome}"
                        for r in rows.itertuples()], fontsize=10)
    return fig

# %%
plots.show(forest(["A1", "A4", "A16", "B1", "B2", "B3", "B4", "C8"]),
           "Intervals of the claims on rare classes: a circle where the claimed condition is met, "
           "a square where it is violated, a diamond where it is open. What lies outside the axis "
           "is drawn at its end.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Balanced and easy data
#
# These claims say that there is *no* effect. A difference that is "not significant" would not prove
# that; an interval that lies wholly below the smallest effect does.

# %%
raw["balanced"] = train(benches["balanced"], partial(mlp, 64, 32, 10),
                        some("cross entropy", "smoothing", "focal 2", "focal 5"), lr=rates)
results["balanced"] = choose(raw["balanced"], accuracy)

# %% [markdown]
# The photos of ants and bees of notebook 06, as features of a network that has seen a million other
# photos: a balanced and easy task for a linear layer.

# %%
features = load_features()
print(features.source)
both = [features.train, features.val]
x, insect = torch.cat([part.x for part in both]), torch.cat([part.target for part in both])
photos = Bench((x - x.mean(0)) / x.std(0), insect,
               {"train": [50, 50], "val": [30, 30], "test": [110, 110]}, [1, 1])

# %%
raw["ants and bees"] = train(photos, partial(nn.Linear, 1280, 2),
                             some("cross entropy", "smoothing", "focal 2"), lr=[3e-4, 1e-3, 3e-3],
                             epochs=12, batch_size=32)
results["ants and bees"] = choose(raw["ants and bees"], accuracy)

# %% [markdown]
# And two clouds of points, one in twenty positive, whose overlap we choose: far apart (easy) or
# near each other (hard). For them the best possible F1 is known: at the best of all cuts, and at
# the one where the true probability is 0.5.

# %%
def clouds(distance, n=60_000):
    coin = torch.Generator().manual_seed(first)
    kind = (torch.rand(n, generator=coin) < 0.05).long()
    x = torch.randn(n, 2, generator=coin)
    x[:, 0] += distance * kind
    rows = {"train": [1900, 100], "val": [1900, 100], "test": [9500, 500]}
    return Bench(x, kind, rows, [1, 1], shuffle=False)

# %% tags=["nbval-check-output"]
def best_f1(distance):
    cut = np.linspace(-2, 8, 5001)
    hit = 0.05 * norm.sf(cut - distance)
    f1 = 2 * hit / (hit + 0.95 * norm.sf(cut) + 0.05)
    return f1.max(), np.interp(distance / 2 + math.log(19) / distance, cut, f1)

for name, distance in [("easy clouds", 5.0), ("hard clouds", 2.0)]:
    print("{}: {:.3f} at the best cut, {:.3f} at 0.5".format(name, *best_f1(distance)))

# %%
def quarter(logits, y):  # alpha = 0.25 for the positives
    weight = torch.tensor([0.75, 0.25])[y]
    return (weight * focal_loss(logits, y, gamma=2.0, reduction="none")).sum() / weight.sum()

for name, distance in [("easy clouds", 5.0), ("hard clouds", 2.0)]:
    names = some("cross entropy", "focal 2") | {"focal, alpha 0.25": quarter}
    raw[name] = train(clouds(distance), partial(mlp, 2, 16, 2), names, lr=wide, epochs=5,
                      batch_size=128)
    results[name] = choose(raw[name], rare_f1)

# %%
for name in ["easy clouds", "hard clouds"]:
    logits, y = results[name]["test"]
    print(name, {loss: round(rare_f1(z, y).mean().item(), 3) for loss, z in logits.items()})

# %% [markdown]
# **A7. "Little or no gain on balanced data."** Less than a point of accuracy. **A10. "The data may
# be balanced"**, then the worst three classes have nothing to win either. **A11. "The task may be
# too easy to gain."**
#
# > **Predict.** Which of the three hold?

# %%
docket.test("A7", "focal loss gains little or nothing on balanced data", {
    where: less(gain(where, "focal 2", accuracy), "accuracy")
    for where in ["balanced", "ants and bees"]})

# %%
def worst_recall(z, y):
    return recalls(z, y).sort(dim=-1).values[..., :3].mean(-1)

docket.test("A10", "on balanced data the worst classes have nothing to win either", {
    "balanced": less(gain("balanced", "focal 2", worst_recall), "recall")})

# %% [markdown]
# "*Too easy* to gain" gives a reason. It needs a control (*later*): a gain where the task is hard.

# %%
docket.test("A11", "the task may be too easy to gain", {
    "easy rather than hard clouds": [
        less(gain("easy clouds", "focal 2", rare_f1), "F1"),
        control(more(gain("hard clouds", "focal 2", rare_f1), "F1"))]})

# %% [markdown]
# No gain on easy data, and none to be seen on hard: easiness is not shown to be the reason.

# %% [markdown]
# **A14. "It may suit some architectures more."** We compare its gain for a linear model with its
# gain for our network, on the long tail. Nobody says which it should suit, so the claim is that
# they *differ*.

# %%
raw["linear"] = train(benches["long tail"], partial(nn.Linear, 64, 10),
                      some("cross entropy", "focal 2"), lr=[3e-2, 1e-1, 3e-1])
results["linear"] = choose(raw["linear"], macro_f1)

# %%
linear, network = (gain(where, "focal 2", macro_f1) for where in ["linear", "long tail"])
docket.test("A14", "focal loss suits some architectures more", {
    "linear against network": different(linear - network, "F1")})

# %%
plots.show(forest(["A7", "A10", "A11", "A14"]),
           "Intervals of the claims that there is no gain, and of the two architectures. 'Less' is "
           "met where the interval lies left of the dashed line.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Hard samples and wrong labels
#
# Focal loss turns to what the model gets wrong. A wrong label is what a good model gets most wrong
# of all.

# %%
raw["wrong labels"] = train(
    benches["wrong labels"], partial(mlp, 64, 32, 10),
    losses | {"absolute error": absolute}, lr=[1e-3, 3e-3, 1e-2])
results["wrong labels"] = choose(raw["wrong labels"], accuracy)

# %% [markdown]
# And once more for 60 epochs. *Overtrained* is untuned on purpose: one learning rate for all, 0.01,
# too large for so long, until the networks know their wrong labels by heart. *Later*: the same 60
# epochs with the rate chosen as above, *tuned*.

# %%
twice = train(benches["wrong labels"], partial(mlp, 64, 32, 10),
              some("cross entropy", "smoothing", "focal 2"), lr=[1e-3, 3e-3, 1e-2], epochs=60)
results["overtrained"] = at_rate(twice, 2)
results["60 epochs, tuned"] = choose(twice, accuracy)

# %% [markdown]
# **A2. "It concentrates on hard examples."** Then the hardest tenth of the training samples has a
# larger share of the gradient (its size with respect to the logits). Two readings: the *same*
# network, trained with cross entropy, seen by both losses; or *each its own*, trained with the same
# learning rate.
#
# > **Predict.** Does it hold in both readings?

# %%
def hardest_tenth(z, y, loss_fn):
    rows = z.reshape(-1, z.shape[-1]).clone().requires_grad_()
    loss_fn(rows, y.repeat(len(z)), reduction="sum").backward()
    size = rows.grad.norm(dim=-1).reshape(z.shape[:-1]).double()
    order = F.cross_entropy(z.mT, y.expand(z.shape[:-1]), reduction="none").argsort(descending=True)
    top = size.gather(1, order)[:, :z.shape[1] // 10]
    return top.sum(1) / size.sum(1)

# %%
def concentration(bench, trained_with, rate=1):
    logits, y = raw[bench]["train"]
    return (hardest_tenth(logits[trained_with][rate], y, focal["focal 2"])
            - hardest_tenth(logits["cross entropy"][rate], y, F.cross_entropy))

docket.test("A2", "focal loss concentrates on hard examples", {
    f"{bench}, {reading}": more(concentration(bench, trained_with), "share of gradient")
    for bench in ["balanced", "wrong labels"]
    for reading, trained_with in [("same network", "cross entropy"), ("each its own", "focal 2")]})

# %% [markdown]
# The first reading is the formula. In the second little of it is left, because the network has
# *answered*: trained with focal loss it stays less sure of the easy samples (the belief map!), and
# so they keep more of a say.

# %% [markdown]
# **A3. "It reduces overfitting."** Then the gap between training and test accuracy shrinks, where
# there is one.

# %%
def gap(bench, loss):
    train_part, test_part = (results[bench][part] for part in ["train", "test"])
    return accuracy(train_part[0][loss], train_part[1]) - accuracy(test_part[0][loss], test_part[1])

docket.test("A3", "focal loss reduces overfitting", {
    where: more(gap(where, "cross entropy") - gap(where, "focal 2"), "accuracy")
    for where in ["balanced", "long tail", "overtrained"]})

# %% [markdown]
# **A8. "Too much weight on very hard examples can hurt."** Then accuracy falls. And if it falls
# *because* the hard ones are wrong, then it falls further than with right labels (*later*).

# %%
def loses(bench, loss):
    return -gain(bench, loss, accuracy)

docket.test("A8", "too much weight on very hard examples can hurt", {
    "wrong labels, gamma 2": more(loses("wrong labels", "focal 2"), "accuracy"),
    "wrong labels, gamma 5": more(loses("wrong labels", "focal 5"), "accuracy"),
    "overtrained, gamma 2": more(loses("overtrained", "focal 2"), "accuracy"),
    "60 epochs, tuned, gamma 2": more(loses("60 epochs, tuned", "focal 2"), "accuracy"),
    "balanced, gamma 5": more(loses("balanced", "focal 5"), "accuracy")} | {
    f"wrong rather than right labels, gamma {gamma}": more(
        loses("wrong labels", f"focal {gamma}") - loses("balanced", f"focal {gamma}"), "accuracy")
    for gamma in [2, 5]})

# %% [markdown]
# Focal loss lost accuracy with wrong labels, and gamma 5 with right ones too. That it loses *more*
# where the labels are wrong, the reason that everybody gives, these runs do not show.

# %% [markdown]
# **A12. "Untuned alpha or gamma can hurt."** Gamma 5, or the famous alpha of 0.25, used as it
# stands on rare positives: it weighs them *down*.

# %%
docket.test("A12", "untuned alpha or gamma can hurt", {
    "gamma 5, long tail": more(-gain("long tail", "focal 5", macro_f1), "F1"),
    "alpha 0.25, hard clouds": more(
        -gain("hard clouds", "focal, alpha 0.25", rare_f1, rival="focal 2"), "F1"),
    "alpha 0.25, easy clouds": more(
        -gain("easy clouds", "focal, alpha 0.25", rare_f1, rival="focal 2"), "F1")})

# %% [markdown]
# And the rest of **A5**: does it pay to choose gamma, when some labels are wrong?

# %%
a5["wrong labels"] = more(tuning_gain("wrong labels", accuracy), "accuracy")
docket.test("A5", "gamma needs tuning", a5)

# %% [markdown]
# *Later*: **C10. "When labels are wrong, stop early."** Then 30 epochs are better than 60: with one
# learning rate for both, or with the best for each.

# %%
results["rate 0.01"] = at_rate(raw["wrong labels"], 2)
docket.test("C10", "when labels are wrong, stop early", {
    where: more(reached(half, "cross entropy", accuracy)
                - reached(full, "cross entropy", accuracy), "accuracy")
    for where, half, full in [("rate 0.01", "rate 0.01", "overtrained"),
                               ("rate tuned", "wrong labels", "60 epochs, tuned")]})

# %% [markdown]
# It depends on what else is done. A rate too large is mended by stopping; with a rate chosen for
# the length we see no gain. Stopping early is one way of tuning, then, and no cure of its own.

# %%
plots.show(forest(["A2", "A3", "A5", "A8", "A12", "C10"]),
           "Intervals of the claims on hard samples and wrong labels. On the same network focal "
           "loss concentrates on hard samples; on its own network much less. Stopping early pays "
           "with one rate for both lengths.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. What else must change
#
# **A13. "Gradients change scale, so the learning rate must be retuned."** Post A's loss, $\alpha =
# 0.25$ times focal, against cross entropy, with plain SGD and with Adam.
#
# We look for the place of the best rate, seed by seed, and report no score; so the test part may
# tell.
#
# > **Predict.** Whose best learning rate moves: SGD's, Adam's, or both?

# %%
def posted(logits, y):
    return 0.25 * focal_loss(logits, y, gamma=2.0)

grids = {"SGD": (partial(torch.optim.SGD, momentum=0.9), [0.03, 0.1, 0.3, 1.0, 3.0]),
         "Adam": (adam, [3e-3, 1e-2, 3e-2, 1e-1])}

# %%
moved, scores = {}, {}
for name, (optimizer, grid) in grids.items():
    run = train(benches["balanced"], partial(mlp, 64, 32, 10),
                some("cross entropy") | {"posted": posted}, lr=grid, epochs=15, optimizer=optimizer)
    scores[name] = {loss: accuracy(z, run["test"][1]) for loss, z in run["test"][0].items()}
    rate = {loss: torch.tensor(grid)[score.argmax(0)] for loss, score in scores[name].items()}
    moved[name] = (rate["posted"] / rate["cross entropy"]).log()

# %%
docket.test("A13", "gradients change scale, so the learning rate must be retuned", {
    name: more(ratio, "ln(lr)") for name, ratio in moved.items()})

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True)
for ax, (name, by_loss) in zip(axes, scores.items(), strict=True):
    for (loss, score), look in zip(by_loss.items(), ["cross entropy", "focal"], strict=True):
        look = plots.LOOK[look]
        ax.semilogx(grids[name][1], score.mean(1), marker="o", label=loss, **look)
        ax.fill_between(grids[name][1], *score.aminmax(dim=1), alpha=0.2, color=look["color"])
    ax.set(xlabel="learning rate", title=name, ylim=(0.7, 0.97))
axes[0].set_ylabel("test accuracy")
axes[1].legend()
plots.show(fig, "Test accuracy against the learning rate, mean and range of twelve seeds. With SGD "
                "the curve of the posted loss lies further right; with Adam, which divides by the "
                "size of the gradient, the two have their top at the same place.")

# %% [markdown]
# **A15. "Batch size and epochs must be adapted together with it."** If so, focal loss with *its*
# best recipe beats focal loss with cross entropy's. A recipe is a learning rate and a batch size of
# 64 or 16, with the same number of steps (about 120); or a rate and a number of epochs.
# (Augmentation, the third thing in A15, we leave out: not testable at this size.)

# %%
names, net = some("cross entropy", "focal 2"), partial(mlp, 64, 32, 10)
small = train(benches["long tail"], net, names, lr=wide, epochs=9, batch_size=16)
batches = {64: raw["long tail"], 16: small}
long = train(benches["long tail"], net, names, lr=wide, epochs=60)
lengths = {15: short, 30: raw["long tail"], 60: long}

# %%
def adapted(runs):
    def recipes(part, loss):  # (recipes, seeds)
        return torch.cat([macro_f1(run[part][0][loss], run[part][1]) for run in runs.values()])

    own, others = (recipes("val", loss).argmax(0) for loss in ["focal 2", "cross entropy"])
    print(f"both sides choose the same recipe with {(own == others).sum()} of {len(seeds)} seeds")
    f1, seed = recipes("test", "focal 2"), torch.arange(len(seeds))
    return f1[own, seed] - f1[others, seed]

# %%
docket.test("A15", "batch size and epochs must be adapted together with the loss", {
    "batch size": more(adapted(batches), "F1"), "epochs": more(adapted(lengths), "F1")})

# %% [markdown]
# **A17. "The effect may show only late in training."** Then focal loss's gain over cross entropy is
# larger after 60 epochs than after 15, each with the best rate for that length. (*Later*: the first
# version had one rate for both.)

# %%
results["long"] = choose(long, macro_f1)
early, late = (gain(where, "focal 2", macro_f1) for where in ["short, tuned", "long"])
docket.test("A17", "the effect may show only late in training", {
    "long tail, 60 epochs against 15": more(late - early, "F1")})
for said, gained in [("after 15 epochs", early), ("after 60", late),
                     ("after 15 with the rate 0.01", gain("in a hurry", "focal 2", macro_f1))]:
    print(f"mean gain {said}: {gained.mean():+.3f}")

# %% [markdown]
# With rates tuned for each length, the early gain is gone: it was a matter of the rate (A1).
# Whether the effect grows later, these runs leave open.

# %% [markdown]
# **A9. "Its values are harder to read."** What do we read a validation loss for? To choose. If A9
# is right, choosing the learning rate by the lowest *loss* instead of by accuracy costs focal loss
# more than cross entropy.

# %%
def regret(bench, loss, loss_fn):
    (val, y_val), (test, y_test) = raw[bench]["val"], raw[bench]["test"]
    z = val[loss]
    value = loss_fn(z.reshape(-1, z.shape[-1]), y_val.repeat(z.shape[0] * z.shape[1]),
                    reduction="none").reshape(z.shape[:-1]).mean(-1)
    score, seed = accuracy(test[loss], y_test), torch.arange(len(seeds))
    return score[accuracy(z, y_val).argmax(0), seed] - score[value.argmin(0), seed]

docket.test("A9", "the values of focal loss are harder to read", {
    where: more(regret(where, "focal 2", focal["focal 2"])
                - regret(where, "cross entropy", F.cross_entropy), "accuracy")
    for where in ["balanced", "wrong labels"]})

# %% [markdown]
# **A6. "It costs more computation and training time."** Forward and backward of a small and of a
# larger network, in processor time. Each seed draws its own network and batch; the losses take
# turns in going first, and the quickest turn counts. (The one verdict that depends on the machine.)

# %%
def seconds(model, loss_fn, x, y, steps):
    start = time.process_time()
    for _ in range(steps):
        loss_fn(model(x), y).backward()
    return time.process_time() - start

def extra_time(seed, width, batch_size, steps, turns=4):
    torch.manual_seed(seed)
    model, x = mlp(64, width, width, 10), torch.randn(batch_size, 64)
    y, pair = torch.randint(10, (batch_size,)), [F.cross_entropy, focal["focal 2"]]
    times = {loss_fn: [] for loss_fn in pair}
    for turn in range(turns):
        for loss_fn in pair[::(-1) ** turn]:
            times[loss_fn].append(seconds(model, loss_fn, x, y, steps))
    theirs, ours = map(min, times.values())
    return ours / theirs - 1

# %%
docket.test("A6", "focal loss takes more time, forward and backward", {
    "tiny network": more([extra_time(seed, 32, 64, steps=5) for seed in seeds], "time"),
    "larger network": more([extra_time(seed, 512, 512, steps=1) for seed in seeds], "time")})

# %%
plots.show(forest(["A6", "A9", "A13", "A15", "A17"]),
           "Intervals of the claims on what must change along with the loss. With SGD the best "
           "learning rate moves up; with Adam it does not. Batch size, epochs and the time of the "
           "effect stay open.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Smoothing, soft F1, probabilities, costs
#
# **C1. "Label smoothing regularises."** Then test accuracy rises.
#
# > **Predict.** In which of the settings: balanced, long tail, wrong labels, overtrained, or as
# > long with a tuned rate (*later*)?

# %%
docket.test("C1", "label smoothing regularises", {
    where: more(gain(where, "smoothing", accuracy), "accuracy")
    for where in ["balanced", "long tail", "wrong labels", "60 epochs, tuned", "overtrained"]})

# %% [markdown]
# **C2. "Label smoothing calibrates."** Then the calibration error falls. **C3. "Focal loss
# calibrates"**, as Mukhoti and others found for deep networks. Where labels are wrong,
# probabilities are held against labels as they come, so on the validation part. For *wrong labels*
# and *tuned* (both *later*) the learning rate was chosen there, by accuracy.

# %%
def calibrated(z, y):
    prob = torch.softmax(z.double(), dim=-1)
    return -torch.tensor([metrics.calibration_error(y, run) for run in prob])

judged = {"balanced": "test", "ants and bees": "test", "wrong labels": "val",
          "60 epochs, tuned": "val", "overtrained": "val"}

def calibrates(loss):
    return {where: more(gain(where, loss, calibrated, part=part), "ECE")
            for where, part in judged.items()}

# %% [markdown]
# > **Predict.** Same verdict for both, or not?

# %%
docket.test("C2", "label smoothing calibrates", calibrates("smoothing"))
docket.test("C3", "focal loss calibrates", calibrates("focal 2"))

# %% [markdown]
# Both lower the confidence. That helps only where there is far too much of it; else they overshoot.
# By how much does cross entropy's confidence exceed its accuracy, and what does a smaller rate do?

# %%
def overconfidence(bench, part):
    z, y = results[bench][part][0]["cross entropy"], results[bench][part][1]
    return (z.double().softmax(-1).amax(-1).mean(-1) - accuracy(z, y)).mean().item()

pd.DataFrame({
    "overconfidence": {where: overconfidence(where, part) for where, part in judged.items()},
    "ECE": {where: -reached(where, "cross entropy", calibrated, part).mean().item()
            for where, part in judged.items()},
    "test accuracy": {where: reached(where, "cross entropy", accuracy).mean().item()
                      for where in judged}}).round(3)

# %% [markdown]
# *Overtrained* against *60 epochs, tuned*: the smaller rate mends the accuracy, and the
# overconfidence turns into its opposite; the calibration error is no smaller for it. There
# smoothing and focal loss gain no accuracy worth caring about, and miss the probabilities by still
# more. So "calibrates" held only against a rival that was overconfident, since nobody had tuned it.

# %% [markdown]
# **C4. "Smoothing hurts distillation"** (Müller and others, 2019). A *teacher*'s answers, softened
# by a temperature, are the targets of a smaller *student*. If so, the student of a smoothed teacher
# is worse. The first version taught its student on rows whose labels it could have had; such a
# teacher added nothing, so there was nothing to lose.

# %% [markdown]
# *Later*: a teacher with ten labelled rows a class, which answers eighty more that have no label.
# The *control*: its student beats the same student, trained on the labelled rows alone, with as
# many steps and trials.

# %%
few_labels = balanced._replace(rows={"train": [10] * 10, "unlabelled": [80] * 10,
                                     "val": [20] * 10, "test": [60] * 10})
raw["few labels"] = train(few_labels, partial(mlp, 64, 32, 10), some("cross entropy", "smoothing"),
                          lr=rates, epochs=60)
results["few labels"] = choose(raw["few labels"], accuracy)

# %% [markdown]
# The student carries its teachers' answers along, so that each seed has its own.

# %%
class Student(OwnDraw):
    def __init__(self, bench, network, answers):
        super().__init__(bench, network)
        self.register_buffer("answers", answers[torch.initial_seed() - first])

    def forward(self, number):
        return torch.cat([super().forward(number), self.answers[number]], dim=-1)

# %%
def distil(logits, _, teacher, temperature):
    student, *teachers = (z / temperature for z in logits.split(10, dim=-1))
    return temperature**2 * F.cross_entropy(student, F.softmax(teachers[teacher], dim=-1))

def of_student(z, y):
    return accuracy(z[..., :10], y)

# %%
teachers = ["cross entropy", "smoothing"]
answers = torch.cat([torch.cat([logits[teacher] for logits, _ in results["few labels"].values()],
                               dim=1) for teacher in teachers], dim=-1)
soft = {f"{teacher}, T = {t}": partial(distil, teacher=k, temperature=t)
        for k, teacher in enumerate(teachers) for t in [1.0, 4.0]}
taught = train(few_labels, partial(mlp, 64, 16, 10), soft, lr=[1e-2], epochs=10,
               model=partial(Student, answers=answers), on=["train", "unlabelled"])
alone = train(few_labels, partial(mlp, 64, 16, 10), some("cross entropy"), lr=rates[:2], epochs=75)

# %%
alone = tuned(alone, ["cross entropy"], accuracy)
plain, smoothed = (tuned(taught, [name for name in soft if teacher in name], of_student)
                   for teacher in teachers)
docket.test("C4", "label smoothing hurts distillation", {"few labels": [
    control(more(plain - alone, "accuracy")), more(plain - smoothed, "accuracy")]})
print(f"mean accuracy: alone {alone.mean():.3f}, taught {plain.mean():.3f}, by a smoothed teacher "
      f"{smoothed.mean():.3f}; teachers", end=" ")
print({teacher: round(reached("few labels", teacher, accuracy).mean().item(), 3)
       for teacher in teachers})

# %% [markdown]
# **Did it replicate?** Müller and others saw it with deep networks. Here the control is not met:
# the teacher adds too little for its student to lose. Not testable at this size; a first version
# without a control said "did not hold".

# %% [markdown]
# **C5. "Soft F1 optimises what you report."** The report is F1, on the fraud twin, with one fraud
# in forty-one rows here (the twin can be made in any size). At a threshold of 0.5; and at one that
# is chosen on validation, for both. (With two softmax outputs, the difference of the logits is the
# logit of a fraud.)

# %%
twin = creditcard_twin(seed=first, n=100_000, n_fraud=2400)
print(twin.source)
rows = twin.split(fractions=(0.98, 0.01, 0.01)).train
cards = Bench(rows.x, rows.y.long(), {"train": [8000, 200], "val": [4000, 100],
                                      "test": [20_000, 500]}, [1, 1], shuffle=False)

# %%
fraud_losses = {"cross entropy": F.cross_entropy, "weighted": weighted(cards),
                "soft F1": partial(soft_f1_loss, average="binary")}
raw["fraud twin"] = train(cards, partial(mlp, 29, 16, 8, 2), fraud_losses,
                          lr=rates, epochs=4, batch_size=128)
results["fraud twin"] = choose(raw["fraud twin"], rare_f1)

# %%
def prob(bench, loss, part):
    logits, y = results[bench][part]
    return torch.softmax(logits[loss].double(), -1)[..., 1].numpy(), y.numpy()

def f1_at_chosen(bench, loss):
    (val, y_val), (test, y) = (prob(bench, loss, part) for part in ["val", "test"])
    cuts = np.array([metrics.best_f1_threshold(y_val, p)[0] for p in val])[:, None]
    hit = ((test >= cuts) & (y == 1)).sum(1)
    return torch.tensor(2 * hit / ((test >= cuts).sum(1) + y.sum()))

# %% [markdown]
# > **Predict.** Where does soft F1 win: at 0.5, at chosen thresholds, on the long tail, with wrong
# > labels?

# %%
docket.test("C5", "soft F1 optimises what you report", {
    "frauds, at 0.5": more(gain("fraud twin", "soft F1", rare_f1), "F1"),
    "frauds, chosen": more(f1_at_chosen("fraud twin", "soft F1")
                           - f1_at_chosen("fraud twin", "cross entropy"), "F1"),
    "long tail": more(gain("long tail", "soft F1", macro_f1), "F1"),
    "wrong labels": more(gain("wrong labels", "soft F1", macro_f1), "F1")})

# %% [markdown]
# On the frauds there is no gain worth caring about, at either threshold. With wrong labels soft F1
# looks better, which nobody promised; but the interval still reaches below 0. Is there a reason to
# expect it?

# %% [markdown]
# **C6. "Bounded losses resist wrong labels"** (Ghosh and others). Soft F1 is *bounded*: a single
# hopeless sample costs at most its share and hardly pulls. If that is the reason, the absolute
# error of the true class, $1 - p_t$, bounded too and with nothing to do with F1, wins as well.

# %%
docket.test("C6", "bounded losses resist wrong labels", {
    "absolute error": more(gain("wrong labels", "absolute error", accuracy), "accuracy")})

# %% [markdown]
# Open: these runs cannot tell whether boundedness is a reason. (The absolute error is hard to
# train: some runs give up whole classes, which widens its interval. The next line counts them.)

# %%
logits, y = results["wrong labels"]["test"]
{loss: int((recalls(logits[loss], y) < 0.05).sum()) for loss in ["soft F1", "absolute error"]}

# %% [markdown]
# **C7. "Costs belong into the loss."** A missed fraud costs 40 times a false alarm. Train with that
# weight and decide at 0.5; or train plain cross entropy and raise an alarm where $40p > 1 - p$
# (Elkan), or from a threshold that is cheapest on validation. If the claim is right, weights cut
# the cost: against a decision at 0.5 (*later*) and against either threshold.
#
# > **Predict.** The belief map says that an ideal model decides alike either way. Do ours?

# %%
def cost(z, y, cut):
    alarm = z[..., 1] - z[..., 0] >= cut
    return (40.0 * (~alarm & (y == 1)) + 1.0 * (alarm & (y == 0))).double().mean(-1)

def cost_of(loss, cut):
    """At the learning rate with the lowest cost on validation."""
    logits, y = choose(raw["fraud twin"], lambda z, y: -cost(z, y, cut))["test"]
    return cost(logits[loss], y, cut)

# %% [markdown]
# (`best_cost_threshold` of notebook 07 charges the fee for right alarms too. So a missed fraud,
# beside one that is found, costs $41 - 1$.)

# %%
def searched_cost():
    """The threshold is the cheapest on validation, and then the learning rate is, too."""
    (val, y_val), (test, y) = ((raw["fraud twin"][part][0]["cross entropy"],
                                raw["fraud twin"][part][1]) for part in ["val", "test"])
    margin, amount = val[..., 1] - val[..., 0], np.full(len(y_val), 41.0)
    cuts = torch.tensor([[metrics.best_cost_threshold(y_val, run, amount, fee=1.0)[0]
                          for run in runs] for runs in margin])[..., None]
    rate = cost(val, y_val, cuts).mean(1).argmin()
    return cost(test[rate], y, cuts[rate])

# %%
ways = {"a cut at 0.5": cost_of("cross entropy", 0.0),
        "the threshold 1/41": cost_of("cross entropy", -math.log(40)),
        "one from validation": searched_cost()}
weights = cost_of("weighted", 0.0)
print({way: round(each.mean().item(), 3) for way, each in (ways | {"weights": weights}).items()})
docket.test("C7", "costs belong into the loss", {
    f"against {way}": more((each - weights) / each.mean(), "cost") for way, each in ways.items()})

# %% [markdown]
# The costs must stand somewhere: weights are cheaper than to ignore them. Against the two
# thresholds it is open here, and with the other seeds of section 8 it is the other way round: the
# costs of a few bad runs decide. Take all of C7 with care.

# %% [markdown]
# *Later*: **C9. "What you report belongs into the threshold."** The networks stay, trained with
# plain cross entropy, and only the threshold changes, from 0.5 to one for the report: F1, or the
# cost.
#
# > **Predict.** Where does F1 gain: with the frauds, the easy clouds, the hard clouds? (The best
# > possible F1 of the clouds stands in section 4.)

# %%
at_half = ways.pop("a cut at 0.5")
docket.test("C9", "what you report belongs into the threshold", {
    f"F1, {where}": more(f1_at_chosen(where, "cross entropy")
                         - reached(where, "cross entropy", rare_f1), "F1")
    for where in ["fraud twin", "easy clouds", "hard clouds"]} | {
    f"cost, {way}": more((at_half - each) / at_half.mean(), "cost") for way, each in ways.items()})

# %% [markdown]
# The easy clouds have nothing to win, as the theory says, and the frauds hardly any F1. On the hard
# clouds the gain is about what the theory promises, but it scatters too much to be a yes. For the
# cost a threshold helps, since 0.5 is the wrong question.

# %%
plots.show(forest(["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C9"]),
           "Intervals of the claims on smoothing, soft F1, calibration, cost and thresholds. "
           "Smoothing and focal loss calibrate where the network is overtrained, with a rate that "
           "nobody tuned, and do the opposite elsewhere.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. All verdicts
#
# The table that the rule made. Was everything announced, and nothing else?

# %% tags=["nbval-check-output"]
table = docket.frame
print(f"{table['claim'].nunique()} claims, {len(table)} intervals, announced "
      f"{docket.comparisons}")

# %%
columns = ["where", "role", "metric", "side", "effect", "low", "high", "outcome"]
table.set_index("claim")[columns].round(3)

# %% [markdown]
# One more check of fairness: which losses had their best learning rate at an end of the grid, where
# a wider one might have been kinder?

# %%
metric_of = dict.fromkeys(["balanced", "ants and bees", "wrong labels", "few labels"], accuracy)
metric_of |= dict.fromkeys(["easy clouds", "hard clouds", "fraud twin"], rare_f1)
for name, parts in raw.items():
    last = len(next(iter(parts["val"][0].values()))) - 1
    rate = best(parts, metric_of.get(name, macro_f1))
    ends = {loss: "lowest" if k == 0 else "highest" for loss, k in rate.items() if k in (0, last)}
    print(f"{name}: {ends or 'none'}")

# %% [markdown]
# On the *ages* and the balanced digits 0.1 was tried too and was worse for all; on the long tail
# 0.003, with the frauds 0.001. The linear model, and with wrong labels soft F1 and the absolute
# error, might gain from a larger rate.

# %%
if folder := os.environ.get("COURSE_RESULTS"):
    name = "verdicts.csv" if first == 0 else "verdicts_again.csv"
    table.round(8).to_csv(Path(folder) / name, index=False, lineterminator="\n")

# %% [markdown]
# Two things have been left out so far. All intervals assume that seeds are like other seeds; so the
# whole page was run once more with twelve *other* seeds, other draws, another twin and other
# clouds (`COURSE_FIRST_SEED=1000`). Its results lie in `data/verdicts_again.csv`.
#
# > **Predict.** How many of the verdicts will be in different words the second time?

# %%
again = pd.read_csv(Path(verdicts.__file__).parents[1] / "data" / "verdicts_again.csv")
summary = verdicts.compare(table, again)
print(summary["stability"].value_counts().to_string())

# %%
summary[["says", "verdict", "again", "stability", "changed"]]

# %% [markdown]
# *Fragile*: the verdicts differ in words, because an interval contains the smallest effect in one
# run only. *Flipped* would be a yes that became a no. *Changed* counts the settings with another
# outcome, which can hide behind the same words. All of them:

# %%
other = table["outcome"] != again["outcome"]
pd.DataFrame({"claim": table["claim"], "where": table["where"], "effect": table["effect"].round(3),
              "outcome": table["outcome"], "effect again": again["effect"].round(3),
              "outcome again": again["outcome"]})[other]

# %% [markdown]
# ### The effects, twice
#
# > **Predict.** If an effect belongs to the experiment and not to the seeds, where do the dots lie?

# %%
fig, ax = plt.subplots(figsize=(6, 6))
for told, (mark, colour) in MARKS.items():
    mine = (table["outcome"] == told).to_numpy()
    xy = [np.clip(t["effect"] / t["smallest"], -8, 8)[mine] for t in [table, again]]
    ax.plot(*xy, mark, color=colour, label=told, markersize=8, alpha=0.8)
ax.axline((0, 0), slope=1, color="#999999", linewidth=1, linestyle="-")
ax.set(xlabel="effect, in units of the smallest that counts", ylabel="the same, other seeds",
       xlim=(-8.5, 8.5), ylim=(-8.5, 8.5), aspect="equal")
ax.legend(title="outcome")
plots.show(fig, "Each effect in the first run and in the second, with other seeds. Most dots lie "
                "near the diagonal; large effects stay large and small ones small.")

# %% [markdown]
# ### What each loss makes the model believe
#
# One picture explains much of the table, and it needed no training.
#
# > **Predict.** Which of the losses can be read as probabilities? Which change decisions at 0.5?

# %%
def beliefs(gamma, ax):
    binary = {"cross entropy": partial(F.cross_entropy, reduction="none"),
              "weighted 10": partial(F.cross_entropy, reduction="none",
                                     weight=torch.tensor([1.0, 10.0], dtype=torch.float64)),
              f"focal {gamma:g}": partial(focal_loss, gamma=gamma, reduction="none"),
              "smoothing 0.1": partial(label_smoothing_cross_entropy, reduction="none"),
              "absolute error": lambda z, y: 1 - torch.softmax(z, 1).gather(1, y[:, None])[:, 0]}
    one_logit = {name: metrics.as_binary(loss) for name, loss in binary.items()}
    return plots.plot_belief_map(one_logit, ax=ax)

plots.explore(beliefs, "Belief against true probability for gamma 0, 2.5 and 5. Cross entropy lies "
                       "on the diagonal. Focal loss and smoothing are drawn to one half but cross "
                       "it where the truth does; weights cross it early; the absolute error jumps.",
              gamma=(2.0, 0.0, 5.0, 0.5))

# %% [markdown]
# Focal loss and smoothing leave the side of 0.5 alone, so an ideal model decides the same: that
# fits what we saw when all were tuned (A1, A4, A7). Weights move it: B2, C8. Of an ideal model,
# only cross entropy's answers are probabilities. But ours are no ideal models: the map promised
# that the absolute error would follow the majority, hence the right label, and training did not get
# there (C6).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. A guide
#
# What to try first. Each line names the claims it rests on; they are small experiments with small
# networks, so the guide says where to begin, not where to end.
#
# | your situation | begin with | because of |
# |---|---|---|
# | classes balanced, labels good, the task easy or not | cross entropy | A7, A10 |
# | rare classes, each as important | cross entropy with class weights, in a hurry too | B2, C8 |
# | rare classes, rows count as they come | cross entropy, weights as the rival | B2 (weak) |
# | some labels are wrong | cross entropy, a smaller rate or fewer epochs; no gamma 5 | A8, C10 |
# | probabilities are needed | cross entropy, tuned; and a look at its calibration | C2, C3 |
# | ... and it is overconfident | a temperature (notebook 03), or smoothing | C1, C2 |
# | a decision at a known cost | the cost as weights, a threshold as the rival | C7, C9 (weak) |
# | F1 is reported | cross entropy, a threshold from validation | notebook 04; C5, C9 (weak) |
#
# And whichever it is: tune the learning rate anew if the optimiser is SGD (A13), and give the rival
# the same effort. Focal loss has no line: we found no place where it beat tuned or weighted cross
# entropy. (For detectors with a thousand easy negatives to each object others did.)

# %% [markdown]
# Is the guide itself safe to follow? It rests on verdicts; let a cell say how firm each of them is.

# %%
rests_on = ["A7", "A8", "A10", "A13", "B2", "C1", "C2", "C3", "C5", "C7", "C8", "C9", "C10"]
summary.loc[rests_on, ["verdict", "again", "stability", "changed"]]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Exercises
#
# Put your answer in place of each `...`. Stuck? `ex.q1.hint()`, again for a stronger hint, then
# `ex.q1.solution()`.
#
# **Exercise 8.1, write code.** The paired interval: from two tensors of scores `(seeds,)`, the mean
# difference and the half width $q\,s/\sqrt{n}$, stacked into a tensor `(2,)`. $s$ is the sample
# standard deviation, $q$ is given.

# %% tags=["exercise"]
def paired(loss, rival, q):
    ...

ex.q1.check(paired)

# %% [markdown]
# **Exercise 8.2, write code.** The rule of section 1 for a claim of *more*: 1 for yes, -1 for no, 0
# for open. The arguments are numbers.

# %% tags=["exercise"]
def rule(low, high, smallest):
    ...

ex.q2.check(rule)

# %% [markdown]
# **Exercise 8.3, predict a number.** Differences scatter with a standard deviation of 0.01 over
# seeds. With 16 seeds the interval is plus or minus 0.0075. About how many seeds for plus or minus
# 0.0025? (Take $q$ as the same.)

# %% tags=["exercise"]
seeds_needed = ...
ex.q3.check(seeds_needed)

# %% [markdown]
# **Exercise 8.4, find the flaw.** "Cross entropy with PyTorch's default learning rate: macro F1
# 0.71. Focal loss, with gamma from five values and a learning rate from four, chosen on validation:
# 0.76. Mean over 20 seeds each, test part used once." One of: `"one seed"`, `"untuned rival"`,
# `"chosen on test"`, `"unpaired seeds"`, `"wrong metric"`.

# %% tags=["exercise"]
flaw = ...
ex.q4.check(flaw)

# %% [markdown]
# **Exercise 8.5, find the flaw.** "We trained with gamma 0, 0.5, 1, 2 and 5 and the same learning
# rates for each, ten paired seeds. On the held-out test part gamma 0.5 was best, by 0.4 points with
# an interval of 0.1 to 0.7. We report this gain." The same five answers to choose from.

# %% tags=["exercise"]
flaw = ...
ex.q5.check(flaw)

# %% [markdown]
# **Exercise 8.6, find the flaw.** "Same data, same network, same grid of learning rates for both
# losses, chosen on validation; the final confusion matrices on the test part, with
# `torch.manual_seed(42)`: cross entropy finds 61 of 98 frauds, focal loss 74." The same five.

# %% tags=["exercise"]
flaw = ...
ex.q6.check(flaw)

# %% [markdown]
# **Exercise 8.7, design an experiment.** The claim: "The new loss reaches a higher accuracy than
# cross entropy." `run(loss, lr, seed, part)` is the accuracy of a simulated network; `loss` is
# `"new"` or `"cross entropy"`, `part` is `"val"` or `"test"`, `rates` are the learning rates.

# %%
run = ex.Lab(advantage=0.03)
[round(run("new", lr, seed=0, part="val"), 3) for lr in ex.RATES]

# %% [markdown]
# Write the experiment: return one difference a seed. It is carried out in four simulated worlds. By
# the rule of section 1 it must say yes where the claim is true, and must not where it is false.

# %% tags=["exercise"]
def experiment(run, rates):
    ...

ex.q7.check(experiment)

# %% [markdown]
# **Exercise 8.8, refute a reason.** "Smoothing calibrates *because* it stops the network from
# learning wrong labels by heart." Which result would refute the *because*?
#
# - `"a"`: smoothing calibrates with wrong labels, and does not without;
# - `"b"`: with smoothing the networks fit as many wrong labels, and are calibrated all the same;
# - `"c"`: smoothing raises the calibration error of networks that are not overconfident;
# - `"d"`: focal loss calibrates too;
# - `"e"`: with smoothing the accuracy on clean test labels is higher.

# %% tags=["exercise"]
refutes = ...
ex.q8.check(refutes)

# %% [markdown]
# **Exercise 8.9, predict a number.** Twenty claims, all empty, each tested with an error of $0.05 /
# 20$. What is the probability that none seems to hold? (Take the tests as independent.)

# %% tags=["exercise"]
none = ...
ex.q9.check(none)

# %% [markdown]
# ## What to remember
#
# - State the smallest effect that counts, and the rule, first: verdicts are no matter of taste.
# - Focal loss helped rare classes in a hurry, and class weights helped more.
# - "Smoothing calibrates" and "regularises" held against an untuned, overconfident rival.
# - With wrong labels gamma 5 did harm, as with right ones; stopping early is one way of tuning.
# - A faster start, an untuned rival and one lucky seed all look like a better loss; and where a
#   control fails, "no effect" means nothing.
#
# **Next.** Does any of it hold on *your* data? Take one claim, one bench of your own in place of
# ours, and the same rule.
#
# **References.** Post A: "Fine-tuning ResNet with focal loss" (in Korean, 2024). Post B: on four
# losses for a classifier of masks, ages and genders (in Korean, 2023). T.-Y. Lin, P. Goyal, R.
# Girshick, K. He and P. Dollár, "Focal Loss for Dense Object Detection", *ICCV* 2017. J. Mukhoti,
# V. Kulharia, A. Sanyal, S. Golodetz, P. Torr and P. Dokania, "Calibrating Deep Neural Networks
# using Focal Loss", *NeurIPS* 2020. R. Müller, S. Kornblith and G. Hinton, "When Does Label
# Smoothing Help?", *NeurIPS* 2019. A. Ghosh, H. Kumar and P. S. Sastry, "Robust Loss Functions
# under Label Noise for Deep Neural Networks", *AAAI* 2017. J. Demšar, "Statistical Comparisons of
# Classifiers over Multiple Data Sets", *Journal of Machine Learning Research* 7 (2006). X.
# Bouthillier and others, "Accounting for Variance in Machine Learning Benchmarks", *MLSys* 2021. C.
# Elkan, "The Foundations of Cost-Sensitive Learning", *IJCAI* 2001.
