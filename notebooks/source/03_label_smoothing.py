# %% [markdown] slideshow={"slide_type": "slide"}
# # 03. Label smoothing: a target that admits doubt
#
# Cross entropy is never satisfied. However sure a network already is of the right class, a
# little more certainty makes its loss a little smaller. So a network that trains for long enough
# becomes surer and surer, even of answers that are wrong. *Label smoothing* changes the target
# to prevent this. It takes one extra argument in PyTorch, and it is part of many training
# recipes. We ask three questions about it:
#
# 1. Two different formulas are called label smoothing. When does the difference matter?
# 2. Where does training with a smoothed loss end, and what does the model then believe?
# 3. Are the probabilities of a smoothed network more honest? And is there a simpler remedy?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. A target that admits doubt](#1.-A-target-that-admits-doubt) | 5 | write label smoothing in three lines |
# | [2. Two conventions](#2.-Two-conventions) | 6 | convert one convention into the other |
# | [3. Where does training end?](#3.-Where-does-training-end?) | 9 | say where the logits stop, and how low the loss can get |
# | [4. What does it make the model believe?](#4.-What-does-it-make-the-model-believe?) | 6 | undo smoothing in a stated probability |
# | [5. Does the model mean what it says?](#5.-Does-the-model-mean-what-it-says?) | 12 | read a reliability diagram, and compute an ECE |
# | [6. Did it replicate?](#6.-Did-it-replicate?) | 12 | say when smoothing calibrates, and compare its simplest rival |
# | [7. Is it harder to calibrate afterwards? (further)](#7.-Is-it-harder-to-calibrate-afterwards?-(further)) | 5 | test a second claim about smoothing |
# | [8. Together with class weights (further)](#8.-Together-with-class-weights-(further)) | 6 | predict a surprise in PyTorch |
# | [9. Tighter clusters (further)](#9.-Tighter-clusters-(further)) | 8 | look into the layer before the last one |
# | [10. Exercises](#10.-Exercises) | 20 | practise at home |
#
# The lesson is sections 1 to 6 with Exercises 3.2 and 3.3: 50 minutes. Sections marked
# *(further)* can be skipped. You **need** notebooks [00](00_start_here.ipynb) and
# [01](01_cross_entropy.ipynb). The **data** are scikit-learn's handwritten digits, which come
# with the library. The page runs in about 20 seconds.

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
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from course_utils import plots, runtime
from course_utils.exercises import label_smoothing as ex
from course_utils.metrics import (as_binary, belief, calibration_error, calibration_floor,
                                  cluster_looseness, template_plane)
from course_utils.sweeps import train_many

runtime.set_threads(1)
plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. A target that admits doubt
#
# Suppose a photo is labelled "cat". The one-hot target of notebook 01 is 1 for the cat and 0 for
# every other class. That is a strong statement: this is a cat for certain, and nothing else is
# possible. Cross entropy takes the statement literally, and reaches 0 only if the logit of "cat"
# is infinitely larger than all the others. But labels are sometimes wrong, and some photos
# really are hard to recognise.
#
# Label smoothing therefore takes a small share of the target away from the true class, and
# spreads this share evenly over *all* classes, the true one included.
#
# > **Predict.** There are four classes. We take 0.2 away from the true class and share it
# > equally among all four. How much is left for the true class: 0.80, 0.85 or 0.95?

# %% [markdown]
# As a formula, the new target $q$ is a mixture. The one-hot target $y$ gets the share
# $1 - \varepsilon$, and the uniform distribution, which is $1/K$ for each of the $K$ classes,
# gets the rest:
#
# $$q_k = (1 - \varepsilon)\, y_k + \frac{\varepsilon}{K}.$$
#
# The number $\varepsilon$ (the Greek letter "epsilon") is called the *smoothing*. A common
# choice is 0.1.

# %% tags=["nbval-check-output"]
y = F.one_hot(torch.tensor(2), 4)
q = (1 - 0.2) * y + 0.2 / 4
q

# %% [markdown]
# The true class is left with 0.85: it loses 0.2 and gets a quarter of that back. The loss is the
# cross entropy $-\sum_k q_k \ln p_k$ with this target. For a batch of logits, one row per
# sample, it takes three lines: count the classes, make the targets, put them into the formula.

# %%
def smoothed(logits, target, eps):
    K = logits.shape[1]
    q = (1 - eps) * F.one_hot(target, K) + eps / K
    return -(q * F.log_softmax(logits, dim=1)).sum(dim=1)

# %% [markdown]
# Is this the loss that PyTorch means? Its
# [`cross_entropy`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html)
# has an argument `label_smoothing`.

# %% tags=["nbval-check-output"]
logits = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 3.0, 1.0, -2.0]])
target = torch.tensor([0, 2])
ours = smoothed(logits, target, 0.2)
theirs = F.cross_entropy(logits, target, label_smoothing=0.2, reduction="none")
print("ours   ", ours.numpy().round(4))
print("PyTorch", theirs.numpy().round(4))

# %% [markdown]
# It is. To see what this loss rewards, put the mixture into the sum. The loss becomes a mixture
# too:
#
# $$-\sum_k q_k \ln p_k \;=\; (1 - \varepsilon)\,(-\ln p_t) \;+\; \varepsilon \cdot
# \frac{1}{K} \sum_k (-\ln p_k).$$
#
# Here $p_t$ is the probability of the true class, so the first term is cross entropy. The second
# is the mean surprise over all classes, and it becomes large as soon as a single class gets a
# probability close to 0. So a smoothed loss charges the network for ruling a class out.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Two conventions
#
# There is a second formula with the same name. It takes $\varepsilon$ away from the true class
# and shares it among the $K - 1$ *other* classes only, so that the true class gets nothing back:
#
# $$q_{\text{true}} = 1 - \varepsilon, \qquad q_{\text{other}} = \frac{\varepsilon}{K - 1}.$$
#
# We call the first convention "all" and this one "others". PyTorch,
# [Keras](https://keras.io/api/losses/probabilistic_losses/) and
# [timm](https://github.com/huggingface/pytorch-image-models/blob/main/timm/loss/cross_entropy.py)
# share among all classes, as the paper that introduced smoothing did (Szegedy and others 2016).
# But "others" is easily written by hand: the speech toolkit icefall used it, until somebody
# [compared its loss with PyTorch's](https://github.com/k2-fsa/icefall/issues/107).
#
# > **Predict.** With 2, 10 and 1000 classes, how much more does each wrong class get from
# > "others" than from "all"? Is the difference largest for few classes or for many?

# %% tags=["nbval-check-output"]
for K in [2, 10, 1000]:
    ratio = (0.1 / (K - 1)) / (0.1 / K)
    print(f"{K:>4} classes: all {0.1 / K:.5f}, others {0.1 / (K - 1):.5f}, ratio {ratio:.3f}")

# %% [markdown]
# These are the targets of one wrong class, for a smoothing of 0.1. With a thousand classes the
# conventions are the same for all practical purposes, and with ten they differ by a ninth. With
# two classes, as in fraud detection, one of them smooths twice as much as the other.
#
# **Misconception: a smoothing of 0.1 is a smoothing of 0.1.** Before you copy a value from a
# paper or from somebody's code, look at which convention it belongs to. Then convert it:
#
# **Exercise 3.1, write code** (at home). A paper smooths by `eps` and shares it among the
# *others*; there are `K` classes. Which `label_smoothing` does PyTorch need to have the same
# targets?

# %% tags=["exercise"]
def for_torch(eps, K):
    ...

ex.q1.check(for_torch)

# %% [markdown]
# The conventions also differ in how far one can go.
#
# > **Predict.** Take two classes and a large smoothing, 0.5 or even 0.8. What does each
# > convention leave for the true class? Is the true class still ahead?

# %% tags=["nbval-check-output"]
for eps in [0.1, 0.5, 0.8]:
    print(f"smoothing {eps}: the true class gets {1 - eps + eps / 2:.2f} (all), "
          f"{1 - eps:.2f} (others)")

# %% [markdown]
# At 0.5 the convention "others" makes both classes equal, so that nothing can be learned. At 0.8
# it teaches the *wrong* class. This cannot happen with "all", where the true class stays ahead
# for every smoothing below 1.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Where does training end?
#
# Training follows the gradient, so we look at that next. In notebook 01 the gradient of cross
# entropy was $p - y$ with a one-hot $y$. With a target $q$ whose entries sum to one, the loss is
# $-\sum_k q_k \ln p_k = \ln \sum_j e^{z_j} - \sum_k q_k z_k$. The first term is the same as
# before, and the slope of the second is $-q_k$. So
#
# $$\frac{\partial L}{\partial z_k} = p_k - q_k.$$

# %% tags=["nbval-check-output"]
z = logits.clone().requires_grad_()
smoothed(z, target, 0.2).sum().backward()
q = 0.8 * F.one_hot(target, 4) + 0.2 / 4
torch.allclose(z.grad, torch.softmax(logits, dim=1) - q)

# %% [markdown]
# Autograd agrees, up to rounding. Now take ten classes and a smoothing of 0.1. All wrong classes
# have the logit 0, and we raise the logit of the true class step by step.
#
# > **Predict.** How does the smoothed loss change? Does it fall towards 0, does it fall towards
# > some value above 0, or does it fall at first and then rise again?

# %%
z = torch.linspace(-4, 10, 281)
logits = torch.zeros(281, 10)
logits[:, 0] = z
target = torch.zeros(281, dtype=torch.long)
loss = {"cross entropy": F.cross_entropy(logits, target, reduction="none"),
        "smoothing": F.cross_entropy(logits, target, reduction="none", label_smoothing=0.1)}
p = torch.softmax(logits, dim=1)[:, 0]
slope = {"cross entropy": p - 1, "smoothing": p - 0.91}

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
for name, label in [("cross entropy", "cross entropy"), ("smoothing", "smoothing 0.1")]:
    axes[0].plot(z, loss[name], label=label, **plots.LOOK[name])
    axes[1].plot(z, slope[name], **plots.LOOK[name])
axes[0].set(xlabel="logit of the true class", ylabel="loss (nats)", ylim=(0, None))
axes[1].set(xlabel="logit of the true class", ylabel="slope, p − q")
axes[1].axhline(0, color="#555555", linewidth=1, linestyle="-")
axes[0].legend()
plots.show(fig, "Loss (left) and its slope (right) against the logit of the true class. The nine "
                "other classes have the logit 0. The thin line is a slope of 0.")

# %% [markdown]
# It falls, and then it rises again. Cross entropy keeps falling, and its slope comes close to 0
# from below but never reaches it. The slope of the smoothed loss *crosses* 0, between 4 and 5.
# To the right of that point more certainty costs more, although the answer is right.
#
# Where exactly is the bottom? The slope $p - q$ is zero where $p = q$. Since a difference of
# logits is the logarithm of a ratio of probabilities, the true logit is then ahead of each other
# logit by
#
# $$z_{\text{true}} - z_{\text{other}} = \ln \frac{q_{\text{true}}}{q_{\text{other}}}.$$
#
# Here this gap is $\ln(0.91 / 0.01) = \ln 91$, about 4.5. Let us see whether training finds it.
# We need no network for this: ten free logits and a single sample are enough.
#
# > **Predict.** We train for 10, 100 and 1000 steps, with smoothing and without. Which of the
# > two gaps stops growing? And the other one: does it grow tenfold each time the number of steps
# > grows tenfold, or more slowly?

# %%
def train_gap(eps, steps):
    logits = torch.zeros(1, 10, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=1.0)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(logits, torch.tensor([3]), label_smoothing=eps).backward()
        optimizer.step()
    return (logits[0, 3] - logits[0, 0]).item()

# %% tags=["nbval-check-output"]
for steps in [10, 100, 1000]:
    print(f"{steps:>4} steps: without smoothing {train_gap(0.0, steps):.2f}, "
          f"with 0.1 {train_gap(0.1, steps):.2f} (ln 91 = {math.log(91):.2f})")

# %% [markdown]
# Without smoothing, the gap grows by 2.6 and then by 2.3, close to $\ln 10$, each time we train
# ten times as long, and there is no end to it. With smoothing it has reached $\ln 91$ after 100
# steps, and it stays there.
#
# **Exercise 3.2, predict a number** (2 minutes). There are four classes, and you train with
# `label_smoothing=0.2`. How low can the training loss get, in nats?

# %% tags=["exercise"]
lowest = ...
ex.q2.check(lowest)

# %% [markdown]
# So the best possible loss is not 0. In our example with ten classes the bottom lies at

# %% tags=["nbval-check-output"]
print(f"{loss['smoothing'].min():.2f} nats")

# %% [markdown]
# This lowest value is called the *entropy* of the target.
#
# **Misconception: a training loss that stays at 0.5 is a bug.** With ten classes and a smoothing
# of 0.1 it is the best there is, and anyone who does not know this can lose a day looking for a
# mistake. To monitor a training run with smoothing, subtract the entropy, or follow plain cross
# entropy beside it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. What does it make the model believe?
#
# For the belief we need two classes and one logit. The target $y$ is 1 or 0, and smoothing
# replaces it by $(1 - \varepsilon)\, y + \varepsilon/2$. Binary cross entropy accepts such
# targets, so this is also how to smooth for a single output. With several labels for each
# picture, such as *dog* and *beach*, it is done for each label separately.

# %%
def binary_smoothed(logits, target, eps=0.1):
    q = (1 - eps) * target + eps / 2
    return F.binary_cross_entropy_with_logits(logits, q, reduction="none")

# %% [markdown]
# Think of many look-alikes, of which the share $\eta$ is positive. The slope of each of them is
# $p$ minus its target, so the mean slope is zero where $p$ is the mean of the targets. In
# notebook 01 this mean was $\eta$. With smoothed targets it is
#
# $$p^*(\eta) = (1 - \varepsilon)\,\eta + \frac{\varepsilon}{2}.$$

# %% tags=["nbval-check-output"]
for eta in [0.0, 0.1, 0.5, 0.9, 1.0]:
    print(f"true probability {eta}: belief {belief(binary_smoothed, eta):.3f}, "
          f"formula {0.9 * eta + 0.05:.3f}")

# %% [markdown]
# > **Predict.** On the belief map this is a straight line. How does it move when $\varepsilon$
# > grows from 0 to 1: does it shift upwards, or does it turn about a point, and if so, about
# > which one? (If you run this page, move the slider after your guess.)

# %%
def draw_smoothing(smoothing, ax):
    loss = partial(binary_smoothed, eps=smoothing)
    return plots.plot_belief_map({"smoothing": loss}, mark=0.1, ax=ax)

plots.explore(draw_smoothing, "Belief against the true probability. The grey diagonal is the "
                              "truth; the legend has the belief where the truth is 0.1.",
              smoothing=(0.1, 0.0, 1.0, 0.05), stills=(0.1, 0.2, 0.5))

# %% [markdown]
# It turns about the middle, $(0.5, 0.5)$. An ideal model with smoothing is above one half
# exactly where one without smoothing is, so decisions at a threshold of 0.5 stay the same. Any
# other threshold has to move with the line, from $t$ to $(1 - \varepsilon)\,t + \varepsilon/2$.
#
# **Misconception: smoothing never changes a decision.** Suppose an alarm pays off where the
# probability of fraud is 1/11 or more, and somebody keeps this threshold with a smoothing of
# 0.2. Then an ideal model never says less than 0.1. That is above 1/11, so every single payment
# raises an alarm.
#
# **Exercise 3.3, predict a number** (2 minutes). An ideal model for two classes was trained with
# `label_smoothing=0.1`. It says 0.23. What is the true probability?

# %% tags=["exercise"]
truth = ...
ex.q3.check(truth)

# %% [markdown]
# With $K$ classes each probability $\eta_k$ becomes $(1 - \varepsilon)\,\eta_k + \varepsilon/K$.
# The largest one stays the largest, so the decision of an ideal model stays the same here too.
#
# All this describes an *ideal* model, which has seen endless data. Real networks are trained on
# a few hundred samples and then asked about new ones. For those we have to measure.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Does the model mean what it says?
#
# We use scikit-learn's 1797 handwritten digits, pictures of 8 by 8 pixels, and split them into
# three parts: 797 to train on, 400 to make choices with (*validation*), and 600 for one final
# measurement (*test*).

# %%
pixels, digit = load_digits(return_X_y=True)
pixels, digit = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digit)
order = torch.randperm(len(digit), generator=torch.Generator().manual_seed(0))
pool, val, test = order[:797], order[797:1197], order[1197:]

# %% [markdown]
# A claim about training should not rest on one situation, so we make four. In the first, 30 % of
# the training digits are *relabelled*: they get a label at random (which one time in ten is the
# old one), and the network trains until it knows even these by heart (we checked that it then
# gives nearly all of them back). Wrong labels are common in practice. The next two situations
# have 200 and 700 digits with their right labels. In the last one training stops after only five
# epochs. (An *epoch* is one pass over all training digits.)

# %%
SITUATIONS = {"by heart": (200, 0.3, 150),      # digits, share relabelled, epochs
              "few digits": (200, 0.0, 60),
              "many digits": (700, 0.0, 40),
              "hurried": (700, 0.0, 5)}
SMOOTHINGS, SEEDS = [0.0, 0.01, 0.1, 0.2], range(10)

# %%
def some_digits(seed, n, relabelled):
    generator = torch.Generator().manual_seed(seed)
    rows = pool[torch.randperm(len(pool), generator=generator)[:n]]
    x, y = pixels[rows], digit[rows]
    wrong = torch.rand(n, generator=generator) < relabelled
    y[wrong] = torch.randint(10, (n,), generator=generator)[wrong]
    return x, y

# %%
def network():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
                         nn.Linear(64, 10))

losses = {}
for eps in SMOOTHINGS:
    losses[f"smoothing {eps}"] = partial(F.cross_entropy, label_smoothing=eps)

# %% [markdown]
# (`partial(f, a=1)` is the function `f` with the argument `a` already filled in.)
#
# In every situation we train forty networks: four smoothings, ten seeds. A seed decides which
# digits are taken from the pool, which of them are relabelled, the first weights, and the order
# of the batches. So the four networks of one seed differ in the smoothing and in nothing else,
# and we can compare them in pairs. The package's `train_many` trains the forty side by side,
# which saves time. Each of them comes out as if it had been trained alone. The optimiser `Adam`
# is a relative of SGD that adapts the length of its steps, and `fused=True` only makes it
# faster.

# %%
sweeps = {}
for name, situation in SITUATIONS.items():
    n, relabelled, epochs = situation
    train = {seed: some_digits(seed, n, relabelled) for seed in SEEDS}
    sweeps[name] = train_many(network, losses, train, seeds=SEEDS, epochs=epochs, batch_size=50,
                              lr=3e-3, optimizer=partial(torch.optim.Adam, fused=True))

# %% [markdown]
# From now on we need the logits of one of these networks again and again:

# %%
def logits_of(name, eps, seed, part):
    model = sweeps[name].model(f"smoothing {eps}", seed)
    with torch.no_grad():
        return model(pixels[part]).double()

# %% [markdown]
# A network's *confidence* in an answer is the largest of its probabilities. A network is
# *calibrated* if, of all the answers that it gives with a confidence of 80 %, it gets 80 %
# right, and so for every confidence. If it is right less often, it is *over-confident*; if it is
# right more often, it is *under-confident*. (See also *calibration* in the
# [glossary](../docs/glossary.md).)
#
# > **Predict.** Without smoothing, a network has learned its training labels by heart, the wrong
# > ones too. What will it be on unseen digits, whose labels are all correct: over-confident,
# > calibrated or under-confident?

# %%
prob = torch.softmax(logits_of("by heart", 0.0, 0, val), dim=1)
confidence, guess = prob.max(dim=1)
right = (guess == digit[val]).double()
print(f"mean confidence {confidence.mean():.2f}, right {right.mean():.2f}")

# %% [markdown]
# It is over-confident, by 0.16. But two means can hide a lot. A network might say too much about
# easy digits and too little about hard ones, and the two would cancel. So we sort the digits
# into 15 bins by their confidence, and compare within each bin. The *expected calibration
# error*, ECE, is the mean of the absolute differences, in which each bin $B$ counts by its
# number of digits, $n_B$:
#
# $$\mathrm{ECE} = \sum_B \frac{n_B}{N}\, \bigl| \,\text{share right}_B - \text{mean
# confidence}_B \bigr|.$$

# %%
def ece(confidence, right, bins=15):
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            gap = right[inside].mean() - confidence[inside].mean()
            total += inside.double().mean() * gap.abs()
    return total.item()

# %%
ece(confidence, right), calibration_error(digit[val].numpy(), prob.numpy())

# %% [markdown]
# A *reliability diagram* shows the bins as a picture. Each dot is a bin, with its mean
# confidence on the horizontal axis and its share of right answers on the vertical one. On the
# diagonal, a network means what it says.
#
# > **Predict.** On which side of the diagonal does an over-confident network lie? And where will
# > the networks with a smoothing of 0.1 lie, in the situations "by heart" and "many digits"?

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(10.5, 5.4))
for ax, name in [(axes[0], "by heart"), (axes[1], "many digits")]:
    for eps, label in [(0.0, "cross entropy"), (0.1, "smoothing 0.1")]:
        runs = [torch.softmax(logits_of(name, eps, seed, val), dim=1).numpy() for seed in SEEDS]
        plots.plot_reliability(digit[val].numpy(), runs, bins=15, label=label, ax=ax)
    ax.set(title=name, xlabel="mean confidence")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
plots.show(fig, "Share of right answers against confidence on the validation digits, in 15 bins "
                "(bins with less than 1 % of them left out); a larger dot has more digits. Lines are "
                "means of ten seeds, bands their range, ± is the standard deviation.")

# %% [markdown]
# An over-confident network lies *below* the diagonal: it is right less often than it says.
# Without smoothing, "by heart" lies far below. A smoothing of 0.1 brings it close to the
# diagonal. In "many digits" the networks without smoothing have nearly all their digits in the
# last bin, close to the diagonal. Smoothing lifts them far above it: they have become
# under-confident.
#
# A small ECE is what we want. But how small can it get?
#
# > **Predict.** Imagine a perfectly honest network. It has the same confidences as the one
# > above, and whether an answer is right is decided by a coin that lands on "right" with exactly
# > this probability. What will its ECE on 400 digits be: 0, about 0.04, or about 0.2?

# %%
generator = torch.Generator().manual_seed(0)
scores = []
for _ in range(200):
    honest = torch.bernoulli(confidence, generator=generator)
    scores.append(ece(confidence, honest))
print(f"mean {sum(scores) / 200:.3f}, from {min(scores):.3f} to {max(scores):.3f}")

# %% [markdown]
# Not 0. In a bin with few digits the share of right answers differs from the confidence by
# chance, just as ten tosses of a fair coin seldom give exactly five heads. ECE adds up these
# differences without their signs, so they cannot cancel. We call this value the *floor* of the
# ECE. A network at its floor shows no fault, and if two networks are at their floors, their ECE
# says nothing about which is better. The 0.16 of our network is far above its floor. (In the
# package, the experiment with the coins is called `calibration_floor`.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Did it replicate?
#
# Müller, Kornblith and Hinton (2019) report that label smoothing improves calibration. Their
# networks for images and for translation were over-confident without it. Ours come in four
# situations.
#
# > **Predict.** Take *mean confidence minus accuracy*, which is positive for over-confident
# > networks. How does it change as the smoothing grows from 0 to 0.2? Will the lines of the four
# > situations meet at 0?

# %%
gaps = {}
for name in SITUATIONS:
    gaps[name] = torch.zeros(10, 4)                  # seeds, smoothings
    for seed in SEEDS:
        for i, eps in enumerate(SMOOTHINGS):
            prob = torch.softmax(logits_of(name, eps, seed, val), dim=1)
            confidence, guess = prob.max(dim=1)
            accuracy = (guess == digit[val]).double().mean()
            gaps[name][seed, i] = confidence.mean() - accuracy

# %% tags=["hide-input"]
ax = plots.plot_runs(gaps, x=range(4))
ax.axhline(0, color="black", linewidth=1, linestyle="-")
ax.set(xlabel="smoothing (not to scale)", xticks=range(4), xticklabels=SMOOTHINGS,
       ylabel="mean confidence − accuracy")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(ax, "Mean confidence minus accuracy on the validation digits, against the smoothing. "
               "Lines are means over ten seeds, bands go from the lowest to the highest seed. "
               "Above the thin line networks are over-confident, below it under-confident.")

# %% [markdown]
# All four lines fall, but they do not reach 0 at the same smoothing. Smoothing lowers the
# confidence wherever it stands. The networks of "by heart" needed this, and at 0.1 they are
# close to 0. "Few digits" and "many digits" needed very little of it, less than 0.01. The
# hurried networks were under-confident from the start, so no smoothing can help them.

# %% [markdown]
# ### The rival: one number after the training
#
# There is a simpler remedy (Guo and others 2017). Train without smoothing, and afterwards divide
# all logits by one number $T$, the *temperature*. With $T > 1$ the probabilities become softer,
# and with $T < 1$ sharper. The largest logit stays the largest, so no decision changes. We
# choose $T$ on the validation digits: we try many values, and take the one with the lowest cross
# entropy.

# %%
def best_temperature(logits, target):
    candidates = torch.logspace(-1, 1, 101)          # from 0.1 to 10
    losses = [F.cross_entropy(logits / T, target) for T in candidates]
    return candidates[torch.stack(losses).argmin()].item()

# %% [markdown]
# > **Predict.** For networks without smoothing, in which of the four situations will $T$ be
# > above 1, and in which below?

# %%
temperature = {}
for name in SITUATIONS:
    for seed in SEEDS:
        temperature[name, seed] = best_temperature(logits_of(name, 0.0, seed, val), digit[val])
pd.Series(temperature).groupby(level=0, sort=False).agg(["min", "mean", "max"]).round(2)

# %% [markdown]
# The networks of the first three situations are too sure, most of them only slightly, and get a
# $T$ of 1 or more. The hurried ones get a $T$ below 1. A temperature corrects in both
# directions, and smoothing only in one.
#
# To be fair to smoothing, we let it use the validation digits as well. Its strength is chosen
# there, by the same cross entropy, for each seed. (Cross entropy rewards right decisions as well
# as honest probabilities; section 7 returns to this.)

# %%
best_smoothing = {}
for name in SITUATIONS:
    for seed in SEEDS:
        val_losses = [F.cross_entropy(logits_of(name, eps, seed, val), digit[val])
                      for eps in SMOOTHINGS]
        best_smoothing[name, seed] = SMOOTHINGS[torch.stack(val_losses).argmin()]

# %% [markdown]
# > **Predict.** Four recipes compete: nothing, a smoothing of 0.1, the best smoothing, and a
# > temperature. Which one will have the lowest ECE in "by heart", and which one in "hurried"?
#
# Now we look at the 600 test digits, once. (The fifth recipe, a temperature for the networks
# with a smoothing of 0.1, is for section 7.)

# %%
rows = []
for name in SITUATIONS:
    for seed in SEEDS:
        T_smooth = best_temperature(logits_of(name, 0.1, seed, val), digit[val])
        plain, smooth = logits_of(name, 0.0, seed, test), logits_of(name, 0.1, seed, test)
        best = logits_of(name, best_smoothing[name, seed], seed, test)
        recipes = {"nothing": plain, "smoothing 0.1": smooth, "best smoothing": best,
                   "temperature": plain / temperature[name, seed],
                   "both": smooth / T_smooth}
        for recipe, logits in recipes.items():
            prob = torch.softmax(logits, dim=1).numpy()
            rows.append({"situation": name, "seed": seed, "recipe": recipe,
                         "ECE": calibration_error(digit[test].numpy(), prob),
                         "floor": calibration_floor(prob),
                         "accuracy": (prob.argmax(axis=1) == digit[test].numpy()).mean()})
result = pd.DataFrame(rows)

# %%
means = result.groupby(["recipe", "situation"], sort=False)[["ECE", "floor"]].mean()
means["ECE"].unstack().round(3)

# %%
means["floor"].unstack().round(3)

# %% [markdown]
# The first table has the mean ECE of each recipe, the second its floor. In "by heart", a
# smoothing of 0.1 has a far lower ECE than nothing, and the best smoothing and the temperature
# are close to it. In "hurried" only a temperature helps. And in three of the four situations a
# smoothing of 0.1 has a far higher ECE than nothing. Many of the other entries are near their
# floors, so there is little left to compare. (The floors differ a little between recipes. What
# lies above them leads to the same conclusions as the errors themselves.) Which of the
# differences are real?
#
# Every seed gives a *pair*: both recipes of a comparison use networks with the same digits and
# the same first weights. So we subtract within each pair, and get ten differences. How uncertain
# is their mean? Its *standard error* is the standard deviation of the differences divided by
# $\sqrt{10}$, and for ten differences the mean ± 2.26 standard errors is a 95 % interval (by
# Student's $t$). In pandas the standard error is called `sem`.

# %%
def paired(recipe, rival, score):
    table = result.pivot(index=["situation", "seed"], columns="recipe", values=score)
    difference = (table[recipe] - table[rival]).groupby("situation")
    summary = pd.DataFrame({"mean": difference.mean(), "±": 2.26 * difference.sem()})
    return summary.loc[list(SITUATIONS)].round(3)

paired("smoothing 0.1", "nothing", "ECE")

# %% [markdown]
# These are the differences in ECE between a smoothing of 0.1 and nothing. Each of the four is
# several times as large as its uncertainty. And the best smoothing against the temperature?

# %%
paired("best smoothing", "temperature", "ECE")

# %% [markdown]
# In "hurried" the temperature is far ahead. Smoothing would have to raise the confidence there,
# and it cannot. In "by heart" and "few digits" the interval holds 0. In "many digits" it does
# not, but only just: the temperature is ahead by 0.006, and there it is itself no better than
# doing nothing (0.025 against 0.018). Nowhere is smoothing ahead. And the temperature needed one
# training run, while choosing among four smoothings needed four.
#
# **Exercise 3.4, choose** (at home). A smoothed network is right on 96 % of the validation
# digits, with a mean confidence of 0.82. You want its probabilities to be honest, and its
# decisions to stay as they are. What do you reach for: `"T above 1"`, `"T below 1"`,
# `"more smoothing"`, `"another threshold"` or `"nothing"`?

# %% tags=["exercise"]
cure = ...
ex.q4.check(cure)

# %% [markdown]
# **Did it replicate?** Here, smoothing improves the calibration in one situation of four: where
# the networks were far too confident, because they had been trained until they knew wrong labels
# by heart. (Wrong labels with 60 epochs, or right labels with 150, do not have this effect; we
# tried both.) Where they were nearly calibrated, or under-confident, the usual value of 0.1
# makes it much worse, and even the best smoothing has an ECE that is no lower, or barely lower,
# than that of doing nothing.
#
# What this does not say: these are small networks on small images. The intervals are about other
# seeds, that is other training digits and other first weights. All seeds share the same
# validation and test digits, and the intervals do not know what other digits would have given.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Is it harder to calibrate afterwards? (further)
#
# Wang, Feng and Zhang (2021) report that smoothing helps before a temperature is applied, and
# hurts after it: the final ECE of smoothed networks was higher. Our recipe "both" is a network
# with a smoothing of 0.1 and its own temperature, and we compare it with the temperature alone.
# The two have different floors, so the fair score is what lies above them.
#
# > **Predict.** We subtract the score of the temperature from that of "both". If their claim
# > holds here, which sign will the differences have?

# %%
result["above floor"] = result["ECE"] - result["floor"]
paired("both", "temperature", "above floor")

# %% [markdown]
# Their claim predicts positive numbers. None of the four is clearly above 0, one is even below
# it ("many digits"), and the intervals end at about 0.01. So we could not see the harm that they
# report. If there is any in our situations, it is no larger than about 0.01 in ECE. That does
# not refute them: their networks are much larger, and were trained on colour photos such as
# those of CIFAR-100.
#
# > **Predict.** A temperature moves no decision. Does training with a smoothing of 0.1 change
# > how many answers are right, compared with nothing: more, fewer, or no difference?

# %%
paired("smoothing 0.1", "nothing", "accuracy")

# %% [markdown]
# More, in all four situations, by one to two digits in a hundred. So smoothing did something
# here that a temperature cannot do. It is also the reason why we do not judge recipes by their
# cross entropy on the test digits: it falls with better decisions as well as with more honest
# probabilities, and would mix the two.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Together with class weights (further)
#
# Suppose frauds get a weight of 10, and the targets are smoothed as well. The loss of a normal
# payment then has two terms: one for "normal", with the target 0.95, and one for "fraud", with
# the target 0.05. With a one-hot target the second term was zero.
#
# > **Predict.** Which weight does the second term get: that of the *sample's* class, which is 1,
# > or that of the *term's* class, which is 10?

# %% tags=["nbval-check-output"]
weight = torch.tensor([1.0, 10.0])
logits, normal = torch.tensor([[0.5, -0.5]]), torch.tensor([0])
terms = -torch.tensor([[0.95, 0.05]]) * F.log_softmax(logits, dim=1)
theirs = F.cross_entropy(logits, normal, weight=weight, label_smoothing=0.1, reduction="none")
print(f"weight of the sample {(1.0 * terms).sum():.4f}, weight of each term "
      f"{(weight * terms).sum():.4f}, PyTorch {theirs.item():.4f}")

# %% [markdown]
# PyTorch weights each term, and so does the loss in this course's package. Users [were surprised
# by it](https://github.com/pytorch/pytorch/issues/104776), and with good reason. To see it, we
# look at the belief. (`as_binary` turns a loss of two logits into one of a single logit, as
# `belief` needs it.)
#
# > **Predict.** Take payments that are normal beyond any doubt, $\eta = 0$. What does a model
# > believe that was trained with smoothing 0.1 *and* the weight 10: 0.05, 0.10 or 0.34?

# %%
both = partial(F.cross_entropy, weight=weight.double(), label_smoothing=0.1, reduction="none")
belief(as_binary(both), [0.0, 0.01, 0.1, 1.0])

# %% [markdown]
# The model says 0.34 about payments of which not one is a fraud. The weighted targets are
# $1 \cdot 0.95$ for "normal" and $10 \cdot 0.05$ for "fraud", and the second is a third of their
# sum. Smoothing says "be a little unsure", and the weight multiplies this little by ten. If you
# need both, leave `weight` out, ask for `reduction="none"`, and multiply each sample's loss by
# the weight of its class yourself.
#
# One more thing can go wrong in this corner. `ignore_index` marks positions that have no label,
# for example padding. In old versions of PyTorch, [smoothing counted these positions
# nevertheless](https://github.com/pytorch/pytorch/issues/73205), and [with weights it
# crashed](https://github.com/pytorch/pytorch/issues/69339). A test of two lines shows whether
# your version does it right: an ignored row must make no difference.

# %% tags=["nbval-check-output"]
logits, target = torch.tensor([[0.5, -0.5], [0.0, 3.0]]), torch.tensor([0, -100])
padded = F.cross_entropy(logits, target, weight=weight, label_smoothing=0.1)
alone = F.cross_entropy(logits[:1], target[:1], weight=weight, label_smoothing=0.1)
print(f"with an ignored second row {padded:.4f}, without this row {alone:.4f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Tighter clusters (further)
#
# The same paper (Müller and others 2019) makes a second claim, with beautiful pictures. It looks
# at the *penultimate layer*, the numbers $h$ that enter the last layer. There, it says,
# smoothing gathers the samples of a class in a tight cluster.
#
# The last layer holds one row of weights $w_k$ for each class, its *template*, and computes the
# logit as $w_k \cdot h + b_k$. Take three classes. The tips of their three templates lie in one
# plane, and the paper looks at $h$ in this plane. The package's `template_plane` gives two
# directions that span it.

# %% [markdown]
# > **Predict.** By section 3, each sample has *one* best gap to all other classes with
# > smoothing, while without it more is always better. Sketch the clouds of the digits 1, 8 and
# > 9, without and with smoothing. In which sketch are the clouds tighter, compared with the
# > distance between them?

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.9), sharex=True, sharey=True)
for ax, eps in [(axes[0], 0.0), (axes[1], 0.1)]:
    model = sweeps["many digits"].model(f"smoothing {eps}", 0)
    hidden = model[:-1](pixels[val]).detach()        # all layers but the last one
    plane = template_plane(model[-1].weight, [1, 8, 9])
    plots.plot_clouds(hidden @ plane, digit[val], classes=[1, 8, 9], ax=ax)
    ax.set_title(f"smoothing {eps:g}")
plots.show(fig, "Validation digits 1, 8 and 9 in the plane of their three templates, for two "
                "networks of 'many digits'. The unit of both axes is the mean distance between "
                "the centres of the three clouds.")

# %% [markdown]
# The picture looks like those of the paper: with smoothing the clouds are tighter. But it shows
# one network of each kind, one situation and one choice of three digits. For a number, let the
# *looseness* be the mean squared distance of the digits from the centre of their class, divided
# by the mean squared distance of these centres from their common centre. Small means tight. The
# package computes it with `cluster_looseness`, and we look twice: at all ten digits in the full
# layer of 64 units, and at three digits at a time in their own plane, as the paper does.

# %%
def looseness(name, eps, seed):
    model = sweeps[name].model(f"smoothing {eps}", seed)
    hidden = model[:-1](pixels[val]).detach()
    in_planes = 0.0
    for c in range(10):
        trio = [c, (c + 1) % 10, (c + 2) % 10]       # 0-1-2, 1-2-3, ..., 9-0-1
        plane = template_plane(model[-1].weight, trio)
        in_planes += cluster_looseness(hidden @ plane, digit[val], classes=trio) / 10
    return {"64 units": cluster_looseness(hidden, digit[val]), "planes": in_planes}

# %% [markdown]
# > **Predict.** In how many of the four situations do the clusters become tighter with a
# > smoothing of 0.1, in the planes and in the full layer?

# %%
rows = []
for name in SITUATIONS:
    for seed in SEEDS:
        plain, smooth = looseness(name, 0.0, seed), looseness(name, 0.1, seed)
        rows.append({"situation": name, "64 units": smooth["64 units"] - plain["64 units"],
                     "planes": smooth["planes"] - plain["planes"]})
change = pd.DataFrame(rows).groupby("situation", sort=False)
pd.concat({"mean": change.mean(), "±": 2.26 * change.sem()}, axis=1).round(3)

# %% [markdown]
# A positive number means looser. In the planes, which are the view of the paper, the clusters
# become tighter in three of the four situations, and looser in "by heart". In the full layer
# they are tighter only in "many digits", and looser in the other three. So the claim holds where
# the paper looks, as long as the labels are clean. Where networks learned wrong labels by heart,
# we see the opposite.
#
# A word about evidence: three of ten digits can be chosen in 120 ways, and it is tempting to try
# all of them and to count in how many the clusters are tighter. But they would all be seen
# through the same ten pairs of networks, so they are not 120 pieces of evidence. That is why
# each pair gives a single number here, and why the uncertainty comes from ten pairs.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Exercises
#
# These are homework, about 14 minutes. Replace the `...` and run the cell. If you are stuck,
# call `ex.q5.hint()`, again for the next hint, and `ex.q5.solution()` at the end.
#
# **Exercise 3.5, write code** (4 minutes). Write the loss of the other convention: the mean over
# the batch of the cross entropy with targets that share `eps` among the *others*. Logits are
# `(N, K)` and targets integers `(N,)`. It should be usable for training, and also for logits as
# far apart as 600.

# %% tags=["exercise"]
def smooth_others(logits, target, eps):
    ...

ex.q5.check(smooth_others)

# %% [markdown]
# **Exercise 3.6, find the bug** (3 minutes). With four classes and `eps=0.1`, a model that was
# trained with this loss ends at $p_t = 0.75$, and nobody knows why. Which part is wrong:
# `"log_softmax"`, `"no_grad"`, `"full_like"`, `"scatter"`, `"sum"` or `"mean"`? (`scatter`
# writes `1 - eps` into the column of the true class.)
#
# ```python
# def smoothing_from_the_web(logits, target, eps=0.1):
#     log_p = F.log_softmax(logits, dim=1)
#     with torch.no_grad():
#         q = torch.full_like(logits, eps)
#         q = q.scatter(1, target[:, None], 1 - eps)
#     return -(q * log_p).sum(dim=1).mean()
# ```

# %% tags=["exercise"]
bug = ...
ex.q6.check(bug)

# %% [markdown]
# **Exercise 3.7, find two bugs and fix them** (4 minutes). Smoothing is often written as a
# *Kullback-Leibler divergence*, $\sum_k q_k \ln (q_k / p_k)$, averaged over the samples of the
# batch. This version runs without an error (PyTorch only warns about it), and two things in it
# are wrong. The targets `q` are `(N, K)`. The documentation of
# [`kl_div`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html)
# helps.
#
# ```python
# def kl_loss(logits, q):
#     return F.kl_div(torch.softmax(logits, dim=1), q)
# ```

# %% tags=["exercise"]
def kl_loss(logits, q):
    ...

ex.q7.check(kl_loss)

# %% [markdown]
# **Exercise 3.8, predict a number** (3 minutes). A network for *two* classes was trained with
# PyTorch's smoothing, but nobody remembers how much. On its training data the logit of the true
# class exceeds the other one by 2.94 nearly everywhere, and 2.94 is $\ln 19$. What was
# `label_smoothing`?

# %% tags=["exercise"]
smoothing_used = ...
ex.q8.check(smoothing_used)

# %% [markdown]
# ## What to remember
#
# - There are two conventions. A smoothing of $\varepsilon$ among the "others" is PyTorch's
#   smoothing of $\varepsilon K / (K - 1)$; for two classes this is a factor of 2.
# - The smoothed loss has a bottom, at a finite gap between the logits. There the loss is not 0
#   but the entropy of the target.
# - The belief for two classes is $(1 - \varepsilon)\,\eta + \varepsilon/2$. It crosses one half
#   where the truth does, and every other threshold has to move with it.
# - Smoothing lowers the confidence wherever it stands. The usual 0.1 calibrates a network which
#   was far too confident, and spoils one which was only slightly so, or not at all.
# - A temperature is one number, chosen on validation data after the training. It corrects in
#   both directions, and here the best smoothing was nowhere clearly ahead of it.
#
# **Next.** All losses so far are sums over samples. F1, the score by which many a task is
# judged, is not. Can we train for it nevertheless? Go on with [04_f1_loss](04_f1_loss.ipynb).
#
# **References**
#
# - C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception
#   Architecture for Computer Vision", *CVPR* 2016, section 7,
#   [doi:10.1109/CVPR.2016.308](https://doi.org/10.1109/CVPR.2016.308).
# - R. Müller, S. Kornblith and G. Hinton, "When Does Label Smoothing Help?", *NeurIPS* 2019,
#   [doi:10.48550/arXiv.1906.02629](https://doi.org/10.48550/arXiv.1906.02629).
# - C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks",
#   *ICML* 2017, [doi:10.48550/arXiv.1706.04599](https://doi.org/10.48550/arXiv.1706.04599).
# - M. P. Naeini, G. F. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using
#   Bayesian Binning", *AAAI* 2015,
#   [doi:10.1609/aaai.v29i1.9602](https://doi.org/10.1609/aaai.v29i1.9602).
# - D.-B. Wang, L. Feng and M.-L. Zhang, "Rethinking Calibration of Deep Neural Networks: Do Not
#   Be Afraid of Overconfidence", *NeurIPS* 2021,
#   [abstract](https://proceedings.neurips.cc/paper/2021/hash/61f3a6dbc9120ea78ef75544826c814e-Abstract.html).
