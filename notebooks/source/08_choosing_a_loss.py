# %% [markdown] slideshow={"slide_type": "slide"}
# # 08. Choosing a loss: how to find out
#
# People say many things about losses: focal loss helps rare classes, smoothing calibrates, costs
# belong in the loss. Each of these was seen by somebody, somewhere, perhaps once. On this page we
# do not add another opinion. We learn how to find out, and ask three questions:
#
# 1. When is a difference between two losses more than luck, and large enough to matter?
# 2. Which of the things that people say about losses survive a fair experiment?
# 3. Which loss should you begin with, and which rival must it beat?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. The rule, before the results](#1.-The-rule,-before-the-results) | 11 | turn paired scores into an interval, and an interval into a verdict |
# | [2. One claim, live](#2.-One-claim,-live) | 11 | run a fair comparison of losses, with the rival that decides it |
# | [3. The same claim with two hundred seeds](#3.-The-same-claim-with-two-hundred-seeds) | 9 | judge stored scores anew in a few lines |
# | [4. Smoothing beside a temperature](#4.-Smoothing-beside-a-temperature) | 9 | separate what a loss does from what its learning rate does |
# | [5. The scoreboard](#5.-The-scoreboard) | 5 | read 31 verdicts, and say how firm they are |
# | [6. The guide](#6.-The-guide) | 5 | choose where to begin, and name the evidence |
# | [7. Costs in the loss or in the threshold (further)](#7.-Costs-in-the-loss-or-in-the-threshold-(further)) | 7 | compare a weight with a threshold |
# | [8. Hard examples, in two readings (further)](#8.-Hard-examples,-in-two-readings-(further)) | 5 | find the two meanings of one sentence |
# | [9. How many seeds would it take? (further)](#9.-How-many-seeds-would-it-take?-(further)) | 4 | plan an experiment |
# | [10. The luck of choosing (further)](#10.-The-luck-of-choosing-(further)) | 7 | build the laboratory's interval by hand |
# | [11. Testing a reason (further)](#11.-Testing-a-reason-(further)) | 5 | say what a *because* would need |
# | [12. The learning rate moves with the loss (further)](#12.-The-learning-rate-moves-with-the-loss-(further)) | 4 | say when a factor on the loss matters |
# | [13. What each loss makes a model believe (further)](#13.-What-each-loss-makes-a-model-believe-(further)) | 4 | see a part of the scoreboard in one picture |
# | [14. Exercises](#14.-Exercises) | 31 | design and criticise such experiments |
#
# The first six sections are a lesson of 50 minutes, with Exercises 8.1 to 8.3 in them. (The
# other exercises are for later.) The page **needs** notebooks [00](00_start_here.ipynb) to
# [04](04_f1_loss.ipynb). Its **data** are scikit-learn's digits, and scores that the course's
# laboratory has stored. It runs in about 30 seconds. All terms in *italics* are in the
# [glossary](../docs/glossary.md).

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
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

from course_utils import lab, plots, runtime
from course_utils.exercises import choosing_a_loss as ex
from course_utils.lab import Side, claims
from course_utils.losses import focal_loss, sigmoid_focal_loss
from course_utils.sweeps import train_many

_ = runtime.set_threads(1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. The rule, before the results
#
# We have collected 31 claims about losses, from two blog posts (*post A* and *post B* in the
# references), from papers and from practice. Suppose that no loss made any difference, and that we
# tested each claim once, at the usual level of 5 %. Such a test finds a difference where there is
# none in 5 of 100 cases.
#
# > **Predict.** How probable is it that at least one of the 31 tests finds a difference: about 5 %,
# > 30 % or 80 %?

# %% tags=["nbval-check-output"]
round(1 - 0.95 ** len(claims.CLAIMS), 2)

# %% [markdown]
# About 80 %, if the tests are independent of each other. If we look often enough, we find something.
# So we need a rule that knows how often we look, and we need it *before* we see any result. It has
# four parts.
#
# **1. Pairs.** Both losses get the same seed, so the same data, first weights and batches. We look at
# the differences, seed by seed. Here is the *macro F1*, the mean of the F1 of all classes, of two
# losses with six seeds.

# %%
scores_plain = np.array([0.833, 0.811, 0.835, 0.876, 0.845, 0.862])       # plain cross entropy
scores_weighted = np.array([0.867, 0.837, 0.861, 0.882, 0.876, 0.901])    # with class weights
differences = scores_weighted - scores_plain
differences.round(3)

# %% [markdown]
# All six are above 0, and their mean is 0.027. What would it be with six other seeds? The
# *standard error* of a mean of $n$ differences is their standard deviation divided by $\sqrt{n}$.
# The mean, plus and minus Student's $t$ times this error, gives an *interval*. ($t$ is close to 2 if
# there are many seeds, and larger if there are few.) In 95 of 100 such experiments the interval
# contains the mean of infinitely many seeds.
#
# **2. A price for looking often.** If we look at $m$ intervals, each may be wrong with a
# probability of $0.05/m$ only. Then with at least 95 % *all* of them are right. This is known as
# *Bonferroni's correction*. Both parts together are a few lines:

# %%
def interval(differences, looks=1):
    mean, n = np.mean(differences), len(differences)
    error = np.std(differences, ddof=1) / np.sqrt(n)      # ddof=1: divide by n - 1
    t = stats.t.ppf(1 - 0.05 / looks / 2, df=n - 1)
    return mean - t * error, mean, mean + t * error       # the lower end, the mean, the upper end

# %% [markdown]
# The laboratory of this course tests each claim in several tasks and against several rivals, which
# makes 121 intervals in all.
#
# > **Predict.** Will the interval of our six differences be wider by a tenth, by a half, or by more
# > than double, if it is one of 121?

# %% tags=["nbval-check-output"]
for looks in [1, claims.comparisons()]:
    print(f"as one of {looks:>3}:", np.round(interval(differences, looks), 3))

# %% [markdown]
# It is more than three times as wide, and it reaches below 0. Six seeds are enough for one look, and
# far too few for 121. With many seeds the price becomes small, as we will see.
#
# **3. The smallest effect that counts.** Nobody changes a loss for a tenth of a point. So we state
# how large an effect must be to matter: here 0.01 for accuracy and F1, and 0.02 for recall and for
# the calibration error *ECE* of notebook 03. (The complete list is `claims.SMALLEST`.)
#
# **4. Four outcomes.** A claim says that one side is better than its rival. If the interval lies
# above 0, and its middle is at least the smallest effect, that is a *yes*. The other outcomes can
# be read from the code:

# %%
def outcome(low, mean, high, smallest):
    if low > 0 and mean >= smallest:
        return "yes"
    if high < 0 and mean <= -smallest:
        return "the reverse"
    if high < smallest:
        return "no"               # even the largest gain in the interval is too small to count
    return "open"

# %% [markdown]
# Here are four intervals of a difference in accuracy. The smallest effect is 0.01.

# %%
examples = {"A": (0.004, 0.017, 0.030), "B": (0.002, 0.004, 0.006),
            "C": (-0.004, 0.013, 0.030), "D": (-0.030, -0.019, -0.008)}
ax = plots.plot_intervals({"examples": examples}, smallest=0.01, xlabel="difference in accuracy")
plots.show(ax, "Four intervals, with their middles. Differences above 0 are in favour of the claimed "
               "side. The grey band holds differences that are too small to count.")

# %% [markdown]
# > **Predict.** Which outcome does each of the four have: yes, no, the reverse or open?

# %% tags=["nbval-check-output"]
for name, (low, mean, high) in examples.items():
    print(name, outcome(low, mean, high, smallest=0.01))

# %% [markdown]
# A is a yes: it is surely a gain, and by our best estimate a gain that counts. (That is all a yes
# means. The true gain may be as small as 0.004.) D is the reverse, a yes in the other direction. B is
# surely above 0, but it is a *no*, because it is too small to count. C is *open*.
#
# **Misconception: "Not significant, so there is no effect."** C shows the mistake. Its interval
# contains 0, and it also contains 0.03, which would be a large gain. To believe that a loss does
# nothing, we need an interval like B's, which is wholly too small.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. One claim, live
#
# Now we test one claim ourselves: *where some classes are rare, you need a loss that looks after
# them*. Our task has ten digits, and very unequal numbers of training images: 60 of the first
# class, and only 3 of the last. This is called a *long tail*. Each class has 20 validation images
# (in practice a rare class would hardly have so many) and 90 test images, so that in the end all
# classes count the same.
#
# If all seeds shared one split, our interval would be about that split alone. So each seed picks
# its own images, and it also decides which digit is the rare one. (Still, they all pick from the
# same 1,797 images. What we learn is about new splits of *these* images, as Nadeau and Bengio warn.)
# The next two cells only pick images, and you can skim them.

# %%
pixels, digit = load_digits(return_X_y=True)
pixels = torch.tensor(pixels / 16, dtype=torch.float32)
counts = [60, 43, 31, 22, 16, 11, 8, 6, 4, 3]
target = {"train": np.repeat(range(10), counts), "val": np.repeat(range(10), 20),
          "test": np.repeat(range(10), 90)}

# %%
def pick_images(seed):
    rng = np.random.default_rng(seed)
    rows = {"train": [], "val": [], "test": []}
    for label, shown in enumerate(rng.permutation(10)):
        images = rng.permutation(np.flatnonzero(digit == shown))   # the places of a digit, shuffled
        n = counts[label]
        rows["train"].extend(images[:n])
        rows["val"].extend(images[n:n + 20])
        rows["test"].extend(images[n + 20:n + 110])
    return rows

rows = {seed: pick_images(seed) for seed in range(12)}
train = {seed: (pixels[rows[seed]["train"]], torch.tensor(target["train"])) for seed in rows}

# %% [markdown]
# Three losses take part. Plain cross entropy, cross entropy with *class weights* that are one over
# the share of the class, and focal loss with $\gamma = 2$. Each of them tries three learning
# rates, with Adam. The course's `train_many` trains all networks side by side, and each gets the
# result that it would get on its own.

# %%
shares = torch.tensor(counts) / sum(counts)
losses = {"cross entropy": F.cross_entropy,
          "weighted": partial(F.cross_entropy, weight=1 / shares),
          "focal 2": partial(focal_loss, gamma=2.0)}

def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))

# %%
trained = train_many(network, losses, train, seeds=range(12), epochs=40, batch_size=64,
                     lr=[0.01, 0.03, 0.1])

# %% [markdown]
# There is a fourth competitor, and it needs no training at all. A network that was trained with
# cross entropy answers with the shares of its training data in mind. Where 60 of 204 images are of
# the first class, it leans towards that class. But we know these shares, so we can take them out
# again: we subtract from each logit the logarithm of the share of its class (Menon and others
# call this *logit adjustment*). The network then leans towards no class, as it should in our test,
# where all classes have the same share.
#
# The next cell scores all networks. `members` has a row for each network, with its loss, seed and
# learning rate. Each network classifies all 1,797 digits, and we look up the answers for the
# images of its own seed. At the end, `unstack` makes a table with one column for each seed.

# %%
scores = {}
for member, logits in zip(trained.members.itertuples(), trained.logits_on(pixels), strict=True):
    rules = {"as trained": logits, "shifted": logits - torch.log(shares)}
    for rule, z in rules.items():
        decided = z.argmax(dim=1)
        for part in ["val", "test"]:
            f1 = f1_score(target[part], decided[rows[member.seed][part]].numpy(), average="macro")
            scores[member.loss, rule, part, member.lr, member.seed] = f1

live = pd.Series(scores).rename_axis(["loss", "rule", "part", "lr", "seed"]).unstack()
live.loc[("cross entropy", "as trained", "val")].iloc[:, :6].round(3)

# %% [markdown]
# **A fair choice.** Each side chooses its own learning rate, and all have the same three to choose
# from. The choice is made by the mean on the *validation* images. The test images serve only for
# the comparison of what was chosen.

# %%
def best_rate(table, loss, rule="as trained"):
    return table.loc[(loss, rule, "val")].mean(axis=1).idxmax()

def tuned(table, loss, rule="as trained"):
    return table.loc[(loss, rule, "test", best_rate(table, loss, rule))]

# %%
def four_intervals(table, looks):
    side = {"plain": tuned(table, "cross entropy"), "focal loss": tuned(table, "focal 2"),
            "weights": tuned(table, "weighted"), "shift": tuned(table, "cross entropy", "shifted")}
    pairs = [("focal loss", "plain"), ("weights", "plain"), ("shift", "plain"), ("shift", "weights")]
    return {f"{one} over {other}": interval(side[one] - side[other], looks) for one, other in pairs}

def report(intervals):
    for name, (low, mean, high) in intervals.items():
        print(f"{name:<22} {low:+.3f} {mean:+.3f} {high:+.3f} ", outcome(low, mean, high, 0.01))

# %% [markdown]
# > **Predict.** Three of the comparisons are with plain cross entropy: focal loss, weights, and
# > the shift of its own logits. Which of the three will be a yes?

# %%
live_intervals = four_intervals(live, looks=4)
report(live_intervals)

# %% [markdown]
# Weights and shift are both a yes, by about three and four hundredths, and focal loss is a no. The
# last line asks the question that a blog post leaves out. Weights need a training of their own, and
# the shift is a subtraction. Is the shift even better? Twelve seeds cannot say: it is *open*.

# %% [markdown]
# **Exercise 8.1, predict a number (2 minutes).** With 12 seeds an interval is the mean plus and
# minus 0.024. About how many seeds are needed for plus and minus 0.008? (Take the standard deviation
# and $t$ as the same. If you get stuck, run `ex.q1.hint()`, and in the end `ex.q1.solution()`.)

# %% tags=["exercise"]
seeds_needed = ...
ex.q1.check(seeds_needed)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. The same claim with two hundred seeds
#
# The course has a *laboratory*, `course_utils.lab`. It has done the same with 200 seeds of its own and
# five learning rates, and it has stored every score. We bring its table into the form of ours. (The
# seeds are two sets of 100, one below the other in the file, and `unstack` puts them side by side.)

# %%
table = pd.read_csv(lab.running.RESULTS / "long_tail.csv.xz")
table = table.set_index(["metric", "loss", "rule", "part", "lr", "set"]).unstack()
stored = table.loc["macro F1"]

# %% [markdown]
# Because the form is the same, our own functions judge these scores as well. The laboratory looks
# 121 times, so we use that number.
#
# > **Predict.** With 12 seeds the last outcome, shift over weights, was open. What will it be with
# > 200 seeds: yes, no, the reverse, or still open?

# %% tags=["nbval-check-output"]
stored_intervals = four_intervals(stored, looks=claims.comparisons())
report(stored_intervals)

# %%
series = {"12 seeds, 4 looks": live_intervals, "200 seeds, 121 looks": stored_intervals}
ax = plots.plot_intervals(series, smallest=0.01, xlabel="difference in macro F1")
plots.show(ax, "Four intervals from the seeds of this page, and from stored seeds. Above 0, the side "
               "named first is ahead. The grey band holds differences that are too small to count.")

# %% [markdown]
# The intervals are about half as wide or less, although we now pay for 121 looks. The first three
# outcomes have stayed. The last one is decided: it is a *no*. The shift is not better than the weights
# by a hundredth. Nor are the weights better than the shift. (Read the interval from the other side: it
# reaches from about -0.008 to -0.001.) Within a hundredth of macro F1, the two are *the same*.
#
# So for this task, for this score, and with a tuned learning rate, you do not need a loss that looks
# after rare classes. A subtraction is enough. (In short runs at an untuned rate it is not. That is
# claim B2 on the scoreboard.)
#
# The laboratory's own intervals, which we read from the next section on, are a little wider. They also
# contain the luck of choosing a rate ([section 10](#10.-The-luck-of-choosing-(further))).

# %% [markdown]
# **Misconception: "It finds more of the rare classes, so it has learned them better."** Let us look
# at the *recall* of the three rarest classes, the share of their test images that is found. Plain
# cross entropy finds about two thirds of them.
#
# > **Predict.** What happens to this share if we do nothing but shift the logits of the same trained
# > networks: does it stay, rise by two or three images in a hundred, or by ten?

# %% tags=["nbval-check-output"]
rate = best_rate(stored, "cross entropy")
for metric in ["rare recall", "rare F1", "natural accuracy"]:
    plain = table.loc[(metric, "cross entropy", "as trained", "test", rate)]
    shifted = table.loc[(metric, "cross entropy", "shifted", "test", rate)]
    print(f"{metric:<17} plain {plain.mean():.3f}  shifted {shifted.mean():.3f}  difference",
          np.round(interval(shifted - plain, looks=claims.comparisons()), 3))

# %% [markdown]
# It rises by ten images in a hundred, with *the same networks*. The F1 of these classes rises, too, so
# these are not just more guesses. If you look at the recall alone, you mistake a different decision
# rule for better learning.
#
# The last line is the other side of the coin. The *natural accuracy* is the one that we would have
# if the test images came with the shares of the training images. There the shift *costs* something,
# though too little to count. So ask first which images will come, and only then choose a score.

# %% [markdown]
# **Exercise 8.2, find the flaw (2 minutes).** "We trained with gamma 0, 0.5, 1, 2 and 5, and tried
# the same learning rates for each, with ten paired seeds. On the held-out test part gamma 0.5 was
# best, by 0.004, with an interval from 0.001 to 0.007. We report this gain." What is wrong? One of:
# `"one seed"`, `"untuned rival"`, `"chosen on test"`, `"missing rival"`, `"nothing"`.

# %% tags=["exercise"]
flaw = ...
ex.q2.check(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Smoothing beside a temperature
#
# "Label smoothing calibrates." The rival is a *temperature*: train plain cross entropy, then divide
# its logits by one number, chosen on validation (notebook 03). We compare three recipes on four
# tasks: digits with equal classes, the ants and bees of notebook 06, digits with one label in five
# wrong, and the same with 80 epochs instead of 40. (Where labels are wrong, so are some of the test
# labels, because the networks learn to predict such labels.) Each recipe chooses its learning rate by
# the cross entropy on validation.
#
# The laboratory's `reading` does what our functions did. A `Side` names the experiment, the loss and
# the rule of a competitor. `reading.best` chooses its learning rate and returns its mean score, as the
# first of many numbers. (The others are for section 10.)

# %%
reading = lab.load()
parts = {"balanced": "test", "photos": "test", "wrong labels": "noisy test",
         "wrong labels, 80 epochs": "noisy test"}
errors = pd.DataFrame(index=list(parts))
for task, part in parts.items():
    sides = {"plain": Side(task, "cross entropy"), "smoothing": Side(task, "smoothing"),
             "temperature": Side(task, "cross entropy", "temperature")}
    for recipe, side in sides.items():
        errors.loc[task, recipe] = reading.best(side, "ECE", by="log loss", part=part)[0]
    gap = reading.best(sides["plain"], "overconfidence", by="log loss", part=part)[0]
    errors.loc[task, "plain: confidence - accuracy"] = gap

# %% [markdown]
# > **Predict.** In how many of the four tasks does smoothing have a lower calibration error than
# > plain cross entropy: in none, one, two or all?

# %%
errors.round(3)

# %%
judged = claims.judge(reading)             # all 121 intervals, from all 200 seeds

def rows_of(claim):
    mine = judged[judged["claim"] == claim].set_index("where")
    return mine[["low", "effect", "high", "outcome"]].round(3)

rows_of("C2")

# %% [markdown]
# In one of four, the digits with wrong labels after 80 epochs. In the other three its error is
# *larger*. The last column of the first table suggests why: smoothing lowers the confidence, and none
# of the plain networks is clearly more sure than it is right. (In these three tasks the temperature
# does not help either. It is chosen by the cross entropy on validation and not by the ECE, and its
# error is larger by a few thousandths.)
#
# But then the one success is a riddle. After 80 epochs plain cross entropy is the *least* sure of
# itself, and lowering the confidence should do harm there most of all. Which learning rates were
# chosen?

# %% tags=["nbval-check-output"]
task = "wrong labels, 80 epochs"
for side in [Side(task, "cross entropy"), Side(task, "smoothing")]:
    print(side.loss, "chose the rate", reading.rates(side)[reading.choice(side, by="log loss")[0]])

# %% [markdown]
# > **Predict.** Which of the two has the lower calibration error if both take the rate 0.001, and
# > which one if both take 0.003?

# %% tags=["nbval-check-output"]
test = reading.scores[task].query("rule == 'as trained' and part == 'noisy test'")
by_rate = test.pivot_table(index="lr", columns="loss", values=["ECE", "overconfidence"])
by_rate.drop(columns="focal 2", level="loss").round(3)

# %% [markdown]
# At either rate it is plain cross entropy. The success came with another learning rate, under which
# networks are more sure of themselves. At equal rates smoothing helps in the last two rows only. There
# plain networks are too sure by 0.16 and more, and smoothing more than halves their error.
#
# **Misconception: "Label smoothing calibrates."** In every row of this table smoothing (by 0.1, the
# only strength tried here) makes networks less sure. That helps those that are too sure, and does harm
# to the others. So measure the calibration first, and put a temperature beside any loss that is praised
# for it. (Focal loss is praised for it, too. Its claim, C3, is a yes in none of these settings.)

# %% [markdown]
# **Exercise 8.3, find the flaw (2 minutes).** "Focal loss reaches an F1 of 0.81 in finding tumours,
# and cross entropy 0.74: a gain of 0.07, with an interval from 0.05 to 0.09, over fifty paired seeds.
# Both had the same learning rates, chosen on validation, and the test part was used once. Both raise
# an alarm where the probability is at least 0.5. So tumours need focal loss." One of: `"one seed"`,
# `"untuned rival"`, `"chosen on test"`, `"missing rival"`, `"nothing"`.

# %% tags=["exercise"]
flaw = ...
ex.q3.check(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. The scoreboard
#
# Here are all 31 claims. Each is tested in several *settings*, such as tasks or rivals. If all are a
# yes, the claim *holds*. If some are, it *holds in places*, or *both ways* if others are the reverse.
# If none is, it *does not hold*. If all are the reverse, or all are open, that is the verdict. (Some
# settings have a *control*, without which they can show nothing and are open. And a claim of *no gain*
# or of *the same* is a yes if the gain, or the difference, is surely below the smallest effect.)
#
# Are the verdicts firm? The 200 seeds are two sets of 100, with other splits, first weights and
# payments. A claim is *stable* if each setting has the same outcome in both sets, *contradicted* if
# one is a yes here and a no or the reverse there, and else *fragile*.
#
# > **Predict.** How many of the 31 claims hold in all their settings: about 5, 15 or 25? And how many
# > are fragile: about 3, 12 or 25?

# %%
judged_first = claims.judge(lab.load("first"))
judged_second = claims.judge(lab.load("second"))
board = claims.summarise(judged, judged_first, judged_second)
board.groupby(["badge", "stability"]).size().unstack(fill_value=0)

# %% [markdown]
# Four hold wherever we tried them, in one task or two, and twelve are fragile. Now choose a claim that
# you would have bet on, and find it in the table. The rest is for later.

# %%
claims.in_a_table(board)

# %% [markdown]
# Read what was found with the setting in mind. For example, focal loss was clearly ahead on unequal
# classes (A4), but only where both losses were trained briefly, at one rate that nobody had tuned.
# (C11 is the course's own claim. A6, that focal loss takes more time, is missing, because the time
# depends on the machine.) What does *fragile* mean? The next cell compares the outcomes of all
# settings.

# %%
pd.crosstab(claims.outcomes(judged_first), claims.outcomes(judged_second),
            rownames=["first set"], colnames=["second set"])

# %% [markdown]
# Nowhere did a yes become a no. (This was to be expected: both intervals are about the same effect,
# and each is almost surely right.) What changes is *which are open*: a hundred other seeds leave open
# what these have decided, or the other way round.
#
# **Misconception: "It did not hold here, so it is false."** These are small networks on small
# tasks. A *no* means that the effect is too small to count in *this* setting. It does not speak
# about a detector with a thousand easy negatives to each object, for which focal loss was made.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. The guide
#
# So where should you begin? The guide names the loss to try first, the rival that it must beat on
# *your* data, and the claims on which the advice rests.
#
# | your situation | begin with | rival to beat | look at | evidence |
# |---|---|---|---|---|
# | classes about equal, labels right | cross entropy | label smoothing | accuracy | two tasks: focal loss gains nothing (A7); one: smoothing gains less than 0.01 (C1) |
# | rare classes, all equally important | cross entropy, logits shifted by the shares | class weights | macro F1, recall of the rare | one task of two, large effects there: with tuned rates weights gain 0.03, and no more than the shift (B2); focal loss without a shift is 0.04 behind it (A4) |
# | rare classes, and rare in use, too | class weights | cross entropy | macro F1 on rows as they come | one task: weights gain 0.014 (B2); a part of the shift, chosen on validation, was not tried |
# | some labels wrong | cross entropy | soft F1 | accuracy and macro F1 on clean rows | one task: soft F1 is ahead by 0.02 in macro F1 (C5); stopping early gains nothing once the rate is tuned (C10) |
# | probabilities needed, labels right | cross entropy | a temperature | ECE, cross entropy | two tasks, large effects: smoothing does harm (C2); where labels are wrong, see section 4 |
# | costs known | the costs as weights | a threshold | mean cost | one task, one ratio of costs: weights are 8 % cheaper (C7, section 7) |
# | F1 of a rare class | cross entropy, threshold from validation | soft F1 | F1 | one task each: the threshold gains 0.12 where classes overlap (C9), and soft F1 no more than it (C5) |
# | detectors, several labels at once, masks, very large networks | | | | not tested here |
#
# In every line, tune the learning rate of both sides alike, and compare in pairs. Where labels are
# wrong, the rival was ahead. We begin with cross entropy all the same, because it gives
# probabilities and does not ask for large batches ([notebook 04](04_f1_loss.ipynb)).
#
# Do the lines rest on firm ground? A cell can check a part of it: no outcome may be open, and none
# may change between the two sets of seeds.

# %%
rests_on = [("A7", "balanced"), ("A7", "photos"), ("C1", "balanced"), ("B2", "long tail"),
            ("B2", "long tail, rival shifted"), ("A4", "long tail, rival shifted"),
            ("B2", "long tail, shares as in training"), ("C5", "wrong labels"),
            ("C10", "a rate for each length"), ("C2", "balanced"), ("C2", "photos"),
            ("C7", "weights, rival: threshold from validation"), ("C9", "F1, hard clouds"),
            ("C5", "frauds, threshold chosen")]
judged["first set"], judged["second set"] = judged_first["outcome"], judged_second["outcome"]
guide = judged.set_index(["claim", "where"]).loc[rests_on]
guide[["low", "effect", "high", "outcome", "first set", "second set"]].round(3)

# %% [markdown]
# Every row has the same outcome in both sets, and none is open. This is no new test, because we chose
# the rows when we knew their outcomes. It says that neither half of the seeds has decided alone. Where
# a line says "one task", your own experiment will teach you more than ours, and now you know how to
# run it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Costs in the loss or in the threshold (further)
#
# "Costs belong in the loss." On the fraud twin, with one fraud in 41 payments, a missed fraud costs as
# much as 40 false alarms, and the smallest effect that counts is 5 % of the rival's costs.
#
# Where should the 40 stand? In the loss, as the weight of a fraud? Or in the decision? A calibrated
# probability $p$ says that an alarm is cheaper wherever $40\,p > 1 - p$, so the threshold is
# $1/41$ (Elkan). An ideal model makes the same decisions in both cases, because a weight of 40 moves
# its belief across one half exactly where the truth is $1/41$. (Notebook 01 shows it for a weight of
# 10. With 40 normal payments to each fraud, the class weights of section 2 are just these costs.)
#
# > **Predict.** Cross entropy without weights and cross entropy with weights are each compared at three
# > thresholds: 0.5, $1/41$, and the one that was cheapest on validation. Which of the six costs most on
# > test payments, and which one least?
#
# (In the code, the threshold *from costs* is $1/41$, and the one *for cost* comes from validation.)

# %% tags=["nbval-check-output"]
for loss in ["cross entropy", "weighted"]:
    for rule in ["as trained", "threshold from costs", "threshold for cost"]:
        cost = reading.best(Side("fraud twin", loss, rule), "cost")[0]
        print(f"{loss:<14} {rule:<21} {cost:.3f}")

# %%
pd.concat([rows_of("C7"), rows_of("C9").filter(like="cost", axis=0)], keys=["C7", "C9"])

# %% [markdown]
# The network with weights at a threshold of $1/41$ costs most, because there the costs count twice.
# Next comes the threshold of 0.5 without weights, where they do not count at all. The *weights* at 0.5
# cost least: about a tenth less than the threshold of $1/41$, and 8 % less than the one from
# validation. (A part of these 8 % is the price of choosing a threshold on a hundred frauds. If the
# weights choose theirs there, too, their lead is 5 %.)
#
# The belief map did not promise that. For an ideal model there is no difference, and the earlier
# pages of this course have praised the threshold. But our networks are not ideal. One can think of
# reasons. For example, weights may let a small network spend its few units where the decision is
# made. We have not tested any of them. Nor have we tried another task, another ratio of costs, or a
# threshold of $1/41$ on probabilities that were calibrated first.
#
# > **With more training.** The networks had six epochs. We repeated the comparison with 30 epochs
# > and forty other seeds (2,000,000 and following, with `lab.experiments.score`). With the same five
# > learning rates, the weights were ahead of the two thresholds by only 2 and 3 %, and both outcomes
# > were open. But both sides had chosen the *lowest* rate of the list. With 0.0003 and 0.0001 added,
# > the weights took 0.0003 and were ahead by 10 and 11 %. The intervals for 121 looks (with the rates
# > as given) reach from 0.062 to 0.137 and from 0.059 to 0.155. So look at what was chosen: with a
# > rate at the end of its list, nothing is decided yet.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Hard examples, in two readings (further)
#
# "Focal loss concentrates on hard examples", says post A. What would we have to see? Training
# follows the gradient. So we take the tenth of the training images with the largest cross entropy,
# and ask for its share in the sum of the sizes of all gradients. If all images counted the same, it
# would be 0.1. We compare the share with focal loss and with cross entropy. But in which network?
#
# - *The same network:* one network is trained with cross entropy, and both losses look at it.
# - *Each its own:* each loss looks at a network that was trained with it.
#
# > **Predict.** On balanced digits and in the first reading, the share is larger with focal loss by
# > 0.39. What is left of this in the second reading: nearly all, about half, or about a fifth?

# %%
rows_of("A2")

# %% [markdown]
# About a fifth, 0.07. An effect of 0.07 means that with focal loss the hardest tenth has another
# seven percentage points of the whole gradient. Where one label in five is wrong, the effect falls
# from 0.10 to 0.03, which is too little to count.
#
# The first reading is the formula, as you know it from notebook 02. The second one is what happens
# in training. One possible reason for the difference is on the belief map: trained with focal loss,
# a network stays less sure of the easy images, and so they keep more of the gradient. (We have not
# tested this reason.) A sentence with two readings needs two verdicts.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. How many seeds would it take? (further)
#
# Some outcomes are still open after 200 seeds. The width of an interval shrinks with the root
# of the number of seeds. So if the middle stayed where it is, we could say how many seeds would
# decide. (The middle will move a little, so this number decides in about half of all cases.)
#
# > **Predict.** Smoothing gains 0.0093 in F1 on three unequal groups (B4), with an interval from
# > 0.005 to 0.014. The smallest effect that counts is 0.01. About how many seeds would decide it:
# > 400, 2,000 or 8,000?

# %%
judged[judged["outcome"] == "open"].drop(columns=["unit", "asked", "control", "seeds"]).round(4)

# %% [markdown]
# About 8,000. The middle, 0.0093, is so close to 0.01 that a tiny interval would be needed to keep
# the two apart. (An effect of exactly the smallest size could never be shown to be too small.) So
# do not collect seeds for their own sake. Whether smoothing gains 0.009 or 0.011 there, you would
# try it or leave it all the same.
#
# What did the second hundred seeds decide? Here is what was open with the first hundred, and is not
# with all 200.

# %%
decided = judged[(judged["first set"] == "open") & (judged["outcome"] != "open")]
decided[["claim", "where", "first set", "second set", "outcome"]]

# %% [markdown]
# Among them is the question of section 3, whether weights and shift are the same (C11). What remains
# open are mostly effects near the smallest one that counts. (More seeds can also undo something: three
# rows of the first table were decided with the first hundred, too close to the edge.)
#
# > **Before, but not blind.** The sizes and the comparisons were written down before the scores that
# > we judge below were stored. But smaller experiments of this kind had been seen by then. And two
# > things were changed later: some lists of learning rates became longer, and where labels are wrong,
# > C2 and C3 are judged on other rows than was planned.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. The luck of choosing (further)
#
# The interval of section 1 has a gap. It takes the learning rates as given, but we chose them by the
# scores of these seeds, and with other seeds we might have chosen others. The laboratory imitates
# this: it takes as many of its seeds at random, some of them twice and others not at all, repeats
# the choice *and* the comparison, and does so 2,000 times. (This is the *resampling* of notebook 04.)
# Its interval is the effect plus and minus $t$ times the standard deviation of these 2,000 effects.
#
# We build it by hand for the first 100 seeds, where the luck is larger. We need the scores of the
# shift as tables, with one row for each learning rate and one column for each seed, and those of its
# rival, the weights.

# %%
first = stored.xs("first", axis=1, level="set")
val = first.loc[("cross entropy", "shifted", "val")].to_numpy()
test = first.loc[("cross entropy", "shifted", "test")].to_numpy()
rival = tuned(first, "weighted").to_numpy()

# %% [markdown]
# In the loop we choose a rate for the shift, then compare. (The weights choose the same rate in
# nearly every sample, so we keep theirs.) Beside it we compute the standard error of section 1, with
# the rate that the real seeds chose.
#
# > **Predict.** With the choice repeated, the effects scatter more. By a tenth, or by half as much
# > again?

# %% tags=["nbval-check-output"]
rng = np.random.default_rng(0)
resampled = []
for _ in range(2000):
    some = rng.integers(100, size=100)
    best = val[:, some].mean(axis=1).argmax()
    resampled.append((test[best, some] - rival[some]).mean())
np.round([np.std(resampled), stats.sem(test[val.mean(axis=1).argmax()] - rival)], 4)

# %% [markdown]
# By more than half as much again: the first number is with the choice repeated, the second with one
# rate. Among these 100 seeds two learning rates of the shift are nearly
# equal on validation, so in some samples one is chosen and in some the other, and on the test images
# they differ. An interval that takes the chosen rate as given promises more than it knows.
#
# How is it with all 200 seeds? The next cell shows the laboratory's interval for shift over weights
# (here the effect comes first, then the ends), and how often each rate of the shift is chosen.

# %% tags=["nbval-check-output"]
shift, weights = Side("long tail", "cross entropy", "shifted"), Side("long tail", "weighted")
effects = reading.best(shift, "macro F1") - reading.best(weights, "macro F1")
print(np.round(lab.interval(effects, n_seeds=200, comparisons=claims.comparisons()), 4))
pd.Series(reading.rates(shift)[reading.choice(shift, "macro F1")]).value_counts(normalize=True).round(2)

# %% [markdown]
# Nearly always the same rate is chosen, so little of this luck is left, and the interval is almost
# that of section 3, from 0.001 to 0.008.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Testing a reason (further)
#
# Claims often come with a *because*. "Soft F1 resists wrong labels, because it is *bounded*: one
# hopeless example can cost only so much." The effect may be right and the reason wrong. To test a
# reason, look for a case where the reason holds and the effect would have to appear.
#
# The absolute error of the true class, $1 - p_t$, is bounded too, and it has nothing to do with F1.
# It even has a theorem on its side. Ghosh, Kumar and Sastry (2017) showed for an ideal model:
# evenly spread wrong labels do no harm, if fewer than $1 - 1/K$ of the labels are wrong and the loss
# is *symmetric*, which means that the losses of all possible labels add up to a constant. For the
# absolute error they add up to $\sum_k (1 - p_k) = K - 1$, whatever the answer is. For cross entropy
# there is no such constant.
#
# > **Predict.** On digits with one label in five wrong, somebody finds the absolute error *less*
# > accurate than cross entropy, and concludes that it does not resist wrong labels. Which number would
# > you have to see first: the macro F1 of both losses, the accuracy of both with *right* labels, or
# > the same accuracy from more seeds?

# %%
pd.concat([rows_of("C6"), rows_of("C5").tail(1)], keys=["C6", "C5, soft F1"])

# %% [markdown]
# It is indeed less accurate, by about a hundredth, even if cross entropy is stopped early. (This is a
# close verdict. With either set of 100 seeds alone it is only a *no*.) Soft F1, about which the
# theorem says nothing, is ahead by two hundredths in macro F1.
#
# But you would have to see the accuracy with right labels. To *resist* means to lose little *to the
# wrong labels*, and that is a difference between two tasks. If the absolute error is less accurate by
# much more where labels are right, then it loses less than cross entropy does, and resists well. It
# may be hard to train for another reason: where $p_t$ is close to 0, its slope with respect to the
# logit of the true class has the size $p_t (1 - p_t)$, so it is close to 0 as well.
#
# The laboratory has trained the absolute error with wrong labels only. So C6 is about which loss to
# take when labels are wrong, and says nothing about the *because*. A claim may hold while its reason
# fails, and the other way round, and each needs a test of its own.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. The learning rate moves with the loss (further)
#
# Post A's loss is 0.25 times focal loss with $\gamma = 2$. A constant factor makes all gradients
# smaller, and post A itself warns that the learning rate must then be tuned again (A13). With SGD its
# best rate was indeed about five times that of cross entropy. The next cell shows the mean accuracy
# on the validation digits for each learning rate.
#
# > **Predict.** Suppose that somebody compares the two at a rate of 1, which is best for the posted
# > loss. Is it ahead there by about 0.01, 0.1 or 0.4?

# %%
sgd = reading.scores["balanced, SGD"].query("part == 'val'")
sgd.groupby(["loss", "lr"])["accuracy"].mean().unstack("loss").round(3)

# %% [markdown]
# By 0.4. At a rate of 1, cross entropy gets about half of the digits wrong, and a blog post would
# praise the loss. At a rate of 0.1, where cross entropy is nearly at its best, the posted loss is
# behind by three hundredths, and a blog post would blame it. With Adam, which divides each gradient by its usual
# size, a constant factor changes almost nothing (notebook 02). So with SGD, if you compare two
# losses at one rate, you compare two rates.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13. What each loss makes a model believe (further)
#
# One picture explains a part of the scoreboard directly, for an ideal model, and needs no training.
# It shows the *belief* $p^*$ of notebook 00, the probability that a loss asks for, against the true
# probability $\eta$.
#
# > **Predict.** Which of the three beliefs below are equal to the true probability? And with which
# > loss does an ideal model decide differently from cross entropy, if both decide at 0.5?

# %%
bce = partial(F.binary_cross_entropy_with_logits, reduction="none")
tenfold = partial(bce, pos_weight=torch.tensor(10.0))
gamma_2 = partial(sigmoid_focal_loss, gamma=2.0, reduction="none")
ax = plots.plot_belief_map({"cross entropy": bce, "weighted": tenfold, "focal": gamma_2}, mark=0.1)
plots.show(ax, "Belief against the true probability, for three losses (weight 10, gamma 2). The legend "
               "gives the belief at the thin vertical line, where the true probability is 0.1.")

# %% [markdown]
# Only that of cross entropy. Focal loss moves the belief towards one half, as smoothing does, but it
# crosses one half where the truth does, so an ideal model makes the same decisions. That fits its
# missing gains in F1 and accuracy, and its harm to calibration. Weights cross one half elsewhere.
# They change decisions, and so does a shift or a threshold.
#
# But our networks are not ideal. That smoothing helped on the long tail, or that weights beat a
# threshold at the same costs, is not on this map. It has to do with how a network learns from few
# examples, and only an experiment can show it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14. Exercises
#
# **Exercise 8.4, write a function (4 minutes).** Some claims have no direction, for example "the
# learning rate must be *different*". Such a claim is a yes if there is a clear effect either upwards
# or downwards, each defined as in section 1. It is a no if the whole interval lies between minus and
# plus the smallest effect. Everything else is open. Return 1 for yes, -1 for no and 0 for open.

# %% tags=["exercise"]
def differs(low, mean, high, smallest):
    ...

ex.q4.check(differs)

# %% [markdown]
# **Exercise 8.5, write a function (6 minutes).** A network was trained with cross entropy on
# `counts` images of each class, a tensor `(K,)`. It will be used where the classes have the shares
# `shares`, also `(K,)`, which need not be equal. Return the class that it should choose for each
# row of `logits`, which has the shape `(N, K)`.

# %% tags=["exercise"]
def decide(logits, counts, shares):
    ...

ex.q5.check(decide)

# %% [markdown]
# **Exercise 8.6, find the flaw (2 minutes).** "Cross entropy with PyTorch's default learning rate
# reached a macro F1 of 0.71. For focal loss we took gamma from five values and the learning rate
# from four, both chosen on validation, and reached 0.76. Both are means over 20 seeds, and the test
# part was used once." The same five answers as in Exercise 8.2.

# %% tags=["exercise"]
flaw = ...
ex.q6.check(flaw)

# %% [markdown]
# **Exercise 8.7, design an experiment (12 minutes).** The claim is: "The new loss reaches a higher
# accuracy than cross entropy." You get a simulated laboratory in which training takes no time:

# %%
toy = ex.ToyLab(advantage=0.03)
toy.rates, toy.accuracy("new", toy.rates[2], seed=0, part="val")

# %% [markdown]
# The loss is `"new"` or `"cross entropy"`, the part is `"val"` or `"test"`, and a seed is any whole
# number. Write an experiment that returns a list of differences, new loss minus cross entropy, one
# for each of ten seeds or more. The checker carries it out in four laboratories. By the rule of
# section 1 it must find a yes where the claim is true, it must not find one where the claim is
# false, and it must be fair in all four.

# %% tags=["exercise"]
def experiment(toy):
    ...

ex.q7.check(experiment)

# %% [markdown]
# **Exercise 8.8, refute a reason (4 minutes).** "Smoothing calibrates *because* it stops the
# network from memorising wrong labels." Which result would refute the *because*?
#
# - `"a"`: smoothing calibrates where labels are wrong, and does not where they are right;
# - `"b"`: with smoothing the networks fit as many wrong labels, and are calibrated all the same;
# - `"c"`: smoothing raises the calibration error of networks that are not over-confident;
# - `"d"`: focal loss calibrates, too;
# - `"e"`: with smoothing the accuracy on correct test labels is higher.

# %% tags=["exercise"]
refutes = ...
ex.q8.check(refutes)

# %% [markdown]
# **Exercise 8.9, predict a number (3 minutes).** Twenty claims are all empty, and each is tested
# with an error of $0.05 / 20$. What is the probability that *none* of them seems to hold? (Take the
# tests as independent.)

# %% tags=["exercise"]
none = ...
ex.q9.check(none)

# %% [markdown]
# ## What to remember
#
# - State the smallest effect that counts and the number of looks *before* the results. Then an
#   interval is a yes, a no, the reverse, or open, and "open" is not "no effect".
# - Give both sides the same: seeds, rates, choices on validation. And look at what they chose: a
#   success may belong to the learning rate and not to the loss.
# - Look for the strongest simple rival: a shift, a temperature, a threshold. On the long tail the
#   shift of plain logits gained as much macro F1 as class weights, and focal loss gained nothing.
# - Some results went against what this course had led us to expect: on the fraud twin, costs did
#   more as weights than as a threshold. That is why one measures.
# - A claim may hold and its reason be wrong. Both need a test.
#
# **Next.** Does any of this hold on *your* data? Take one claim from the scoreboard, your own task
# in place of ours, the strongest simple rival you can think of, and the rule of section 1. Then
# ask yourself the first question of this course again: what should *your* classifier believe?
#
# **References**
#
# - Post A: "Fine-tuning ResNet with focal loss", a blog post in Korean (2024). Post B: a blog post
#   in Korean on four losses for a classifier of masks, ages and genders (2023).
# - A. K. Menon and others, "Long-Tail Learning via Logit Adjustment", *ICLR* 2021,
#   [doi:10.48550/arXiv.2007.07314](https://doi.org/10.48550/arXiv.2007.07314).
# - C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks",
#   *ICML* 2017, [doi:10.48550/arXiv.1706.04599](https://doi.org/10.48550/arXiv.1706.04599).
# - C. Elkan, "The Foundations of Cost-Sensitive Learning", *IJCAI* 2001.
#
# On comparing learning algorithms, with more on pairs, splits and many comparisons:
#
# - C. Nadeau and Y. Bengio, "Inference for the Generalization Error", *Machine Learning* 52 (2003),
#   [doi:10.1023/A:1024068626366](https://doi.org/10.1023/A:1024068626366).
# - J. Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", *Journal of Machine
#   Learning Research* 7 (2006).
# - X. Bouthillier and others, "Accounting for Variance in Machine Learning Benchmarks", *MLSys*
#   2021, [doi:10.48550/arXiv.2103.03098](https://doi.org/10.48550/arXiv.2103.03098).
# - B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap*, Chapman and Hall 1993,
#   [doi:10.1201/9780429246593](https://doi.org/10.1201/9780429246593) (resampling).

# %% [markdown]
# On the single claims:
#
# - T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense Object Detection",
#   *ICCV* 2017, [doi:10.1109/ICCV.2017.324](https://doi.org/10.1109/ICCV.2017.324).
# - J. Mukhoti and others, "Calibrating Deep Neural Networks using Focal Loss", *NeurIPS* 2020,
#   [doi:10.48550/arXiv.2002.09437](https://doi.org/10.48550/arXiv.2002.09437).
# - C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception
#   Architecture for Computer Vision", *CVPR* 2016, section 7 (label smoothing),
#   [doi:10.1109/CVPR.2016.308](https://doi.org/10.1109/CVPR.2016.308).
# - R. Müller, S. Kornblith and G. Hinton, "When Does Label Smoothing Help?", *NeurIPS* 2019,
#   [doi:10.48550/arXiv.1906.02629](https://doi.org/10.48550/arXiv.1906.02629).
# - F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net: Fully Convolutional Neural Networks for
#   Volumetric Medical Image Segmentation", *3DV* 2016 (the Dice loss, which soft F1 equals),
#   [doi:10.1109/3DV.2016.79](https://doi.org/10.1109/3DV.2016.79).
# - A. Ghosh, H. Kumar and P. S. Sastry, "Robust Loss Functions under Label Noise for Deep Neural
#   Networks", *AAAI* 2017,
#   [doi:10.48550/arXiv.1712.09482](https://doi.org/10.48550/arXiv.1712.09482).
