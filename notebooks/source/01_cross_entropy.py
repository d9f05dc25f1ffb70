# %% [markdown] slideshow={"slide_type": "slide"}
# # 01. Cross entropy: the loss that believes the truth
#
# Nearly every neural network that classifies is trained with one loss, *cross entropy*. This
# page builds it from nothing, follows its gradient, and then looks at what happens when people
# change it. It asks three questions:
#
# 1. How do a network's scores become probabilities, and how do we measure how wrong they are?
# 2. What does the gradient of cross entropy look like, and how does a network follow it?
# 3. Which everyday changes alter what the model believes, although nothing crashes?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. From scores to probabilities](#1.-From-scores-to-probabilities) | 6 | write softmax so that it never overflows |
# | [2. How wrong is a probability?](#2.-How-wrong-is-a-probability?) | 7 | compute a surprise, in nats |
# | [3. Cross entropy from logits](#3.-Cross-entropy-from-logits) | 7 | write the loss in three lines, for two classes and for many |
# | [4. The gradient](#4.-The-gradient) | 8 | derive the gradient and say what it does |
# | [5. Following the gradient](#5.-Following-the-gradient) | 9 | read a training loop; say what a learning rate does |
# | [6. What does it make the model believe?](#6.-What-does-it-make-the-model-believe?) | 4 | say why the answer is the truth |
# | [7. Class weights](#7.-Class-weights) | 5 | say what a weighted model's number means |
# | [8. The first loss, before the first step](#8.-The-first-loss,-before-the-first-step) | 4 | find a bug before training begins |
# | [9. Misconception: softmax twice (further)](#9.-Misconception:-softmax-twice-(further)) | 10 | recognise the mistake and name its cost |
# | [10. What softmax twice does to the gradient (further)](#10.-What-softmax-twice-does-to-the-gradient-(further)) | 10 | tell a small gradient from a wrong one |
# | [11. Why losses want logits (further)](#11.-Why-losses-want-logits-(further)) | 6 | say which digits get lost, and where |
# | [12. Class weights and small batches (further)](#12.-Class-weights-and-small-batches-(further)) | 15 | avoid a trap that weakens your weights |
# | [13. The constant that softmax leaves free (further)](#13.-The-constant-that-softmax-leaves-free-(further)) | 6 | say what a z-loss does |
# | [14. Which logarithm? (further)](#14.-Which-logarithm?-(further)) | 4 | spot numbers in different units |
# | [15. Exercises](#15.-Exercises) | 25 | check that you can do it yourself |
#
# Sections 1 to 8 are a lesson of 50 minutes, Exercise 1.1 included. You **need** [notebook
# 00](00_start_here.ipynb) and the chain rule. The **data** are scikit-learn's handwritten
# digits, which are always there. New words are in the [glossary](../docs/glossary.md). The page
# runs in about 20 seconds.

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
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.metrics import recall_score
from torch import nn

from course_utils import plots, runtime
from course_utils.exercises import cross_entropy as ex
from course_utils.metrics import as_binary, belief
from course_utils.sweeps import train_many

runtime.set_threads(1)
plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. From scores to probabilities
#
# A network for three classes ends in three numbers, its *logits* $z$. They can be any numbers,
# negative or huge. Probabilities have to be positive and to sum to 1, so we need a step in
# between.
#
# > **Predict.** The logits are 1, 2 and 3. The largest probability goes to the third class. Will
# > it be one half, less than one half, or more?

# %% [markdown]
# *Softmax* makes every logit positive by taking $e^{z}$, and then divides by the sum over all
# $K$ classes:
#
# $$p_k = \frac{e^{z_k}}{\sum_{j=1}^{K} e^{z_j}}.$$

# %%
def softmax(z):
    return torch.exp(z) / torch.exp(z).sum()

z = torch.tensor([1.0, 2.0, 3.0])
softmax(z)

# %% [markdown]
# The third class gets 0.67, more than one half, because the exponential stretches differences: a
# class whose logit is larger by 1 gets a probability that is $e = 2.72$ times as large.
#
# Is this what PyTorch calls softmax? We look at the largest difference to `torch.softmax`.
# Computers round, so we ask only that it is tiny.

# %%
(softmax(z) - torch.softmax(z, dim=0)).abs().max()

# %% [markdown]
# > **Predict.** We add the same number to all three logits: first 10, then 100. What happens to
# > the probabilities?

# %%
print(softmax(z + 10))
print(softmax(z + 100))

# %% [markdown]
# With 10 nothing happens, and in the formula nothing ever does: the common factor $e^{10}$
# stands above and below the fraction bar and cancels. With 100 the formula still gives the same
# numbers, but the computer does not. Unless we ask for more, PyTorch computes with 32-bit
# numbers (*float32*), and the largest of them is about $e^{88}$. Beyond that they become
# infinite, and infinity divided by infinity is `nan`, "not a number".
#
# The cure follows from the same fact. Because a constant cancels, we may subtract the largest
# logit before we take exponentials, and then no exponent is above 0.

# %%
z_large = z + 100
e = torch.exp(z_large - z_large.max())
e / e.sum()

# %% [markdown]
# We will also need the logarithm of a probability, $\ln p_k = z_k - \ln \sum_j e^{z_j}$. Its
# second term is called *log-sum-exp*. The same subtraction keeps it finite, and PyTorch's
# function does it for us:

# %%
torch.logsumexp(z, dim=0), torch.logsumexp(z + 100, dim=0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. How wrong is a probability?
#
# A forecaster said "rain, with probability 0.7", and it rained. How wrong was she? We want a
# number that is 0 if she was certain and right, and that grows as the probability she gave to
# the truth gets smaller. The usual choice is
#
# $$\text{surprise} = -\ln p,$$
#
# where $p$ is the probability that she gave to what happened.
#
# > **Predict.** How large is the surprise for $p = 0.7$: about 0.04, 0.4, or 4?

# %% tags=["nbval-check-output"]
for p in [1.0, 0.7, 0.5, 0.1, 0.01]:
    print(f"p = {p:<4}  surprise {math.log(1 / p):.3f}")   # ln(1/p) is -ln p

# %% [markdown]
# For 0.7 it is 0.357. A fair coin costs 0.693, and an event that was given one in a hundred
# costs 4.6. At $p = 0$ the surprise is infinite: if you call something impossible, you had
# better be right.
#
# Why a logarithm? Imagine that two independent events happen, each of which was given a
# probability of 0.1. The probability of both is the product, 0.01.
#
# > **Predict.** Compare the surprise for 0.01 with the surprise for 0.1 in the list above. How
# > are they related?

# %% [markdown]
# It is twice as large, 4.605 against 2.303: where probabilities multiply, surprises *add*. So
# the surprise of a whole data set is a sum over its rows, and a model that makes the sum (or the
# mean) small is a model that makes the data as probable as it can. This is known as *maximum
# likelihood*.
#
# Throughout the course, logarithms are *natural* ones, to base $e$, as in `torch.log`,
# `numpy.log` and `math.log`. A surprise measured this way is in *nats*. With base 10, the "log"
# key of many calculators, every surprise would be 2.3 times smaller. Section 14 shows what
# happens when somebody mixes the two.

# %% [markdown]
# **Exercise 1.1, predict a number (2 minutes).** An untrained network for four classes gives
# each of them the probability 1/4. How large is the surprise of the true class, in nats? Replace
# the `...` and run the cell. Stuck? Run `ex.q1.hint()`, and again for the next hint.

# %% tags=["exercise"]
surprise_of_four = ...
ex.q1.check(surprise_of_four)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Cross entropy from logits
#
# Now we put the two pieces together. *Cross entropy* is the surprise of the true class, which we
# call $c$ for a moment. Inserting softmax gives it straight from the logits:
#
# $$\mathrm{CE} = -\ln p_c = \ln \sum_j e^{z_j} - z_c.$$
#
# Networks handle many rows at once, a *batch*. The logits of $N$ rows and $K$ classes form a
# table of shape `(N, K)`, and the targets are $N$ whole numbers, the index of the true class of
# each row. The loss of the batch is the mean over its rows.

# %%
def cross_entropy(logits, target):
    row = torch.arange(len(target))
    true_logit = logits[row, target]
    return (torch.logsumexp(logits, dim=1) - true_logit).mean()

# %% [markdown]
# Two details: `logits[row, target]` picks from each row the column of its true class, and
# `dim=1` sums over the columns, that is, over the classes. We compare with PyTorch's function:

# %% tags=["nbval-check-output"]
logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [30.0, 0.0, 0.0]])
target = torch.tensor([0, 2, 1])
print(f"ours    {cross_entropy(logits, target):.4f}")
print(f"PyTorch {F.cross_entropy(logits, target):.4f}")

# %% [markdown]
# The code goes from the logits to the loss without ever forming a probability. That is on
# purpose. A probability can be so small that the computer rounds it to 0, and its logarithm is
# then infinite; or so close to 1 that the difference is lost. Section 11 shows both. **So losses
# want logits**: use functions such as `F.cross_entropy` rather than those that take
# probabilities.

# %% [markdown]
# ### Two classes need only one logit
#
# With two classes, softmax depends only on the difference of the two logits. So we set the first
# to 0 and keep one logit $z$ for "positive". Softmax then becomes the *sigmoid*,
#
# $$p = \sigma(z) = \frac{1}{1 + e^{-z}}.$$
#
# The surprise of a positive row is $-\ln \sigma(z) = \ln(1 + e^{-z})$. A negative row has the
# probability $1 - \sigma(z) = \sigma(-z)$, so its surprise is $\ln(1 + e^{z})$. PyTorch has a
# safe function for both, $\operatorname{softplus}(z) = \ln(1 + e^{z})$. With a target $y$ of 1
# or 0, this gives *binary cross entropy* (BCE):

# %%
def bce(z, y):
    return y * F.softplus(-z) + (1 - y) * F.softplus(z)

z = torch.tensor([-50.0, -1.0, 0.0, 3.0])
y = torch.tensor([1.0, 0.0, 1.0, 1.0])
print(bce(z, y))
print(F.binary_cross_entropy_with_logits(z, y, reduction="none"))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. The gradient
#
# Training changes the logits so that the loss falls. Which logits move, and how far, is decided
# by the *gradient*: the slope of the loss with respect to each logit.
#
# For this purpose we write the target *one-hot*, as a row with 1 for the true class and 0
# elsewhere. If the second of three classes is true, $y = (0, 1, 0)$.
#
# > **Predict.** The probabilities are 0.2, 0.7 and 0.1, and the second class is true. A step of
# > training will raise some logits and lower others. Which ones, and which will change most?

# %% [markdown]
# We differentiate $\ln \sum_j e^{z_j} - z_c$ with respect to $z_k$. The first term gives
# $e^{z_k} / \sum_j e^{z_j}$, which is $p_k$. The second gives 1 for the true class and 0 for the
# others, which is just $y_k$. So
#
# $$\frac{\partial\, \mathrm{CE}}{\partial z_k} = p_k - y_k.$$
#
# PyTorch computes gradients by itself: `requires_grad_()` asks for it, `backward()` does it, and
# `.grad` holds the result. As logits we take the logarithms of the three probabilities, because
# softmax turns these back into the probabilities themselves.

# %%
z = torch.log(torch.tensor([[0.2, 0.7, 0.1]])).requires_grad_()
F.cross_entropy(z, torch.tensor([1])).backward()
z.grad

# %% [markdown]
# *Probability minus target.* A step of training goes against the gradient. It raises the logit
# of the true class in proportion to the 0.3 that it lacks, and lowers the others in proportion
# to the probability that they should not have. The true class changes most. The three numbers
# sum to 0, and none is ever larger than 1 in size.
#
# How does the gradient depend on how wrong the model is? We look at one positive row of a
# two-class problem, whose gradient is likewise $p - 1$, and let its logit run from badly wrong
# (left) to certainly right. For comparison we add a second loss that many people would have
# tried first, the *squared error* $(1 - p)^2$. Since the slope of the sigmoid is $p(1 - p)$, the
# chain rule gives its gradient as $-2(1 - p) \cdot p(1 - p)$.
#
# > **Predict.** At $z = -6$ the model is certain and wrong. Which of the two losses has the
# > larger gradient (in size) there, or are they about equal?

# %%
z = torch.linspace(-6, 6, 200)
p = torch.sigmoid(z)
slope_of_ce = p - 1
slope_of_squared_error = -2 * (1 - p) * p * (1 - p)

# %% tags=["hide-input"]
fig, ax = plt.subplots()
ax.plot(z, slope_of_ce, label="cross entropy", **plots.LOOK["cross entropy"])
ax.plot(z, slope_of_squared_error, label="squared error", **plots.LOOK["squared error"])
ax.set(xlabel="logit z of a positive row", ylabel="gradient with respect to z", ylim=(-1.05, 0.05))
ax.legend(loc="lower right")
plots.show(fig, "Gradient with respect to the logit of a positive row, against that logit, for cross "
                "entropy and for squared error. On the left the model is wrong, on the right it is "
                "right.")

# %% [markdown]
# On the right both fade to 0, as they should: nothing is left to learn. On the left they differ
# completely. The gradient of cross entropy approaches -1, so that a row that is badly wrong
# moves the model with full force. The gradient of squared error fades there as well. The row
# that should teach most teaches almost nothing. The reason is the factor $p(1 - p)$, which is
# almost 0 where the sigmoid is flat. Cross entropy contains the same factor, but the derivative
# of $-\ln p$ is $-1/p$, and this cancels the $p$ that is too small.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Following the gradient
#
# We now train the smallest model there is: a single logit. It answers for 1000 payments that
# look alike, of which 100 are frauds. Training repeats three steps, and every training loop in
# this course contains them:

# %%
y = (torch.arange(1000) < 100).float()   # 100 times 1, then 900 times 0

def train_one_logit(loss_fn, y, lr, optimizer_class=torch.optim.SGD, steps=100):
    z = torch.zeros(1, requires_grad=True)
    optimizer = optimizer_class([z], lr=lr)
    answers = []
    for _ in range(steps):
        answers.append(torch.sigmoid(z).item())
        optimizer.zero_grad()                    # forget the old gradient
        loss_fn(z.expand(len(y)), y).backward()  # compute the new one
        optimizer.step()                         # move z against it
    return answers

# %% [markdown]
# `z.expand(len(y))` repeats the logit for each of the payments. The *optimiser* decides how far
# to move. The simplest one, *SGD* (*stochastic gradient descent*; "stochastic" because it
# usually sees a random part of the rows), subtracts the gradient times a fixed number, the
# *learning rate* `lr`. We keep the answer $p$ before every step.
#
# > **Predict.** We try learning rates of 0.1, 3 and 30. All start at $p = 0.5$, and the best
# > answer is 0.1. What will the three curves look like?

# %%
bce_mean = F.binary_cross_entropy_with_logits
slow = train_one_logit(bce_mean, y, lr=0.1)
good = train_one_logit(bce_mean, y, lr=3)
wild = train_one_logit(bce_mean, y, lr=30)

# %% tags=["hide-input"]
fig, ax = plt.subplots()
ax.axhline(0.1, color="#BBBBBB", linewidth=4, label="share of frauds")
ax.plot(slow, ":", color="#555555", label="learning rate 0.1")
ax.plot(good, "--", color="black", label="learning rate 3")
ax.plot(wild, "-", color="#999999", linewidth=1, label="learning rate 30")
ax.set(xlabel="step", ylabel="answer p", ylim=(0, 0.55))
ax.legend(loc="upper right")
plots.show(fig, "The answer of a single logit against the training step, for three learning rates of "
                "SGD. The grey band marks the share of frauds.")

# %% [markdown]
# The smallest rate is on its way but has not arrived. The middle one reaches 0.1 within about
# ten steps and stays there. The largest jumps over the goal again and again, because near the
# goal each step is too long. Choosing a learning rate means finding the region between too small
# and too large, and that is why people try several.
#
# Another optimiser, *Adam*, rescales the steps: it divides the gradient by its own typical size,
# as measured over the last steps.
#
# > **Predict.** We multiply the loss by 0.01, which makes all gradients 100 times smaller. After
# > 100 steps, what has changed with SGD? And with Adam?

# %% tags=["nbval-check-output"]
small_loss = lambda z, y: 0.01 * bce_mean(z, y)
for optimizer_class, lr in [(torch.optim.SGD, 3), (torch.optim.Adam, 0.1)]:
    usual = train_one_logit(bce_mean, y, lr, optimizer_class)[-1]
    small = train_one_logit(small_loss, y, lr, optimizer_class)[-1]
    print(f"{optimizer_class.__name__:<5} usual loss: p = {usual:.3f}   0.01 x loss: p = {small:.3f}")

# %% [markdown]
# To SGD a smaller loss is a smaller learning rate. Adam does not notice, because the factor
# cancels when it divides. So with Adam, a loss does not learn slowly just because a common
# factor makes all its gradients small. Section 10 and notebook 02 make use of this.
#
# One more word, and the vocabulary is complete. Real tables are too large to use all rows in
# each step, so training takes them a batch at a time. One pass over all rows is called an
# *epoch*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. What does it make the model believe?
#
# The trained logit ended at 0.1, the share of frauds. That is no accident. Suppose a share
# $\eta$ of some look-alikes is positive, and all of them have the same logit. A positive row
# contributes the gradient $p - 1$ and a negative row $p - 0$, so that the mean gradient with
# respect to the logit is
#
# $$\eta\,(p - 1) + (1 - \eta)\,p = p - \eta.$$
#
# It is negative below $p = \eta$, zero there, and positive above, so $p = \eta$ is where
# training comes to rest. The belief of cross entropy is the truth. As we saw in notebook 00, a
# loss with this property is called *strictly proper*.
#
# > **Predict.** Which of these is strictly proper as well: the squared error $(y - p)^2$, the
# > absolute error $|y - p|$, both, or neither?
#
# (In the next cell, `partial(f, a=1)` is the function `f` with its argument `a` already filled
# in.)

# %%
squared_error = lambda logit, y: (y - torch.sigmoid(logit)) ** 2
absolute_error = lambda logit, y: (y - torch.sigmoid(logit)).abs()
ce = partial(F.binary_cross_entropy_with_logits, reduction="none")
ax = plots.plot_belief_map({"cross entropy": ce, "squared error": squared_error,
                            "absolute error": absolute_error}, mark=0.1)
plots.show(ax, "The belief map of cross entropy, squared error and absolute error; the legend gives "
               "their beliefs at a true probability of 0.1.")

# %% [markdown]
# Squared error lies on the diagonal, too: it is strictly proper. The absolute error is not,
# because it jumps from 0 to 1. So what makes cross entropy special is not its belief alone. It
# combines the true belief with a gradient that stays strong where the model is wrong (section
# 4). The squared error of probabilities remains a good way to *judge* a model, under the name
# *Brier score*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Class weights
#
# Frauds are rare and matter more, so many people let each fraud count several times. In PyTorch
# this is `pos_weight` for BCE and `weight`, one number per class, for cross entropy.
#
# > **Predict.** Among some look-alikes one in *five* is a fraud, and each fraud counts ten
# > times. What will the trained logit say: 0.20, 0.71, or 1.00?

# %%
one_in_five = (torch.arange(1000) < 200).float()
weighted = partial(bce_mean, pos_weight=torch.tensor(10.0))
train_one_logit(weighted, one_in_five, lr=1)[-1]

# %% [markdown]
# For each fraud there are four normal payments, so a fraud that counts ten times stands against
# four: $10/14 = 0.71$. For the general rule we set the weighted mean gradient to zero,
# $w\eta\,(p - 1) + (1 - \eta)\,p = 0$. It says that a weight $w$ multiplies the *odds*, the
# probability divided by that of the opposite:
#
# $$\frac{p^*}{1 - p^*} = w \cdot \frac{\eta}{1 - \eta}.$$
#
# **Misconception: "the model says 0.71, so it is probably a fraud".** After training with a
# weight of 10, an answer of 0.71 means one in five. If all we do is compare with 0.5, an ideal
# model with this weight decides exactly as an unweighted one with a threshold of $1/11$: there
# the odds are $1 : 10$, and the weight makes them $1 : 1$. The weight has moved the threshold,
# and it has made the number harder to read. (In Exercise 1.6 you turn the number back.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. The first loss, before the first step
#
# The cheapest test of a training run is to look at the loss before the first step.
#
# > **Predict.** A fresh network knows nothing about a table of payments, of which 0.17 % are
# > frauds. Will its first loss be near 0.01, near 0.7, or near 6?

# %% [markdown]
# We let 2000 rows of random numbers stand in for the payments, and three of them for frauds:

# %%
torch.manual_seed(0)
rows = torch.randn(2000, 29)
is_fraud = (torch.arange(2000) < 3).float()

def first_loss(seed, prior_bias):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(29, 16), nn.ReLU(), nn.Linear(16, 1))
    if prior_bias:
        nn.init.zeros_(model[-1].weight)
        nn.init.constant_(model[-1].bias, torch.logit(is_fraud.mean()).item())
    return bce_mean(model(rows)[:, 0], is_fraud).item()

# %% tags=["nbval-check-output"]
for prior_bias in [False, True]:
    values = torch.tensor([first_loss(seed, prior_bias) for seed in range(100)])
    print(f"prior bias {prior_bias!s:<5}  mean {values.mean():.3f}, "
          f"from {values.min():.3f} to {values.max():.3f}")

# %% [markdown]
# An untrained network does not know yet that frauds are rare. Its logits are near 0, so that it
# says about one half, and the loss is near $\ln 2 = 0.69$ (near $\ln K$ for $K$ classes). It
# scatters with the random first weights. In these hundred starts it always lies between 0.49 and
# 1.07. If your own first loss lies far outside, at 5 for example, look for the reason before you
# train: a bug, or inputs that were not brought to a common scale.
#
# The second line is a better start. We set the weights of the last layer to 0 and its bias to
# the logit of the share, $\ln \frac{\eta}{1 - \eta}$. Then the network begins by answering the
# share for every row, and the first loss is the *entropy* of the share,
# $-\eta \ln \eta - (1 - \eta) \ln (1 - \eta)$, the best that a constant answer can reach. This
# is known as *prior-bias initialisation*, and it comes from the focal-loss paper, which keeps
# small random weights instead of zeros. (With zeros, the layers below get no gradient in the
# very first step.) [Notebook 07](07_credit_card_imbalance.ipynb) shows what this start is worth.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Misconception: softmax twice (further)
#
# `F.cross_entropy` and `nn.CrossEntropyLoss` take logits and apply softmax themselves. But a
# network can end in a softmax layer of its own, often because an option called `activation` was
# switched on ([an
# example](https://github.com/qubvel-org/segmentation_models.pytorch/issues/1263)). Then softmax
# is applied twice. Nothing crashes.
#
# > **Predict.** There are ten classes, and the network is perfectly certain and right: its
# > softmax gives the true class exactly 1. What loss does it get: 0, about 0.1, or about 1.5?

# %% tags=["nbval-check-output"]
def softmax_twice(logits, target, reduction="mean"):
    return F.cross_entropy(torch.softmax(logits, dim=1), target, reduction=reduction)

certain = torch.zeros(1, 10)
certain[0, 0] = 1000
print(f"loss of a perfect answer: {softmax_twice(certain, torch.tensor([0])):.3f}")

# %% [markdown]
# The loss takes the probabilities (1, 0, ..., 0) for logits, and as logits they say very little.
# At best the true class has the "logit" 1 and the others 0. So with $K$ classes the loss can
# never fall below $\ln(e + K - 1) - 1$, which is 1.461 for ten classes. Knowing nothing costs
# $\ln 10 = 2.303$, so less than one nat lies between knowing nothing and a perfect answer.
#
# Does it matter for what is learned? We train small networks on handwritten digits. The
# package's `train_many` trains many of them side by side, each with the three steps that you
# know (and Adam), and each as if it were alone. We take a hundred *seeds*; a seed decides the
# first weights and the order of the rows, and both losses get the same ones.

# %%
images, labels = load_digits(return_X_y=True)
x = torch.tensor(images / 16, dtype=torch.float32)
digit = torch.tensor(labels)
order = torch.randperm(len(digit), generator=torch.Generator().manual_seed(0))
train, val = order[:1200], order[1200:]

def make_network():
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

# %%
losses = {"cross entropy": F.cross_entropy, "softmax twice": softmax_twice}
trained = train_many(make_network, losses, (x[train], digit[train]),
                     parts={"val": (x[val], digit[val])}, seeds=range(100),
                     epochs=15, batch_size=64, lr=3e-3)

# %% [markdown]
# To judge a network we use the remaining 597 digits, which it has not been trained on. The
# accuracy is the share of right answers. The *recall* of a class is the share of its members
# that are recognised, and we look at the class with the lowest one.
#
# > **Predict.** With cross entropy, the worst class of a network is typically recognised in 85 %
# > of the cases. What about the worst class when softmax is applied twice: about the same in
# > every network, somewhat lower in every network, or very low in some of them?

# %%
guesses = trained.logits["val"].argmax(dim=2).numpy()   # a row of 597 guesses per network
guesses = {"cross entropy": guesses[:100], "softmax twice": guesses[100:]}
worst_recall = {}
for name in losses:
    worst_recall[name] = []
    for guess in guesses[name]:
        recall = recall_score(digit[val].numpy(), guess, average=None)   # one number per class
        worst_recall[name].append(recall.min())

# %% tags=["hide-input"]
fig, ax = plt.subplots()
ax.hist([worst_recall[name] for name in losses], bins=21, range=(-0.025, 1.025), rwidth=0.9,
        label=list(losses), color=[plots.LOOK[name]["color"] for name in losses])
ax.set(xlabel="recall of a network's worst class", ylabel="networks (of 100 per loss)")
ax.legend(loc="upper center")
plots.show(ax, "Distribution of the recall of the worst class, over a hundred networks per loss, on "
               "digits that were not trained on. The bins are 0.05 wide.")

# %% tags=["nbval-check-output"]
for name in losses:
    accuracy = (guesses[name] == digit[val]).float().mean()
    lost = sum(recall < 0.1 for recall in worst_recall[name])
    print(f"{name:<14} mean accuracy {accuracy:.2f}, "
          f"{lost} of 100 networks almost never recognise one of the digits")

# %% [markdown]
# With softmax twice, about a third of the networks have a digit that they recognise in less than
# one case out of ten. The mean accuracy of 0.91 does not look like a bug, and that is why the
# mistake survives. Most of these networks would learn the missing digit if they were trained
# longer (we also ran 30 epochs, where five of the hundred lacked one, and 60 epochs, where one
# did). So here the mistake costs time, and it costs whole classes if the time is short.
#
# It also changes the belief. (`as_binary` turns a loss of two logits into a loss of one, as
# `belief` wants it. The answer that it reports is the probability after the first softmax.)
#
# > **Predict.** A true probability of 0.1, 0.3, 0.5, 0.7 or 0.9: will softmax twice, with two
# > classes, leave the belief alone, bend it towards one half, or bend it towards the ends?

# %% tags=["nbval-check-output"]
twice = as_binary(partial(softmax_twice, reduction="none"))
for eta in [0.1, 0.3, 0.5, 0.7, 0.9]:
    print(f"truth {eta}: softmax twice says {belief(twice, eta):.2f}")

# %% [markdown]
# Towards the ends: where one in ten is positive, an ideal model says "never". The outer softmax
# sees the difference of two probabilities, $p - (1 - p) = 2p - 1$, as if it were a logit, and
# would need it to be the log-odds of $\eta$. Since $2p - 1$ cannot leave the range from -1 to 1,
# the answer must run to its end. The signs of softmax twice are thus a loss that stays above
# $\ln(e + K - 1) - 1$, classes that are learned late or not at all, and probabilities that are
# pushed towards 0 and 1. The cure is to delete the last softmax.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. What softmax twice does to the gradient (further)
#
# Why do networks learn late with softmax twice? The usual answer is that its gradients are
# small. We can test this with a control: a tenth of cross entropy has small gradients as well.
# This time we write the training loop out.

# %%
def train_digits(loss_fn, seed, epochs):
    torch.manual_seed(seed)
    model = make_network()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in train[torch.randperm(len(train))].split(64):
            optimizer.zero_grad()
            loss_fn(model(x[batch]), digit[batch]).backward()
            optimizer.step()
    return model

# %% [markdown]
# > **Predict.** After two epochs with Adam, which of the two is behind cross entropy: softmax
# > twice, a tenth of cross entropy, or both?

# %% tags=["nbval-check-output"]
losses["a tenth of cross entropy"] = lambda logits, target: 0.1 * F.cross_entropy(logits, target)
for name, loss_fn in losses.items():
    scores = []
    for seed in range(5):
        guess = train_digits(loss_fn, seed, epochs=2)(x[val]).argmax(dim=1)
        scores.append((guess == digit[val]).float().mean().item())
    print(f"{name:<25} accuracy of five seeds: {min(scores):.2f} to {max(scores):.2f}")

# %% [markdown]
# The control is not behind at all: Adam cancels the factor of a tenth, as in section 5. So a
# small gradient is not the reason, at least not if all of it is small by the same factor.
# Another suspect is its *direction*, which we can measure. The *cosine* between two gradients is
# 1 if they point in the same direction, and 0 if they are at right angles. We train with softmax
# twice for some epochs, and then compare its gradient with that of cross entropy at the same
# weights.

# %%
def gradient_of(loss_fn, model):
    model.zero_grad()
    loss_fn(model(x[train]), digit[train]).backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters()])

# %% tags=["nbval-check-output"]
for epochs in [0, 2, 5, 15]:
    cosines = []
    for seed in range(5):
        model = train_digits(softmax_twice, seed, epochs)
        cosines.append(F.cosine_similarity(gradient_of(softmax_twice, model),
                                           gradient_of(F.cross_entropy, model), dim=0).item())
    print(f"after {epochs} epochs: cosines from {min(cosines):.1f} to {max(cosines):.1f}")

# %% [markdown]
# At the start both gradients point almost the same way. After two epochs they have drifted
# apart, and after five they have little in common. At the end of the training, when most digits
# are learned, they agree again in some of the networks and not in others. Which rows are
# responsible? We take a row that a model gets wrong with certainty:

# %%
for name in ["cross entropy", "softmax twice"]:
    z = torch.tensor([[0.0, 8.0, 0.0]], requires_grad=True)  # the true class is the first
    losses[name](z, torch.tensor([0])).backward()
    print(f"{name:<14} gradient", z.grad[0].numpy().round(4))

# %% [markdown]
# Cross entropy moves this row with full force. Softmax twice leaves it alone, for the same
# reason as squared error in section 4: the inner softmax is flat there. The rows that the model
# gets most wrong have almost no influence on the next step. This fits what we saw in section 9:
# a digit that gets hardly any probability early in the training has to wait. (A direct test
# convicts the direction, too: we trained two epochs with the direction of softmax twice but the
# length of cross entropy's gradient, and reached accuracies of 0.39 to 0.53, as low as with
# softmax twice; with the direction of cross entropy and the length of softmax twice, 0.73 to
# 0.86, as high as with cross entropy.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Why losses want logits (further)
#
# It seems more natural to compute $p$ and then take $-\ln p$. Let us see what happens when the
# model is badly wrong, so that the true class trails another class by a wide gap.
#
# > **Predict.** The true class trails by 30, then by 100, then by 200. The loss should be equal
# > to the gap. Which of the three will still be right, to three decimals, if we go through $p$?

# %% tags=["nbval-check-output"]
for gap in [30.0, 100.0, 200.0]:
    z = torch.tensor([[gap, 0.0]])
    p = torch.softmax(z, dim=1)[0, 1]
    print(f"gap {gap:>5}: from logits {cross_entropy(z, torch.tensor([1])):>7.3f}, "
          f"through p {-torch.log(p):>7.3f}")

# %% [markdown]
# Only the first. The smallest numbers of float32 are near $e^{-103}$, and close to this end they
# have only a digit or two, so that the result at 100 is slightly wrong, without any sign of it.
# At 200 the probability becomes 0, and the loss is infinite. All this happens only to rows that
# are extremely wrong. The opposite case is worse. Take two classes, one logit $z$ and a
# *negative* row. Its loss is $-\ln(1 - \sigma(z))$, which is practically equal to $z$ when $z$
# is large:

# %% tags=["nbval-check-output"]
for z in torch.tensor([10.0, 15.0, 17.0]):
    p = torch.sigmoid(z)
    print(f"z = {z:.0f}: softplus gives {F.softplus(z):.3f}, through p it is {-torch.log(1 - p):.3f}")

# %% [markdown]
# Now everything is already lost at 17, and at 15 the result is wrong in its first decimal. The
# reason is how computers store numbers. A float32 has about seven digits. A small number such as
# $10^{-30}$ keeps all of them. But the numbers next to 1 lie about 0.00000006 apart. If a small
# probability exists only as the difference between $p$ and 1, it is rounded to a multiple of
# this.
#
# This is why `nn.BCELoss`, which takes probabilities, is no good substitute. It cuts its
# logarithms off at -100, so that you never see an infinite loss, but the lost digits stay lost.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. Class weights and small batches (further)
#
# PyTorch has two functions with class weights, and they divide by different numbers. We give one
# fraud and three normal payments the answer 0.5, so that each has the loss 0.693, and let the
# fraud count ten times:

# %%
class_weight = torch.tensor([1.0, 10.0])
target = torch.tensor([0, 0, 0, 1])
by_weight = F.cross_entropy(torch.zeros(4, 2), target, weight=class_weight)
by_pos_weight = bce_mean(torch.zeros(4), target.float(), pos_weight=torch.tensor(10.0))
by_weight, by_pos_weight

# %% [markdown]
# The weighted sum is $13 \cdot 0.693$ in both cases. BCE with `pos_weight` divides it by the
# number of rows, 4. Cross entropy with `weight` divides it by the sum of the weights *of the
# rows at hand*, 13. In small batches, this second divisor changes from batch to batch: it is
# large when a fraud is in the batch, and small when there is none.
#
# > **Predict.** A fraud counts ten times. In a batch of a single row, what remains of the weight
# > after dividing by the sum of the weights?

# %% [markdown]
# Nothing at all: $10 \cdot \text{loss} / 10 = \text{loss}$. With batches of one row, `weight`
# has no effect. And with batches of $B$ rows, of which $k$ are frauds? The frauds contribute
# $wk\,(p - 1)$ to the gradient and the others $(B - k)\,p$, and the sum of the weights is
# $wk + B - k$. So the gradient in this batch is
#
# $$\frac{wk\,(p - 1) + (B - k)\,p}{wk + B - k} = p - \frac{wk}{wk + B - k}.$$
#
# Training comes to rest where this is zero on average, that is, where $p$ equals the *mean of
# the fraction* over all batches. We let the computer take many random batches:

# %%
def mean_over_batches(batch_size, weight, eta):
    torch.manual_seed(0)
    k = torch.distributions.Binomial(batch_size, torch.tensor(eta)).sample((100_000,))
    return (weight * k / (weight * k + batch_size - k)).mean().item()

# %% tags=["nbval-check-output"]
for batch_size in [1, 4, 16, 64, 1024]:
    print(f"batches of {batch_size:>4}: one in ten, weight 10, becomes "
          f"{mean_over_batches(batch_size, weight=10, eta=0.1):.2f}")

# %% [markdown]
# We wanted 0.53, the belief for one in ten with a weight of 10. Batches of four give 0.27, and
# even batches of 16 fall short. How bad is it for the fraud table, with a weight of 578 that
# ought to make both classes equal?
#
# > **Predict.** The share is 0.17 %, the weight 578, and the intended belief 0.50. What do
# > batches of 64 give: 0.5, 0.3, or 0.1?

# %% tags=["nbval-check-output"]
for batch_size in [64, 256, 1024, 4096]:
    print(f"batches of {batch_size:>4}: one in 579, weight 578, becomes "
          f"{mean_over_batches(batch_size, weight=578, eta=1 / 579):.2f}")

# %% [markdown]
# Batches of 64 give 0.1 where 0.5 was intended. Anyone who trains this way believes that each
# fraud counts 578 times, but it counts only about 60 times.
#
# The remedy is to divide by the number of rows, which does not change from batch to batch: ask
# for one value per row, and take the plain mean. We train our logit with random batches of four
# rows, once with each normalisation, and report the mean answer over the second half of the
# steps.

# %%
def four_rows(z, y, reduction):
    row = torch.randint(len(y), (4,))
    logits = torch.stack([torch.zeros(4), z[row]], dim=1)
    return F.cross_entropy(logits, y[row].long(), weight=class_weight,
                           reduction=reduction).mean()

# %% tags=["nbval-check-output"]
for reduction, name in [("mean", "divided by the sum of weights"), ("none", "divided by the rows")]:
    means = []
    for seed in range(5):
        torch.manual_seed(seed)
        answers = train_one_logit(partial(four_rows, reduction=reduction), y, lr=0.05, steps=2000)
        means.append(sum(answers[1000:]) / 1000)
    print(f"{name:<30} five seeds: {min(means):.2f} to {max(means):.2f}")

# %% [markdown]
# The same divisor causes trouble with *gradient accumulation*, where the gradients of several
# small batches are added up to imitate a large one. The imitation is exact only if the divisor
# does not depend on which rows happen to be in a small batch:

# %%
torch.manual_seed(0)
logits, target = torch.randn(8, 2), torch.tensor([1, 0, 0, 0, 0, 0, 0, 0])
whole = F.cross_entropy(logits, target, weight=class_weight)
first_half = F.cross_entropy(logits[:4], target[:4], weight=class_weight)
second_half = F.cross_entropy(logits[4:], target[4:], weight=class_weight)
whole, (first_half + second_half) / 2

# %%
each = F.cross_entropy(logits, target, weight=class_weight, reduction="none")
each.mean(), (each[:4].mean() + each[4:].mean()) / 2

# %% [markdown]
# The two numbers of the first pair, divided by the sum of the weights, differ. Those of the
# second pair, divided by the number of rows, agree.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13. The constant that softmax leaves free (further)
#
# Adding a constant to all logits of a row changes neither its probabilities nor its loss
# (section 1). So nothing in the loss says how large the logits should be as a whole. This does
# harm as soon as numbers are stored with few digits. The format *bfloat16*, popular for large
# networks, keeps two or three significant digits:

# %%
torch.tensor([1.0, 1.7, 2.4]).bfloat16(), torch.tensor([301.0, 301.7, 302.4]).bfloat16()

# %% [markdown]
# Near 300, bfloat16 can represent only even numbers. Three logits that differ by 0.7 become 300,
# then 302 twice. Some large language models are therefore trained with a small extra term, the
# *z-loss*: a number such as 0.0001 times the square of the log-sum-exp. The authors of the
# language model PaLM report that it makes training more stable (Chowdhery and others, 2022).
#
# We try it on the smallest example: three free logits and a target of three shares, 0.2, 0.3 and
# 0.5. (`F.cross_entropy` also takes such shares as targets.) All logits start at 20.
#
# > **Predict.** The z-loss is smallest where log-sum-exp is 0. Will it change the probabilities
# > that the model believes in?

# %% tags=["nbval-check-output"]
share = torch.tensor([[0.2, 0.3, 0.5]])
for strength in [0.0, 0.01]:
    z = torch.full((1, 3), 20.0, requires_grad=True)
    optimizer = torch.optim.SGD([z], lr=1.0)
    for _ in range(2000):
        optimizer.zero_grad()
        z_loss = strength * torch.logsumexp(z, dim=1).square().mean()
        (F.cross_entropy(z, share) + z_loss).backward()
        optimizer.step()
    print(f"strength {strength}: probabilities {torch.softmax(z, dim=1).detach().numpy().round(3)}, "
          f"log-sum-exp {torch.logsumexp(z, dim=1).item():.2f}")

# %% [markdown]
# It does not: the probabilities are right in both cases. Without the term, the log-sum-exp stays
# near 21, where it started. With it, the log-sum-exp goes to 0. The z-loss only uses the freedom
# that softmax leaves. A single logit with a sigmoid has no such freedom: there, a penalty that
# pulls the logit towards 0 would pull the probability towards one half.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14. Which logarithm? (further)
#
# In a blog post that compares losses, we have seen these three numbers side by side:
#
# - a cross entropy of 0.357, for a probability of 0.7;
# - a focal loss of 0.00003508, for a probability of 0.98;
# - a focal loss of 0.44734, for a probability of 0.2.
#
# Focal loss is the surprise times $(1 - p)^2$; it is the subject of the next notebook. The post
# finds focal loss far smaller for easy examples.
#
# > **Predict.** Two of the three numbers are not in nats, and one of them has a second fault.
# > Which ones? (You need a calculator.)

# %% tags=["nbval-check-output"]
print(f"cross entropy, p = 0.7:  ln {-math.log(0.7):.3f}   log10 {-math.log10(0.7):.3f}")
for p, printed in [(0.98, 0.00003508), (0.2, 0.44734)]:
    factor = (1 - p) ** 2
    print(f"focal loss, p = {p:<4}:   ln {factor * -math.log(p):.4g}   "
          f"log10 {factor * -math.log10(p):.4g}   printed {printed:.4g}")

# %% [markdown]
# The cross entropy is in nats, but both focal losses use base 10, and the first is ten times too
# large even so. A reader who compares them compares different units. When two numbers are set
# side by side, it is worth half a minute to recompute one of them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15. Exercises
#
# About 25 minutes. Call `ex.q2.hint()` for a hint, and again for the next one.
# `ex.q2.solution()` shows the answer.
#
# **Exercise 1.2, write code.** Write the logarithm of softmax for logits of shape `(N, K)`, so
# that it is right even where a logit is 1000.

# %% tags=["exercise"]
def log_softmax(logits):
    ...

ex.q2.check(log_softmax)

# %% [markdown]
# **Exercise 1.3, find the bug** (needs section 9). A network for ten classes starts with a
# training loss of 2.30. After fifty epochs the training loss has settled at 1.50, and the
# accuracy on the training digits is 0.97. What is the most likely cause of the high loss:
# `"learning rate too high"`, `"labels shuffled"`, `"softmax twice"`, `"too few epochs"` or
# `"class weights"`?

# %% tags=["exercise"]
cause = ...
ex.q3.check(cause)

# %% [markdown]
# **Exercise 1.4, write code.** Compute the gradient of the *mean* cross entropy of a batch with
# respect to its logits, without autograd. The logits have the shape `(N, K)`, and `target` holds
# `N` class indices.

# %% tags=["exercise"]
def gradient(logits, target):
    ...

ex.q4.check(gradient)

# %% [markdown]
# **Exercise 1.5, predict a number.** Among certain look-alikes one in twenty is positive. Which
# class weight on the positives makes an ideal model answer exactly one half?

# %% tags=["exercise"]
weight_for_one_half = ...
ex.q5.check(weight_for_one_half)

# %% [markdown]
# **Exercise 1.6, write code.** A model was trained with positives weighted `w`. Write a function
# that takes its answers `p` (a tensor) and `w`, and returns the probabilities that an unweighted
# model would have given.

# %% tags=["exercise"]
def unweight(p, w):
    ...

ex.q6.check(unweight)

# %% [markdown]
# **Exercise 1.7, choose.** A new loss charges $1 - p$, where $p$ is the probability given to
# what happened. Among some look-alikes, 30 % are positive. What does an ideal model with this
# loss say about them: `"0.3"`, `"0"`, `"1"`, `"0.5"` or `"0.7"`?

# %% tags=["exercise"]
belief_of_the_new_loss = ...
ex.q7.check(belief_of_the_new_loss)

# %% [markdown]
# ## What to remember
#
# - Cross entropy is the surprise of the true class, $-\ln p_c$, in nats. Compute it from the
#   logits: log-sum-exp minus the logit of the true class.
# - Its gradient is $p - y$. It stays strong where the model is wrong, and averaged over
#   look-alikes it is zero exactly where the answer is their true share.
# - A softmax before cross entropy hides the rows that the model gets most wrong: classes are
#   learned late or not at all. Its belief runs to 0 and 1.
# - A class weight $w$ multiplies the odds that the model reports. In small batches, check what
#   the weighted sum is divided by.
# - The first loss is about $\ln K$, or the entropy of the shares with a prior bias.
#
# **Next.** In the fraud table there are 578 normal payments for each fraud. Each of them costs
# almost nothing, but there are so many. Should the loss give them less weight? Go on with
# [02_focal_loss](02_focal_loss.ipynb).
#
# **References**
#
# - I. J. Good, "Rational Decisions", *Journal of the Royal Statistical Society B* 14 (1952),
#   [doi:10.1111/j.2517-6161.1952.tb00104.x](https://doi.org/10.1111/j.2517-6161.1952.tb00104.x):
#   the logarithmic score.
# - G. W. Brier, "Verification of Forecasts Expressed in Terms of Probability", *Monthly Weather
#   Review* 78 (1950),
#   [doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2](https://doi.org/10.1175/1520-0493%281950%29078%3C0001:VOFEIT%3E2.0.CO;2):
#   the squared error of probabilities.
# - T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense Object
#   Detection", *ICCV* 2017, [doi:10.1109/ICCV.2017.324](https://doi.org/10.1109/ICCV.2017.324):
#   section 4.1 for the prior bias.
# - D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", *ICLR* 2015,
#   [doi:10.48550/arXiv.1412.6980](https://doi.org/10.48550/arXiv.1412.6980).
# - A. Chowdhery and others, "PaLM: Scaling Language Modeling with Pathways", 2022,
#   [doi:10.48550/arXiv.2204.02311](https://doi.org/10.48550/arXiv.2204.02311): section 5 for the
#   z-loss.
# - PyTorch's documentation of
#   [cross_entropy](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html)
#   and
#   [binary_cross_entropy_with_logits](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html).
