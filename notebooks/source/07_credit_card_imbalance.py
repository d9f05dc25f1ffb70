# %% [markdown] slideshow={"slide_type": "slide"}
# # 07. Credit cards: one fraud in 579
#
# A blog post compares two losses, cross entropy and focal loss, on 57,000 card payments. With
# one of them, a network finds not a single fraud. With the other, the same network finds most of
# them. It looks as if the question were settled. On this page we repeat the experiment of the
# post, and then we ask what a fair one says:
#
# 1. Does the picture repeat with other seeds, and why can a network find nothing?
# 2. Which loss sorts payments better, and what do its answers mean?
# 3. What is a missed fraud worth in euros, and where should the threshold be?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. One picture](#1.-One-picture) | 7 | rebuild a posted experiment before you judge it |
# | [2. Ten seeds](#2.-Ten-seeds) | 8 | compare in pairs, and measure what a leak is worth |
# | [3. Forty seeds](#3.-Forty-seeds) | 8 | look inside a network that finds nothing |
# | [4. Where training starts](#4.-Where-training-starts) | 7 | give each loss a fair start, and test the difference |
# | [5. Which one sorts better?](#5.-Which-one-sorts-better?) | 8 | state a rule first, and count two kinds of noise |
# | [6. What the answers mean](#6.-What-the-answers-mean) | 5 | turn the answers of a loss into probabilities |
# | [7. Euros](#7.-Euros) | 7 | get a threshold from costs, payment by payment |
# | [8. Five losses and three rivals (further)](#8.-Five-losses-and-three-rivals-(further)) | 9 | include the rivals that others would ask for |
# | [9. Four thousand frauds (further)](#9.-Four-thousand-frauds-(further)) | 6 | tell undecided from equal |
# | [10. Later payments (further)](#10.-Later-payments-(further)) | 7 | split by time, count alarms, and read a ROC-AUC |
# | [11. SMOTE and the split (further)](#11.-SMOTE-and-the-split-(further)) | 9 | find a leak, and say what it hides |
# | [12. Exercises](#12.-Exercises) | 20 | check your own understanding |
#
# The first seven sections are a lesson of 50 minutes, with Exercises 7.1, 7.6 and 7.7 in them.
# The page **needs** notebooks [01](01_cross_entropy.ipynb), [02](02_focal_loss.ipynb) and
# [04](04_f1_loss.ipynb). Its **data** are the credit-card payments of Dal Pozzolo and others, or
# their synthetic twin. It runs in about a minute. All terms in *italics* are in the
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
import math
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import metrics, plots, runtime
from course_utils.data import creditcard_twin, load_creditcard
from course_utils.exercises import imbalance as ex
from course_utils.losses import sigmoid_focal_loss, soft_f1_loss
from course_utils.metrics import belief, correct_prior
from course_utils.sweeps import train_many

runtime.set_threads(1)
plt.style.use(plots.STYLE)

# %%
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.neighbors import NearestNeighbors

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. One picture
#
# The table holds the card payments of two days. A row has the time, the amount, and 28 numbers
# `V1` to `V28`, which a rotation has made anonymous. `Class` is 1 for a fraud.

# %%
data = load_creditcard()
print(data.source)
data.frame[["Time", "V1", "V2", "V28", "Amount", "Class"]].head(3).round(2)

# %% [markdown]
# If the line says *synthetic twin*, the rows are invented. They are sampled from a mixture that
# was fitted to the real table, and we know the true probability of fraud of each row. (In some
# files of real rows, one normal row stands for several payments, and `repeated` copies it as
# often as needed. In the twin it changes nothing.)
#
# We divide the rows into three parts: *train* to learn from, *validation* for all choices, and
# *test* for the report at the end. The output has the number of payments and of frauds in each.

# %% tags=["nbval-check-output"]
parts = data.split(fractions=(0.6, 0.2, 0.2), seed=0)
train, val, test = parts.train.repeated(), parts.val.repeated(), parts.test.repeated()
[(len(part), int(part.y.sum())) for part in [train, val, test]]

# %% [markdown]
# > **Predict.** A "detector" that never raises an alarm: is its accuracy about 50 %, 98 % or
# > 99.8 %?

# %% tags=["nbval-check-output"]
share = train.y.mean().item()
print(f"one fraud in {1 / share:.0f} payments; never an alarm: accuracy {1 - share:.2%}")

# %% [markdown]
# 99.83 %, without finding a single fraud. So accuracy says nothing here, and we count frauds
# found and alarms raised, as in [04_f1_loss](04_f1_loss.ipynb).
#
# Now the experiment of the post (*post D* in the references). Its network takes 29 numbers, `V1`
# to `V28` and the logarithm of the amount, through two hidden layers to one logit. It is trained
# twice, with cross entropy and with focal loss, $\gamma = 4$. The post computes both from the
# probability, and we follow it:

# %%
def network():
    return nn.Sequential(nn.Linear(29, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(),
                         nn.Linear(8, 1), nn.Flatten(0))           # one logit for each payment

def posted_loss(logits, target, gamma):                            # gamma 0 is cross entropy
    ce = F.binary_cross_entropy(torch.sigmoid(logits), target, reduction="none")
    p_t = torch.exp(-ce)
    return ((1 - p_t) ** gamma * ce).mean()

# %% [markdown]
# The columns are not standardised, the optimiser is Adam with a rate of 0.001, and there are two
# epochs with batches of 128. The rows are those of the validation part. All of this follows the
# post. Something is wrong with it, and you may already see what; section 2 comes back to it.
#
# `train_many` runs the usual training loop for every loss and every seed that we give it. Here
# that is one seed. (`partial(f, x=1)` is the function `f` with its argument `x` filled in.)

# %%
raw = torch.tensor(data.raw_features.to_numpy(), dtype=torch.float32)
posted = raw[val.raw_index], val.y
demo = {"cross entropy": partial(posted_loss, gamma=0), "focal": partial(posted_loss, gamma=4)}
settings = dict(epochs=2, batch_size=128, lr=1e-3, progress=False)
one = train_many(network, demo, posted, parts={"posted": posted}, seeds=[12], **settings)

# %% [markdown]
# > **Predict.** Both networks raise an alarm where their answer is at least 0.5. One of the two
# > finds no fraud at all. Which one? And does the other find about 10, 40 or 70 of the 99
# > frauds?

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4))
for ax, name, logits in zip(axes, demo, one.logits["posted"], strict=True):
    alarm = logits >= 0                                    # a logit of 0 is a probability of 0.5
    plots.plot_confusion_matrix(val.y, alarm, class_names=["normal", "fraud"], ax=ax)
    ax.set_title(name)
plots.show(fig, "Confusion matrices at a threshold of 0.5, for a network trained with cross "
                "entropy and one trained with focal loss. The rows are the validation part.")

# %% [markdown]
# This is the picture of the post. Cross entropy raises no alarm at all, so it finds nothing.
# Focal loss finds 68 of the 99 frauds, with 11 false alarms. **Vote:** would you now switch to
# focal loss?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Ten seeds
#
# We have seen one run of each loss, and a run depends on its *seed*: the random weights it
# starts from, and the order of its batches. So we repeat both with the seeds 0 to 9. The two
# networks of one seed make a *pair*, because they start from the same weights and see the same
# batches.

# %%
others = raw[train.raw_index[::3]], train.y[::3]             # every third training row
both = {"posted": posted, "others": others}
ten = train_many(network, demo, posted, parts=both, seeds=range(10), **settings)

# %% [markdown]
# > **Predict.** In how many of the ten pairs does the picture repeat, so that cross entropy
# > finds no fraud and focal loss finds most of them?

# %%
alarms = ten.logits["posted"] >= 0                   # one row for each network
ten.members["frauds found"] = alarms[:, val.y == 1].sum(dim=1).numpy()
ten.members.pivot(index="loss", columns="seed", values="frauds found")

# %% [markdown]
# In none of them. With each of these seeds, both losses find between 71 and 78 of the 99 frauds.
# From these ten pairs, nobody would conclude that cross entropy fails.
#
# Now we owe you a confession. Section 1 used seed 12, and we took it *because* it gives the
# posted picture. A single run can be picked, on purpose or by luck, and the reader of a post
# cannot see it. So is seed 12 a rare accident? Section 3 takes more seeds to find out.

# %% [markdown]
# ### What the leak is worth
#
# Did you find the mistake? The post builds its training loader on the rows that were set aside
# for *validation*, and then shows the result on the same rows. So the networks were judged on
# payments whose labels they had seen. This is called a *leak*. What is it worth?
#
# A comparison of scores on two sets of rows would not tell us, because one set may be harder. So
# we judge the *same* rows twice: by networks that were trained on them, and by networks that
# were trained on about as many others.
#
# As score we take the *average precision* (AP). Lower the threshold step by step. Each time one
# more fraud is found, note the precision at that point. AP is the mean of these numbers. It
# depends only on the order of the answers, so it needs no threshold.

# %%
def average_precision(answer, target):
    target = target[answer.argsort(descending=True)]
    precision = target.cumsum(0) / torch.arange(1, len(target) + 1)
    return ((precision * target).sum() / target.sum()).item()

# %% [markdown]
# (`cumsum` adds up from the top. So `target.cumsum(0)` has, at place $k$, the number of frauds
# among the $k$ highest answers.)
#
# > **Predict.** By how much is the AP of the same rows higher if the network was trained on
# > them: by about 0.002, 0.03 or 0.2?

# %%
swapped = train_many(network, demo, others, parts=both, seeds=range(10), **settings)
leak = pd.DataFrame()
for part, (_, target) in both.items():
    for trained_on, sweep in [("trained on posted", ten), ("trained on others", swapped)]:
        scores = [average_precision(logits, target) for logits in sweep.logits[part]]
        leak.loc[f"judged on {part}", trained_on] = np.mean(scores)
leak.round(3)

# %% [markdown]
# Each row of the table judges the same payments. (The numbers are means over both losses and ten
# seeds.) On the posted rows the networks that had seen them are ahead by 0.048. On the other
# rows those that had seen *them* are ahead by 0.007. One of the two sets may be better to learn
# from, but in the mean of the two gaps this cancels, and 0.028 remain. That is what this leak is
# worth here.
#
# It makes scores too high, but by far too little to explain the picture. Still, from now on we
# train on the other rows and judge on the validation rows.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Forty seeds
#
# > **Predict.** Now forty seeds, 0 to 39. With how many does cross entropy *fail*, which means
# > an F1 below 0.3 at the threshold 0.5? And focal loss?

# %%
many = train_many(network, demo, others, parts={"val": posted}, seeds=range(40), **settings)

def f1_at_half(sweep):
    scores = [f1_score(val.y.numpy(), logits.numpy() >= 0) for logits in sweep.logits["val"]]
    return sweep.members.assign(F1=scores).pivot(index="seed", columns="loss", values="F1")

by_default = f1_at_half(many)
(by_default < 0.3).sum()

# %% [markdown]
# Cross entropy fails with 19 of forty seeds, and focal loss with 3. So seed 12 is no rare
# accident, and the first ten seeds were lucky: if about half of all seeds fail, ten in a row
# work less than once in 600 times. Rare things happen, and here one did. Ten seeds can mislead,
# too.
#
# In one respect the post is right, then: with these settings cross entropy often finds nothing.
# But *why*?

# %% [markdown]
# **Misconception: "A network that raises no alarm has learned nothing."** We test it with the
# AP, which needs no threshold. And we look *inside* the network. A ReLU gives 0 for every
# negative input. If all units of a hidden layer give 0 for a payment, then nothing of this
# payment gets through to the answer. We say that the payment is *dead* in this network.

# %%
def dead(model, x):
    with torch.no_grad():
        first = model[:2](x)                # after the first ReLU
        second = model[2:4](first)          # after the second
    return (first == 0).all(dim=1) | (second == 0).all(dim=1)

# %%
inside = pd.DataFrame({"fails": by_default["cross entropy"] < 0.3})
for seed in range(40):
    model = many.model("cross entropy", seed)
    gone = dead(model, others[0])
    inside.loc[seed, ["AP", "dead frauds", "answer of the dead", "frauds among the dead"]] = (
        average_precision(many.logits["val"][seed], val.y),
        (gone & (others[1] == 1)).sum().item() / others[1].sum().item(),
        torch.sigmoid(model(others[0][gone])).nanmedian().item(), others[1][gone].mean().item())

# %% [markdown]
# > **Predict.** A useless order of the payments has an AP of about 0.002. What is the AP of the
# > networks that fail: about 0.002, 0.1 or 0.65? And what share of the frauds is dead in them?
# > (We look at the frauds that they were trained on.)

# %%
inside.groupby("fails")[["AP", "dead frauds"]].agg(["count", "min", "mean", "max"]).round(2)

# %% [markdown]
# The networks that fail have an AP of 0.65, so they have learned a good deal: they sort nearly
# as well as the others (0.70). Only the threshold of 0.5 finds nothing. And in those that work,
# no fraud is dead, but in those that fail 46 % of the frauds are dead on average.
#
# All dead payments of a layer get *the same answer*, because the rest of the network sees the
# same zeros. We call them the *dead corner*. What does the network answer there? Ideally, cross
# entropy makes it answer the share of frauds among the dead payments.

# %%
failing = by_default["cross entropy"].nsmallest(max(1, inside["fails"].sum())).index
inside.loc[failing].iloc[:, 3:].describe().loc[["count", "min", "mean", "max"]].round(2)

# %% [markdown]
# In 18 of the 19 failing networks there is a dead corner. It is full of frauds, 89 % on average,
# so an ideal network would answer 0.89 there and raise its alarms. But the answer is 0.38 on
# average, and never above 0.47. So these networks have not reached what their loss asks for.
# They are unfinished, and 0.5 happens to lie above the point where they stand. (The nineteenth
# network has no dead row, and its highest answer is just below one half.)
#
# > **Predict.** If they are unfinished, longer training should help. We train the 19 for six
# > epochs instead of two. How many still fail: nearly all, about half, or none? (The cell also
# > prints the highest answer of a network, in the mean over the networks.)

# %%
longer = train_many(network, {"cross entropy": demo["cross entropy"]}, others,
                    parts={"val": posted}, seeds=failing, **(settings | {"epochs": 6}))
still = (f1_at_half(longer)["cross entropy"] < 0.3).sum()
print(f"{still} of {len(failing)} still fail")
for epochs, logits in [(2, many.logits["val"][failing]), (6, longer.logits["val"])]:
    highest = torch.sigmoid(logits.amax(dim=1))
    print(f"{epochs} epochs: highest answer {highest.mean():.2f} on average")

# %% [markdown]
# Nearly all: 16 of 19. The highest answer does move in the right direction, from 0.39 to 0.44,
# but it creeps. A dead payment sends no gradient to the layers before its zeros. Only the few
# weights behind them can move its answer. So more epochs would be a slow remedy. Is there a
# better one?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Where training starts
#
# Why is there a dead corner in the first place? A network with small random weights answers
# about one half to every payment. Nearly all payments are normal, so at first almost every
# gradient says "lower". We suspect that these first steps drive hidden units below zero.
# Notebook 01 has a remedy: set the last bias so that the network *starts* at the share of
# frauds. This is called the *prior bias*.

# %%
def network_from(start):
    model = network()
    nn.init.constant_(model[4].bias, math.log(start / (1 - start)))
    return model

# %% [markdown]
# > **Predict.** What is the mean cross entropy before the first step, with the default start?
# > And with the prior bias: about 0.6, 0.1 or 0.01?

# %%
for name, make in [("default start", network), ("prior bias", partial(network_from, share))]:
    torch.manual_seed(0)
    print(f"{name:<14}{F.binary_cross_entropy_with_logits(make()(val.x), val.y):.4f}")

# %% [markdown]
# With the default start it is 0.60, near $\ln 2 = 0.69$, which is what an answer of one half
# costs. (The random weights make the difference.) With the prior bias it is 0.013, fifty times
# smaller. All that the default start learns at first is that frauds are rare.
#
# **Exercise 7.1, predict a number.** In another table one row in 250 is positive. By mistake
# somebody sets the last bias for one in 100. What is the mean cross entropy before the first
# step, in nats? (Leave out what the random weights do. If you get stuck, run `ex.q1.hint()`, and
# in the end `ex.q1.solution()`.)

# %% tags=["exercise"]
first_loss = ...
ex.q1.check(first_loss)

# %% [markdown]
# What is the fair start for focal loss? An ideal model trained with focal loss does not answer
# the probability, it answers its *belief* ([02_focal_loss](02_focal_loss.ipynb)). So each loss
# should start from its own belief at the share of frauds.

# %%
losses = {"cross entropy": partial(F.binary_cross_entropy_with_logits, reduction="none"),
          "focal": partial(sigmoid_focal_loss, gamma=4.0, reduction="none")}
start = {name: belief(loss, share).item() for name, loss in losses.items()}
start

# %% [markdown]
# To a payment of which we know nothing, focal loss with $\gamma = 4$ wants an answer of 0.20.
# Now we train the forty pairs once more. Everything is as before, except for the start.
#
# > **Predict.** How many of the forty fail now, with cross entropy and with focal loss?

# %%
from_belief = pd.DataFrame()
for name, loss in demo.items():
    sweep = train_many(partial(network_from, start[name]), {name: loss}, others,
                       parts={"val": posted}, seeds=range(40), **settings)
    from_belief[name] = f1_at_half(sweep)[name]
pd.DataFrame({"default start": (by_default < 0.3).sum(), "own belief": (from_belief < 0.3).sum()})

# %% [markdown]
# With cross entropy 2 networks fail, and with focal loss 1. One line of initialisation did what
# three times as many epochs could not do. This also supports our suspicion: the default start
# was the cause in 17 of 19 cases.
#
# Is focal loss less likely to fail? The seeds make pairs, and only pairs in which one network
# fails and the other does not can say anything. If the losses were alike, it would be a coin
# toss which of the two it is. So we count these pairs and ask how often a fair coin would be at
# least so one-sided (the *sign test*):

# %%
for name, f1 in [("default start", by_default), ("own belief", from_belief)]:
    fails = f1 < 0.3
    only_ce, only_focal, p = metrics.sign_test(fails["cross entropy"], fails["focal"])
    print(f"{name}: only cross entropy fails {only_ce}, only focal loss {only_focal}, p = {p:.1g}")

# %% [markdown]
# With the default start there are 16 such pairs, and in all of them it is cross entropy that
# fails. A coin would do that three times in 100,000. So this advantage of focal loss is real.
# But with a fair start a single pair remains, and $p = 1$: nothing is left of it. What looked
# like an advantage of a loss was the disadvantage of a start.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Which one sorts better?
#
# So far we repeated the settings of a post. Now we want a fair comparison: standardised columns,
# ten epochs, a start at the own belief, and for each loss the learning rate that is best on the
# validation rows. A third loss joins in, *weighted* cross entropy, in which a fraud counts a
# hundred times.
#
# There are plenty of normal payments, so to save time we train on 34,000 of them. That is one in
# five, and `thinned` gives each of them a weight of five. All frauds stay.

# %%
losses["weighted"] = partial(F.binary_cross_entropy_with_logits, reduction="none",
                             pos_weight=torch.tensor(100.0))
start["weighted"] = belief(losses["weighted"], share).item()
few = parts.train.thinned(normals=34_000)
rows = {name: (few.x, few.y, few.weight) for name in losses}

# %%
def train_from_belief(name, lr, seeds, epochs=10):
    sweep = train_many(partial(network_from, start[name]), {name: losses[name]}, rows[name],
                       parts={"val": (val.x, val.y), "test": (test.x, test.y)}, seeds=seeds,
                       epochs=epochs, batch_size=512, lr=lr, progress=False)
    scores = [average_precision(logits, val.y) for logits in sweep.logits["val"]]
    sweep.members["AP"] = scores                     # on the validation rows
    return sweep

def try_rates(name):
    tried = train_from_belief(name, [3e-4, 1e-3, 3e-3], seeds=range(20, 23))
    return tried.members.groupby("lr")["AP"].mean()

# %% [markdown]
# `try_rates` tries three learning rates with three seeds each, and returns the mean AP on the
# validation rows. Each loss takes the rate with the highest AP. Then ten new networks are
# trained.

# %%
rates, trained = pd.DataFrame(), {}
for name in losses:
    rates[name] = try_rates(name)
    trained[name] = train_from_belief(name, rates[name].idxmax(), seeds=range(10))
rates.round(3)

# %% [markdown]
# Were ten epochs enough? We train cross entropy twice as long, and look at the validation rows.

# %%
twice = train_from_belief("cross entropy", rates["cross entropy"].idxmax(), range(10), epochs=20)
for epochs, sweep in [(10, trained["cross entropy"]), (20, twice)]:
    print(f"{epochs} epochs: AP {sweep.members['AP'].mean():.3f}")

# %% [markdown]
# Longer training makes it worse here, from 0.801 to 0.787: 295 frauds are soon learned by heart.
# So ten epochs are not too few.
#
# Before we look at the test rows, we state a rule. We will see a mean gain over ten pairs. Two
# kinds of luck enter it: other *seeds* would give other networks, and other *test rows*, with
# another hundred frauds, would give other scores to the same networks. As in notebook 04, we
# resample the rows, and combine both in one *standard error*: their squares add up. A gain
# *counts* if it exceeds a certain number of standard errors. We choose this number so that pure
# noise would pass in 5 % of the cases. (It follows from Student's $t$ distribution, because ten
# pairs know their own spread only roughly.) But if you make ten comparisons, noise has ten
# chances to pass, so each gets a tenth of the 5 %:

# %% tags=["nbval-check-output"]
for comparisons in [1, 2, 10]:
    errors = stats.t.ppf(1 - 0.05 / comparisons / 2, df=9)
    print(f"{comparisons:>2} comparisons: more than {errors:.1f} standard errors")

# %% [markdown]
# We are going to compare two losses with cross entropy, so the rule asks for 2.7 standard
# errors.
#
# > **Predict.** Which loss sorts better? Take the AP of focal loss minus that of cross entropy.
# > Will the difference count, and if so, in favour of which loss? And what about weighted cross
# > entropy?

# %% [markdown]
# `resampled_average_precision` gives a table: a row for each network, the AP of the test rows in
# the first column, and the AP of resampled test rows in the others. All losses share seeds and
# resampled rows, so `resampled_gain` subtracts them pair by pair.

# %%
ap = {}
for name in losses:
    ap[name] = metrics.resampled_average_precision(test.y, trained[name].logits["test"])
gains = {}
for name in ["weighted", "focal"]:
    pairs, error, by_seeds = metrics.resampled_gain(ap["cross entropy"], ap[name])
    gains[name] = pairs, error
    print(f"{name:<9}{pairs.mean():+.3f} ± {error:.3f}; over seeds alone ± {by_seeds:.3f}")

# %%
ax = plots.plot_gains(gains)
ax.figure.set_size_inches(7.5, 2.6)
ax.set_xlabel("gain in AP over cross entropy")
plots.show(ax, "Gain in average precision over cross entropy on the test rows. Grey dots are ten "
               "pairs, the diamond is their mean, and the bar reaches two errors to each side.")

# %% [markdown]
# Neither of them counts. Focal loss is behind by 0.008, which is one standard error, and
# weighted cross entropy by 0.005 ± 0.015. So nothing supports a switch. But nothing proves that
# the losses are equal either: a true difference of 0.03 could hide behind such errors.
#
# Compare the errors. Over seeds alone they are 0.003 and 0.004. It is the rows that make them
# large. So training more networks would not decide the question. More frauds to judge by would,
# and that is section 9.
#
# **Exercise 7.6, choose.** A table says of loss X: its AP is higher than that of Y by 0.006,
# with a standard error of 0.001 over twenty seeds, and of 0.009 over seeds and test rows. Which
# claim does it support?
#
# - `"a"` X sorts new payments better than Y.
# - `"b"` X and Y sort equally well.
# - `"c"` On these test rows X sorts better, in the mean over seeds.
# - `"d"` With a hundred seeds it would be decided for new payments, too.
# - `"e"` The difference is luck of the seeds.

# %% tags=["exercise"]
claim = ...
ex.q6.check(claim)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. What the answers mean
#
# In sorting, we could not tell the three losses apart. But a bank does more than sort. If a
# network answers 0.2, somebody will read it as "one in five". May they?
#
# > **Predict.** One payment in 579 is a fraud, so honest probabilities have a mean of about
# > 0.0017. Is the mean answer of the networks trained with focal loss about the same, five times
# > as large, or more than fifty times?

# %%
for name in losses:
    print(f"{name:<14}{trained[name].prob('test').mean() / test.y.mean():.1f} times the share")

# %% [markdown]
# It is 77 times as large. This is no fault of the training. It is the belief of focal loss:
# payments that are almost certainly normal get an answer above 0.1. With a weight of 100, the
# mean answer is 11 times too high. The mean answer of cross entropy is right.
#
# The next figure looks closer. It sorts the answers into bins, and shows for each bin the mean
# answer and the share of frauds. (In the twin it takes the mean of the true probabilities in
# place of the share, which frees the figure of the luck of 98 frauds.)

# %%
truth = test.y.numpy() if data.source.real else data.posterior(test.raw_index)
shown = {"cross entropy": losses["cross entropy"], "focal": losses["focal"]}
ax = plots.plot_answers(shown, {name: trained[name].prob("test") for name in shown}, truth)
ax.set_ylabel("share of frauds")
plots.show(ax, "Share of frauds against the answer, in bins of the answers of ten networks on the "
               "test rows (dots), and the beliefs of the two losses (lines). Both axes are "
               "logarithmic.")

# %% [markdown]
# Begin with focal loss. Where its answers are above 0.1, the dots follow the line of its belief.
# An answer of 0.2 stands for less than one in a hundred. The dots of cross entropy should lie on
# the diagonal. At both ends they do. In the middle they lie above it: of the payments with an
# answer near 0.04, about one in four is a fraud. So even with cross entropy an answer in the
# middle is not yet a probability. The right mean is no guarantee, since nearly all payments lie
# at the lower end.
#
# The figure is the *belief map* with its axes exchanged, from the answer back to the
# probability. In code, this way back is an interpolation, for every loss that has a belief:

# %% tags=["nbval-check-output"]
eta = torch.sigmoid(torch.linspace(-14, 14, 561, dtype=torch.float64))

def to_probability(answer, name):
    return np.interp(answer, belief(losses[name], eta), eta)

to_probability([0.3, 0.9], "weighted"), correct_prior([0.3, 0.9], weight=100)

# %% [markdown]
# For the weight of 100, it does the same as dividing the odds by 100, which `correct_prior`
# does. The next table has the mean answer in units of the share of frauds, and the *Brier
# score*, the mean squared error of the probabilities (times 10,000; smaller is better).
#
# > **Predict.** Will the corrected answers of focal loss have the right mean? Will their Brier
# > score be much worse than that of cross entropy, or about the same?

# %%
honest = pd.DataFrame()
for name in losses:
    answer = trained[name].prob("test").numpy()
    for kind, p in [("as it is", answer), ("corrected", to_probability(answer, name))]:
        honest.loc[name, f"mean, {kind}"] = p.mean() / test.y.mean().item()
        honest.loc[name, f"Brier, {kind}"] = 1e4 * np.mean((p - test.y.numpy()) ** 2)
honest.round(1)

# %% [markdown]
# After the correction, the mean of focal loss is right (1.0), and its Brier score falls from 184
# to 6.7. Cross entropy has 6.9. So the information was there all the time. What differs between
# the losses is what their answers *mean*, and that can be translated.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Euros
#
# A bank counts in euros. Suppose that a false alarm costs $c_\mathrm{FP}$, a missed fraud costs
# $c_\mathrm{FN}$, and right decisions cost nothing. For a payment with probability $p$, an alarm
# costs $(1 - p)\,c_\mathrm{FP}$ on average, and silence costs $p\,c_\mathrm{FN}$. The alarm is
# cheaper if
#
# $$p > \frac{c_\mathrm{FP}}{c_\mathrm{FP} + c_\mathrm{FN}}.$$
#
# So the threshold follows from the costs (Elkan, 2001), provided that $p$ is a probability. If a
# false alarm costs 5 euros and a missed fraud 120, it is 0.04, and not 0.5.
#
# In our table each payment has its own amount. Let each alarm cost a fee of 5 euros, right or
# wrong, because somebody has to call the customer. A missed fraud costs its amount. Then an
# alarm costs the fee, silence costs $p \cdot \text{amount}$ on average, and we get a rule for
# each payment:
#
# $$\text{alarm} \iff p \cdot \text{amount} > \text{fee}.$$

# %%
def cost(alarm):
    missed = test.amount[(test.y == 1) & ~alarm].sum()
    return (missed + 5 * alarm.sum()).item()

print(f"never an alarm: {cost(torch.zeros(len(test)) == 1):,.0f} euros")

# %% [markdown]
# > **Predict.** Four rules: the threshold 0.5; the threshold with the best F1 on the validation
# > rows; the rule by amount, with the answer in place of $p$; the rule by amount, with the
# > corrected answer. Which rule is the cheapest for cross entropy? And which one is a disaster
# > for focal loss?

# %%
costs = []
for name in losses:
    for on_val, p in zip(trained[name].prob("val"), trained[name].prob("test"), strict=True):
        cut = metrics.best_f1_threshold(val.y, on_val)[0]
        corrected = torch.from_numpy(to_probability(p, name))
        costs.append({"loss": name, "0.5": cost(p >= 0.5), "best F1": cost(p >= cut),
                      "by amount": cost(p * test.amount > 5),
                      "by amount, corrected": cost(corrected * test.amount > 5)})
costs = pd.DataFrame(costs).groupby("loss", sort=False)
costs.mean().round(-1).astype(int)

# %% [markdown]
# For cross entropy the rule by amount costs 2,780 euros, a quarter of the cost of the best
# threshold for F1. Most of the money is in a few large payments, and for a payment of 2,000
# euros a probability of 0.01 is worth a call. For focal loss the same rule with the answers as
# they are costs 108,000 euros, almost five times as much as doing nothing: it raises alarm after
# alarm, because it takes 0.13 for a probability. With the corrected answers it costs 2,540
# euros.
#
# The correction assumes an ideal model, and works as far as the networks are close to one. For
# weighted cross entropy the corrected answers cost 5,950 euros, twice as much as those of the
# other two. And all these sums are noisy, because a few large payments decide them. But between
# 108,000 and 2,540 euros there is no doubt.
#
# **Exercise 7.7, predict a number.** A false alarm costs 20 euros and a missed fraud costs 100.
# But a fraud that is found is not free either: a new card costs 10 euros. Above which
# probability should there be an alarm?

# %% tags=["exercise"]
threshold = ...
ex.q7.check(threshold)

# %% [markdown]
# **In scikit-learn.** The library can put a threshold around any classifier. One that you have
# computed goes into
# [FixedThresholdClassifier](https://scikit-learn.org/stable/modules/generated/sklearn.model_selection.FixedThresholdClassifier.html).
# [TunedThresholdClassifierCV](https://scikit-learn.org/stable/modules/generated/sklearn.model_selection.TunedThresholdClassifierCV.html)
# looks for the one with the best score. `FrozenEstimator` says that the classifier has been
# trained already. As a single threshold cannot see the amounts, we take the mean amount of a
# fraud.

# %%
linear = LogisticRegression(max_iter=300).fit(train.x.numpy(), train.y.numpy())
miss = train.amount[train.y == 1].mean().item()
fixed = FixedThresholdClassifier(FrozenEstimator(linear), threshold=5 / miss)
tuned = TunedThresholdClassifierCV(FrozenEstimator(linear), scoring="f1", cv="prefit", refit=False)
for name, model in [("computed from costs", fixed), ("tuned for F1", tuned)]:
    alarm = model.fit(val.x.numpy(), val.y.numpy()).predict(test.x.numpy()) == 1
    print(f"{name}: {alarm.sum()} alarms, {cost(torch.tensor(alarm)):,.0f} euros")

# %% [markdown]
# The threshold from the costs is cheaper than the one tuned for F1. (You can also tune it for a
# cost of your own, with scikit-learn's `make_scorer`.) Both cost several times as much as the
# rule by amount, since they cannot look at the amount of a payment.
#
# > **On the real rows** (all frauds and a 15 % sample of the normal payments, 98 test frauds)
# > the page gives the following. Of forty seeds, cross entropy fails with 14 from the default
# > start and focal loss with 4. Only cross entropy fails in 12 pairs and only focal loss in 2
# > ($p = 0.01$). From their own belief, each fails with one. In AP, focal loss is ahead by 0.016
# > ± 0.010 and weighted cross entropy behind by 0.016 ± 0.008, so neither counts by the rule.
# > The mean answer of focal loss is 54 times the share of frauds, and its correction brings the
# > Brier score from 107 to 6.5 (cross entropy: 6.1). Doing nothing costs 15,900 euros. By
# > amount, cross entropy costs 3,030 euros, focal loss 82,300 as it is and 2,940 corrected. The
# > best threshold for F1 costs 3,430 there, so on the real rows most of the money can be saved
# > with one threshold.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Five losses and three rivals (further)
#
# Two more recipes are often proposed. One trains on *soft F1* (notebook 04). The other throws
# most normal payments away, which is called *undersampling*. Here it keeps ten for each fraud.
# And people who work with tables will ask about logistic regression and boosted trees. (Soft F1
# has no belief about a single payment, so it starts at 0.5. It takes no weights, so it sees the
# thinned rows as they are.)

# %%
small = parts.train.thinned(normals=2950)
losses["soft F1"], rows["soft F1"] = partial(soft_f1_loss, average="binary"), (few.x, few.y)
losses["undersampled"], rows["undersampled"] = losses["cross entropy"], (small.x, small.y)
start["soft F1"], start["undersampled"] = 0.5, small.y.mean().item()
for name in ["soft F1", "undersampled"]:
    trained[name] = train_from_belief(name, try_rates(name).idxmax(), seeds=range(10))

# %%
defaults = HistGradientBoostingClassifier(random_state=0)
tuned = HistGradientBoostingClassifier(learning_rate=0.1, max_iter=60, max_leaf_nodes=4,
                                       l2_regularization=5, early_stopping=False)
fewer = parts.train.thinned(normals=10_000)
for trees in [defaults, tuned]:
    trees.fit(fewer.x.numpy(), fewer.y.numpy(), fewer.weight.numpy())
print("rounds with defaults:", defaults.n_iter_)

# %% [markdown]
# Boosted trees are added one by one, each to repair the errors of those before, up to `max_iter`
# rounds. The settings of the second were chosen on the validation rows.
#
# > **Predict.** Which of the eight has the highest AP, and which the best F1 at the threshold
# > that was chosen on the validation rows? What do the trees with default settings lose?

# %%
table = []
for name, sweep in trained.items():
    for on_val, p in zip(sweep.prob("val"), sweep.prob("test"), strict=True):
        scores = metrics.detector_scores(val.y, on_val, test.y, p)
        table.append({"model": name, **scores})
for name, model in [("logistic regression", linear), ("trees, defaults", defaults),
                    ("trees, tuned", tuned)]:
    on_val, p = [model.predict_proba(part.x.numpy())[:, 1] for part in [val, test]]
    table.append({"model": name, **metrics.detector_scores(val.y, on_val, test.y, p)})
pd.DataFrame(table).groupby("model", sort=False).mean().round(3)

# %% [markdown]
# Logistic regression has the highest AP, 0.778, with 30 numbers to learn where a network has
# 625. Cross entropy has the best F1 by a hair, and the tuned trees have the smallest Brier
# score. So "which one is best" depends on the score, and the leading models are close.
#
# The trees with default settings lose most, with an AP of 0.39. Their output says how: they
# stopped after 11 rounds. For more than 10,000 rows, scikit-learn sets a tenth of the rows aside
# and stops when the loss on them has not improved for ten rounds. Here it hardly ever improved.
# Large steps and leaves with few frauds make the trees too sure at once. (The trees have seen
# 10,000 normal payments, to be quick. The Brier scores of *focal*, *weighted* and *undersampled*
# are those of their answers as they are. Section 6 corrects two of them, and for the third you
# only have to multiply the odds by the share of normal payments that was kept.)
#
# > **On the real rows** (98 test frauds), the AP is 0.760 for cross entropy, 0.776 for focal
# > loss, 0.734 for logistic regression, 0.748 for the tuned trees and 0.557 for those with
# > default settings. Trained on all normal rows of the file, the tuned trees have the best F1
# > (0.81) and the smallest Brier score (5.9) of all.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Four thousand frauds (further)
#
# With 98 frauds in the test rows most differences stay undecided. In the twin we can make as
# many new frauds as we like. We take 4,000 of them, and 200,000 new normal payments. Since that
# is far too many frauds, each normal payment counts twelve times in the AP (`weight`), and the
# share of frauds is right again. (With real rows this section has no meaning: nobody can make
# more of them.)

# %%
large = parts.standardise(creditcard_twin(seed=1, n=204_000, n_fraud=4000))
weight = np.where(large.y == 1, 1.0, 4000 * (1 / share - 1) / 200_000)
on_test, on_large = {}, {}
for name, sweep in trained.items():
    on_test[name], on_large[name] = sweep.logits["test"], sweep.logits_on(large.x)
for part, answers in [(test, on_test), (large, on_large)]:
    answers["logistic regression"] = torch.tensor(linear.decision_function(part.x.numpy()))[None]

# %% [markdown]
# > **Predict.** Which of the five differences to cross entropy will count with 4,000 frauds? For
# > five comparisons the rule asks for 3.2 standard errors.

# %%
decided = pd.DataFrame()
sources = {"98 frauds": (test, on_test), "4000 frauds": (large, on_large)}
for frauds, (part, answers) in sources.items():
    each = weight if frauds == "4000 frauds" else None
    scores = metrics.resampled_average_precision(
        part.y, torch.cat(list(answers.values())), sample_weight=each, repeats=50)
    for place, name in enumerate(answers):                   # ten rows of scores for each name
        pairs, error, _ = metrics.resampled_gain(scores[:10], scores[10 * place:10 * place + 10])
        decided.loc[name, frauds] = f"{pairs.mean():+.4f} ± {error:.4f}"
decided.drop(index="cross entropy")

# %% [markdown]
# None of them, strictly. But look at what has changed. Soft F1 seemed to be behind by 0.028, the
# largest difference of the table, and 0.008 ± 0.005 is left of it. Logistic regression was ahead
# by 0.009 ± 0.014, now it is by 0.003 ± 0.005. The errors are a third of what they were. So
# *undecided* has become more: a difference of 0.03, which the 98 frauds allowed everywhere, can
# now be excluded for every row of the table.
#
# For focal loss the table says -0.0063 ± 0.0023, which is 2.8 standard errors. The rule for five
# comparisons asks for 3.2, so it does not count. Had we asked this one question only, 2.3 would
# have been enough. That is why a rule has to be stated before the numbers are seen.
#
# > **With twenty thousand frauds.** We repeated this with five new twins of 4,000 frauds each,
# > and the same networks. Focal loss was behind in all five, by 0.003 to 0.009, and in the mean
# > by 0.006 ± 0.001 (the standard error over the twins). So there *is* a difference, and it is
# > small. Logistic regression was behind three times and ahead twice, in the mean behind by
# > 0.006 ± 0.003, which remains undecided. A single twin of 4,000 frauds had shown it ahead.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Later payments (further)
#
# A random split lets a model learn from payments that come after those it is tested on. In
# practice it must judge the payments of tomorrow. `split(by="time")` trains on the earliest 80 %
# and tests on the latest 20 %. A bank also has a limited number of people who can call
# customers. So we look at the precision among the 50 highest answers. As a third score we take
# the *ROC-AUC*, which is popular: the probability that a random fraud has a higher answer than a
# random normal payment.
#
# > **Predict.** In the twin, the time of a payment was sampled independently of everything else.
# > Will the AP for the later payments be the same there? And is the ROC-AUC near 0.8, as the AP
# > is?

# %%
for by in ["random", "time"]:
    split = data.split(by=by, fractions=(0.8, 0.0, 0.2))
    learn, judge = split.train.repeated(), split.test.repeated()
    model = LogisticRegression(max_iter=300).fit(learn.x.numpy(), learn.y.numpy())
    p = torch.tensor(model.decision_function(judge.x.numpy()))
    print(f"{by}: {judge.y.sum():.0f} frauds, AP {average_precision(p, judge.y):.3f}, first 50 "
          f"{judge.y[p.topk(50).indices].mean():.0%}, ROC-AUC {roc_auc_score(judge.y, p):.3f}")

# %% [markdown]
# The ROC-AUC is 0.966, far above the AP of 0.771. Both describe the same answers. But the
# ROC-AUC counts false alarms as a share of the *normal* payments, of which there are 578 for
# each fraud. One in a hundred of them sounds like little, and it is about six false alarms for
# each fraud there is. Where positives are rare, report the AP, and the precision at the number
# of alarms that you can handle. (Saito and Rehmsmeier, 2015, show more examples.)
#
# Now compare the splits. On later payments the AP is 0.872 instead of 0.771, and all of the
# first 50 alarms are right. But in the twin time carries no information, so this can only be
# luck: other test rows, with 116 frauds in one case and 98 in the other. A gap of 0.10 between
# two splits is possible without any cause.
#
# > **On the real rows** the AP is 0.730 with the random split and 0.732 with the split by time
# > (75 frauds), 78 % and 86 % of the first 50 alarms are right, and the ROC-AUC is 0.975 and
# > 0.979. So the latest payments were not harder to judge there, within the noise that we have
# > just seen. Two days are also too short for fraudsters to change their habits.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. SMOTE and the split (further)
#
# Another recipe makes *new* frauds. *SMOTE* (Chawla and others, 2002) takes a fraud and one of
# its five nearest neighbours among the frauds, and adds a point somewhere between the two, until
# there are as many frauds as normal payments.

# %%
def smote(x, y, rng):
    frauds = x[y == 1]
    near = NearestNeighbors(n_neighbors=6).fit(frauds).kneighbors(frauds)[1]     # itself first
    count = int((y == 0).sum() - (y == 1).sum())
    first = rng.integers(len(frauds), size=count)
    second = near[first, rng.integers(1, 6, size=count)]
    between = frauds[first] + rng.random((count, 1)) * (frauds[second] - frauds[first])
    return np.concatenate([x, between]), np.concatenate([y, np.ones(count)])

# %% [markdown]
# We have seen results with SMOTE in which the rows were first balanced and then divided. Then
# the training part has points that lie between the frauds of the training part and those of the
# test part. We compare three recipes: SMOTE before the split, SMOTE after it (and only on the
# training part), and no SMOTE at all. To be quick, we use 8,000 normal payments and all frauds
# of *train*, and split these rows five times at random.
#
# We compute two scores. The first is what a report would show after *before the split*: its test
# part has new frauds in it, one for each normal payment. The second looks only at rows of the
# table, with the true share of frauds.
#
# > **Predict.** What is the first score with SMOTE before the split: about 0.8, 0.9 or 1.0?
# > Which of the three recipes has the highest second score? And which is the best one?

# %%
thin = parts.train.thinned(normals=8000)
x, y, weight = thin.x.numpy(), thin.y.numpy(), thin.weight.numpy()
reported, honest = pd.DataFrame(), pd.DataFrame()
for split in range(5):
    rng = np.random.default_rng(split)
    more_x, more_y = smote(x, y, rng)                    # the rows of the table come first
    judge = rng.random(len(more_y)) < 0.3
    own = judge[:len(y)]                                 # those of them that are in the table
    recipes = {"before the split": (more_x[~judge], more_y[~judge]),
               "after the split": smote(x[~own], y[~own], rng), "never": (x[~own], y[~own])}
    for name, recipe in recipes.items():
        trees = HistGradientBoostingClassifier(max_iter=50, early_stopping=False).fit(*recipe)
        p = trees.predict_proba(more_x)[:, 1]
        reported.loc[name, split] = average_precision_score(more_y[judge], p[judge])
        honest.loc[name, split] = average_precision_score(y[own], p[:len(y)][own],
                                                          sample_weight=weight[own])
pd.concat({"with new rows": reported, "table alone": honest}, axis=1).round(2)

# %% [markdown]
# With SMOTE before the split the first score is 1.00. A report would call the problem solved.
# But the other recipes get 0.98 and more as well, also the one that never used SMOTE. So most of
# the splendour comes from the test part, in which half of the rows are frauds and easy ones.
#
# On rows of the table alone, SMOTE before the split is ahead of SMOTE after it in all five
# splits, by about 0.09. Both train on equally many rows of the same kind. The difference is the
# leak: the new frauds of the training part lie next to the frauds of the test part. It would
# vanish in use. And SMOTE *after* the split is sometimes ahead of doing without it, and
# sometimes behind. So it gains nothing that these five splits could show.
#
# > **On the real rows** it is the same: before the split 1.00 with new rows, and 0.92 on rows of
# > the table (mean of five splits); after the split 0.78, without SMOTE 0.80.
#
# Standardising before the split is a leak, too. We have done it here, because the columns were
# standardised by all of *train*. But mean and standard deviation of thousands of rows hardly
# depend on single ones. With logistic regression on the whole table and three random splits, it
# changed the AP by 0.0004 at most. A leak has to be judged by what it carries.
#
# **Exercise 7.5, find the flaw.** "We removed duplicate rows, balanced the table with SMOTE, and
# put 30 % of the rows aside for the test. The columns were standardised by the training part.
# The threshold was chosen by cross-validation in the training part. With five seeds, F1 on the
# test part was 0.99 ± 0.002." Which step makes the number too good: `"the duplicates"`, `"the
# balancing"`, `"the scaling"`, `"the threshold"` or `"the seeds"`?

# %% tags=["exercise"]
flaw = ...
ex.q5.check(flaw)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. Exercises
#
# Exercises 7.1, 7.5, 7.6 and 7.7 are in their sections. These are homework.
#
# **Exercise 7.2, write code** (6 minutes). A network was trained with weighted cross entropy, in
# which a fraud counts `weight` times. `answer` (its answers) and `amount` are tensors, `fee` is
# what an alarm costs, right or wrong, and a missed fraud costs its amount. Return for each
# payment whether there should be an alarm.

# %% tags=["exercise"]
def alarm(answer, amount, fee, weight):
    ...

ex.q2.check(alarm)

# %% [markdown]
# **Exercise 7.3, write code** (5 minutes). A model gives honest probabilities `p` (a tensor) in
# a country in which a share `old` of all payments are frauds. In another country the share is
# `new`, while frauds look like frauds here, and normal payments like normal payments here. What
# is the probability there?

# %% tags=["exercise"]
def moved(p, old, new):
    ...

ex.q3.check(moved)

# %% [markdown]
# **Exercise 7.4, find the flaw** (3 minutes). "We trained both losses with ten seeds on the
# training part, standardised by the training part. For each run we took the threshold with the
# best F1 on the test part, and we report the mean and the band of these F1s. A prior bias was
# used for both." Which is it: `"the seeds"`, `"the scaling"`, `"the threshold"`, `"the band"` or
# `"the prior bias"`?

# %% tags=["exercise"]
flaw = ...
ex.q4.check(flaw)

# %% [markdown]
# **Exercise 7.8, predict a number** (4 minutes). Two payments in a thousand are frauds, and
# frauds weigh 100. But here every payment is *certain*: its true probability is either 0 or 1.
# What is the mean answer of an ideal model?

# %% tags=["exercise"]
mean_answer = ...
ex.q8.check(mean_answer)

# %% [markdown]
# ## What to do
#
# Every line rests on a number of this page.
#
# | you need | do | because here (section) |
# |---|---|---|
# | any of it | start each loss at its belief | 19 of 40 runs failed without, 2 with it (4) |
# | a claim | pairs, and many seeds | ten seeds saw no failure, forty saw 19 (3) |
# | an order | a simple model first | no model of the table was ahead of cross entropy beyond noise (9) |
# | a probability | correct the answers, and look at them | Brier score 184, corrected 6.7 (6) |
# | a decision | the costs, payment by payment | 2,780 instead of 11,250 euros (7) |
# | new rows | make them after the split | SMOTE before it: 0.09 too high (11) |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to remember
#
# - The posted picture was one seed out of many, judged on rows that it had learned from. Half of
#   the seeds showed it, half did not.
# - The networks that found nothing had learned to sort. Many frauds were stuck in a dead corner,
#   with an answer below one half. A fair start removed this, and with it the lead of focal loss.
# - In sorting, a hundred frauds decide little. Undecided is not equal: state the rule first, and
#   count the noise of the rows.
# - The losses differ in what their answers mean. The belief, read backwards, translates them.
# - With probabilities, costs decide: alarm if $p \cdot \text{amount}$ exceeds the fee.
#
# **Next.** A posted picture did not survive forty seeds. Which of the other things that people
# say about losses do? Go on with [08_choosing_a_loss](08_choosing_a_loss.ipynb).

# %% [markdown]
# **References**
#
# - Post D: a blog post in Japanese on focal loss for credit-card fraud (the demo of section 1).
# - A. Dal Pozzolo, O. Caelen, R. A. Johnson and G. Bontempi, "Calibrating Probability with
#   Undersampling for Unbalanced Classification", *IEEE CIDM* 2015,
#   [doi:10.1109/SSCI.2015.33](https://doi.org/10.1109/SSCI.2015.33) (the data).
# - T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense Object
#   Detection", *ICCV* 2017, [doi:10.1109/ICCV.2017.324](https://doi.org/10.1109/ICCV.2017.324).
# - C. Elkan, "The Foundations of Cost-Sensitive Learning", *IJCAI* 2001.
# - N. Charoenphakdee, J. Vongkulbhisal, N. Chairatanakul and M. Sugiyama, "On Focal Loss for
#   Class-Posterior Probability Estimation: A Theoretical Perspective", *CVPR* 2021,
#   [doi:10.48550/arXiv.2011.09172](https://doi.org/10.48550/arXiv.2011.09172).
# - N. V. Chawla, K. W. Bowyer, L. O. Hall and W. P. Kegelmeyer, "SMOTE: Synthetic Minority
#   Over-sampling Technique", *Journal of Artificial Intelligence Research* 16 (2002),
#   [doi:10.1613/jair.953](https://doi.org/10.1613/jair.953).
# - T. Saito and M. Rehmsmeier, "The Precision-Recall Plot Is More Informative than the ROC Plot
#   When Evaluating Binary Classifiers on Imbalanced Datasets", *PLOS ONE* 10 (2015),
#   [doi:10.1371/journal.pone.0118432](https://doi.org/10.1371/journal.pone.0118432).
