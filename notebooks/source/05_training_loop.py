# %% [markdown] slideshow={"slide_type": "slide"}
# # 05. The training loop: mistakes that do not crash
#
# A training loop is about ten lines long, and most of its mistakes raise no error. The program
# runs, the loss falls, and at the end there is a number. On this page we build the loop line by
# line, make ten such mistakes on purpose, and measure what each of them costs. Three questions
# guide us:
#
# 1. Which lines make up a training loop, and why in this order?
# 2. Which mistakes in it never crash, and what does each of them cost?
# 3. What else must a loop do before we can believe its numbers?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. One step by hand](#1.-One-step-by-hand) | 5 | take a gradient step without autograd and with it |
# | [2. Three lines, in order](#2.-Three-lines,-in-order) | 9 | say what a loop without `zero_grad` really is |
# | [3. Train, validate, predict](#3.-Train,-validate,-predict) | 12 | write the three functions of a loop |
# | [4. Left in training mode](#4.-Left-in-training-mode) | 8 | say which layers have two modes, and why validation needs the right one |
# | [5. The numbers of an epoch](#5.-The-numbers-of-an-epoch) | 4 | average over samples, not over batches |
# | [6. Which samples may decide](#6.-Which-samples-may-decide) | 5 | measure the optimism of a choice |
# | [7. When the scheduler steps](#7.-When-the-scheduler-steps) | 4 | see which learning rate was used |
# | [8. Keeping the best weights](#8.-Keeping-the-best-weights) | 3 | keep, save and load weights |
# | [9. The heart of fit (further)](#9.-The-heart-of-fit-(further)) | 8 | read the course's loop, stop it and resume it |
# | [10. Two checks before a long run (further)](#10.-Two-checks-before-a-long-run-(further)) | 6 | find bugs, and a learning rate, in a minute |
# | [11. A frozen part that moves (further)](#11.-A-frozen-part-that-moves-(further)) | 8 | freeze BatchNorm so that it stays frozen |
# | [12. The switches of a DataLoader (further)](#12.-The-switches-of-a-DataLoader-(further)) | 8 | use workers without repeating random numbers |
# | [13. Seeds and their limits (further)](#13.-Seeds-and-their-limits-(further)) | 4 | say what a seed makes repeatable, and what not |
# | [14. Weight decay (further)](#14.-Weight-decay-(further)) | 5 | decay the weights and nothing else |
# | [15. Clipping (further)](#15.-Clipping-(further)) | 4 | protect a run from one bad batch |
# | [16. Gradient accumulation (further)](#16.-Gradient-accumulation-(further)) | 6 | replace a batch that does not fit into memory |
# | [17. Mixed precision (further)](#17.-Mixed-precision-(further)) | 5 | say which numbers are stored in 16 bits, and which must not be |
# | [18. Files and devices (further)](#18.-Files-and-devices-(further)) | 5 | load no code, and write code for any machine |
# | [19. Three more tools (further)](#19.-Three-more-tools-(further)) | 3 | say what logging, averaging and compiling are for |
# | [20. Exercises](#20.-Exercises) | 31 | check your own understanding |
#
# The first eight sections are a lesson of 50 minutes, with Exercise 5.1 in it. (All other
# exercises are for later.) The page **needs** notebook [01](01_cross_entropy.ipynb). Its
# **data** are scikit-learn's digits, which are always there. It runs in about half a minute.
# Terms in *italics* are explained on the page, and many also in the
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
import copy
import inspect
import pickle
import tempfile

import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.utils.data import DataLoader, Dataset, TensorDataset

from course_utils import loop_runs, plots, runtime, training
from course_utils.augmentation import RandomShift, seed_own_generator
from course_utils.exercises import training_loop as ex

runtime.set_threads(1)
folder = tempfile.TemporaryDirectory()       # for the files of sections 8, 9 and 18
file = folder.name + "/digits.pt"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. One step by hand
#
# Our data are 1,797 handwritten digits of 8 x 8 pixels. They are small enough that a whole run
# takes a fraction of a second, so that we can afford to make mistakes. We shuffle them and split
# them into three sets. We *train* on 500 digits. With the next 153 we *validate*, which means
# that we base our choices on them. With the rest we *test* what we have found, and base no
# choice on them. (153 is also the number of photos on which notebook 06 validates.)

# %%
pixels, digit = load_digits(return_X_y=True)
pixels = torch.tensor(pixels / 16, dtype=torch.float32)
digit = torch.tensor(digit)
order = torch.randperm(len(digit), generator=torch.Generator().manual_seed(0))
train, val, test = order[:500], order[500:653], order[653:]

# %% [markdown]
# The smallest classifier has logits $z = xW$, with a matrix $W$ of 64 x 10 weights. We start
# with all weights at 0.
#
# > **Predict.** There are ten digits. What is the mean cross entropy before the first step: 0,
# > about 0.7, or about 2.3?

# %% tags=["nbval-check-output"]
x, y = pixels[train], digit[train]
W = torch.zeros(64, 10, requires_grad=True)
loss = F.cross_entropy(x @ W, y)
print(f"{loss:.4f}")

# %% [markdown]
# It is $\ln 10 = 2.3026$, because a model that knows nothing gives each digit the probability
# 1/10. Which weights would lower it? From notebook 01 we know the gradient of one sample's cross
# entropy with respect to its logits, $p - y$, where $y$ is one-hot. For $W$, and for the mean
# over $N$ samples, the chain rule turns it into $x^\top (p - y) / N$. PyTorch finds the same by
# itself: `backward` computes the gradient of the loss for every parameter and leaves it in
# `.grad`. This is called *autograd*.

# %% tags=["nbval-check-output"]
loss.backward()
by_hand = x.T @ (torch.softmax(x @ W, dim=1) - F.one_hot(y, 10)) / len(x)
torch.allclose(W.grad, by_hand, atol=1e-6)

# %% [markdown]
# The gradient points to where the loss rises fastest. So we go in the opposite direction, by a
# *learning rate* (`lr`) times the gradient,
# $W \leftarrow W - \mathrm{lr} \cdot \mathrm{gradient}$. This is *gradient descent*. An
# *optimiser* does it for all parameters in one call. Ours is `SGD`, *stochastic* gradient
# descent, so called because in practice each step uses a random part of the data:

# %% tags=["nbval-check-output"]
optimizer = torch.optim.SGD([W], lr=0.5)
optimizer.step()
torch.allclose(W, -0.5 * by_hand, atol=1e-6), round(F.cross_entropy(x @ W, y).item(), 2)

# %% [markdown]
# $W$ is now $0 - 0.5 \cdot \mathrm{gradient}$, and one step has lowered the loss from 2.30 to
# 2.20. Training is nothing but many such steps, and everything else on this page is about doing
# them right.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Three lines, in order
#
# In a loop, each step consists of three lines: `optimizer.zero_grad()`, `loss.backward()` and
# `optimizer.step()`. The first one looks like mere tidying up. Let us leave it out.
#
# > **Predict.** The loss is $(w - 3)^2$ at $w = 1$, so its slope is $-4$. We call `backward`
# > twice and do not move $w$. What is in `w.grad` after the second call: $-4$, $-8$, or an
# > error?

# %% tags=["nbval-check-output"]
w = torch.tensor(1.0, requires_grad=True)
for _ in range(2):
    ((w - 3) ** 2).backward()
    print(w.grad)

# %% [markdown]
# `backward` *adds* to what is in `.grad`. That is useful at times (section 16 needs it). But in
# a loop where nobody clears the gradient, each step uses the sum of all gradients since the
# beginning. What does that do? We let a ball roll in a bowl, $\frac12 w^2$, from $w = 1$. The
# slope is $w$ itself.
#
# > **Predict.** Without `zero_grad`, will $w$ come to rest at the bottom sooner, come to rest
# > there later, fly off to infinity, or do something else?

# %%
def roll(zero_grad, momentum=0.0):
    w = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.05, momentum=momentum)
    path = []
    for _ in range(150):
        if zero_grad:
            optimizer.zero_grad()
        (0.5 * w ** 2).backward()
        optimizer.step()
        path.append(w.item())
    return path

# %%
ax = plots.plot_runs({"with zero_grad": [roll(True)], "without it": [roll(False)]}, band=False)
ax.set(xlabel="step", ylabel="w", ylim=(-1.2, 1.9))
plots.show(ax, "The weight w against the step. At the bottom of the bowl, w is zero.")

# %% [markdown]
# It does something else. With `zero_grad` the ball creeps down to 0. Without, it swings to and
# fro like a pendulum without friction: each gradient is added to a speed that nothing ever slows
# down.
#
# Optimisers have such a speed on purpose. With *momentum* 0.9, a step uses the new gradient plus
# 0.9 times what the last step used. Then a loop without `zero_grad` should be momentum 1, where
# nothing at all is lost. We compare the two paths, all 150 numbers, without any rounding:

# %% tags=["nbval-check-output"]
print(roll(zero_grad=False) == roll(zero_grad=True, momentum=1.0))

# %% [markdown]
# They are equal to the last bit. **Misconception: "Without `zero_grad`, training breaks."**
# Plain SGD without `zero_grad` *is* SGD with momentum 1, and it often learns. That is why the
# mistake lives on. Section 3 measures what it costs on the digits.
#
# Now the other two lines. Suppose we do call `zero_grad`, but one line too late:

# %% [markdown]
# > **Predict.** The order is `backward`, `zero_grad`, `step`. Is the step too large, too small,
# > right, or is there none?

# %% tags=["nbval-check-output"]
before = W.detach().clone()
F.cross_entropy(x @ W, y).backward()
optimizer.zero_grad()
optimizer.step()
torch.equal(W, before)

# %% [markdown]
# There is none: not a single weight has changed, and there was no warning. `zero_grad` sets the
# gradients to `None`, and `step` skips every parameter that has no gradient. Such a loop prints
# a loss in each epoch and learns nothing.

# %% [markdown]
# **Exercise 5.1, predict a number.** The loss is $(w - 3)^2$, and `w` starts at 1. We use SGD
# with `lr=0.1` and make two rounds of `backward` and `step`, without any `zero_grad`. What is in
# `w.grad` at the end? (If you get stuck, run `ex.q1.hint()`, and in the end `ex.q1.solution()`.)

# %% tags=["exercise"]
gradient = ...
ex.q1.check(gradient)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Train, validate, predict
#
# So far one batch held all the data. Usually we go through the data in *mini-batches*, because
# they need less memory and give many steps instead of one. One pass over all training samples is
# an *epoch*. PyTorch divides the work between two objects. A `Dataset` knows the samples: how
# many there are, and what sample number `i` is. That is all it has to know:

# %%
class Digits(Dataset):
    def __len__(self):
        return len(train)

    def __getitem__(self, i):
        return pixels[train[i]], digit[train[i]]

# %% tags=["nbval-check-output"]
len(Digits()), Digits()[0][1]

# %% [markdown]
# Python calls `__len__` for `len(...)` and `__getitem__` for the brackets `[0]`. For photos on a
# disk, `__getitem__` would open a file. For tensors in memory we need not write the class,
# because `TensorDataset` does the same.
#
# The second object is the [`DataLoader`](https://docs.pytorch.org/docs/stable/data.html). It
# decides the order, fetches the samples and stacks them into batches. With `shuffle=True` each
# epoch has a new random order. Training wants that. Validation does not need it.

# %%
train_data = TensorDataset(pixels[train], digit[train])
val_data = TensorDataset(pixels[val], digit[val])
train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
val_loader = DataLoader(val_data, batch_size=64)
test_loader = DataLoader(TensorDataset(pixels[test], digit[test]), batch_size=64)

# %% tags=["nbval-check-output"]
[len(y) for x, y in train_loader]

# %% [markdown]
# The last batch is smaller, since 500 is not a multiple of 64. Remember it, because it will trip
# us up later.
#
# The random order comes from PyTorch's generator, or from one that you pass to the loader. With
# a seed of its own, the order is the same in each run. (We look at it on `range(8)`, which has a
# length and numbered items, so it is a data set too.)

# %%
[int(i) for i in DataLoader(range(8), shuffle=True, generator=torch.Generator().manual_seed(0))]

# %% [markdown]
# Our network has two layers that section 4 is about, *BatchNorm* and *dropout*:

# %%
def network():
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(64, 10))

# %% [markdown]
# A blog post on the training loop has one function for training, for validation, and for samples
# without labels, and an argument of it says what to do. (We call it *post E*. It is one of the
# posts that this course examines; all of them are in the references.) These are three tasks with
# different needs, so we write three functions. The first one trains:

# %%
def train_one_epoch(model, loader, optimizer):
    model.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        count += len(y)
    return total / count

# %% [markdown]
# `model.train()` here and `model.eval()` below belong together; section 4 is about them.
# `loss.item()` is the mean loss of the batch as a plain number, and times `len(y)` it is a sum
# over samples again (section 5). To validate we need no gradients, and `torch.no_grad()` tells
# PyTorch so:

# %%
def validate(model, loader):
    model.eval()
    total, right, count = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            logits = model(x)
            total += F.cross_entropy(logits, y).item() * len(y)
            right += (logits.argmax(dim=1) == y).sum().item()
            count += len(y)
    return total / count, right / count

# %% [markdown]
# And to predict, we keep all probabilities, in the order of the samples. This function reads
# only the first entry of each batch, so it also works for samples that have no labels yet:

# %%
def predict(model, loader):
    model.eval()
    prob = []
    with torch.no_grad():
        for batch in loader:
            prob.append(torch.softmax(model(batch[0]), dim=1))
    return torch.cat(prob)

# %% [markdown]
# We will train many networks, so one more function puts the pieces together. The seed decides
# the first weights, the order of the samples, and what dropout drops.

# %%
def train_network(seed, data=train_data, epochs=10, lr=0.3, momentum=0.0):
    torch.manual_seed(seed)
    model = network()
    loader = DataLoader(data, batch_size=64, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    for _ in range(epochs):
        train_one_epoch(model, loader, optimizer)
    return model

# %%
validate(train_network(seed=0), val_loader)

# %% [markdown]
# The loss is 0.16 (nats, since the logarithm is the natural one), and 94 % of the validation
# digits are right. (Later notebooks use the package's `TensorLoader`, which does for tensors in
# memory what `DataLoader` does, only faster.)
#
# Now we can measure what a missing `zero_grad` costs. We need not even take the line out:
# section 2 has shown for one weight that it is the same as `momentum=1.0`, and an optimiser
# treats each weight like that one.
#
# > **Predict.** With a small learning rate (0.03) and a large one (0.3): does the mistake help
# > or harm?

# %%
rows = []
for lr in [0.03, 0.3]:
    for momentum in [0.0, 1.0]:
        for seed in range(5):
            model = train_network(seed, lr=lr, momentum=momentum)
            rows.append((lr, momentum, validate(model, val_loader)[1]))
runs = pd.DataFrame(rows, columns=["lr", "momentum", "accuracy"])
runs.groupby(["lr", "momentum"]).agg(["mean", "min", "max"]).round(2)

# %% [markdown]
# With the small rate the mistake *helps*: the accuracy rises from 0.88 to 0.94. The rate was too
# small, and the speed makes up for it. With the large rate it does harm. There the accuracy
# falls from 0.94 to 0.78, because the speed never dies down and the steps become far too long.
# So a missing `zero_grad` can look like an improvement, until somebody raises the learning rate.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. Left in training mode
#
# Two kinds of layers behave differently in training and afterwards. *Dropout*, as we have set
# it, sets each of its inputs to 0 with probability one half, and doubles the others so that
# their sum stays about the same. *BatchNorm* subtracts from each feature its mean over the
# *batch* and divides by its standard deviation there, then applies a scale and a shift that are
# learned. In evaluation, dropout does nothing, and BatchNorm uses *running averages* that it has
# collected during training. `model.train()` and `model.eval()` switch between the two modes.
#
# We train five networks for this section and the next ones. Then we forget `eval()`, show a copy
# of the first network the same batch three times, and look at the probability that it gives to
# the true class of the first digit.

# %%
models = [train_network(seed) for seed in range(5)]

# %%
x, y = next(iter(val_loader))
model = copy.deepcopy(models[0]).train()
for _ in range(3):
    print(f"{torch.softmax(model(x), dim=1)[0, y[0]]:.3f}")

# %% [markdown]
# It gives three answers to one question, because dropout picks other inputs each time. A
# nuisance, we might think, but no disaster. Now BatchNorm. Photos are often read from one folder
# per class, as `ImageFolder` does, and validation photos are rarely shuffled. Then nearly all
# batches hold photos of one kind only. We imitate that with digits sorted by class, in batches
# of 4, which is the batch size of *post A*. Dropout is switched off, so that we see BatchNorm
# alone.
#
# > **Predict.** In evaluation mode about 94 % are right. How many are right in training mode, if
# > the digits come sorted in batches of 4: about 90 %, about 50 %, or about 20 %? And if they
# > are shuffled?

# %%
by_class = val[digit[val].argsort()][:152]
sorted_data = TensorDataset(pixels[by_class], digit[by_class])

# %%
rows = []
for shuffle in [False, True]:
    loader = DataLoader(sorted_data, batch_size=4, shuffle=shuffle)
    for model in models:
        copied = copy.deepcopy(model).train()
        copied[3].eval()                              # the dropout
        right = 0
        with torch.no_grad():
            for x, y in loader:
                right += (copied(x).argmax(dim=1) == y).sum().item()
        rows.append((shuffle, right / 152, validate(model, test_loader)[1],
                     validate(copied, test_loader)[1]))       # before and after, for later
modes = pd.DataFrame(rows, columns=["shuffled", "accuracy", "before", "after"])

# %%
modes.groupby("shuffled")["accuracy"].agg(["mean", "min", "max"]).round(2)

# %% [markdown]
# Sorted, only about 19 % are right. When all four digits are of one class, what BatchNorm
# subtracts is what they have in common, and that is what identifies the class. Shuffled, it is
# 79 %: less wrong, and for that reason harder to notice. There the mean of only four digits is a
# poor estimate of the mean of all. The networks are fine. Only the way we looked at them was
# wrong.
#
# (Why 152 digits and not 153? In training mode a last batch of *one* does crash here, because a
# single value has no standard deviation. See section 12.)
#
# We computed no gradients and made no step. So at least nothing has happened to the copies?
#
# > **Predict.** We now test each copy properly, in evaluation mode. Is its accuracy the same as
# > before it was looked at in training mode?

# %%
modes.groupby("shuffled")[["before", "after"]].mean().round(3)

# %% [markdown]
# It is not. After the sorted digits the accuracy has fallen from 0.940 to 0.923, and even the
# shuffled ones have changed it a little. In training mode each forward pass also updates
# BatchNorm's running averages, with gradients or without. Looking at the network has changed it,
# and through these averages the validation digits have become part of the model. (That is why we
# used copies.)
#
# **Misconception: "`no_grad` is the validation mode."** `eval()` and `no_grad()` are two
# different things. The first switches layers to another behaviour. The second spares PyTorch the
# bookkeeping that gradients need. Validation needs both. And because `validate` leaves the model
# in evaluation mode, training has to begin with `train()` in *every* epoch. Our functions do so.
# (In which mode a model or a layer is, its attribute `training` says, which is `True` or
# `False`.)

# %% [markdown]
# **Exercise 5.2, write a function (5 minutes, for later).** Return the accuracy of `model`, a
# number between 0 and 1, over all batches `(x, y)` of the `DataLoader`. The last batch may be
# smaller. The model may have dropout and BatchNorm, and may arrive in training mode or in
# evaluation mode. Let it answer in evaluation mode and compute no gradients, as `no_grad`
# promises. Hand it back in the mode in which it came, and otherwise unchanged.

# %% tags=["exercise"]
def evaluate(model, loader):
    ...

ex.q2.check(evaluate)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. The numbers of an epoch
#
# The function of post E returns the accuracy of the *last batch*, because the variable is
# overwritten in the loop. Our 153 validation digits in batches of 64 leave 25 for the last
# batch.
#
# > **Predict.** How far will the accuracy of 25 digits typically be from the accuracy of all
# > 153: one hundredth, five hundredths, or twenty?

# %%
for model in models:
    right = (predict(model, val_loader).argmax(dim=1) == digit[val]).double()
    print(f"all 153 digits: {right.mean():.2f}    the last 25: {right[128:].mean():.2f}")

# %% [markdown]
# It is off by more than 0.04 on average here, and by 0.09 in the second network. Four of the
# five numbers are too low, because the same 25 digits are used each time. Such an error looks
# like a fact.
#
# Post E also adds up the mean losses of the batches and divides by the number of batches. One
# fixed network on one fixed set of digits should have one loss. We compute the loss of each
# digit once, from the probability of its true class, and cut the 153 losses into batches of
# several sizes:

# %%
losses = -predict(models[0], val_loader)[range(153), digit[val]].log()     # one for each digit
for size in [17, 64, 76, 153]:
    means = torch.stack([batch.mean() for batch in losses.split(size)])
    print(f"batch size {size:>3}, {len(means)} batches: {means.mean():.3f}")

# %% [markdown]
# The result depends on the batch size. The loss is 0.161, as sizes 17 and 153 show, where all
# batches are equally large. In batches of 76 the last batch is a single digit, and this one
# digit counts as much as 76 others. The result is 0.222. The remedy is to weight each mean by
# the size of its batch, `loss.item() * len(y)`, as our functions do. (In Exercise 5.3 you repair
# such a mean afterwards, from the means and the sizes.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Which samples may decide
#
# A subtle mistake happens before the loop. In a blog post on credit-card fraud (*post D*) the
# *training* loader is built from the *validation* set. One word is wrong.
#
# > **Predict.** We train on the 153 validation digits by mistake, for about as many steps as
# > before (27 epochs of 3 batches instead of 10 epochs of 8). Compared with a network trained as
# > it should be: is the validation accuracy higher or lower? And the test accuracy?

# %%
for name, data, epochs in [("training", train_data, 10), ("validation", val_data, 27)]:
    for seed in range(5):
        model = train_network(seed, data, epochs)
        print(f"trained on the {name} set: validation {validate(model, val_loader)[1]:.3f}, "
              f"test {validate(model, test_loader)[1]:.3f}")

# %% [markdown]
# The validation accuracy is *higher*, almost perfect, and the network is *worse*. On the test
# set about 90 % are right instead of 94 %, because 153 digits teach less than 500. Everything
# that we usually look at says that this run is the better one. Only digits that it has never
# seen reveal the mistake, or a look at `len(loader)`: 3 batches in each epoch instead of 8.
#
# The second mistake is more common. Nothing leaks, but of many epochs, seeds or settings we keep
# the one with the best validation accuracy, and then report *that* accuracy. Post A does so. We
# train 20 networks that differ in nothing but the seed, and note in a table which of the 1,297
# digits of the validation and test sets each of them gets right (1) or wrong (0). (The package
# has a function for that. It does in a loop what `train_network` and `predict` do.)

# %%
hits = loop_runs.hits_of_networks(20)                 # one row for each network

# %% [markdown]
# Now we play the game a thousand times: pick 153 of the held-out digits at random, choose the
# best of the 20 networks on these, and look up how good it is on all the others.
#
# > **Predict.** How much better does the chosen network look than it is? And is it better than
# > an average one?

# %%
rows = []
for _ in range(1000):
    mixed = hits[:, torch.randperm(1297)]
    shown, true = mixed[:, :153].mean(dim=1), mixed[:, 153:].mean(dim=1)
    best = shown.argmax()
    rows.append((shown[best].item(), true[best].item(), true.mean().item()))
pd.DataFrame(rows, columns=["reported", "true", "average network"]).mean().round(3)

# %% [markdown]
# We would report 0.964, and the truth is 0.947. The choice has gained 0.004 over an average
# network, and the report exaggerates by 0.017, four times as much. These networks hardly differ,
# so the best of them is mostly the luckiest. This is the *winner's curse*. The remedy is not to
# stop choosing. Choose on the validation set, and report on the test set, once.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. When the scheduler steps
#
# A *scheduler* changes the learning rate during training. `StepLR(optimizer, 7, 0.1)` divides it
# by ten after every 7 calls of `scheduler.step()`. It counts *calls*, and what a call means is
# for us to decide: an epoch or a batch. In the loop the mistake looks quite natural:
#
# ```python
# for epoch in range(15):
#     for x, y in train_loader:
#         ...                      # zero_grad, backward, step
#         scheduler.step()         # intended: once, after this inner loop
# ```
#
# > **Predict.** We start with a rate of 0.3, and an epoch has 8 batches. What is the rate at the
# > start of the *third* epoch with this mistake: 0.3, 0.03 or 0.003?

# %% [markdown]
# `step_lr` in the package trains five networks with the right loop and five with this one. It
# returns the rate at the start of each epoch, and the accuracies on the test digits at the end.

# %%
rates, accuracies = loop_runs.step_lr(seeds=range(5))
rates.loc[[1, 2, 3, 4, 8, 15]]

# %%
accuracies.agg(["mean", "min", "max"]).round(2)

# %% [markdown]
# In the third epoch the rate is a hundredth of what it was (16 calls, two divisions by ten), and
# soon after it is practically 0. The network stops learning after two epochs. There is no error,
# and a loss that no longer changes looks like a training that has converged. The cost is 0.07 of
# accuracy, 0.87 instead of 0.94. The remedy is to *print the learning rate that was used*, in
# each epoch.
#
# The opposite mistake exists too. Today's usual schedule counts *steps*: a short *warm-up* from
# a small rate, then a slow descent along half a cosine. It is two schedulers, one after the
# other:

# %%
optimizer = torch.optim.SGD(network().parameters(), lr=0.3)
warm_up = LinearLR(optimizer, start_factor=0.05, total_iters=20)
cosine = CosineAnnealingLR(optimizer, T_max=180)
scheduler = SequentialLR(optimizer, [warm_up, cosine], milestones=[20])

# %%
ax = plots.plot_schedule(scheduler, steps=200)
ax.axvspan(0, 25, color="#999999", alpha=0.25)
plots.show(ax, "Learning rate against the number of calls so far. The grey band covers 25 calls.")

# %% [markdown]
# Stepped once per *epoch* by mistake, a run of 25 epochs would stay inside the grey band. It
# would warm up for 20 epochs, and the long descent would never come. So count what your schedule
# counts. (The course's loop `fit`, which section 9 opens, has an argument for it,
# `scheduler_steps="epoch"` or `"batch"`.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Keeping the best weights
#
# Late epochs are not always the best, so we want to keep the weights of the best one. All that a
# model has learned is in its `state_dict`: parameters, and *buffers* such as BatchNorm's running
# averages. After five good epochs we write `best = model.state_dict()`, and we also keep a
# second object, `copied`, made from it by `copy.deepcopy`. Then we let one epoch go wrong, with
# a learning rate of 10.
#
# > **Predict.** We load `best` into the model, then `copied`. Will the accuracy be that of the
# > good epochs with both, with one of them, or with none?

# %%
model = train_network(seed=0, epochs=5)
best = model.state_dict()
copied = copy.deepcopy(best)

train_one_epoch(model, train_loader, torch.optim.SGD(model.parameters(), lr=10.0))
for name, weights in [("best", best), ("copied", copied)]:
    model.load_state_dict(weights)
    print(f"{name}: accuracy {validate(model, val_loader)[1]:.2f}")

# %% [markdown]
# `best` is of no use. A `state_dict` does not hold copies but the model's *own* tensors, so
# `best` went on training with the model. Keep `copy.deepcopy(model.state_dict())`, or write it
# to a file at once:

# %% tags=["nbval-check-output"]
torch.save(copied, file)
model.load_state_dict(torch.load(file, weights_only=True))

# %% [markdown]
# `weights_only=True` loads tensors and no code; section 18 shows why that matters. This is the
# end of the lesson. Its ten mistakes, each with its cost, are in one table under [What to
# remember](#What-to-remember).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. The heart of fit (further)
#
# All that is left is to put these precautions into one loop. Here is the heart of `fit`, the
# loop of the course's package. `_unpack` takes a batch apart and moves it to the device of the
# model, `_logits` is `model(inputs)` with a clear message if that fails, `_mean_loss` gives the
# mean loss of the batch and its size, and `_decide` the predicted class. `weight`, one number
# for each sample, and `max_grad_norm`, which is for section 15, are `None` unless we ask for
# them. `bar` is the progress bar, and `_stacked` makes one tensor of a list. (`zero_grad` may
# stand before the forward pass, as in section 3, or after it, as here. It must only come before
# `backward`.)
#
# Before you read the table below the code, look for the lines that guard against the mistakes of
# sections 2 to 7.

# %%
print(inspect.getsource(training._train_one_epoch))

# %% [markdown]
# | in the code | guards against |
# |---|---|
# | `zero_grad`, `backward`, `step` | gradients that add up, or are cleared too early (section 2) |
# | `model.train()` in each epoch | the mode that a validation has left (section 4) |
# | `sizes` of all batches kept, and `_mean(loss, size)` | a mean of batch means (section 5) |
# | lists of all batches | the numbers of the last batch alone (section 5) |
# | only `loader` is seen, never the validation set | training on the wrong samples (section 6) |
# | the scheduler is stepped here only if it counts batches | a schedule that runs down too early (section 7) |
# | `loss.detach()` | keeping alive what `backward` needs, batch after batch, which costs memory |
#
# Around it, `fit` validates after each epoch, keeps a *copy* of the best weights (section 8),
# and restores it at the end. `patience=5` stops after five epochs without improvement, which is
# called *early stopping*. And a long run may be stopped by you, or by a power cut: `checkpoint=`
# names a file that `fit` rewrites after each epoch, and if the file exists, it continues from
# there.
#
# We try all of this at once. The first round of the loop trains 4 epochs and ends. The second
# begins with a new network and a new optimiser, and calls `fit` again. (For validation we use a
# list with a single batch, which is a loader too. A `DataLoader` would take a random number for
# each pass, even if it does not shuffle, and so change the dropout of the next epoch.)

# %%
for epochs in [4, 200]:
    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    history = training.fit(model, train_loader, [(pixels[val], digit[val])], epochs=epochs,
                           loss_fn=F.cross_entropy, optimizer=optimizer, patience=5, device="cpu",
                           checkpoint=folder.name + "/run.pt", progress=False)

# %%
plots.show(plots.plot_history(history), "Losses per epoch; a vertical line marks the epoch kept.")

# %% [markdown]
# The lowest validation loss comes in epoch 14. Five epochs later the training stopped, without
# going on to epoch 200 as `epochs` would have allowed.
#
# > **Predict.** Our own `train_network` now trains without any stop, with the same seed, up to
# > the epoch whose weights `fit` has kept. How far apart are the weights of the two networks?

# %% tags=["nbval-check-output"]
in_one_go = train_network(seed=0, epochs=history.best_epoch, lr=0.1, momentum=0.9)
print(all(map(torch.equal, model.parameters(), in_one_go.parameters())))

# %% [markdown]
# They are all equal, to the last bit. So `fit` is our loop, and the stop has left no trace. For
# this to work, the file must hold more than the weights: also the optimiser's memory (such as
# its momentum), the scheduler's count, the best weights so far, and the state of the random
# numbers, which shuffle the digits and drop units. If one of these is missing, the resumed run
# is another run, perhaps as good, but not the one that was stopped. (Exercise 5.7 is about
# that.)
#
# In the figure the validation loss often lies *below* the training loss. Is something wrong? The
# training loss is measured during the epoch, with half of the units dropped, and by weights that
# are still improving. So let us measure both in the same way, afterwards and with `validate`. We
# do it for the five networks of section 4, which were trained by the same loop:

# %%
for net in models:
    print(f"train {validate(net, train_loader)[0]:.3f}, val {validate(net, val_loader)[0]:.3f}")

# %% [markdown]
# Measured in the same way as the validation loss, the training loss is the lower one in all five
# networks, as it should be.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Two checks before a long run (further)
#
# Before a run of several hours, two checks of a minute each can save a day.
#
# The first is to *overfit one batch*. A network with thousands of weights can learn 64 digits by
# heart, so the loss of a single batch must go to almost 0. If it does not, there is a bug, and
# more data will not help. We try a correct network and one with the bug of notebook 01, a
# softmax before `cross_entropy`.
#
# > **Predict.** What loss will the second network be stuck at: near 0, between 1 and 2, or above
# > 10?

# %%
x, y = train_data[:64]
for model in [network(), nn.Sequential(network(), nn.Softmax(dim=1))]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for _ in range(200):
        loss = train_one_epoch(model, [(x, y)], optimizer)
    print(f"loss of the batch after 200 steps: {loss:.2f}")

# %% [markdown]
# The first one gets close to 0 (dropout keeps it from reaching it). The second is stuck near
# 1.5. It cannot go below 1.46, because its "logits" lie between 0 and 1:
# $-\ln\frac{e}{e + 9} = 1.46$. On the whole data set we might have taken this for a hard
# problem.
#
# The second check is a *learning-rate range test*. We train for 100 steps with a rate that grows
# a little in each, from 0.001 to 100, and watch the loss of the batches. (The function is in the
# package; it is our loop with one line more.)

# %%
rates, losses = loop_runs.learning_rate_range(network(), train_loader, lowest=0.001, highest=100)

# %% tags=["hide-input"]
ax = plots.plot_runs({"one batch in each step": [losses]}, x=rates, band=False)
ax.set(xscale="log", xlabel="learning rate", ylabel="loss of the batch (nats)", ylim=(0, 5))
plots.show(ax, "Loss of each batch against the learning rate of its step, cut off at 5 nats.")

# %% [markdown]
# On the left the rate is too small to learn anything in a few steps. Between 0.03 and 1 the loss
# falls, and above 2 or so it begins to jump. A good first choice lies well below the place where
# it gets worse, by a factor of about ten. That agrees with the 0.3 of this page. The test gives
# a region, not a number: other networks and longer runs still need a try or two.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. A frozen part that moves (further)
#
# A trained *backbone* turns pixels into features, and a *head* turns features into classes.
# Suppose that a second scanner delivers digits half as bright. We keep the backbone, *freeze* it
# with `requires_grad_(False)`, and train a second head for the new scanner. The first head stays
# in service for the old one, and both share the backbone. (In PyTorch `model[:3]` is not a copy.
# It has the same layers as `model`.)
#
# > **Predict.** No weight of the backbone changes, and the first head is not touched at all.
# > What happens to the accuracy on the old scanner?

# %%
half_loader = DataLoader(TensorDataset(pixels[train] / 2, digit[train]), 64, shuffle=True)
for seed in range(5):
    model = copy.deepcopy(models[seed])
    backbone = model[:3].requires_grad_(False)        # Linear, BatchNorm, ReLU
    second = nn.Sequential(backbone, nn.Linear(64, 10))
    optimizer = torch.optim.SGD(second[1].parameters(), lr=0.3)
    for _ in range(10):
        train_one_epoch(second, half_loader, optimizer)
    before, after = validate(models[seed], test_loader)[1], validate(model, test_loader)[1]
    print(f"before {before:.2f}, after {after:.2f}")

# %% [markdown]
# In all five runs it falls, on average from 0.94 to 0.86. The weights are as they were, but
# BatchNorm's running averages have followed the darker digits. They are *buffers*, not
# parameters, so `requires_grad` says nothing about them. And calling `backbone.eval()` once
# before the training does not help either, because a sound training loop calls `model.train()`
# in each epoch, and that reaches the backbone too.
#
# One remedy is to let the backbone work only once, in evaluation mode, and to store its
# features. Let us check that the running averages stay the same:

# %% tags=["nbval-check-output"]
averages = model[1].running_mean.clone()
with torch.no_grad():
    features = backbone.eval()(pixels[train] / 2)
torch.equal(averages, model[1].running_mean)

# %% [markdown]
# They do, to the last bit. The new head is then trained on
# `TensorDataset(features, digit[train])`, which is also much faster. If the pictures change at
# random in each epoch (section 12), features cannot be stored, and the backbone itself must
# refuse to go into training mode. You write that in Exercise 5.6.
#
# Is a moving BatchNorm always wrong? No. It adapts to the new digits, and for the new scanner
# alone that can be just what you want. What is wrong is to call that part frozen, to share it,
# or to store its features.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. The switches of a DataLoader (further)
#
# **Workers.** With `num_workers=2` two further processes prepare batches while the main one
# trains. That pays when fetching a sample is slow, such as opening and cropping a photo, and it
# does not pay for our tensors. Each worker has a *copy* of the data set, and there lies a trap.
# Many data sets return a randomly changed sample, for example a photo shifted by a few pixels.
# Where does such a data set get its random numbers? Here is one that returns nothing but the
# shift:

# %%
print(inspect.getsource(RandomShift))

# %% [markdown]
# It lives in a file of the package, and not in this notebook, for a reason. On Windows and macOS
# (and since Python 3.14 on Linux too) a worker is a new Python process that has to *import* the
# class. It cannot import what was defined in a notebook, and the loader ends with *DataLoader
# worker exited unexpectedly*, or hangs. So keep data sets for workers in a `.py` file. (Starting
# new processes also takes a few seconds for each pass, in the cells below too.
# `persistent_workers=True` keeps them for the next pass.)
#
# > **Predict.** Two workers, with four of the eight items each. The generator in `__init__` has
# > the seed 0. What will the shifts of the two workers look like? And in the next epoch?

# %%
for source in ["own", "numpy"]:
    loader = DataLoader(RandomShift(source), batch_size=4, num_workers=2)
    for _ in range(2):
        print(source, [batch.tolist() for batch in loader])

# %% [markdown]
# With the generator of its `own`, both workers make the *same* shifts, and each epoch repeats
# them. Each worker starts with a copy of the generator, and in each epoch with a new copy.
# Nothing crashes, but the variety that such changes (called *augmentation*) were meant to bring
# is mostly gone.
#
# The well-known warning is about NumPy's *global* generator, `np.random.randint` ([issue
# 5059](https://github.com/pytorch/pytorch/issues/5059)). It is out of date. PyTorch now seeds
# that one in each worker ([pull request 56488](https://github.com/pytorch/pytorch/pull/56488),
# of 2021), together with Python's `random` and its own, and the last two lines show no
# repetition. A generator that you made yourself remains your task. Either use PyTorch's random
# numbers in `__getitem__`, or give each worker a generator of its own. The loader calls
# `worker_init_fn` at the start of each worker. Ours gets hold of this worker's copy of the data
# set, and seeds it with `torch.initial_seed()`, which differs between workers and epochs:

# %%
print(inspect.getsource(seed_own_generator))
loader = DataLoader(RandomShift("own"), 4, num_workers=2, worker_init_fn=seed_own_generator)
for _ in range(2):
    print([batch.tolist() for batch in loader])

# %% [markdown]
# **The last batch.** BatchNorm cannot train on a single sample, because one value has no spread.
# If your data leave a last batch of one, training crashes at the end of the first epoch, perhaps
# after an hour:

# %%
try:
    network()(pixels[:1])
except ValueError as error:
    print(error)

# %% [markdown]
# `drop_last=True` leaves out an incomplete last batch, here the one of 52 digits:

# %% tags=["nbval-check-output"]
len(train_loader), len(DataLoader(train_data, batch_size=64, drop_last=True))

# %% [markdown]
# That is fine for training, where the next epoch shuffles anew. It is wrong for validation,
# where the same samples would always be missing.
#
# **Pinned memory.** `pin_memory=True` puts batches into memory from which a GPU can fetch them
# while it computes, if you also write `x.to(device, non_blocking=True)`. Without a GPU it does
# nothing except give a warning.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13. Seeds and their limits (further)
#
# `torch.manual_seed` seeds PyTorch's generator, which supplies the first weights, dropout, and
# the order of a shuffling loader. (A loader with a `generator` of its own takes the order from
# there, as in section 3.) NumPy and Python's `random` have seeds of their own;
# `runtime.seed_everything` sets all three.
#
# > **Predict.** Two runs with the same seed: equal to the last bit, or only nearly? And if a
# > trained network answers all test digits at once, and then one by one?

# %% tags=["nbval-check-output"]
first, again = train_network(seed=0).eval(), train_network(seed=0).eval()
torch.equal(first[0].weight, again[0].weight)

# %%
one_by_one = torch.cat([first(row) for row in pixels[test].split(1)])
print(f"{(first(pixels[test]) - one_by_one).abs().max():.0e}")

# %% [markdown]
# The two runs are equal to the last bit. Yet the same network gives answers that differ in the
# last digits when the batches are cut differently. Floating-point numbers are rounded after each
# addition, so the order of a sum matters. The order depends on how the batches are cut, and it
# can depend on the number of threads, the processor and the version of the library. A long
# training can make such a difference grow. So a seed repeats a run on *one* machine with one set
# of versions and threads, and no more.
#
# On a GPU some operations add in a different order each time.
# `torch.use_deterministic_algorithms(True)` replaces these or raises an error, at a price in
# speed, and `torch.backends.cudnn.benchmark = False` keeps cuDNN from choosing its algorithms by
# timing them. (We cannot show this on a CPU.) And repeating a run is not evidence: whether a
# result holds is a question for several seeds.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14. Weight decay (further)
#
# *Weight decay* shrinks the weights a little in every step. In plain SGD it does not matter
# whether we shrink them directly, or add a multiple of the weights to the gradient (the gradient
# of an *L2 penalty*). *Adam*, the most common optimiser, divides each step by the usual size of
# the gradients. It then divides the penalty too, so the two are different methods. *AdamW*
# shrinks directly.
#
# What should shrink? Decay keeps weight matrices small. A bias has no reason to be near 0, and a
# scale of BatchNorm even less, since with a scale of 0 a feature would be lost. A usual rule is
# to let only parameters with two or more dimensions decay. An optimiser takes such *groups*,
# each with its own settings:

# %% tags=["nbval-check-output"]
model = network()
matrices = [p for p in model.parameters() if p.ndim >= 2]
vectors = [p for p in model.parameters() if p.ndim < 2]
groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
optimizer = torch.optim.AdamW(groups, lr=3e-3, weight_decay=0.1)
len(matrices), len(vectors)

# %% [markdown]
# Two matrices decay. Two biases, a scale and a shift do not. We train five networks of each
# kind: Adam with `weight_decay=0.1`, AdamW with the same, and AdamW with these groups. (The
# package's function does what you have just read, in a loop. `norm` is the length of the first
# layer's weights, which shows the decay at work, although BatchNorm makes up for it. `scale` is
# the mean scale of BatchNorm, and `accuracy` that on the test digits.)
#
# > **Predict.** In which of the three is the scale of BatchNorm smallest? Will the accuracy show
# > a difference?

# %%
decay = loop_runs.weight_decay(0.1)
decay.groupby("kind")[["norm", "scale", "accuracy"]].mean().round(3)

# %%
accuracy = decay.pivot(index="seed", columns="kind", values="accuracy")
accuracy.sub(accuracy["AdamW"], axis="index").agg(["mean", "sem"]).round(4)

# %% [markdown]
# The same number, 0.1, means two very different things. In Adam it makes the weights of the
# first layer about four times smaller than in AdamW, and the scale of BatchNorm shrinks to 0.78.
# In AdamW it does little to the scale in such a short run: the scale ends at 1.12 with decay and
# at 1.14 with the groups, which leave it alone. In the accuracy we cannot see a difference: the
# mean gain over AdamW (*mean*, five pairs with equal seeds) is no larger than its standard error
# (*sem*). The reason to use groups is that they do what we mean.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15. Clipping (further)
#
# One broken batch can spoil a good run. Suppose that a single batch arrives with pixels from 0
# to 255 instead of 0 to 1. What does that do to the gradient? `clip_grad_norm_` scales a
# gradient that is longer than a limit down to that limit. It stands between `backward` and
# `step`, and returns the length (the *norm*) before. (`x` and `y` are the 64 digits of section
# 10.)

# %%
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
for factor in [1, 255]:
    model.zero_grad()
    F.cross_entropy(model(factor * x), y).backward()
    print(factor, nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0))

# %% [markdown]
# The norm of the bad batch is almost 700 times that of the good one, and without clipping its
# step would be as much longer. Now we train five such networks on the digits for 160 steps with
# a rate of 0.3, and step 81 meets such a batch (`fit` clips with `max_grad_norm`):
#
# > **Predict.** There are 79 good steps after the bad one. Do the networks recover without
# > clipping: all, some, or none of the five?

# %%
for max_norm in [None, 1.0]:
    print(max_norm, loop_runs.one_bad_batch(max_norm).numpy().round(2))

# %% [markdown]
# One does. The other four are left with a test accuracy of 0.38 to 0.76. With a limit of 1 all
# five end with 0.90 or more. Print the norms of your own runs before you choose a limit: it
# should be above the usual norm, so that it acts on exceptions only. And find out where the bad
# batch came from.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 16. Gradient accumulation (further)
#
# `backward` adds to `.grad`, and that has a use. If a batch does not fit into memory, process
# several smaller ones, call `backward` after each, and `step` once at the end. This is *gradient
# accumulation*. Each loss is a mean, so one usually divides it by the number of parts. We do so
# for our 500 digits in parts of 240, 240 and 20, and compare with the gradient of all 500 at
# once.
#
# > **Predict.** Is the sum of the three gradients the gradient of the whole? If not, is it off
# > by about 1 %, 10 % or 50 %?

# %% tags=["nbval-check-output"]
loader = DataLoader(train_data, batch_size=240)
W = torch.zeros(64, 10, requires_grad=True)
for x, y in loader:
    (F.cross_entropy(x @ W, y) / len(loader)).backward()
in_parts, W.grad = W.grad, None
F.cross_entropy(pixels[train] @ W, digit[train]).backward()
print(f"off by {(in_parts - W.grad).norm() / W.grad.norm():.0%}")

# %% [markdown]
# It is off by about half. The last part has 20 digits, and they count as much as the 240 of
# another part. It is the mistake of section 5 again, this time in the gradient. Dividing by the
# number of parts is right only if all parts are equally large, which holds in every test with
# round numbers and fails at the end of an epoch. Each *sample* must have the same weight, as you
# will write in Exercise 5.9. (BatchNorm and dropout also notice the parts: each part has
# statistics of its own.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 17. Mixed precision (further)
#
# Numbers with 16 bits need half the memory, and many GPUs compute faster with them. *bfloat16*
# has the range of float32 but only two to three digits: the next number after 1 is 1.0078. In
# *mixed precision*, `torch.autocast` lets matrix products run in bfloat16 and keeps in float32
# what needs the digits.
#
# We train nothing and look at one batch (the 20 digits that are still in `x`), once with
# autocast and once without.
#
# > **Predict.** With autocast, which of these will be bfloat16: the logits, the loss, the
# > weights, their gradients?

# %%
gradients = []
for short in [True, False]:
    torch.manual_seed(0)
    model = network()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=short):
        logits = model(x)
        loss = F.cross_entropy(logits, y)
    loss.backward()
    gradients.append(model[0].weight.grad)
    print(logits.dtype, loss.dtype, model[0].weight.dtype, gradients[-1].dtype)

# %%
print(f"{(gradients[0] - gradients[1]).norm() / gradients[1].norm():.1%}")

# %% [markdown]
# Only the logits. Autocast computes `cross_entropy` in float32, and the weights stay in float32,
# so that a small step is not lost: in bfloat16, 1 + 0.001 is 1 again. The gradients of the two
# runs differ by half a percent here. Whether it is faster depends on the hardware. Measure it on
# yours.
#
# With *float16*, the older format, small gradients become 0. So the loss is multiplied by a
# large number first, and the gradients are divided by it before anything looks at them. The
# order of the lines matters, above all that `unscale_` comes before clipping:
#
# ```python
# scaler = torch.amp.GradScaler("cuda")
# for x, y in loader:
#     optimizer.zero_grad()
#     with torch.autocast("cuda", dtype=torch.float16):
#         loss = F.cross_entropy(model(x), y)
#     scaler.scale(loss).backward()
#     scaler.unscale_(optimizer)          # gradients in their true size again
#     nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
#     scaler.step(optimizer)              # leaves the step out if a gradient is infinite or nan
#     scaler.update()
# ```

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 18. Files and devices (further)
#
# **A file that acts.** `torch.save(model)`, with the whole module, is a *pickle*. A pickle is
# not data but a small program that rebuilds objects, and it may call any function. This one was
# written by hand:

# %% tags=["nbval-check-output"]
pickle.loads(b"cbuiltins\nprint\n(Vthis ran while the file was loaded\ntR.")

# %% [markdown]
# It only prints, but it could delete your files. So since version 2.6 `torch.load` reads with
# `weights_only=True` and refuses a file that asks for code, even if it is honest. We write two
# files, a whole `nn.Linear` and its `state_dict`, and list what code each of them asks for:

# %% tags=["nbval-check-output"]
for content in [nn.Linear(2, 2), nn.Linear(2, 2).state_dict()]:
    torch.save(content, file)
    print(torch.serialization.get_unsafe_globals_in_checkpoint(file))

# %% [markdown]
# The whole module asks for its class, wherever that is, so it also becomes unreadable when the
# class is renamed. The `state_dict` asks for nothing: it holds tensors. Post A saves the whole
# module. (`weights_only` is a good lock but not a perfect one. Crafted files got past it before
# version 2.6, [CVE-2025-32434](https://nvd.nist.gov/vuln/detail/CVE-2025-32434), and again
# before 2.10, [CVE-2026-24747](https://nvd.nist.gov/vuln/detail/CVE-2026-24747). Keep PyTorch up
# to date.)
#
# **The wrong device.** Model and data must be on the same *device*: `cpu`, `cuda` or `mps`. Post
# E hard-wires `"cuda"` and post A `"mps"`, so neither runs on the other's machine. One related
# trap can be shown on any machine, with the device `meta`, a device for tensors without content
# that every machine has:
#
# > **Predict.** After `model.to(device)` the model is there. Is `x` there after `x.to(device)`?

# %% tags=["nbval-check-output"]
model.to("meta")
x.to("meta")
model[0].weight.device, x.device

# %% [markdown]
# A module moves in place, but a tensor does not: `to` returns a new one. Write
# `x = x.to(device)`. If you forget the `x =`, nothing happens on a machine without a GPU, and on
# the first machine with one the program crashes. `runtime.device()` of the package chooses a
# device that exists, and `fit` moves model and batches there.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 19. Three more tools (further)
#
# **Logging.** Write down, for each epoch, the training loss, the validation measures and the
# learning rate, and for each run its seed and settings, in a file that survives the notebook. A
# table such as `history.frame.to_csv("run.csv")` is enough for one person. TensorBoard and its
# relatives add live curves and comparisons of many runs. They cannot repair a number that the
# loop computes wrongly.
#
# **Averaged weights.** An *exponential moving average* (EMA) keeps a second copy of the weights,
# which follows the training slowly, and you validate with that copy. It averages out the noise
# of the last steps, much as a falling learning rate does, so compare it with a good schedule.
# BatchNorm's buffers must be copied or averaged too. PyTorch has it as
# [`torch.optim.swa_utils.AveragedModel`](https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema).
#
# **Compiling.** `torch.compile(model)` translates a model into faster code when it is first
# called. It needs a compiler, and takes some time again for each new shape of input, so it pays
# in long runs of large models. Make the loop right first. Then compile, check that the loss is
# the same, and measure.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 20. Exercises
#
# Put your answer in place of each `...`. If you get stuck, `ex.q3.hint()` gives a hint, a second
# call a stronger one, and `ex.q3.solution()` the solution.

# %% [markdown]
# **Exercise 5.3, write a function (2 minutes).** A loop has kept two tensors of shape `(B,)`:
# the mean loss of each of the `B` batches of an epoch, and the number of samples in each batch.
# Return the mean loss of the epoch, over all its samples.

# %% tags=["exercise"]
def epoch_mean(means, sizes):
    ...

ex.q3.check(epoch_mean)

# %% [markdown]
# **Exercise 5.4, find the bugs (3 minutes).** The network has dropout, and the last batch of
# each loader is smaller than the others. Nothing crashes, but two of the nine lettered lines are
# at fault: one stands in the wrong place, and one computes the wrong number. Which two? Answer
# with their letters, such as `"bc"`.
#
# ```python
# model.train()                                                       # a
# for epoch in range(epochs):
#     for x, y in train_loader:
#         loss = F.cross_entropy(model(x), y)                         # b
#         loss.backward()                                             # c
#         optimizer.step()                                            # d
#         optimizer.zero_grad()                                       # e
#     model.eval()                                                    # f
#     total = 0.0
#     with torch.no_grad():                                           # g
#         for x, y in val_loader:
#             loss = F.cross_entropy(model(x), y)
#             total += loss.item() * len(y)                           # h
#     print("validation loss", total / len(val_loader))               # i
# ```

# %% tags=["exercise"]
bugs = ...
ex.q4.check(bugs)

# %% [markdown]
# **Exercise 5.5, write a function (6 minutes).** For each of `epochs` epochs, call
# `train_one_epoch(model)` and then `validate(model)`, which returns the validation loss as a
# float. In the end `model` must have the weights of the epoch with the lowest validation loss,
# and you return that loss. (The model may have BatchNorm. In a tie, the earlier epoch wins. If
# the training diverges, later losses may be `nan`; such an epoch is never the best.)

# %% tags=["exercise"]
def train_and_keep_best(model, epochs, train_one_epoch, validate):
    ...

ex.q5.check(train_and_keep_best)

# %% [markdown]
# **Exercise 5.6, write a function (7 minutes).** `part` is an `nn.Sequential`, perhaps with
# BatchNorm and dropout in it, also in smaller parts inside. Freeze it and return it (changed, or
# wrapped in a module of your own), so that we can write
#
# ```python
# model = nn.Sequential(stem, freeze(part), head)
# ```
#
# We then train `model` as usual, with `model.train()` at the start of each epoch and
# `model.eval()` before each validation. From now on the frozen part must answer as `part` would
# in evaluation mode, to the last bit: its parameters get no gradient, its running averages do
# not move, and its dropout stays off. The stem before it and the head after it must train and
# switch modes as usual.

# %% tags=["exercise"]
def freeze(part):
    ...

ex.q6.check(freeze)

# %% [markdown]
# **Exercise 5.7, find the bug (3 minutes).** A run was stopped, and this code should continue it
# as if there had been no stop. The file was written at the end of an epoch, and all that is in
# it is right; `state["random"]` is what `torch.get_rng_state()` returned. The network has
# dropout, and the loader shuffles, both with PyTorch's random numbers. When the loop begins, the
# weights and the learning rate are right, and yet the losses are not those of a run without a
# stop. One line comes too early. Which? Answer with its letter.
#
# ```python
# state = torch.load("run.pt", weights_only=True)                          # a
# torch.set_rng_state(state["random"])                                     # b
# model = network()                                                        # c
# model.load_state_dict(state["model"])                                    # d
# optimizer = torch.optim.Adam(model.parameters(), lr=0.003)               # e
# optimizer.load_state_dict(state["optimizer"])                            # f
# scheduler = StepLR(optimizer, 7, 0.1)                                    # g
# scheduler.load_state_dict(state["scheduler"])                            # h
# for epoch in range(state["finished"], epochs):                           # i
#     train_one_epoch(model, loader, optimizer)
#     scheduler.step()                                                     # j
# ```

# %% tags=["exercise"]
line = ...
ex.q7.check(line)

# %% [markdown]
# **Exercise 5.8, predict a number (2 minutes).** Fine-tuning starts with `lr=0.002` and
# `StepLR(optimizer, 5, 0.5)`. The scheduler should be stepped after each epoch, but by mistake
# it is stepped after each of the 12 batches of an epoch. What is the learning rate after the
# *third* epoch?

# %% tags=["exercise"]
rate = ...
ex.q8.check(rate)

# %% [markdown]
# **Exercise 5.9, write a function (6 minutes).** A batch is too large for memory, so it comes as
# a list `batches` of smaller ones `(x, y)`, not all of the same size. Make one step of
# `optimizer`: the step that the mean cross entropy over *all* their samples would give. Return
# this mean, as it was before the step. Only one of the small batches fits into memory at a time,
# so call `backward` for each of them before you go on to the next. (The function will be called
# many times in a row. The model has no BatchNorm or dropout.)

# %% tags=["exercise"]
def accumulate(model, batches, optimizer):
    ...

ex.q9.check(accumulate)

# %% [markdown]
# **Exercise 5.10, predict a number (2 minutes).** A blog post on fine-tuning (post C, which
# notebook 06 reads) reports an accuracy of 95.425 %, in short 95.4 %, on 153 photos. How many of
# them did its network get right?

# %% tags=["exercise"]
right = ...
ex.q10.check(right)

# %% [markdown]
# ## What to remember
#
# Ten mistakes that do not crash, and what each of them cost here:
#
# | mistake | its cost in this run | section |
# |---|---|---|
# | no `zero_grad`, learning rate 0.3 | accuracy 0.78 instead of 0.94 | [3](#3.-Train,-validate,-predict) |
# | `zero_grad` between `backward` and `step` | no weight changes at all | [2](#2.-Three-lines,-in-order) |
# | validating in training mode | accuracy 0.19 instead of about 0.94, if the digits are sorted | [4](#4.-Left-in-training-mode) |
# | the trace that this leaves | test accuracy 0.923 instead of 0.940 | [4](#4.-Left-in-training-mode) |
# | the accuracy of the last batch | off by more than 0.04 on average, by 0.09 once | [5](#5.-The-numbers-of-an-epoch) |
# | a mean of batch means | a loss of 0.222 instead of 0.161 | [5](#5.-The-numbers-of-an-epoch) |
# | training on the validation set | validation 1.00, test 0.90 instead of 0.94 | [6](#6.-Which-samples-may-decide) |
# | the best of 20, reported where it was chosen | 0.964 instead of 0.947 | [6](#6.-Which-samples-may-decide) |
# | a scheduler stepped per batch | accuracy 0.87 instead of 0.94 | [7](#7.-When-the-scheduler-steps) |
# | the best weights kept without a copy, then an epoch with `lr=10` | accuracy 0.17 instead of 0.93 | [8](#8.-Keeping-the-best-weights) |
#
# - Gradients add up. Each step needs `zero_grad`, `backward` and `step`, in this order.
# - Training begins with `train()` in every epoch. Validation needs `eval()` *and* `no_grad()`.
# - All means are over samples. Choose on validation, and report on test, once.
# - Print the learning rate that was used, copy the weights that you want to keep, and overfit
#   one batch before a long run.
#
# **Next.** With this loop, how far do 244 photos of ants and bees get us, and how much of it is
# due to a network that was trained on a million others? Go on with
# [06_fine_tuning_ants_bees](06_fine_tuning_ants_bees.ipynb).
#

# %% [markdown]
# **References**
#
# - Post A: a Korean blog post of 2024 on fine-tuning a ResNet with focal loss. Post C: a Korean
#   blog post on transfer learning with a ResNet-50. Post D: a Japanese blog post on focal loss
#   for credit-card fraud. Post E: a Korean blog post of 2023 that explains a training loop.
#   (Post B plays a part in notebook 08.)
# - B. T. Polyak, "Some Methods of Speeding Up the Convergence of Iteration Methods", *USSR
#   Computational Mathematics and Mathematical Physics* 4 (1964),
#   [doi:10.1016/0041-5553(64)90137-5](https://doi.org/10.1016/0041-5553(64)90137-5) (momentum).
# - S. Ioffe and C. Szegedy, "Batch Normalization" (2015),
#   [doi:10.48550/arXiv.1502.03167](https://doi.org/10.48550/arXiv.1502.03167).
# - N. Srivastava and others, "Dropout: A Simple Way to Prevent Neural Networks from
#   Overfitting", *Journal of Machine Learning Research* 15 (2014),
#   [jmlr.org](https://jmlr.org/papers/v15/srivastava14a.html).
# - G. C. Cawley and N. L. C. Talbot, "On Over-fitting in Model Selection and Subsequent
#   Selection Bias in Performance Evaluation", *Journal of Machine Learning Research* 11 (2010),
#   [jmlr.org](https://jmlr.org/papers/v11/cawley10a.html).
# - L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017),
#   [doi:10.48550/arXiv.1506.01186](https://doi.org/10.48550/arXiv.1506.01186) (the range test).

# %% [markdown]
# On optimisers, schedules and number formats:
#
# - D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization" (2015),
#   [doi:10.48550/arXiv.1412.6980](https://doi.org/10.48550/arXiv.1412.6980).
# - I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization" (2019),
#   [doi:10.48550/arXiv.1711.05101](https://doi.org/10.48550/arXiv.1711.05101), and "SGDR:
#   Stochastic Gradient Descent with Warm Restarts" (2017),
#   [doi:10.48550/arXiv.1608.03983](https://doi.org/10.48550/arXiv.1608.03983) (the cosine).
# - P. Micikevicius and others, "Mixed Precision Training" (2018),
#   [doi:10.48550/arXiv.1710.03740](https://doi.org/10.48550/arXiv.1710.03740).
# - PyTorch documentation: [the data loader](https://docs.pytorch.org/docs/stable/data.html),
#   [learning-rate schedulers](https://docs.pytorch.org/docs/stable/optim.html),
#   [reproducibility](https://docs.pytorch.org/docs/stable/notes/randomness.html).
