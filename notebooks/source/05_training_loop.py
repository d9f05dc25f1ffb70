# %% [markdown] slideshow={"slide_type": "slide"}
# # 05. The training loop: mistakes that do not crash
#
# Three questions for this notebook:
#
# 1. Which lines make a training loop, and why in this order?
# 2. Which mistakes in it never crash, and what does each of them cost?
# 3. What must a loop do besides, before its numbers can be believed?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | 1. One step by hand | 8 | take a gradient step with and without autograd |
# | 2. Three lines, in order | 14 | say what a loop without `zero_grad` really is |
# | 3. Train, validate, predict | 6 | write the three functions of a loop |
# | 4. `train()` left on | 6 | know which layers have two modes |
# | 5. The numbers of an epoch | 5 | average over samples, not over batches |
# | 6. Which samples may decide | 9 | measure the optimism of choosing |
# | 7. When the scheduler steps | 5 | see which learning rate was used |
# | 8. A frozen part that moves | 6 | freeze BatchNorm so that it stays frozen |
# | 9. Saving | 7 | keep the best weights, and load no code |
# | 10. The wrong device | 3 | write code that runs on any machine |
# | 11. The heart of `fit` | 8 | read `fit`, stop it and go on |
# | 12. Exercises | 25 | show yourself that you can |
#
# **Needs** notebook 01. **Data**: scikit-learn's digits, always there. Runs in about 30 seconds.

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
import itertools
import tempfile
import warnings
import weakref

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from course_utils import plots, runtime, training
from course_utils.exercises import training_loop as ex
from course_utils.training import TensorLoader, fit

runtime.set_threads(1)
plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. One step by hand
#
# Our data are 1,797 handwritten digits of 8 x 8 pixels. We train on 500, *validate* on 153, which
# means that we choose by them, and leave the rest to *test*. (153 is how many photos of ants and
# bees notebook 06 has.)

# %%
pixels, digit = load_digits(return_X_y=True)
pixels = torch.tensor(pixels / 16, dtype=torch.float32)
digit = torch.tensor(digit)
order = torch.randperm(len(digit), generator=torch.Generator().manual_seed(0))
train, val, test = order[:500], order[500:653], order[653:]

# %% [markdown]
# The smallest classifier: logits $z = xW$ with a matrix $W$ of 64 x 10 weights, all 0. From
# notebook 01 we know the gradient of one sample's cross entropy with respect to its logits, $p -
# y$. For $W$, and the mean over the $N$ rows of $x$, the chain rule makes it $x^\top (p - y) / N$.
#
# > **Predict.** What is the loss before the first step?

# %%
def gradient_by_hand(W, x, y):
    p = torch.softmax(x @ W, dim=1)
    return x.T @ (p - F.one_hot(y, 10)) / len(x)

# %%
x, y = pixels[train], digit[train]
W = torch.zeros(64, 10)
print(f"before {F.cross_entropy(x @ W, y):.4f}")

# %% [markdown]
# $\ln 10$: it knows nothing. The gradient points to where the loss rises fastest, so we go the
# other way, by a *learning rate* (`lr`) times the gradient. That is *gradient descent*.

# %% tags=["nbval-check-output"]
stepped = W - 0.5 * gradient_by_hand(W, x, y)
print(f"after one step {F.cross_entropy(x @ stepped, y):.3f}")

# %% [markdown]
# Now PyTorch's way, *autograd*: `backward` computes the gradient of the loss for every parameter
# and leaves it in `.grad`; an *optimiser* makes the step. Is it the same step?

# %% tags=["nbval-check-output"]
W.requires_grad_()
optimizer = torch.optim.SGD([W], lr=0.5)
F.cross_entropy(x @ W, y).backward()
optimizer.step()
print(f"largest difference below one millionth: {bool((W - stepped).abs().max() < 1e-6)}")

# %% [markdown]
# ### How large a step?
#
# Near a minimum most smooth losses look like a bowl, usually a long one: here $\frac12 (w_1^2 + 8
# w_2^2)$. Its slope along $w_2$ is $8 w_2$, so one step multiplies $w_2$ by $1 - 8\,\mathrm{lr}$.
#
# > **Predict.** From which learning rate on does the path leave the bowl, and never arrive?

# %%
def descend(lr, momentum=0.0, steps=20):
    w = torch.tensor([-2.5, 0.6], requires_grad=True)
    optimizer, path = torch.optim.SGD([w], lr=lr, momentum=momentum), [w.tolist()]
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * (w[0] ** 2 + 8 * w[1] ** 2)).backward()
        optimizer.step()
        path.append(w.tolist())
    return torch.tensor(path)

# %%
def draw_path(lr, momentum, ax):
    a, b = torch.meshgrid(torch.linspace(-3, 3, 80), torch.linspace(-2, 2, 80), indexing="ij")
    ax.contour(a, b, 0.5 * (a**2 + 8 * b**2), levels=[0.1, 0.5, 2, 5, 10, 18], colors="#BBBBBB",
               linewidths=1, linestyles="-")
    ax.plot(*descend(lr, momentum).T, "o-", markersize=4, color="#0072B2", linewidth=1)
    ax.plot(0, 0, "+", markersize=12, color="black")
    ax.set(xlabel="$w_1$", ylabel="$w_2$", xlim=(-3, 3), ylim=(-2, 2))
    return ax

plots.explore(draw_path, "Twenty steps of gradient descent into a long bowl, without momentum. "
                         "With a learning rate of 0.02 the path creeps; with 0.14 it comes close; "
                         "with 0.26 it swings to and fro along w2, further at every step.",
              lr=(0.14, 0.02, 0.26, 0.02), momentum=(0.0, 0.0, 1.0, 0.1))

# %% [markdown]
# Beyond $2/8 = 0.25$ every step lands further out along $w_2$: $|1 - 8\,\mathrm{lr}| > 1$. The
# steepest direction limits the learning rate, the flattest one decides how long it takes.
# (*Momentum* keeps a share of the last step's speed; the second slider is for section 2.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Three lines, in order
#
# Every step has three lines: `zero_grad`, `backward`, `step`. The first one looks like tidying up.
#
# > **Predict.** The loss is $(w - 3)^2$ at $w = 1$, so its slope is $-4$. We call `backward` twice.
# > What stands in `w.grad`?

# %%
w = torch.tensor(1.0, requires_grad=True)
for _ in range(2):
    ((w - 3) ** 2).backward()
    print(w.grad)

# %% [markdown]
# It *adds*. Sometimes we want that. A batch too large for memory goes through in two halves, each
# divided by 2, before one step: *gradient accumulation*.

# %% tags=["nbval-check-output"]
W.grad = None
for half in [slice(0, 250), slice(250, 500)]:
    (F.cross_entropy(x[half] @ W, y[half]) / 2).backward()
in_halves, W.grad = W.grad, None
F.cross_entropy(x @ W, y).backward()
print(f"the same gradient: {torch.allclose(in_halves, W.grad, atol=1e-6)}")

# %% [markdown]
# But if nobody clears it, each step uses the sum of all gradients since the beginning.
#
# > **Predict.** A bowl again, $\frac12 w^2$, from $w = 1$. Without `zero_grad`: faster, slower,
# > explosion, or something else?

# %%
def roll(zero_grad, momentum=0.0, steps=150):
    w = torch.tensor([1.0], requires_grad=True)
    optimizer, path = torch.optim.SGD([w], lr=0.05, momentum=momentum), [1.0]
    for _ in range(steps):
        if zero_grad:
            optimizer.zero_grad()
        (0.5 * w**2).sum().backward()
        optimizer.step()
        path.append(w.item())
    return torch.tensor(path)

# %%
fig, ax = plt.subplots()
ax.plot(roll(True), label="with zero_grad", **plots.LOOK["cross entropy"])
ax.plot(roll(False), label="without", **plots.LOOK["focal"])
ax.set(xlabel="step", ylabel="w", ylim=(-1.1, 1.5))
ax.legend(loc="upper right", ncols=2)
plots.show(fig, "The weight over 150 steps; the minimum is at 0. With zero_grad it falls smoothly "
                "to 0; without, it swings between 1 and -1 and does not come to rest.")

# %% [markdown]
# A pendulum without friction! Each gradient is added to a speed that nothing slows down. That has a
# name: momentum 1.

# %% tags=["nbval-check-output"]
difference = roll(False) - roll(True, momentum=1.0)
print(f"no zero_grad against momentum 1: largest difference {difference.abs().max():.0e}")

# %% [markdown]
# So plain SGD without `zero_grad` *is* SGD with momentum 1; 0.9 is usual. It often learns, and that
# is why the mistake lives on. Where the sliders run, set the second one above to 1; on paper, the
# dashed curve is it.
#
# > **Predict.** Twenty *epochs* on the digits (an epoch is one pass over all training samples, here
# > in batches of 64), with a small and with a large learning rate: who wins?

# %%
def small_network():
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

def batches(samples, seed, size=64):
    return TensorLoader(pixels[samples], digit[samples], batch_size=size, shuffle=True,
                        generator=torch.Generator().manual_seed(seed))

def accuracy(model, samples):
    with torch.no_grad():
        return (model(pixels[samples]).argmax(1) == digit[samples]).float().mean().item()

# %%
def learn(seed, lr, zero_grad, epochs=20, size=64):
    torch.manual_seed(seed)
    model, loader, seen = small_network(), batches(train, seed, size), []
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for x, y in loader:
            if zero_grad:
                optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        seen.append(accuracy(model, val))
    return seen

# %%
cleared = {(lr, z): torch.tensor([learn(s, lr, z) for s in range(5)])
           for lr in [0.03, 0.3] for z in [True, False]}

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), sharey=True)
for (lr, zero_grad), seen in cleared.items():
    ax, epochs = axes[[0.03, 0.3].index(lr)], range(1, 21)
    look = plots.LOOK["cross entropy" if zero_grad else "focal"]
    ax.plot(epochs, seen.mean(0), label="with zero_grad" if zero_grad else "without", **look)
    ax.fill_between(epochs, *seen.aminmax(dim=0), alpha=0.2, color=look["color"])
    ax.set(xlabel="epoch", title=f"lr = {lr}", ylim=(0, 1))
axes[0].set_ylabel("validation accuracy")
axes[0].legend()
plots.show(fig, "Digits, mean and range of 5 seeds. With a learning rate of 0.03 the loop without "
                "zero_grad learns faster; with 0.3 it learns first and then falls apart.")

# %%
for (lr, zero_grad), seen in cleared.items():
    print(f"lr {lr:<4} {'with' if zero_grad else 'without':<7} zero_grad: mean accuracy after "
          f"20 epochs {seen[:, -1].mean():.2f}")

# %% [markdown]
# With too small a learning rate the mistake even *helps*. With one that suits the loop it learns,
# and then unlearns. Why? A suspect: each batch is a random push, and a pendulum without friction
# keeps every push.
#
# > **Predict.** If so, what happens with all 500 digits as a single batch, no `zero_grad`, `lr=0.3`
# > and the same 160 steps?

# %%
one_batch = [learn(seed, 0.3, False, epochs=160, size=500)[-1] for seed in range(5)]
print(f"a single batch, without zero_grad: mean accuracy {sum(one_batch) / 5:.2f}")

# %% [markdown]
# It does not fall apart. What the pendulum gathers is the noise of small batches. A run that gets
# worse after a good start has many possible causes; a missing `zero_grad` is the quickest to check.

# %% [markdown]
# ### A wrong order
#
# > **Predict.** `zero_grad` between `backward` and `step`: what is learned?

# %%
model = small_network()
optimizer, before = torch.optim.SGD(model.parameters(), lr=0.3), copy.deepcopy(model)
F.cross_entropy(model(x), y).backward()
optimizer.zero_grad()
optimizer.step()
max((new - old).abs().max().item()
    for new, old in zip(model.parameters(), before.parameters(), strict=True))

# %% [markdown]
# Nothing, without a word: `zero_grad` sets the gradients to `None`, and `step` skips what has none.
# With `set_to_none=False` they become zeros.
#
# > **Predict.** One step with momentum, then `zero_grad` and a second step. Is zero as good as
# > `None`?

# %%
def coast(set_to_none):
    w = torch.tensor([1.0], requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    w.sum().backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=set_to_none)
    optimizer.step()
    return round(w.item(), 3)

# %%
coast(set_to_none=True), coast(set_to_none=False)

# %% [markdown]
# It is not: on a gradient of zero the momentum rolls on.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Train, validate, predict
#
# Four blog posts come along, under the letters of the course (References). *Post E* has one
# `run_model` for training, validation and samples without labels. Three tasks with different needs;
# so we write three functions.
#
# The network has two layers that section 4 is about, *BatchNorm* and *dropout*. The optimiser is
# *Adam*: momentum, with each weight's step divided by the usual size of its gradients.

# %%
def network():
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(64, 10))

# %%
def train_one_epoch(model, loader, optimizer):
    model.train()
    total = count = 0
    for x, y in loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, count = total + loss.item() * len(y), count + len(y)
    return total / count

# %%
def validate(model, loader):
    model.eval()
    with torch.no_grad():
        logits, target = zip(*[(model(x), y) for x, y in loader], strict=True)
    logits, target = torch.cat(logits), torch.cat(target)
    right = (logits.argmax(dim=1) == target).float().mean().item()
    return F.cross_entropy(logits, target).item(), right

# %%
def predict(model, loader):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(x) for x, in loader]).softmax(dim=1)

# %%
def train_network(seed, samples=train, epochs=10):
    torch.manual_seed(seed)
    model, loader = network(), batches(samples, seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = [train_one_epoch(model, loader, optimizer) for _ in range(epochs)]
    return model, losses

# %%
model, losses = train_network(seed=0)
validate(model, [(pixels[val], digit[val])])

# %%
prob = predict(model, [(pixels[test][:3],)])
prob.amax(dim=1), prob.argmax(dim=1), digit[test][:3]

# %% [markdown]
# ### What a kept loss keeps
#
# `loss.item()` is a plain number; `loss` still knows how it was computed. "Append `loss` itself to
# a list and memory grows with every batch", it is often said. `saved_tensors_hooks` tells us of
# each tensor that autograd stores; we add up the memory of those still alive, shared memory once.
#
# > **Predict.** Twenty batches, the losses kept in a list. When is memory held: with `backward`,
# > without it (a validation that forgot `no_grad`), or both?

# %%
alive = weakref.WeakSet()  # forgets what nobody else holds

class Kept:
    def __init__(self, tensor):
        self.tensor = tensor.detach()
        alive.add(self)

# %%
def megabytes_held(keep, backward):
    alive.clear()
    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        losses = [F.cross_entropy(model(x), y) for _ in range(20)]
        for loss in losses if backward else []:
            loss.backward()
        losses, loss = [keep(loss) for loss in losses], None
    memory = [kept.tensor.untyped_storage() for kept in alive]
    sizes = {storage.data_ptr(): storage.nbytes() for storage in memory}
    return round(sum(sizes.values()) / 1e6, 1)

# %% tags=["nbval-check-output"]
for backward in [True, False]:
    for name, keep in [("loss", lambda loss: loss), ("loss.item()", torch.Tensor.item)]:
        print(f"{'after' if backward else 'without':<7} backward, {name:<11} kept: "
              f"{megabytes_held(keep, backward)} MB still held")

# %% [markdown]
# `backward` frees the intermediate results, whether the loss is kept or not: there, what folklore
# warns of does little harm. It bites *without* `backward`. So evaluate under `torch.no_grad()`, and
# keep numbers (`.item()`) or `.detach()` tensors.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. `train()` left on
#
# Two layers behave differently in training. *Dropout*, as we set it, turns a random half of its
# inputs to 0 and doubles the rest. *BatchNorm* subtracts from each feature the mean of the *batch*
# and divides by its spread; then it applies a scale and a shift of its own, which are learned. In
# evaluation dropout does nothing, and BatchNorm uses *running* averages that it collected in
# training. `model.train()` and `model.eval()` switch.
#
# > **Predict.** The same digit, three times through the network in training mode.

# %%
def said_of_first(samples, mode):
    model.train(mode)
    with torch.no_grad():
        return model(pixels[samples]).softmax(dim=1)[0, digit[samples[0]]].item()

# %%
model, _ = train_network(seed=0)
pd.DataFrame({"eval()": [said_of_first(val, False) for _ in range(3)],
              "train()": [said_of_first(val, True) for _ in range(3)]}).round(3)

# %% [markdown]
# Dropout gives three answers to one question. And it gets worse. `ImageFolder`, which reads photos
# from one folder a class, delivers them sorted by class, and validation photos are rarely shuffled.
# Then a batch is of one kind, and its mean is not the mean of the data.
#
# > **Predict.** Validation digits sorted by class, in batches of 4 (the size in post A). What
# > accuracy does `train()` show, when `eval()` shows more than nine in ten?

# %%
by_class = val[digit[val].argsort(stable=True)][:152]

# %%
def in_batches(model, samples, size, *, mode=True, dropout=True):
    model = copy.deepcopy(model).train(mode)
    model[3].train(mode and dropout)
    with torch.no_grad():
        told = torch.cat([model(pixels[i]).argmax(1) for i in samples.split(size)])
    return (told == digit[samples]).float().mean().item(), model

# %%
models = [train_network(seed)[0] for seed in range(5)]

# %%
settings = {"train(), sorted, 4 a batch": (by_class, 4, {}),
            "the same, dropout off": (by_class, 4, {"dropout": False}),
            "train(), sorted, 76 a batch": (by_class, 76, {}),
            "train(), shuffled, 4 a batch": (val[:152], 4, {}),
            "eval(), sorted, 4 a batch": (by_class, 4, {"mode": False})}
pd.DataFrame({name: [in_batches(m, samples, size, **more)[0] for m in models]
              for name, (samples, size, more) in settings.items()}
             ).agg(["mean", "min", "max"]).T.round(2)

# %% [markdown]
# BatchNorm does it, with dropout or without: from four of a kind it subtracts just what makes them
# that kind. Shuffled, or in large batches, the number is less wrong. Who reads it concludes that
# training failed, though the network is fine.
#
# (Why 152 of the 153? Here a last batch of one *does* crash: one value a feature has no spread.
# With photos it runs, for there the spread is also over the pixels.)

# %% [markdown]
# ### It leaves a trace
#
# In training mode every forward pass also updates the running averages, gradient or not.
#
# > **Predict.** `no_grad()` was on. Is the network after this validation still the one before it?

# %%
def trace(model):
    after = in_batches(model, by_class, 4)[1]
    moved = (after[1].running_mean - model[1].running_mean).abs().max().item()
    return {"running mean moved by up to": moved,
            "accuracy before": accuracy(model.eval(), test),
            "and after": accuracy(after.eval(), test)}

# %%
pd.DataFrame([trace(m) for m in models]).rename_axis("seed").round(3)

# %% [markdown]
# Looking at it changed it, and the validation digits have entered the model. The mends: `eval()`
# *and* `no_grad()`, which are two different things, and `train()` at the head of every epoch of
# training. Our `validate` and `train_one_epoch` do so.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. The numbers of an epoch
#
# The `run_model` of post E returns the accuracy of the *last batch*, since the variable is
# overwritten in the loop. Our 153 validation digits in batches of 64 leave 25 for the last one.
#
# > **Predict.** Which steps can an accuracy of 25 digits take? How far will it be off?

# %%
def two_accuracies(seed, epochs=12):
    torch.manual_seed(seed)
    model, loader, seen = network(), batches(train, seed), []
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        train_one_epoch(model, loader, optimizer)
        model.eval()
        seen.append((accuracy(model, val), accuracy(model, val[128:])))
    return seen

# %%
seen = torch.tensor([two_accuracies(seed) for seed in range(5)])

# %%
fig, ax = plt.subplots()
for column, name, look in [(0, "all 153", "cross entropy"), (1, "last batch, 25", "focal")]:
    ax.plot(range(1, 13), seen[:, :, column].mean(0), label=name, **plots.LOOK[look])
    ax.fill_between(range(1, 13), *seen[:, :, column].aminmax(dim=0), alpha=0.2,
                    color=plots.LOOK[look]["color"])
ax.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0.2, 1))
ax.legend(loc="lower right")
plots.show(fig, "Accuracy of all validation digits and of the last batch alone, mean and range of "
                "5 seeds. At the end the last batch lies lower, and scatters more.")

# %%
late = seen[:, 4:]
off = (late[..., 1] - late[..., 0])
print(f"epochs 5 to 12: off by {off.mean():+.2f} on average, by up to {off.abs().max():.2f}")

# %% [markdown]
# Every step of this number is 1/25, and the same 25 digits are asked each time: ours happen to be
# hard ones, so that the error is of one sign and looks like a fact. Which epoch is *best* is then
# decided by one or two digits:

# %%
print((seen.argmax(dim=1) + 1).tolist())

# %% [markdown]
# The best epoch, seed by seed, by all digits and by the last batch: often another one.

# %% [markdown]
# ### A mean of batch means
#
# Post E also adds up the batches' mean losses and divides by the number of batches.
#
# > **Predict.** One model, one set of 153 digits: does its loss depend on the batch size?

# %%
with torch.no_grad():
    each = F.cross_entropy(models[0].eval()(pixels[val]), digit[val], reduction="none")

# %%
rows = []
for size in [8, 17, 64, 76, 152]:
    means = torch.stack([batch.mean() for batch in each.split(size)])
    sizes = torch.tensor([len(batch) for batch in each.split(size)])
    rows.append((size, sizes[-1].item(), means.mean().item(),
                 ((means * sizes).sum() / sizes.sum()).item()))
pd.DataFrame(rows, columns=["batch size", "size of the last", "mean of means", "weighted by size"]
             ).round(3)

# %% [markdown]
# It must not, and weighted by size it does not. In the mean of means a last batch of one digit
# counts as much as 76 or 152 others. Where all batches are equal (17) there is no difference, which
# is why it passes a quick test.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Which samples may decide
#
# ### Trained on the wrong loader
#
# Post D, on fraud, builds its *training* loader from the *validation* set; one word is wrong.
#
# > **Predict.** Trained on the 153 validation digits: what is its accuracy there, and on the test
# > digits? What are the two for a network trained as it should be?

# %%
def gap(seed, samples, epochs):
    model = train_network(seed, samples, epochs)[0].eval()
    return accuracy(model, val), accuracy(model, test)

# %%
runs = {"trained on train": (train, 15), "on validation": (val, 15),
        "on validation, as many steps": (val, 40)}
leak = pd.concat({name: pd.DataFrame([gap(s, samples, epochs) for s in range(5)],
                                     columns=["validation", "test"])
                  for name, (samples, epochs) in runs.items()})
leak["gap"] = leak["validation"] - leak["test"]
leak.groupby(level=0, sort=False).agg(["mean", "std"]).round(3)

# %% [markdown]
# With the mistake the validation accuracy is *higher* and the model is *worse*: an epoch of 153
# digits has fewer steps, and even with as many steps 153 digits teach less than 500. The gap is
# many times the scatter over five seeds. (The honest gap need not be 0: all runs share one draw of
# 153, which may be a little easy.) Only digits that it never saw can show it, or a look at
# `len(loader)`: 3 batches, not 8.

# %% [markdown]
# ### Chosen and reported on the same set
#
# A subtler one. Nothing leaks, but of many epochs, seeds or settings we keep the one with the best
# validation accuracy, and report *that* accuracy, as post A does.
#
# > **Predict.** Forty networks that differ in nothing but the seed. The best of them on 153 digits:
# > how much better does it look than it is?

# %%
def held_out_hits(seed, epochs=12):
    torch.manual_seed(seed)
    model, loader = small_network(), batches(train, seed, size=100)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        train_one_epoch(model, loader, optimizer)
    with torch.no_grad():
        return (model(pixels[held]).argmax(1) == digit[held]).float()

# %%
held = torch.cat([val, test])
hits = torch.stack([held_out_hits(seed) for seed in range(40)])

# %% [markdown]
# `hits` says which network got which of the 1,297 held-out digits right. Now we draw 153 of them to
# validate, choose the best of $k$ networks, and look it up on all the others; 1000 times for each
# $k$.

# %%
def choose(k, g):
    digits, networks = torch.randperm(len(held), generator=g), torch.randperm(40, generator=g)[:k]
    shown = hits[networks][:, digits[:153]].mean(dim=1)
    best = networks[shown.argmax()]
    return shown.max().item(), hits[best, digits[153:]].mean().item()

# %%
g, ks = torch.Generator().manual_seed(0), [1, 2, 5, 10, 20, 40]
chosen = {k: torch.tensor([choose(k, g) for _ in range(1000)]) for k in ks}

# %%
fig, ax = plt.subplots()
for column, name, look, marker in [(0, "reported: on the digits that chose", "focal", "s"),
                                   (1, "true: on the other digits", "cross entropy", "o")]:
    ax.plot(ks, [chosen[k][:, column].mean() for k in ks], marker=marker, label=name,
            **plots.LOOK[look])
    low, high = torch.stack([chosen[k][:, column].quantile(torch.tensor([0.1, 0.9])) for k in ks]).T
    ax.fill_between(ks, low, high, alpha=0.15, color=plots.LOOK[look]["color"])
ax.set(xscale="log", xlabel="networks to choose from, k", ylabel="accuracy of the chosen network",
       xticks=ks, xticklabels=ks)
ax.minorticks_off()
ax.legend()
plots.show(fig, "Accuracy of the best of k networks, mean of 1000 draws. What is reported on the "
                "digits that chose rises with k; on other digits it hardly does. Bands: the middle "
                "80 % of the draws.")

# %%
for k in [1, 10, 40]:
    reported, true = chosen[k].mean(dim=0)
    print(f"best of {k:>2}: reported {reported:.3f}, true {true:.3f}, optimism "
          f"{reported - true:+.3f}")

# %% [markdown]
# With one network there is no optimism. With forty it is many times what the choice really gained,
# for these networks hardly differ: the best of them is the luckiest. That is the *winner's curse*.
# The mend is not to stop choosing: choose on validation, and report on test, once.

# %% [markdown]
# > **Predict.** "Our new loss brings 1 % more on 153 photos." How far does the accuracy of one and
# > the same network move, from one draw of 153 digits to the next? And the difference of two
# > networks, if both are judged on the same digits?

# %%
draws = torch.stack([hits[:2, torch.randperm(len(held), generator=g)[:153]].mean(dim=1)
                     for _ in range(1000)])
print(f"standard deviation over the draws: one network {draws[:, 0].std():.3f}, "
      f"difference of two {(draws[:, 0] - draws[:, 1]).std():.3f}")

# %% [markdown]
# The luck of the draw is larger than the gain. On the *same* digits two networks share part of that
# luck, so compare them there, photo by photo; but even then 153 are too few to tell 1 %.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. When the scheduler steps
#
# A *scheduler* changes the learning rate as training goes on; most lower it. `StepLR(optimizer, 7,
# 0.1)` divides it by ten after every 7 calls of `scheduler.step()`. It counts *calls*; what a call
# means is for you to decide.
#
# > **Predict.** 25 epochs of 8 batches. What does it do if it is called after every batch?

# %%
def rates(call, make=lambda optimizer: StepLR(optimizer, 7, 0.1)):
    optimizer, used = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1), []
    scheduler = make(optimizer)
    for _ in range(25):
        if call == "before each epoch":
            scheduler.step()
        used.append(optimizer.param_groups[0]["lr"])
        for _ in range(8):
            optimizer.step()
            if call == "after each batch":
                scheduler.step()
        if call == "after each epoch":
            scheduler.step()
    return used

# %%
calls = {"after each epoch": "cross entropy", "before each epoch": "weighted",
         "after each batch": "focal"}
fig, ax = plt.subplots()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for (call, look), marker in zip(calls.items(), "o^s", strict=True):
        ax.plot(range(1, 26), rates(call), marker=marker, label=call, **plots.LOOK[look])
ax.set(yscale="log", ylim=(1e-12, 1), xlabel="epoch", ylabel="learning rate at its start")
ax.legend()
plots.show(fig, "Learning rate at the start of each epoch. Called after each epoch, the scheduler "
                "divides it by ten every 7 epochs; before each epoch, one epoch too early; after "
                "each batch, in every epoch at least once.")

# %% [markdown]
# PyTorch warned of one of the three. The first sentence of all that it said:

# %%
for warning in caught:
    print(str(warning.message).split(". ")[0])

# %% [markdown]
# That was the call *before*, which costs one epoch of the schedule. The call after each *batch*
# goes unnoticed, and in effect stops the training after two or three epochs. Over five seeds:

# %%
def with_scheduler(seed, each_batch):
    torch.manual_seed(seed)
    model, loader = small_network(), batches(train, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    scheduler = StepLR(optimizer, 7, 0.1)
    for _ in range(25):
        for number, batch in enumerate(loader, 1):
            train_one_epoch(model, [batch], optimizer)
            if each_batch or number == len(loader):
                scheduler.step()
    return accuracy(model, val)

# %%
pd.DataFrame({name: [with_scheduler(seed, each_batch) for seed in range(5)] for name, each_batch
              in [("after each epoch", False), ("after each batch", True)]}
             ).agg(["mean", "min", "max"]).T.round(2)

# %% [markdown]
# The other way round, some schedulers *want* each batch: `OneCycleLR` warms up and cools down over
# a number of steps that it is told. Stepped once an epoch, ours never leaves the warm-up.

# %%
def one_cycle(optimizer):
    return OneCycleLR(optimizer, max_lr=1.0, total_steps=200)

{call: round(max(rates(call, one_cycle)), 3) for call in ["after each batch", "after each epoch"]}

# %% [markdown]
# The largest rate at the start of an epoch; it should come close to 1. So *print the learning rate
# that was used* beside the loss: it costs nothing and shows all of this. `fit` has a column `lr`.
#
# > **Predict.** Plain SGD, no momentum. What does `OneCycleLR` do to the momentum?

# %%
optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
one_cycle(optimizer)
optimizer.param_groups[0]["momentum"]

# %% [markdown]
# It was 0! `OneCycleLR` moves the momentum too, unless you pass `cycle_momentum=False`.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. A frozen part that moves
#
# A trained *backbone* turns pixels into features; a *head* turns features into classes. A second
# scanner delivers digits half as bright. We keep the backbone, *freeze* it, and train a second head
# for the new scanner. The first head stays in service.
#
# > **Predict.** `requires_grad_(False)` for all parameters of the backbone. The first head is not
# > touched at all. What becomes of its accuracy on the old scanner?

# %%
def backbone_and_head(seed):
    torch.manual_seed(seed)
    backbone = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())
    model = nn.Sequential(backbone, nn.Linear(64, 10))
    fit(model, batches(train, seed), None, loss_fn=F.cross_entropy, epochs=10, device="cpu",
        optimizer=torch.optim.Adam(model.parameters(), lr=3e-3), progress=False)
    return model

# %%
dim = pixels / 2

# %%
def second_head(backbone, seed):
    torch.manual_seed(seed)
    backbone.requires_grad_(False)
    model = nn.Sequential(backbone, nn.Linear(64, 10))
    loader = TensorLoader(dim[train], digit[train], batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model[1].parameters(), lr=3e-3)
    fit(model, loader, None, loss_fn=F.cross_entropy, epochs=10, device="cpu",
        optimizer=optimizer, progress=False)
    return model.eval()

# %% [markdown]
# Three tries: freeze the parameters only; call `backbone.eval()` once before training as well; and
# a backbone that *cannot* go into training mode:

# %%
def parameters_only(backbone):
    return backbone

def eval_once(backbone):
    return backbone.eval()

# %%
class Frozen(nn.Sequential):
    def train(self, mode=True):
        return super().train(False)

def eval_for_good(backbone):
    return Frozen(*backbone).eval()

# %%
rows = []
for seed in range(5):
    first = backbone_and_head(seed).eval()
    for freeze in [parameters_only, eval_once, eval_for_good]:
        backbone = freeze(copy.deepcopy(first[0]))
        new = second_head(backbone, seed)
        told = new(dim[test]).argmax(1) == digit[test]
        old = accuracy(nn.Sequential(backbone, first[1]), test)
        rows.append((freeze.__name__, accuracy(first, test), old, told.float().mean().item()))
frozen = pd.DataFrame(rows, columns=["freeze", "old scanner before", "and after", "new scanner"])
frozen.groupby("freeze", sort=False).agg(["mean", "std"]).round(3)

# %% [markdown]
# No weight changed, and yet the first head lost accuracy: its BatchNorm's running averages followed
# the dim digits. They are *buffers*, not parameters; `requires_grad` says nothing about them. And
# `eval()` once did not help, since a sound training loop, `fit` too, calls `model.train()` at each
# epoch.

# %%
moves = frozen[frozen["freeze"] == "parameters_only"]["new scanner"].to_numpy()
stays = frozen[frozen["freeze"] == "eval_for_good"]["new scanner"].to_numpy()
print(f"new scanner, moving minus frozen, for each seed: {(moves - stays).round(3)}")

# %% [markdown]
# For the *new* scanner alone the moving averages were no loss in our runs, if anything a small
# gain. Both ways are legitimate. But who says "frozen", shares a backbone, or caches its features,
# needs it to stand still: override `train`, as `Frozen` does.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Saving
#
# ### The best weights, by reference
#
# To keep the best epoch one writes `best = model.state_dict()`, trains on, and loads `best` at the
# end.
#
# > **Predict.** After five more epochs: which weights are in `best`?

# %%
model, _ = train_network(seed=0, epochs=5)
best, copied = model.state_dict(), copy.deepcopy(model.state_dict())
optimizer, loader = torch.optim.Adam(model.parameters(), lr=3e-3), batches(train, 1)
for _ in range(5):
    train_one_epoch(model, loader, optimizer)
now = model.state_dict()["0.weight"]
{"best": (best["0.weight"] - now).abs().max().item(),
 "copied": round((copied["0.weight"] - now).abs().max().item(), 3)}

# %% [markdown]
# A `state_dict` holds the model's *own* tensors, so `best` trained on with the model: its distance
# to the last weights is exactly 0. Keep a `copy.deepcopy`, or write it to a file at once.

# %% [markdown]
# ### A file that acts
#
# Post A saves with `torch.save(model)`, which pickles the whole module. A *pickle* is not data but
# a little program that rebuilds objects, and it may call any function. Ours only prints.

# %%
class Innocent(nn.Module):
    def __reduce__(self):
        return print, ("this ran while the file was loaded; it could have been anything",)

# %%
folder = tempfile.TemporaryDirectory()
file = Path(folder.name) / "model.pt"
torch.save(Innocent(), file)

# %%
torch.load(file, weights_only=False)

# %% [markdown]
# > **Predict.** Since version 2.6 `torch.load` reads with `weights_only=True` unless told
# > otherwise. Will it load this file? And an honest `nn.Linear` saved whole?

# %%
for module in [Innocent(), nn.Linear(2, 2)]:
    torch.save(module, file)
    try:
        torch.load(file)
    except Exception as error:
        reason = str(error).partition("Unsupported")[2].partition(" was")[0]
        print(f"{type(error).__name__}: Unsupported{reason}")

# %% [markdown]
# It refuses both: the file names code, and the loader cannot know whether it is honest. (A whole
# module has another fault: rename the class or move its file, and it can be loaded no more.) The
# mend is to save what was *learned*, the tensors.
#
# `weights_only` is a good lock, not a perfect one: crafted files got past it before version 2.6
# (CVE-2025-32434), and again before 2.10 (CVE-2026-24747). Keep PyTorch current.

# %%
torch.save(models[0].state_dict(), file)
fresh = network()
fresh.load_state_dict(torch.load(file, weights_only=True))
(fresh.eval()(pixels[test]) - models[0].eval()(pixels[test])).abs().max().item()

# %%
folder.cleanup()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. The wrong device
#
# Model and data must lie on the same *device*: the processor (`cpu`), an NVIDIA card (`cuda`) or
# Apple's (`mps`). Post E hard-wires `"cuda"`, post A `"mps"`. On other machines that crashes at
# once, which is kind. Another mistake passes on every machine that has only a `cpu`, and crashes on
# the first that has a card.
#
# > **Predict.** `model.to(device)` moves the model. Does `x.to(device)` move `x`? We try it with
# > `meta`, a device for tensors without content that every machine has.

# %%
elsewhere, x = small_network(), pixels[:2]
elsewhere.to("meta")
x.to("meta")
elsewhere[0].weight.device, x.device

# %% [markdown]
# A module moves in place; a tensor does not, `to` returns a new one: `x = x.to(device)`. Together
# they do not work:

# %%
try:
    elsewhere(x)
except RuntimeError as error:
    print(error)

# %% [markdown]
# The mend is one line for all machines. `fit` uses it, and moves model and batches itself. (Results
# come back for pandas or scikit-learn by `.detach().cpu()`.)

# %%
device = runtime.device()  # CUDA if there, else mps, else cpu
model = small_network().to(device)
model(x.to(device)).detach().cpu().argmax(dim=1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. The heart of `fit`
#
# Here is the heart of the loop that all notebooks use. `_mean_loss` gives the batch's mean loss and
# its size, `_decide` the class; `weight` and `max_grad_norm` are `None` unless we give them, `bar`
# is only drawn.
#
# > **Predict.** Sections 2 to 10 showed mistakes. For which of them is there a line here, or its
# > absence?

# %%
print(inspect.getsource(training._train_one_epoch))

# %% [markdown]
# | line | against |
# |---|---|
# | `model.train()` at each epoch | the mode that a validation left, section 4 |
# | `_logits(model, inputs)` | it is `model(inputs)`, with one sentence if that fails |
# | `_unpack(batch, device)` | the wrong device, section 10 |
# | `zero_grad`, `backward`, `step` | gradients that add up, section 2 |
# | `scheduler` only where it counts batches | a schedule run down, section 7 |
# | `loss.detach()`, no `.item()` | the graph's remains; and a GPU would wait for each number |
# | `_mean(loss, size)` | a mean of batch means, section 5 |

# %% [markdown]
# Is it our loop? The same seed, once by `train_one_epoch` of section 3 and once by `fit`:

# %%
def prepare(seed=0):
    torch.manual_seed(seed)
    model = network()
    return model, torch.optim.Adam(model.parameters(), lr=3e-3), batches(train, seed)

# %% tags=["nbval-check-output"]
model, optimizer, loader = prepare()
history = fit(model, loader, None, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=10,
              device="cpu", progress=False)
ours = torch.tensor(train_network(seed=0, epochs=10)[1])
difference = ours - torch.tensor(history.frame["train_loss"].to_numpy())
print(f"largest difference of 10 epoch losses below 1e-5: {bool(difference.abs().max() < 1e-5)}")

# %% [markdown]
# ### What it adds
#
# After each epoch `fit` evaluates, keeps a *copy* of the best weights and restores it at the end.
# `patience=5` stops after five epochs without improvement (*early stopping*); `max_grad_norm=1.0`
# shortens longer gradients (*clipping*); `scheduler=` is stepped after each epoch, or after each batch with `scheduler_steps="batch"`. Ctrl-C, or the
# stop button, ends the training but loses no finished epoch.
#
# > **Predict.** Can the validation loss lie *below* the training loss?

# %%
model, optimizer, loader = prepare()
history = fit(model, loader, [(pixels[val], digit[val])], loss_fn=F.cross_entropy,
              optimizer=optimizer, epochs=200, patience=5, max_grad_norm=1.0, device="cpu",
              progress=False)
ax = plots.plot_history(history)
ax.set_yscale("log")
plots.show(ax, "Training and validation loss of one run. The vertical line marks the lowest "
               "validation loss; five epochs later the training was stopped, long before 200.")

# %%
print(history.ended)

# %% [markdown]
# It can, for a while. A suspect: the training loss is measured with dropout on, and during the
# epoch, by weights that still improve.
#
# > **Predict.** If so, how often does the validation loss lie below a training loss that is
# > measured like it, after the epoch and in `eval()`?

# %%
def epochs_below(seed):
    torch.manual_seed(seed)
    model, loader, below = network(), batches(train, seed), []
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(20):
        during = train_one_epoch(model, loader, optimizer)
        after, held_out = (validate(model, [(pixels[i], digit[i])])[0] for i in (train, val))
        below.append((held_out < during, held_out < after))
    return [sum(column) for column in zip(*below, strict=True)]

# %%
pd.DataFrame([epochs_below(seed) for seed in range(5)],
             columns=["below the loss during the epoch", "below the loss after it, in eval()"]
             ).rename_axis("seed")

# %% [markdown]
# Of 20 epochs each. Measured after the epoch and in `eval()`, the training loss is the lower one
# almost always.
#
# `training.evaluate` and `training.predict` are the two other functions. They say more than ours
# (logits, probabilities and decisions of all samples, on the CPU, in the loader's order), and give
# each layer back the mode it was in.

# %%
model.train()
seen = training.evaluate(model, [(pixels[val], digit[val])], F.cross_entropy)
told = training.predict(model, [pixels[test]])
seen.accuracy, told.decision[:3], told.prob.shape, model.training

# %% [markdown]
# ### Stopped and resumed
#
# `checkpoint=` names a file that is rewritten after each epoch. We train 8 epochs in one go; and
# again with a loss that presses the stop button in the fifth epoch (each epoch has 8 training
# batches and 1 for validation).
#
# > **Predict.** After the second call: how far are the two networks apart?

# %%
def train_to_the_end(file=None, loss_fn=F.cross_entropy):
    model, optimizer, loader = prepare()
    scheduler = StepLR(optimizer, 3, 0.5)
    fit(model, loader, [(pixels[val], digit[val])], loss_fn=loss_fn, optimizer=optimizer,
        scheduler=scheduler, epochs=8, checkpoint=file, device="cpu", progress=False)
    return model.eval()(pixels[test])

# %%
calls = itertools.count(1)

def stop_button(logits, target):
    if next(calls) == 4 * 9 + 3:
        raise KeyboardInterrupt
    return F.cross_entropy(logits, target)

# %% tags=["nbval-check-output"]
in_one_go = train_to_the_end()
with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    file = Path(folder) / "digits.pt"
    train_to_the_end(file, stop_button)
    resumed = train_to_the_end(file)
print(caught[0].message)
print(f"largest difference after resuming: {(in_one_go - resumed).abs().max():.0e}")

# %% [markdown]
# Zero: on a CPU it is the same run, to the last bit. For that the file holds more than weights: the
# optimiser's memory (momentum, Adam's averages), the scheduler's count, the best weights so far,
# and the state of PyTorch's random numbers, which shuffle the digits and drop units out. (Random
# crops or noise drawn by NumPy or Python's `random` are not in the file; they go on anew.)
#
# Suppose we forget only the optimiser:

# %%
def after_eight_epochs(new_optimizer):
    model, optimizer, loader = prepare()
    for epoch in range(8):
        if epoch == 4 and new_optimizer:
            optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        train_one_epoch(model, loader, optimizer)
    return model.eval()(pixels[test])

# %%
(after_eight_epochs(False) - after_eight_epochs(True)).abs().max().item()

# %% [markdown]
# The largest difference of a logit. That is another run: perhaps as good, but not the one that was
# stopped.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12. Exercises
#
# Put your answer in place of each `...`. Stuck? `ex.q1.hint()`, again for a stronger hint, then
# `ex.q1.solution()`.
#
# **Exercise 5.1, predict a number.** The loss is $(w - 3)^2$, `w = 1`, SGD with `lr=0.1`. Two
# rounds of `backward` and `step`, without any `zero_grad`. What is in `w.grad` at the end?

# %% tags=["exercise"]
gradient = ...
ex.q1.check(gradient)

# %% [markdown]
# **Exercise 5.2, write code.** The mean of an epoch over its samples, from the batches' means and
# sizes, two tensors of shape `(B,)`. The sizes are integers; a batch may be empty (size 0, and its
# mean is then `nan`). A `nan` of any other batch must stay visible.

# %% tags=["exercise"]
def epoch_mean(means, sizes):
    ...

ex.q2.check(epoch_mean)

# %% [markdown]
# **Exercise 5.3, find the bugs.** Nothing crashes, but this network learns nothing, and what it
# prints would be wrong even if it did. Which two lines are at fault? Answer with two letters, such
# as `"ab"`.
#
# ```python
# for epoch in range(epochs):
#     model.train()                                              # a
#     for x, y in train_loader:
#         logits = model(x)                                      # b
#         F.cross_entropy(logits, y).backward()                  # c
#         optimizer.zero_grad()                                  # d
#         optimizer.step()                                       # e
#     print((logits.argmax(1) == y).float().mean())              # f
# ```

# %% tags=["exercise"]
bugs = ...
ex.q3.check(bugs)

# %% [markdown]
# **Exercise 5.4, write code.** The accuracy of `model` over all batches `(x, y)` of a list. The
# model may arrive in either mode and has a BatchNorm; the last batch may be smaller. Build no
# graph.

# %% tags=["exercise"]
def evaluate(model, loader):
    ...

ex.q4.check(evaluate)

# %% [markdown]
# **Exercise 5.5, find the bug.** A resumed run does not go on as it would have without the stop.
# One thing that was lost is the momentum. In which line? Answer with its letter.
#
# ```python
# state = torch.load("run.pt", weights_only=True)                          # a
# model = network()                                                        # b
# model.load_state_dict(state["model"])                                    # c
# optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)    # d
# for epoch in range(state["epoch"] + 1, epochs + 1):                      # e
#     train_one_epoch(model, loader, optimizer)                            # f
# ```

# %% tags=["exercise"]
line = ...
ex.q5.check(line)

# %% [markdown]
# **Exercise 5.6, predict a number.** Fine-tuning begins with `lr=0.001` and `StepLR(optimizer, 7,
# 0.1)`, stepped by mistake after each of the 61 batches of an epoch. What is the learning rate
# after the *first* epoch?

# %% tags=["exercise"]
rate = ...
ex.q6.check(rate)

# %% [markdown]
# **Exercise 5.7, predict a number.** Post C reports an accuracy of 95.425 %, in short 95.4 %, on
# 153 photos. How many of them did its network get right?

# %% tags=["exercise"]
right = ...
ex.q7.check(right)

# %% [markdown]
# ## What to remember
#
# - Gradients add up. Plain SGD without `zero_grad` is momentum 1: with a small learning rate it
#   may even look better; with a usual one and small batches it learns, and then unlearns.
# - `eval()` and `no_grad()` are two things; validation needs both. Training begins with `train()`.
# - Means are over samples. Choose on validation, report on test, once: the best of many is lucky.
# - "Frozen" says nothing about BatchNorm's averages. `state_dict` says it all, if it is copied.
# - To go on where a run stopped takes weights, optimiser, scheduler and random numbers.
#
# **Next.** With this loop, how far do 244 photos of ants and bees get us, and how much of it is
# owed to a network trained on a million others? Notebook `06_fine_tuning_ants_bees`.

# %% [markdown]
# **References.** Post A: a Korean blog post of 2024 on fine-tuning a ResNet with focal loss. Post
# C: a Korean blog post on transfer learning and fine-tuning with a ResNet-50 (notebook 06 has
# both). Post D: a Japanese blog post on focal loss for credit-card fraud (notebook 07). Post E: a
# Korean blog post of 2023 that explains a training loop. (Post B is for notebook 08.) B. T. Polyak,
# "Some methods of speeding up the convergence of iteration methods", *USSR Computational
# Mathematics and Mathematical Physics* 4 (1964), momentum. N. Srivastava, G. Hinton, A. Krizhevsky,
# I. Sutskever and R. Salakhutdinov, "Dropout: A Simple Way to Prevent Neural Networks from
# Overfitting", *Journal of Machine Learning Research* 15 (2014). S. Ioffe and C. Szegedy, "Batch
# Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", *ICML*
# 2015. D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", *ICLR* 2015. G. C.
# Cawley and N. L. C. Talbot, "On Over-fitting in Model Selection and Subsequent Selection Bias in
# Performance Evaluation", *Journal of Machine Learning Research* 11 (2010). L. N. Smith and N.
# Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates",
# 2018, for OneCycleLR. PyTorch documentation, "torch.load" and "torch.optim: How to adjust learning
# rate".
