# %% [markdown] slideshow={"slide_type": "slide"}
# # 04. F1 loss: training on the score itself
#
# A bank judges its fraud detector by *F1*, a score that counts the frauds it finds, the frauds
# it misses and its false alarms. Yet the network behind it is trained with cross entropy, which
# counts none of these. It is tempting to train on F1 itself. On this page we do, and ask three
# questions:
#
# 1. F1 counts decisions, and a count has no slope. How can it become a loss?
# 2. What does this loss do with a batch without frauds, and what does it make a model believe?
# 3. Does training on F1 beat cross entropy with a well-chosen threshold?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. Four counts](#1.-Four-counts) | 10 | get precision, recall and F1 from a confusion matrix |
# | [2. Making F1 trainable](#2.-Making-F1-trainable) | 7 | turn a score of decisions into a loss |
# | [3. The gradient](#3.-The-gradient) | 7 | say which examples this loss gives up |
# | [4. Batches without positives](#4.-Batches-without-positives) | 6 | say how many batches teach nothing, and what helps |
# | [5. What does it make the model believe?](#5.-What-does-it-make-the-model-believe?) | 8 | find the cut at half of the best F1 |
# | [6. Against a tuned threshold](#6.-Against-a-tuned-threshold) | 12 | judge a gain by the noise that belongs to it |
# | [7. The noise that belongs to pairs (further)](#7.-The-noise-that-belongs-to-pairs-(further)) | 6 | measure the noise of a gain |
# | [8. More than two classes (further)](#8.-More-than-two-classes-(further)) | 9 | compute macro, micro and weighted F1 |
# | [9. A batch is not the data (further)](#9.-A-batch-is-not-the-data-(further)) | 11 | report F1 for an epoch, and say what small batches ask for |
# | [10. Dice and squared Dice (further)](#10.-Dice-and-squared-Dice-(further)) | 6 | distinguish two losses of one name |
# | [11. Exercises](#11.-Exercises) | 25 | check your own understanding |
#
# The first six sections are a lesson of 50 minutes, with Exercise 4.1 in them. (Exercises 4.2 to
# 4.4 are for later.) The page **needs** notebooks [00](00_start_here.ipynb) and
# [01](01_cross_entropy.ipynb). Its **data** are tables that fit on paper, and the credit-card
# fraud table or its synthetic twin. It runs in about 30 seconds. All terms in *italics* are in
# the [glossary](../docs/glossary.md).

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

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import nn

from course_utils import plots, runtime
from course_utils.data import creditcard_twin, load_creditcard
from course_utils.exercises import f1_loss as ex
from course_utils.losses import soft_f1_loss
from course_utils.metrics import best_f1_threshold, paired_gain
from course_utils.sweeps import train_many

runtime.set_threads(1)
plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. Four counts
#
# Twelve payments arrive, and a model gives each of them a score between 0 and 1. Later it turns
# out which of them were frauds.
#
# | score | 0.95 | 0.85 | 0.75 | 0.65 | 0.55 | 0.45 | 0.40 | 0.35 | 0.25 | 0.20 | 0.10 | 0.05 |
# |---|---|---|---|---|---|---|---|---|---|---|---|---|
# | fraud? | yes | yes | no | yes | no | no | yes | no | no | no | no | no |
#
# We raise an *alarm* wherever the score is at least a *threshold*, for now 0.5. Every payment
# then belongs to one of four groups. A fraud with an alarm is a *true positive* (tp), and a
# fraud without one is a *false negative* (fn). A normal payment with an alarm is a *false
# positive* (fp), and without one it is a *true negative* (tn). A table of the four counts is
# called a *confusion matrix*.
#
# > **Predict.** Count tp, fn, fp and tn in the table above before you run the next two cells.

# %%
score = torch.tensor([.95, .85, .75, .65, .55, .45, .40, .35, .25, .20, .10, .05])
fraud = torch.tensor([1.0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0])
alarm = (score >= 0.5).float()

# %%
ax = plots.plot_confusion_matrix(fraud, alarm, class_names=["normal", "fraud"])
plots.show(ax, "Confusion matrix of the twelve payments at a threshold of 0.5. An alarm is the "
               "prediction \"fraud\". The shade is the share of the row.")

# %% [markdown]
# So tp = 3, fn = 1, fp = 2 and tn = 6. Three of the five alarms are right, and one of the four
# frauds is missed. Two shares are computed from these counts. *Precision* is the share of the
# alarms that are right. *Recall* is the share of the frauds that are found:
#
# $$P = \frac{tp}{tp + fp}, \qquad R = \frac{tp}{tp + fn}.$$
#
# Here $P = 3/5$ and $R = 3/4$. To compare detectors we would like one number, but the plain mean
# of the two will not do. A detector that raises an alarm for every payment has a recall of 1, so
# its mean is above one half, although it is useless. *F1* is the *harmonic* mean, which stays
# close to the smaller of the two:
#
# $$F_1 = \frac{2PR}{P + R} = \frac{2\,tp}{2\,tp + fp + fn}.$$
#
# The second form uses only counts, and the true negatives are not among them. A million more
# normal payments without an alarm would improve the accuracy and leave F1 where it is.

# %% [markdown]
# In code, let `answer` be 1 for an alarm and 0 for none, and let `target` be 1 for a fraud and 0
# for a normal payment. A product picks out the cases that we want to count. For example,
# `answer * target` is 1 where there is an alarm *and* a fraud, and 0 everywhere else.

# %%
def f1(answer, target):
    tp = (answer * target).sum()
    fp = (answer * (1 - target)).sum()
    fn = ((1 - answer) * target).sum()
    return 2 * tp / (2 * tp + fp + fn)

# %% tags=["nbval-check-output"]
in_sklearn = f1_score(fraud.numpy(), alarm.numpy())      # scikit-learn works on NumPy arrays
print(f"our F1 {f1(alarm, fraud):.4f}, scikit-learn's F1 {in_sklearn:.4f}")

# %% [markdown]
# So far the threshold was 0.5. What do other thresholds do?
#
# > **Predict.** We raise the threshold step by step from 0.1 to 0.9. Can recall go *up* anywhere
# > in between? Can precision go *down*?

# %% tags=["hide-input"]
def draw_threshold(threshold, ax):
    alarm = (score >= threshold).float()
    tp, alarms = int((alarm * fraud).sum()), int(alarm.sum())
    ax.axvspan(threshold, 1, color="#999999", alpha=0.25)
    ax.plot(score[fraud == 1], fraud[fraud == 1], "^", color="black", markersize=10)
    ax.plot(score[fraud == 0], fraud[fraud == 0], "o", color="black", markersize=9,
            markerfacecolor="white")
    ax.text(0.03, 0.5, f"tp {tp}, fp {alarms - tp}, fn {4 - tp}\nprecision {tp / alarms:.2f}\n"
                       f"recall {tp / 4:.2f}\nF1 {f1(alarm, fraud):.2f}", va="center")
    ax.set(xlabel="score", yticks=[0, 1], yticklabels=["normal", "fraud"],
           xlim=(0, 1), ylim=(-0.3, 1.3))
    return ax

plots.explore(draw_threshold, "The twelve payments by score, frauds as triangles. Payments in the "
                              "grey part raise an alarm; the text gives counts and scores.",
              threshold=(0.5, 0.1, 0.9, 0.1), stills=(0.3, 0.6, 0.7))

# %% [markdown]
# Recall can never go up, because a higher threshold only takes alarms away. Precision usually
# goes up, because the first alarms to go are the doubtful ones. But it can go down: between 0.6
# and 0.7 the alarm that we lose is a right one, and precision falls from 0.75 to 0.67. F1 is
# best somewhere in between, here at 0.6. The threshold is part of the decision, and there is
# nothing special about 0.5.

# %% [markdown]
# **Exercise 4.1, by hand.** Among a thousand payments there are 8 frauds. A detector raises 20
# alarms, and 6 of them are right. What is its F1? (If you get stuck, run `ex.q1.hint()`, and in
# the end `ex.q1.solution()`.)

# %% tags=["exercise"]
f1_by_hand = ...
ex.q1.check(f1_by_hand)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Making F1 trainable
#
# Training follows a slope downhill. So we need the slope of F1, and we look for it in a small
# experiment: we treat the scores as probabilities, add the same number to all twelve logits,
# which is what a change of the network's last bias would do, and compute F1 each time. A
# threshold of 0.5 for the probability is a threshold of 0 for the logit.
#
# > **Predict.** What does F1 look like as a function of the number we add: a straight line, a
# > smooth hill, or a staircase? What is its slope in most places?

# %%
logits = torch.logit(score)                  # the logit of each of the twelve scores
shifts = torch.linspace(-3, 3, 601)
f1_of_alarms = []
for shift in shifts:
    alarm = (logits + shift >= 0).float()
    f1_of_alarms.append(f1(alarm, fraud))

# %%
fig, ax = plt.subplots()
ax.plot(shifts, f1_of_alarms, color="black", linestyle="-")
ax.set(xlabel="number added to all twelve logits", ylabel="F1 of the alarms", ylim=(0, 1))
plots.show(fig, "F1 of the alarms at a threshold of 0.5, against the number that is added to all "
                "twelve logits.")

# %% [markdown]
# It is a staircase. F1 jumps whenever a payment crosses the threshold, and between two jumps
# nothing changes. So the slope is 0 almost everywhere, and at a jump there is no slope at all.
# Gradient descent would not move. (PyTorch does not even try: the result of a comparison such as
# `logits >= 0` carries no gradient.)
#
# There is a remedy. Where we counted an alarm as 1 and no alarm as 0, let us count the
# probability $p$ itself. A fraud with $p = 0.8$ then counts as 0.8 of a true positive and 0.2 of
# a false negative. These *soft counts* are
#
# $$tp = \sum_i p_i\, y_i, \qquad fp = \sum_i p_i\, (1 - y_i), \qquad fn = \sum_i (1 - p_i)\, y_i .$$
#
# Our function `f1` computes exactly these sums if we give it probabilities in place of alarms.
# The result is called *soft F1*. It is a score, so more is better, and the loss is one minus
# soft F1:

# %%
def f1_loss(logits, target):
    prob = torch.sigmoid(logits)
    return 1 - f1(prob, target)

# %% [markdown]
# PyTorch has no such loss, so we compare ours with the one in the course's package. We also
# check what happens when the answers are certain. Logits of 60 and -60 give probabilities of
# practically 1 and 0, and soft counts should then be ordinary counts.

# %% tags=["nbval-check-output"]
difference = f1_loss(logits, fraud) - soft_f1_loss(logits, fraud, average="binary")
print(f"difference from the package: {difference.abs():.0e}")

certain = torch.where(score >= 0.5, 60.0, -60.0)
print(f"soft F1 of certain answers {1 - f1_loss(certain, fraud):.4f}, F1 {in_sklearn:.4f}")

# %%
soft_f1 = []
for shift in shifts:
    soft_f1.append(1 - f1_loss(logits + shift, fraud))

fig, ax = plt.subplots()
ax.plot(shifts, f1_of_alarms, color="black", linestyle="-", label="F1 of the alarms")
ax.plot(shifts, soft_f1, label="soft F1", **plots.LOOK["soft F1"])
ax.set(xlabel="number added to all twelve logits", ylabel="score", ylim=(0, 1))
ax.legend(loc="lower center")
plots.show(fig, "F1 of the alarms and soft F1, against the number that is added to all twelve "
                "logits.")

# %% [markdown]
# Soft F1 is a smooth hill, and gradient descent can climb it. Its top lies further to the right
# than the highest stair, though. For answers that are not certain, soft F1 is a *different*
# score from F1. Only when all answers are certain must the two agree. Section 5 asks how much
# that matters when a model is free to choose its answers one by one.
#
# You will often see a small number added to the denominator, an *epsilon*, so that it cannot
# vanish. While the batch holds a positive we need none, because
# $2\,tp + fp + fn = \sum p + \sum y$ is then at least 1. Batches without positives are another
# matter, and have a section of their own.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. The gradient
#
# Call soft F1 $F$, and its denominator $S = \sum p + \sum y$, so that $F = 2\,tp / S$. Since
# $p_i$ enters $tp$ with the factor $y_i$ and $S$ with the factor 1, the quotient rule gives the
# slope of the loss with respect to one probability:
#
# $$\frac{\partial (1 - F)}{\partial p_i} = \frac{F - 2\,y_i}{S} .$$
#
# For a fraud that is $-(2 - F)/S$, and for a normal payment it is $F/S$. We compare it with what
# PyTorch computes:

# %%
prob = score.clone().requires_grad_()
loss = 1 - f1(prob, fraud)
loss.backward()
prob.grad.numpy().round(4)

# %% tags=["nbval-check-output"]
soft, total = 1 - loss.item(), (score + fraud).sum().item()
print(f"by the formula: {(soft - 2) / total:.4f} for a fraud, {soft / total:.4f} for a normal payment")

# %% [markdown]
# The twelve slopes have only two different values, one for all frauds and one for all normal
# payments. Both contain $F$ and $S$, so they depend on *all other payments in the batch*. That
# is new. With cross entropy, what one example contributes to the gradient does not depend on the
# others.
#
# Training changes logits, not probabilities. By the chain rule the slope with respect to a logit
# has one more factor, the slope of the sigmoid, $p_i (1 - p_i)$.
#
# > **Predict.** Take one fraud and let its logit run from -6 (confidently wrong) to 6
# > (confidently right). Cross entropy has its steepest slope at -6. Where is the slope of the F1
# > loss steepest: at -6, near 0, or at 6?

# %%
def slope_at(z, others, loss):                # z is the logit of the first payment, a fraud
    logits = torch.cat([z.reshape(1), others]).requires_grad_()
    loss(logits, fraud).backward()
    return logits.grad[0].item()

# %%
z = torch.linspace(-6, 6, 121)
answered_well = torch.where(fraud[1:] == 1, 4.0, -4.0)     # logits of the other eleven payments
ce_slopes, f1_slopes = [], []
for value in z:
    ce_slopes.append(slope_at(value, answered_well, F.binary_cross_entropy_with_logits))
    f1_slopes.append(slope_at(value, answered_well, f1_loss))

# %%
fig, ax = plt.subplots()
ax.plot(z, ce_slopes, label="cross entropy", **plots.LOOK["cross entropy"])
ax.plot(z, f1_slopes, label="one minus soft F1", **plots.LOOK["soft F1"])
ax.set(xlabel="logit of one fraud", ylabel="slope of the batch's loss")
ax.legend(loc="lower right")
plots.show(fig, "Slope of the loss of a batch of twelve payments with respect to the logit of one "
                "fraud, against that logit. The other eleven payments are answered well.")

# %% [markdown]
# Cross entropy is steepest on the far left, where the model is most wrong. The F1 loss is
# steepest near 0, and on the far left its slope is almost zero, just as for the squared error in
# notebook 01. Again no logarithm cancels the factor $p(1 - p)$.
#
# **Misconception: "F1 loss takes care of the hard cases."** It does the opposite. It gives up a
# fraud that the model is confidently wrong about, and works on what is still undecided. That can
# be a weakness, if the fraud could have been learned. It can also be a strength, if the label is
# wrong.
#
# The formula also says that the slope depends on the other payments. How much does it? Let us
# put our fraud at logit 0, once among others that are answered well, and once among others that
# all get an alarm.

# %% tags=["nbval-check-output"]
alarms_for_all = torch.full((11,), 4.0)
for others in [answered_well, alarms_for_all]:
    print(f"{slope_at(torch.tensor(0.0), others, f1_loss):.4f}")

# %% [markdown]
# The first line is for others that are answered well, the second for alarms everywhere. The same
# payment with the same answer gets a different gradient in different company, here by a factor
# of 1.4.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Batches without positives
#
# Frauds are rare, so many batches contain none. Here is one: five normal payments, and a model
# that raises a clear false alarm for the first of them.
#
# > **Predict.** What is the F1 loss of this batch: 0, 1, or something in between? Which payments
# > get a gradient?

# %% tags=["nbval-check-output"]
batch = torch.tensor([3.0, -1.0, -2.0, -3.0, -4.0], requires_grad=True)
no_fraud = torch.zeros(5)
for loss_fn in [f1_loss, F.binary_cross_entropy_with_logits]:
    loss = loss_fn(batch, no_fraud)
    gradient = torch.autograd.grad(loss, batch)[0]
    print(f"loss {loss:.2f}, size of the gradient: {gradient.abs().numpy().round(3)}")

# %% [markdown]
# The F1 loss is 1, and its gradient is zero for every payment. Without a fraud $tp$ is 0, so $F$
# is 0 *whatever the model answers*, and the false alarm goes unnoticed. (With Adam the weights
# still move a little in this step, because it also averages the gradients of earlier steps. But
# this batch adds nothing to the average.) Cross entropy, in the second line, sees the false
# alarm and corrects it.
#
# How often does that happen? If a share $\pi$ of all payments are frauds, a random batch of $N$
# payments has no fraud with probability $(1 - \pi)^N$.
#
# > **Predict.** In the fraud table $\pi$ is 0.17 % (492 of 284,807), and a batch size of 128 is
# > common. Of ten such batches, how many contain no fraud: about 2, 5, or 8?

# %% tags=["nbval-check-output"]
for size in [32, 128, 512, 2048]:
    print(f"batches of {size:>4}: {(1 - 492 / 284_807) ** size:>4.0%} without a fraud")

# %% [markdown]
# Eight of ten. At this size most of the training time would be spent on batches from which the
# F1 loss learns nothing. At 2048 almost every batch has a fraud in it.
#
# There is one more trap in such a batch. If all probabilities are so small that the computer
# rounds them to 0, our formula becomes $0/0$:

# %%
hopeless = torch.full((5,), -200.0)
f1_loss(hopeless, no_fraud), soft_f1_loss(hopeless, no_fraud, average="binary")

# %% [markdown]
# The result is `nan`, *not a number*, and a single `nan` spoils all weights of a network. The
# package's version returns 1 with a gradient of zero, and we train with it in section 6.
#
# What can you do about batches without positives?
#
# - **Use larger batches.** This is the simplest remedy, and the one we use below.
# - **Add cross entropy to the loss.** Then every batch teaches something.
# - **Put some positives into each batch** with a sampler. The model then lives in a world with
#   more frauds, and this changes its answers, as class weights do in notebook 01.
# - **Add 1 above and below the fraction.** This is known as *smooth Dice* (Dice is another name
#   for this score). A batch without positives then has a gradient, but look at where it goes:

# %% tags=["nbval-check-output"]
prob = torch.sigmoid(batch)
smooth = 1 - (2 * (prob * no_fraud).sum() + 1) / (prob.sum() + no_fraud.sum() + 1)
gradient = torch.autograd.grad(smooth, batch)[0]
for p, slope in zip(prob, gradient, strict=True):
    print(f"answer {p:.2f}: slope {slope:.3f}")

# %% [markdown]
# The false alarm, with an answer of 0.95, gets a slope of 0.008. The quiet payment below it,
# with 0.27, gets 0.034, four times as much. The factor $p(1 - p)$ is at work again. Besides,
# this is now a different loss.

# %% [markdown]
# **Exercise 4.2, predict a number** (at home). In another data set one example in a hundred is
# positive. How large must a batch be so that only one batch in a hundred contains no positive?
# (The smallest such size; an answer within one per cent is accepted.)

# %% tags=["exercise"]
batch_size = ...
ex.q2.check(batch_size)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. What does it make the model believe?
#
# For the losses of notebooks 00 and 01 we found the belief of one group of look-alikes at a
# time. With soft F1 that is impossible, because it gives no loss to a single payment. Which
# answer is best for one group depends on the answers for all the others. So we need a whole
# world, small enough to know everything about it. Ours has six groups of look-alikes:

# %%
eta = torch.tensor([0.9, 0.6, 0.4, 0.25, 0.1, 0.01])        # true probability of fraud
share = torch.tensor([0.01, 0.02, 0.03, 0.04, 0.1, 0.8])    # share of all payments
pd.DataFrame({"true probability": eta, "share of the world": share}).round(2)

# %% [markdown]
# If the model answers `prob` for the six groups, the soft counts of this world are sums over its
# groups. For example, a group with share $s$ and true probability $\eta$ adds $s\,\eta\,p$ to
# $tp$.

# %%
def f1_of_world(prob, share=share):
    tp = (share * eta * prob).sum()
    return 2 * tp / ((share * prob).sum() + (share * eta).sum())

# %% [markdown]
# Now we let a model find its best answers. It has six logits, one for each group, and is trained
# on one minus soft F1 until nothing changes any more.
#
# > **Predict.** Which answers will it end with: the true probabilities, answers of only 0 and 1
# > with the change at 0.5, or answers of only 0 and 1 with the change somewhere else?

# %%
def best_answers(score):
    logits = torch.zeros(6, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(800):
        loss = 1 - score(torch.sigmoid(logits))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.sigmoid(logits).detach()

# %% tags=["nbval-check-output"]
answers = best_answers(f1_of_world)
for truth, answer in zip(eta, answers, strict=True):
    print(f"true probability {truth:.2f}: the model says {answer:.2f}")

# %% [markdown]
# All answers are certain, and the change is not at 0.5. It lies somewhere between 0.25 and 0.4.
# The model is sure that the group with $\eta = 0.4$ consists of frauds, although six in ten are
# normal.
#
# The slope from section 3 explains both. For soft F1 itself the sign is reversed, and a group
# with share $s$ and true probability $\eta$ has $\eta$ in the place of $y$:
#
# $$\frac{\partial F}{\partial p} = \frac{2s}{S} \left(\eta - \frac{F}{2}\right).$$
#
# Only the sign matters. Where $\eta$ is larger than $F/2$, a larger $p$ is always better, until
# it reaches 1. Where $\eta$ is smaller, a smaller $p$ is always better, until it reaches 0. ($F$
# changes along the way, but it only grows during the training, until it stays at its best
# value.) When training has ended and $F$ has this value $F^*$, the belief is therefore
#
# $$p^*(\eta) = 1 \;\text{ if } \eta > F^*/2, \text{ and } 0 \text{ otherwise.}$$

# %% tags=["nbval-check-output"]
best_f1 = f1_of_world(answers)
print(f"best F1: {best_f1:.3f}, half of it: {best_f1 / 2:.3f}")

# %% [markdown]
# We put this belief on the map. (`partial(f, x=1)` is the function `f` with its argument `x`
# filled in.)

# %%
cross_entropy = partial(F.binary_cross_entropy_with_logits, reduction="none")
ax = plots.plot_belief_map({"cross entropy": cross_entropy})
cut = best_f1 / 2
ax.plot([0, cut, cut, 1], [0, 0, 1, 1], label="soft F1 in this world", **plots.LOOK["soft F1"])
ax.legend(loc="lower right")
plots.show(ax, "Belief against the true probability, for cross entropy and for soft F1 in the world "
               "of six groups.")

# %% [markdown]
# The cut lies at 0.27, between the groups with 0.25 and 0.4. Because the answers are certain,
# their soft F1 *is* their F1. So a model that is free in its answers and has endless data gets
# exactly what F1 asks for, and section 2's worry is gone. (That F1 itself is best served by a
# cut at half of its best value was proved by Lipton, Elkan and Naryanaswamy.)
#
# Where the cut lies depends on the *world*. Let us change the shares of the six groups. (By the
# rule, alarms go to the groups with the largest $\eta$, so we only have to try how many.)
#
# > **Predict.** In a harder world clear cases are rarer. Does the cut move up, move down, or
# > stay?

# %%
worlds = {"easier": torch.tensor([0.05, 0.02, 0.02, 0.01, 0.05, 0.85]),
          "ours": share,
          "harder": torch.tensor([0.0, 0.0, 0.005, 0.01, 0.1, 0.885])}

# %% tags=["nbval-check-output"]
for name, shares in worlds.items():
    best = 0.0
    for k in range(1, 7):
        alarm = (torch.arange(6) < k).float()               # alarms for the first k groups
        best = max(best, f1_of_world(alarm, shares).item())
    print(f"{name:<6} world: best F1 {best:.2f}, cut at {best / 2:.2f}")

# %% [markdown]
# It moves down. The harder the world, the lower the best F1, and the more doubtful the payments
# that are worth an alarm.
#
# Two things follow. First, a model with the belief of cross entropy, the truth, can do all this
# as well: raise an alarm where its answer is above $F^*/2$. Second, the answers of soft F1 are
# *decisions in disguise*. Suppose that a missed fraud becomes more expensive tomorrow. With
# probabilities you lower the threshold. With zeros and ones there is nothing left to lower.

# %% [markdown]
# **Exercise 4.3, predict a number** (at home). A model knows the truth about 100 payments in
# three groups: 10 of them have $\eta = 0.9$, 20 have $\eta = 0.4$ and 70 have $\eta = 0.1$.
# Alarms are raised for whole groups, and each count is replaced by its mean. Find the best F1,
# and give half of it, the number $F^*/2$.

# %% tags=["exercise"]
half_of_best_f1 = ...
ex.q3.check(half_of_best_f1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Against a tuned threshold
#
# For an ideal model, then, cross entropy with the right threshold and soft F1 raise the same
# alarms. Real networks are not ideal, so we have to try. We train on the fraud table, and choose
# each network's threshold on *validation rows*, which are set aside for such choices.

# %%
data = load_creditcard()
parts = data.split(fractions=(0.6, 0.2, 0.2), seed=0)
train, val = parts.train.repeated(), parts.val.repeated()
print(data.source)

# %% [markdown]
# (In some files of real rows, one normal row stands for several payments. `repeated` copies it
# as often as needed, because our loss takes no weights. In the full table and in the twin
# nothing changes.)
#
# The test part holds about a hundred frauds, which is few for a judgement. The twin has an
# advantage here: it can make new rows. So we judge on a second, freshly made twin with 492
# frauds that no network was trained on. (`standardise` brings its columns to the scale of the
# training rows.)

# %%
test = parts.test.repeated()
if not data.source.real:
    test = parts.standardise(creditcard_twin(seed=1))
print(f"{int(test.y.sum())} frauds in the test rows")

# %% [markdown]
# The networks have one hidden layer of 16 units, in two versions. The units of the first are
# *leaky ReLUs*: they pass positive numbers on, and multiply negative ones by 0.1. Those of the
# second are *tanh*, which squeezes any number between -1 and 1.

# %%
def network(unit):
    return nn.Sequential(nn.Linear(29, 16), unit, nn.Linear(16, 1), nn.Flatten(0))  # one logit per row

units = {"leaky ReLU": nn.LeakyReLU(0.1), "tanh": nn.Tanh()}
losses = {"cross entropy": F.binary_cross_entropy_with_logits,
          "soft F1": partial(soft_f1_loss, average="binary")}

# %% [markdown]
# For each version we train five *pairs*. The two networks of a pair have the same seed, so they
# start from the same weights and see the same batches, and whatever differs comes from the loss.
# The course's `train_many` trains all ten networks side by side, each with the result that it
# would have alone. The batches are large, 2048 payments, for the reason in section 4.
#
# > **Predict.** Which loss will have the higher F1 at a threshold of 0.5? Which one when cross
# > entropy may use the threshold that is best on the validation rows?

# %%
trained = {}
judged = {"val": (val.x, val.y), "test": (test.x, test.y)}
for name, unit in units.items():
    trained[name] = train_many(partial(network, unit), losses, (train.x, train.y), parts=judged,
                               seeds=range(5), epochs=12, batch_size=2048, lr=6e-3)

# %% [markdown]
# `prob` gives the answers of all ten networks. The first five rows belong to cross entropy with
# seeds 0 to 4, the last five to soft F1 with the same seeds. We raise alarms at three
# thresholds: at 0.5, at the one with the best F1 on the validation rows, and at the one with the
# best F1 on the test rows themselves. The last is *hindsight*. Nobody can have it in practice,
# but it will help us to explain.

# %%
alarms = {}
for name, networks in trained.items():
    on_val, on_test = networks.prob("val"), networks.prob("test")
    chosen = np.array([best_f1_threshold(val.y, prob)[0] for prob in on_val])
    hindsight = np.array([best_f1_threshold(test.y, prob)[0] for prob in on_test])
    alarms[name, "threshold 0.5"] = (on_test >= 0.5).float()
    alarms[name, "chosen"] = (on_test >= torch.tensor(chosen).reshape(10, 1)).float()
    alarms[name, "hindsight"] = (on_test >= torch.tensor(hindsight).reshape(10, 1)).float()

# %%
mean_f1 = {}
for name, answers in alarms.items():
    scores = [f1(answer, test.y).item() for answer in answers]
    mean_f1[name] = {"cross entropy": np.mean(scores[:5]), "soft F1": np.mean(scores[5:])}
pd.DataFrame(mean_f1).T.round(3)

# %% [markdown]
# The table holds the mean F1 of five networks. Read the rows "threshold 0.5" first. Soft F1 is
# ahead with both units, with leaky ReLU by 0.041. A blog post would stop here. With a chosen
# threshold cross entropy improves by more than 0.02 with leaky ReLU, and by 0.005 with tanh.
# Soft F1 gains next to nothing by choosing. So from here on we leave it at a threshold of 0.5,
# which is also how one would use it.
#
# Is what remains of its lead more than noise? Our frauds are a random sample, and so are the
# seeds. Both networks of a pair are judged on the same rows, and rows that are hard for one are
# mostly hard for the other. So we subtract within each pair first, and ask how much the *gain*
# would vary with other rows and other seeds. The package's `paired_gain` returns the five gains
# and the *standard error* of their mean, the standard deviation that this mean would have. We
# write it after a ±. (Section 7 builds its core in ten lines.) If there were no gain at all, the
# mean would be within two standard errors of 0 in about 95 of 100 such experiments; so a mean
# further away is a sign of a real gain.
#
# True negatives do not enter F1, so we hand over only the rows with a fraud or an alarm.

# %%
matter = (test.y > 0) | (torch.cat(list(alarms.values())).sum(dim=0) > 0)
y = test.y[matter]
gains = {}
for (name, threshold), answers in alarms.items():
    soft = alarms[name, "threshold 0.5"][5:, matter]
    pairs, error = paired_gain(f1, y, answers[:5, matter], soft)
    gains[f"{name}, {threshold}"] = pairs, error
    print(f"{name + ', ' + threshold:<26} {pairs.mean():.3f} ± {error:.3f}")

# %%
ax = plots.plot_gains(gains)
ax.set_xlabel("gain in F1 (to the right: soft F1 is better)")
plots.show(ax, "Gain in F1 of soft F1 (at 0.5) over cross entropy at three thresholds. Grey dots are "
               "the five pairs, the diamond their mean, and the bar reaches two standard errors to each side.")

# %% [markdown]
# Begin with the lower half of the figure, *tanh*. At 0.5 and at a chosen threshold the gain is
# smaller than its standard error, and we cannot distinguish it from 0. In hindsight cross
# entropy is ahead by 0.009 ± 0.004. (Hindsight flatters it here, because only its threshold was
# chosen on the test rows. If both use hindsight, the table has a difference of 0.002.) So in
# this run the two networks detect about equally well.
#
# With *leaky ReLU* soft F1 is ahead by 0.017 ± 0.006 of a chosen threshold. Is this a success of
# F1? Look at the table once more. Cross entropy with tanh reaches 0.824 at a chosen threshold,
# and with leaky ReLU only 0.804. So another unit, which has nothing to do with F1, improves it
# as much as another loss. With leaky ReLU, soft F1 was compared with a rival that was not at its
# best.
#
# **Verdict.** Does training on F1 beat cross entropy with a well-chosen threshold? Here it does
# not, if cross entropy is trained well. More seeds and more frauds find a lead of less than one
# hundredth, and on the real rows no lead could be shown (see the box below). The large lead at
# 0.5, which a blog post would report, came from a threshold that nobody had chosen, and from a
# unit with which cross entropy did less well. In return we gave up probabilities for decisions.

# %% [markdown]
# > **With more seeds, and longer.** Is it too little training? We repeated the comparison with
# > sixteen seeds and judged it on 2,460 frauds of five new twins. After 3, 12 and 30 epochs,
# > soft F1 was ahead of cross entropy at its chosen threshold by 0.038, 0.017 and 0.018 with
# > leaky ReLU, and by 0.005, 0.004 and 0.010 with tanh (standard errors 0.002 to 0.004). In
# > hindsight -0.001, -0.001 and 0.005 were left with tanh. So more epochs do not close the gap
# > for the leaky ReLU. With tanh the gap is small, and it opens after 30 epochs because cross
# > entropy has become worse by then (0.805 after 0.810), and not because soft F1 improved. The
# > remedy for that is to stop earlier (notebook 05), and not another loss. **On the real rows**
# > (all frauds and a 15 % sample of the normal payments, 98 frauds in the test part, three
# > splits) no lead could be shown: against cross entropy at its chosen threshold it was between
# > -0.027 and 0.021, and never beyond two standard errors. There, choosing a threshold for *soft
# > F1* lowered its F1 in 26 of 30 networks. It also sorted the payments worse: its *average
# > precision*, the mean precision over all values of recall, was 0.72, against 0.82 for cross
# > entropy.
#
# Nordström, Hult and Maki (2023) came to a similar result for noisy image segmentation: with the
# right threshold, cross entropy did as well as soft Dice or better.

# %% [markdown]
# **Exercise 4.4, predict a number** (at home). Five pairs of networks have these F1 scores, seed
# by seed: with the first loss 0.80, 0.84, 0.78, 0.86, 0.82, and with the second 0.81, 0.85,
# 0.80, 0.87, 0.83. How many of *its own* standard errors is the mean gain of the second loss
# away from 0? (Look at the seeds only. The standard error of a mean of $n$ numbers is their
# standard deviation, with $n - 1$ in its denominator, divided by $\sqrt{n}$.)

# %% tags=["exercise"]
standard_errors = ...
ex.q4.check(standard_errors)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. The noise that belongs to pairs (further)
#
# What does `paired_gain` compute? With other frauds every F1 would be a little different. We
# cannot get other frauds, but we can imitate it, because our rows are themselves a random
# sample: we pick as many rows as there are, at random, some of them twice and others not at all,
# and compute F1 again. This is called *resampling* (or the bootstrap).
#
# **Misconception: "The gain is no larger than the scatter of a network's F1, so it is noise."**
# Let us compute both for one pair of networks with leaky ReLUs, one with a clear gain.

# %%
ce = alarms["leaky ReLU", "chosen"][2, matter]              # cross entropy, seed 2
soft = alarms["leaky ReLU", "threshold 0.5"][7, matter]     # soft F1, seed 2
torch.manual_seed(0)
scores, differences = [], []
for _ in range(500):
    rows = torch.randint(len(y), (len(y),))
    scores.append(f1(ce[rows], y[rows]))
    differences.append(f1(soft[rows], y[rows]) - f1(ce[rows], y[rows]))

print(f"gain {f1(soft, y) - f1(ce, y):.3f}; standard deviations: one network's F1 "
      f"{np.std(scores):.3f}, the gain {np.std(differences):.3f}")

# %% [markdown]
# Measured by the scatter of one network's F1, the gain of this pair is less than two standard
# deviations, which looks like chance. But the gain itself scatters clearly less, because the
# luck that both networks share cancels in the difference. Measured by its own scatter, the gain
# is nearly three standard deviations away from 0. The noise that belongs to a gain is the noise
# of *pairs*. `paired_gain` does this for all five pairs at once and adds the noise of the seeds.
# (Its error is not much smaller than that of one pair, since all pairs share the same test
# rows.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. More than two classes (further)
#
# F1 loss is sometimes rejected on the grounds that F1 is binary. Is it? Here are ten photos of
# people who wear a mask, wear it wrongly, or wear none.
#
# | truth | answer: worn | answer: wrongly | answer: none |
# |---|---|---|---|
# | worn | 5 | 0 | 1 |
# | wrongly | 2 | 0 | 0 |
# | none | 0 | 0 | 2 |
#
# For each class in turn we can ask "this class or not?". Its true positives stand on the
# diagonal, its false positives in the rest of its column, and its false negatives in the rest of
# its row. So each class has an F1 of its own.
#
# > **Predict.** Which class has an F1 of 0? What is the F1 of "none"?

# %% tags=["nbval-check-output"]
table = torch.tensor([[5, 0, 1], [2, 0, 0], [0, 0, 2]])
tp = table.diagonal()
fp = table.sum(dim=0) - tp              # the sum of each column, without the diagonal
fn = table.sum(dim=1) - tp              # the sum of each row, without the diagonal
each = 2 * tp / (2 * tp + fp + fn)
each

# %% [markdown]
# "Wrongly" is never found, and "none" has $2 \cdot 2 / (2 \cdot 2 + 1 + 0) = 0.8$. There are
# three usual ways to make one number out of the three:
#
# - *macro*: the plain mean over the classes;
# - *weighted*: a mean in which each class counts by its number of photos;
# - *micro*: first add up the counts of all classes, then compute one F1.
#
# > **Predict.** One class is never found. Which of the three averages is the lowest?

# %% tags=["nbval-check-output"]
print(f"macro {each.mean():.3f}, weighted {(each * table.sum(dim=1)).sum() / 10:.3f}, "
      f"micro {2 * tp.sum() / (2 * tp + fp + fn).sum():.3f}")

# %% [markdown]
# **Misconception: "F1 is binary."** It has three forms for many classes. Macro F1 is the lowest
# here, because the class that is never found counts as much as the others. Micro F1 is 0.7, and
# that is simply the accuracy: when each photo has one label, every error is one false positive
# and one false negative. The real difficulties of F1 as a loss are those of sections 4, 5 and 9.
#
# As a loss, macro soft F1 takes the probabilities from softmax, computes one soft F1 per class,
# and averages over the classes that occur in the batch. You write it in exercise 4.7. (If a
# class is predicted but does not occur, scikit-learn counts it with an F1 of 0, and soft F1
# leaves it out.)
#
# **Exercise 4.5, predict a number.** A camera at a factory gate has taken 2000 photos with a
# mask worn, 100 without one, and 30 with a mask worn wrongly. A model gets all of the first two
# kinds right, and takes all of the third kind for "worn". What is its macro F1, to three digits?

# %% tags=["exercise"]
macro_f1 = ...
ex.q5.check(macro_f1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. A batch is not the data (further)
#
# Cross entropy is a mean over examples, so the loss of a random batch is right on average. F1 is
# a *ratio* of sums, and we may doubt whether the mean over batches is right. In the world of
# section 5 we can find out, because we know its soft F1. We sample batches from it:
# `multinomial` picks groups according to their shares, and `bernoulli` decides for each payment
# whether it is a fraud.

# %%
def sample_batches(count, size):
    generator = torch.Generator().manual_seed(0)
    group = torch.multinomial(share, count * size, replacement=True, generator=generator)
    target = torch.bernoulli(eta[group], generator=generator)
    return group.reshape(count, size), target.reshape(count, size)

# %% [markdown]
# > **Predict.** A model answers with the true probabilities. We compute the soft F1 of 2000
# > batches and take the mean. Will the mean be too low, too high, or right? And if we leave out
# > the batches without a fraud?

# %%
def f1_of_batches(answer, target):
    return 2 * (answer * target).sum(dim=1) / (answer.sum(dim=1) + target.sum(dim=1))

# %% tags=["nbval-check-output"]
print(f"the whole world: soft F1 {f1_of_world(eta):.2f}")
for size in [2, 16, 64, 512]:
    group, target = sample_batches(2000, size)
    scores = f1_of_batches(eta[group], target)
    with_fraud = scores[target.sum(dim=1) > 0]
    print(f"batches of {size:>3}: all {scores.mean():.2f}, with a fraud {with_fraud.mean():.2f}")

# %% [markdown]
# For small batches the mean over all batches is far too low, because many of them hold no fraud
# and count as 0. Without those, it is too high for the smallest batches, and a little too low
# around 64. From 512 on both are nearly right. So a mean of batch F1 is *biased* for small
# batches. In a report that is easy to avoid:

# %% [markdown]
# **Exercise 4.6, write a function.** `counts` is a table of whole numbers of shape
# `(batches, 3)`: tp, fp and fn of each batch of an epoch. Return the F1 of the epoch.

# %% tags=["exercise"]
def epoch_f1(counts):
    ...

ex.q6.check(epoch_f1)

# %% [markdown]
# In a loss the bias can do more harm, if small batches prefer other answers than the world does.
# Let the model raise alarms for the first $k$ groups, with certainty. For the world $k = 3$ is
# best, as we saw. For batches we need a convention: a batch with neither fraud nor alarm has an
# F1 of $0/0$. Soft F1 leaves us no choice. Without a fraud its loss is 1, however close to 0 the
# answers are (section 4), so such a batch has to count as 0. scikit-learn lets you choose, with
# `zero_division=0` or `1`.
#
# > **Predict.** With 0 for such batches, will small batches prefer alarms for fewer groups than
# > three, or for more? And with 1?

# %% tags=["nbval-check-output"]
for size in [2, 16, 256, 1024]:
    group, target = sample_batches(2000, size)
    with_zero, with_one = [], []
    for k in range(1, 7):
        scores = f1_of_batches((group < k).float(), target)
        with_zero.append(scores.nan_to_num(0.0).mean())
        with_one.append(scores.nan_to_num(1.0).mean())
    print(size, "with 0:", np.argmax(with_zero) + 1, " with 1:", np.argmax(with_one) + 1)

# %% [markdown]
# With 0, the convention of the loss, small batches ask for *more* alarms than the world does:
# many of their false alarms fall into batches without a fraud, where they cost nothing. With 1,
# false alarms in such a batch cost everything, and tiny batches ask for fewer. So the bias has a
# direction, and the convention decides which.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Dice and squared Dice (further)
#
# In image segmentation the same loss has another name. *Dice's coefficient* of two sets is twice
# their overlap, divided by the sum of their sizes, $2\,|A \cap B| / (|A| + |B|)$. With the soft
# sizes $\sum p$ and $\sum y$ this becomes $2 \sum p\,y / (\sum p + \sum y)$.
#
# > **Predict.** For our twelve payments, is the soft Dice coefficient smaller than soft F1,
# > larger, or the same?

# %% tags=["nbval-check-output"]
dice = 2 * (score * fraud).sum() / (score.sum() + fraud.sum())
print(f"soft Dice {dice:.4f}, soft F1 {f1(score, fraud):.4f}")

# %% [markdown]
# It is the same, because $\sum p = tp + fp$ and $\sum y = tp + fn$. Two communities use the same
# loss.
#
# But some Dice losses are not this one. The one in the V-Net paper has *squares* in the
# denominator, $\sum p^2 + \sum y^2$. For answers of 0 and 1 that makes no difference.
#
# > **Predict.** Does it make a difference for the belief? Will the model in our world of six
# > groups again answer with zeros and ones?

# %%
def squared_dice_of_world(prob):
    overlap = (share * eta * prob).sum()
    return 2 * overlap / ((share * prob ** 2).sum() + (share * eta).sum())

# %% tags=["nbval-check-output"]
answers = best_answers(squared_dice_of_world)
stretched = eta / squared_dice_of_world(answers)
pd.DataFrame({"truth": eta, "answer": answers, "truth / best value": stretched}).round(2)

# %% [markdown]
# Now the answers are in proportion to the truth, stretched by one over the best value of this
# score, and cut off at 1. (Setting the slope to 0 gives $p^* = \eta / F^*$.) Two losses that
# share a name, and agree on all answers of 0 and 1, make a model believe quite different things.
# When you read "Dice loss", look for the squares.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Exercises
#
# **Exercise 4.7, write a loss (6 minutes).** Write macro soft F1 as a loss that a network can be
# trained with. `logits` has the shape `(N, C)` and `target` holds class numbers `(N,)`. Take the
# probabilities from softmax, one soft F1 loss for each class, and the mean over the classes that
# occur in `target`.

# %% tags=["exercise"]
def soft_macro_f1_loss(logits, target):
    ...

ex.q7.check(soft_macro_f1_loss)

# %% [markdown]
# **Exercise 4.8, find the bug (8 minutes).** *F-beta* counts recall $\beta$ times as much as
# precision:
#
# $$F_\beta = \frac{(1 + \beta^2)\, P R}{\beta^2 P + R}.$$
#
# The function below should return one minus soft F-beta. With $\beta = 1$ it agrees with
# `f1_loss`. Is it right for $\beta = 2$? Find a test that shows it, then write a correct version
# that a network can be trained with.
#
# ```python
# def f_beta_loss(logits, target, beta):
#     prob = torch.sigmoid(logits)
#     tp = (prob * target).sum()
#     fp = (prob * (1 - target)).sum()
#     fn = ((1 - prob) * target).sum()
#     return 1 - (1 + beta ** 2) * tp / ((1 + beta ** 2) * tp + beta ** 2 * fp + fn)
# ```

# %% tags=["exercise"]
def soft_f_beta_loss(logits, target, beta):
    ...

ex.q8.check(soft_f_beta_loss)

# %% [markdown]
# **Exercise 4.9, find the cause (6 minutes).** A network starts from the prior bias of notebook
# 01, so that all its logits are -6.4. Two of the ten payments in its batch are frauds. With
# `f1_loss` all ten get a gradient. With the function below, which was meant to be safe, all ten
# gradients are exactly 0.
#
# ```python
# def safe_f1_loss(logits, target):
#     prob = torch.sigmoid(logits)
#     prob = torch.clamp(prob, 0.01, 0.99)
#     tp = (prob * target).sum()
#     return 1 - 2 * tp / (prob.sum() + target.sum() + 1e-7)
# ```
#
# What is the cause: `"sigmoid"`, `"clamp"`, `"no positives"`, `"epsilon"` (the 1e-7) or
# `"learning rate"`?

# %% tags=["exercise"]
cause = ...
ex.q9.check(cause)

# %% [markdown]
# ## What to remember
#
# - Soft F1 is F1 with probabilities in place of decisions, $2\,tp / (2\,tp + fp + fn)$. Its loss
#   has almost no slope where the model is confidently wrong.
# - A batch without positives has a gradient of exactly zero, and a share of $(1 - \pi)^N$ of all
#   batches has no positives.
# - An ideal model trained on it answers 0 or 1, with the cut at half of the best F1. These are
#   decisions, not probabilities.
# - With a chosen threshold and a suitable unit, cross entropy was as good as soft F1 in our run
#   on the twin, and no difference could be shown on the real rows. A lead at 0.5 can come from
#   the threshold, or from a rival that was not trained well. So choose the rival's threshold on
#   validation rows, compare in pairs, and use the noise that belongs to pairs.
#
# **Next.** All our training was hidden in `train_many`, or in five lines with an optimiser.
# Which mistakes in those five lines never crash, and never show? Go on with
# [05_training_loop](05_training_loop.ipynb).
#
# **References**
#
# - C. J. van Rijsbergen, *Information Retrieval*, second edition, Butterworths 1979, chapter 7
#   (F-beta).
# - L. R. Dice, "Measures of the Amount of Ecologic Association Between Species", *Ecology* 26
#   (1945), [doi:10.2307/1932409](https://doi.org/10.2307/1932409).
# - F. Milletari, N. Navab and S.-A. Ahmadi, "V-Net: Fully Convolutional Neural Networks for
#   Volumetric Medical Image Segmentation", *3DV* 2016,
#   [doi:10.1109/3DV.2016.79](https://doi.org/10.1109/3DV.2016.79).
# - Z. C. Lipton, C. Elkan and B. Naryanaswamy, "Optimal Thresholding of Classifiers to Maximize
#   F1 Measure", *ECML PKDD* 2014,
#   [doi:10.1007/978-3-662-44851-9_15](https://doi.org/10.1007/978-3-662-44851-9_15).
# - M. Nordström, H. Hult and A. Maki, "Marginal Thresholding in Noisy Image Segmentation"
#   (2023), [doi:10.48550/arXiv.2304.04116](https://doi.org/10.48550/arXiv.2304.04116).
# - A. Dal Pozzolo, O. Caelen, R. A. Johnson and G. Bontempi, "Calibrating Probability with
#   Undersampling for Unbalanced Classification", *IEEE CIDM* 2015,
#   [doi:10.1109/SSCI.2015.33](https://doi.org/10.1109/SSCI.2015.33) (the fraud data).
