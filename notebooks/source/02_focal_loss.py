# %% [markdown] slideshow={"slide_type": "slide"}
# # 02. Focal loss: turning down the easy ones
#
# Three questions for this notebook:
#
# 1. Which samples does focal loss listen to, and which does it ignore?
# 2. What does it make a model believe, with and without alpha?
# 3. Eleven broken versions are in use. Can you find each fault before you read the plate?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | 1. Turning down the easy ones | 8 | write it in three lines, and read its curves |
# | 2. What moves the weights is the slope | 8 | say which samples are pushed harder, not less |
# | 3. Who carries the loss? | 6 | tell the share of the loss from the share of the push |
# | 4. What does it make the model believe? | 8 | predict the bent answer, and bend it back |
# | 5. Alpha, twice misunderstood | 7 | say what alpha does in softmax, and what in sigmoid |
# | 6. Two classes, many labels, many classes | 9 | see all three as one loss of the margin |
# | 7. Soft targets | 5 | ask a library which of five losses it means |
# | 8. The museum of broken losses | 20 | catch each fault with a test of one line |
#
# In 50 minutes: sections 1, 2, 4, 5 and exhibits A, B, H, J; the rest at home.
#
# **Needs** notebook 01. **Data**: drawn here, and scikit-learn's digits, which are always there.
# Runs in about 25 seconds.

# %% tags=["setup"]
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

REPO = ""  # the course's address, for notebooks opened on their own
if importlib.util.find_spec("course_utils") is None:
    folders = [Path.cwd(), *Path.cwd().parents]
    root = next((f for f in folders if (f / "course_utils").is_dir()), folders[0] / "course")
    if not root.exists():
        address = os.environ.get("COURSE_REPO", REPO)
        if not address:
            raise SystemExit("course_utils is missing: open this notebook in the course's folder")
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", address, root], check=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--editable", root])  # brings what the course needs and is missing
    sys.path.insert(0, str(root))

# %%
import math
from functools import partial
from inspect import signature

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
import torchvision
from sklearn.datasets import load_digits
from torch import nn

from course_utils import plots, runtime
from course_utils.exercises import focal_loss as ex
from course_utils.losses import focal_loss, sigmoid_focal_loss
from course_utils.metrics import belief

plt.style.use(plots.STYLE)
runtime.set_threads(1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. Turning down the easy ones
#
# A detector looks at 100,000 places in a photo; nearly all are plain background. Each costs almost
# nothing, but 100,000 times almost nothing is not nothing.
#
# Write $p_t$ for the probability that the model gives to the *true* class of a sample.
#
# > **Predict.** A sample has $p_t = 0.9$. Focal loss with $\gamma = 2$ multiplies its cross entropy
# > by a factor. Is it nearer to 1/2, 1/10 or 1/100?

# %% [markdown]
# *Focal loss* multiplies cross entropy by a power of the probability *still missing*; $\gamma \ge
# 0$ is called the *focusing parameter*:
#
# $$\mathrm{FL}(p_t) = (1 - p_t)^{\gamma}\,\bigl(-\ln p_t\bigr).$$

# %%
def focal(p_t, gamma):
    return (1 - p_t) ** gamma * -torch.log(p_t)

# %% tags=["nbval-check-output"]
p_t = torch.tensor([0.9, 0.968, 0.6, 0.1], dtype=torch.float64)
for p, ratio in zip(p_t, focal(p_t, gamma=0) / focal(p_t, gamma=2), strict=True):
    print(f"p_t = {p:<5.3g}: gamma 2 makes the loss {ratio:>5.1f} times smaller")

# %% [markdown]
# One hundred times smaller at 0.9, about a thousand at 0.968, as the paper says. The sample at 0.1
# keeps most of its loss. The factor is near 1 for a confident mistake, 1/4 for a coin toss (with
# gamma 2), and 0 when nothing is left to learn.
#
# Is it the loss that others call by that name? We ask torchvision.

# %% tags=["nbval-check-output"]
positive = torch.ones_like(p_t)
theirs = torchvision.ops.sigmoid_focal_loss(torch.logit(p_t), positive, alpha=-1, gamma=2)
print(f"largest difference to torchvision: {(focal(p_t, 2) - theirs).abs().max():.10f}")

# %% [markdown]
# > **Predict.** Draw the curve of $-\ln p_t$, then that for $\gamma = 5$. Where do they meet? Where
# > does the second leave the floor?

# %%
ax = plots.plot_loss_curves()
ax.figure.set_size_inches(6.5, 3.8)
plots.show(ax, "Focal loss against the probability of the true class, for gamma 0 to 5. All curves "
               "are steep at the left and fall to 0 at p = 1; the larger gamma, the earlier the "
               "curve reaches the floor.")

# %% [markdown]
# Now both losses of the *same* samples. We draw random logits and targets, and take both losses
# straight from the logits.
#
# > **Predict.** Horizontally cross entropy, vertically focal loss, both on logarithmic axes. Where
# > does the cloud touch the diagonal? Is it a cloud at all?

# %%
generator = torch.Generator().manual_seed(0)
logits = 4 * torch.randn(400, generator=generator)
target = (torch.rand(400, generator=generator) < 0.5).float()
ce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
fl = sigmoid_focal_loss(logits, target, gamma=2.0, reduction="none")

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
for label, name, marker in [(1, "positive", "o"), (0, "negative", "x")]:
    ax.loglog(ce[target == label], fl[target == label], marker, markersize=5, label=name,
              color=["#0072B2", "#D55E00"][label])
ax.loglog([1e-5, 15], [1e-5, 15], color="#555555", linewidth=1, label="equal")
ax.set(xlabel="cross entropy (nats)", ylabel="focal loss, gamma 2 (nats)",
       xlim=(1e-5, 30), ylim=(1e-15, 50))
ax.legend()
plots.show(fig, "Focal loss against cross entropy of 400 random samples. Positives and negatives "
                "lie on one curve below the diagonal: it touches it for large losses and falls "
                "three times as steeply for small ones.")

# %% [markdown]
# One curve: focal loss is a function of cross entropy alone, since both depend only on $p_t$. For
# an easy sample $1 - p_t \approx -\ln p_t$, so $\mathrm{FL} \approx \mathrm{CE}^{\gamma + 1}$: the
# slope of 3.
#
# It never reorders samples, then. It changes how much each one *counts*.

# %% [markdown]
# **Exercise 2.1, predict.** At $p_t = 0.8$ and $\gamma = 2$, how many times smaller than cross
# entropy is focal loss? Work it out in your head. Stuck? `ex.q1.hint()`, then `ex.q1.solution()`.

# %% tags=["exercise"]
times_smaller = ...

ex.q1.check(times_smaller)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes. Before the curves: "does $\gamma = 5$ ever lie above $\gamma = 0$?" Usual
# wrong answers: "yes, for hard samples" (true of the slope, next section), and 1/10 at $p_t = 0.9$,
# from forgetting the square.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. What moves the weights is the slope
#
# Focal loss is smaller than cross entropy everywhere. But training does not see losses, it sees
# slopes.
#
# > **Predict.** At $p_t = 0.1$ and $\gamma = 2$, is the push on the logit weaker or *stronger* than
# > that of cross entropy?

# %% [markdown]
# Let $z$ be the logit of the true class against the other (two classes: $p_t = \sigma(z)$). Then
# $\mathrm{d}p_t / \mathrm{d}z = p_t (1 - p_t)$, and the product rule gives
#
# $$\frac{\mathrm{d}\,\mathrm{FL}}{\mathrm{d}z} = (1 - p_t)^{\gamma}\,\bigl(\gamma\, p_t \ln p_t +
# p_t - 1\bigr).$$
#
# At $\gamma = 0$ it is $p_t - 1$, as in notebook 01.

# %%
def slope(p_t, gamma):
    return (1 - p_t) ** gamma * (gamma * p_t * torch.log(p_t) + p_t - 1)

# %% tags=["nbval-check-output"]
z = torch.logit(p_t).requires_grad_()
sigmoid_focal_loss(z, torch.ones_like(z), gamma=2.0, reduction="sum").backward()
print(f"largest difference to autograd: {(slope(p_t, 2) - z.grad).abs().max():.10f}")
for p in p_t:
    print(f"p_t = {p:<5.3g}: slope {slope(p, 2):.4f}, of cross entropy {p - 1:.4f}")

# %% [markdown]
# > **Predict.** In the last figure a larger $\gamma$ meant a lower curve everywhere. Sketch the
# > size of the slopes for $\gamma$ 0, 2 and 5. Where do they cross?

# %%
ax = plots.plot_loss_curves(gradient=True)
ax.figure.set_size_inches(6.5, 3.8)
plots.show(ax, "Size of the slope against the probability of the true class. All curves start at 1 "
               "and end at 0. On the left those of a larger gamma first rise above cross entropy's "
               "straight line, and then fall below it.")

# %% [markdown]
# At $p_t = 0.1$ the push is *stronger*: the loss falls not only because the surprise falls, but
# also because its factor does.
#
# > **Predict.** Up to which $p_t$ is the push of $\gamma = 2$ stronger than cross entropy's? And at
# > most how much stronger: 5 %, 20 % or 200 %?

# %% tags=["nbval-check-output"]
p = torch.linspace(1e-4, 0.9999, 9999, dtype=torch.float64)
for gamma in [0.5, 1, 2, 5]:
    ratio = slope(p, gamma) / slope(p, 0)
    print(f"gamma {gamma:<3}: stronger below p_t = {p[ratio > 1].max():.3f}, "
          f"at most {ratio.max():.2f} times, at p_t = {p[ratio.argmax()]:.2f}")

# %% [markdown]
# Hard samples are pushed a little harder, easy ones very much less. The second is the larger effect
# by far: a loss that "focuses on the hard ones" is mostly a loss that *lets the easy ones go*.

# %% [markdown]
# **Exercise 2.2, predict.** What is the slope of focal loss with $\gamma = 2$, with respect to the
# logit $z$, at $p_t = 0.5$? Three digits, with its sign. You may let Python do the sum.

# %% tags=["exercise"]
slope_at_half = ...

ex.q2.check(slope_at_half)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes; the derivative belongs on the board. Ask before the figure: "a smaller
# loss everywhere: must it have a smaller slope everywhere?" Usual wrong answer: the slope is the
# factor times $p_t - 1$. That forgets the first term of the product rule, and is exhibit A of the
# museum.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Who carries the loss?
#
# A pool like the detector's: 100,000 easy negatives with logits around -5, and 100 hard ones with
# logits around +2. All are negatives; the hard ones look like positives.
#
# > **Predict.** One sample in 1000 is hard. Which share of the summed cross entropy do these 100
# > carry? And of focal loss with $\gamma = 2$?

# %%
generator = torch.Generator().manual_seed(0)
easy = -5 + 1.5 * torch.randn(100_000, generator=generator, dtype=torch.float64)
hard = 2 + torch.randn(100, generator=generator, dtype=torch.float64)
pool = torch.cat([hard, easy])

# %%
def loss_and_push(gamma):
    p_t = torch.sigmoid(-pool)
    return focal(p_t, gamma), -slope(p_t, gamma)

gammas = [0, 0.5, 1, 2, 5]
shares = {gamma: [(each[:100].sum() / each.sum()).item() for each in loss_and_push(gamma)]
          for gamma in gammas}
pd.DataFrame(shares, index=["share of the loss", "share of the push"]).T.round(2)

# %% [markdown]
# A tenth of cross entropy, and more than three quarters of focal loss. But look at the second
# column, the share of the *push*, the summed size of the slopes: at $\gamma = 2$ the hard ones have
# half.
#
# > **Predict.** Sort all negatives, hardest first, and add up. After how many has cross entropy
# > collected half of its loss: 100, 1000 or more? And focal loss?

# %%
hardest_first = pool.argsort(descending=True)

def running_share(each):
    return each[hardest_first].cumsum(0) / each.sum()

count = torch.arange(1, len(pool) + 1)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.5), sharey=True)
dashes = ["-", (0, (1, 1.2)), "-.", "--", (0, (6, 1, 1, 1, 1, 1))]
shades = [plots.LOOK["cross entropy"]["color"], *plt.get_cmap("Oranges")([0.5, 0.67, 0.83, 1.0])]
for gamma, dash, shade in zip(gammas, dashes, shades, strict=True):
    for ax, each in zip(axes, loss_and_push(gamma), strict=True):
        ax.semilogx(count, running_share(each), color=shade, linestyle=dash, label=f"γ = {gamma}")
for ax, name in zip(axes, ["loss", "push"], strict=True):
    ax.axvline(100, color="#555555", linewidth=1)
    ax.set(xlabel="negatives, hardest first", ylabel=f"share of the {name}")
axes[1].legend(handlelength=1.7, fontsize=11)
plots.show(fig, "Running share of the loss (left) and of the push (right), hardest negatives "
                "first. The larger gamma, the earlier the curves rise; those of the push rise "
                "later than those of the loss. The thin line marks the first 100.")

# %% tags=["nbval-check-output"]
for gamma in [0, 2]:
    half = [int((running_share(each) < 0.5).sum()) + 1 for each in loss_and_push(gamma)]
    print(f"gamma {gamma}: half of the loss after {half[0]}, half of the push after {half[1]}")

# %% [markdown]
# The paper that introduced focal loss shows a picture like the left one. The right one is the push
# on the logits, and it is milder (on the weights, pushes may also cancel or add). And *hard* is not
# *useful*: a wrongly labelled sample stays hard until it is memorised.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 6 minutes. Ask for three guesses (1 %, 10 %, 50 %) before the table. Usual wrong
# answer: 0.1 %, the share of the samples. Then ask: "whose attention would a wrong label get?"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. What does it make the model believe?
#
# Of many look-alikes a share $\eta$ is positive, and the model must give all of them one answer
# $p$. Let $s(p_t)$ be the size of the slope. At the answer $p$ a positive has $p_t = p$, a negative
# $p_t = 1 - p$. The belief is the answer at which the pushes cancel:
#
# $$\eta\, s(p) = (1 - \eta)\, s(1 - p).$$
#
# > **Predict.** For $\gamma = 2$ and $\eta = 0.1$: is the belief below 0.1, or above? At which
# > $\eta$ is it exactly one half?

# %% tags=["nbval-check-output"]
focal_2 = partial(sigmoid_focal_loss, gamma=2.0, reduction="none")
for eta in [0.01, 0.1, 0.3, 0.5, 0.9]:
    print(f"truth {eta:<4}: focal loss says {belief(focal_2, eta):.3f}")

# %% [markdown]
# > **Predict.** Draw the whole curve for $\gamma = 5$. What happens to a truth of 0.01, what to one
# > of 0.4? Then move the slider.

# %%
def draw(gamma, ax):
    bce = partial(F.binary_cross_entropy_with_logits, reduction="none")
    focal_gamma = partial(sigmoid_focal_loss, gamma=gamma, reduction="none")
    return plots.plot_belief_map({"cross entropy": bce, "focal": focal_gamma}, mark=0.1, ax=ax)

plots.explore(draw, "Belief against the true probability, for gamma 0, 2.5 and 5. At gamma 0 focal "
                    "loss lies on the diagonal; the larger gamma, the flatter its curve around "
                    "one half. All curves cross at one half.", gamma=(2.0, 0.0, 5.0, 0.5))

# %% [markdown]
# With two classes focal loss pulls every answer towards one half, and never across: at $p = 0.5$
# both sides of the equation have the same $s$, so $\eta = 0.5$. An ideal model raises the *same*
# alarms at a threshold of 0.5 as with cross entropy. Its numbers are no frequencies.

# %% [markdown]
# That is an ideal model. A small network, trained? We draw 4000 samples whose true probability we
# know, $\eta(x) = \sigma(1.5 x - 1)$, and train five seeds with each loss.
#
# > **Predict.** Will the networks follow the belief map, or the truth?

# %%
grid = torch.linspace(-3, 3, 61)
truth = torch.sigmoid(1.5 * grid - 1)

def learned(seed, gamma, steps=300):
    torch.manual_seed(seed)
    x = 6 * torch.rand(4000) - 3
    y = (torch.rand(4000) < torch.sigmoid(1.5 * x - 1)).float()
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        sigmoid_focal_loss(model(x[:, None])[:, 0], y, gamma=gamma).backward()
        optimizer.step()
    return torch.sigmoid(model(grid[:, None])[:, 0]).detach()

answers = {gamma: torch.stack([learned(seed, gamma) for seed in range(5)]) for gamma in [0, 2]}

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
for gamma, name in [(0, "cross entropy"), (2, "focal")]:
    low, high = answers[gamma].aminmax(dim=0)
    ax.fill_between(truth, low, high, alpha=0.35, linewidth=0, color=plots.LOOK[name]["color"])
    loss = partial(sigmoid_focal_loss, gamma=gamma, reduction="none")
    ax.plot(truth, belief(loss, truth), label=f"{name}: belief map", **plots.LOOK[name])
ax.set(xlabel=r"true probability $\eta(x)$", ylabel="the network's answer")
ax.legend()
plots.show(fig, "Answers of trained networks against the true probability: bands are the range of "
                "five seeds, lines the belief map. Each band follows its line; focal loss says "
                "more than the truth below one half and less above it.")

# %% tags=["nbval-check-output"]
for gamma, name in [(0, "cross entropy"), (2, "focal, gamma 2")]:
    believed = belief(partial(sigmoid_focal_loss, gamma=gamma, reduction="none"), truth)
    off = [(answers[gamma] - line).abs().mean() for line in (believed, truth)]
    print(f"{name:<14} mean distance to the belief map {off[0]:.2f}, to the truth {off[1]:.2f}")

# %% [markdown]
# Here, with plenty of data for a small network, the networks follow the map. A network that is
# *over*-confident may be helped by such a pull: Mukhoti and others (2020) report better calibration
# with focal loss. Notebook 08 puts that to the test.

# %% [markdown]
# **Exercise 2.3, write it.** Solve the equation above for $\eta$. The function takes *a tensor* `p`
# of answers (of a model trained with focal loss) and a number `gamma`, and returns a tensor: the
# true probabilities.

# %% tags=["exercise"]
def undo(p, gamma):
    ...

ex.q3.check(undo)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes. Ask before the slider: "so does focal loss catch more frauds at a
# threshold of 0.5?" Usual wrong answer: yes, because it says 0.31 instead of 0.10. But 0.31 is
# still below 0.5; notebook 07 shows what really happens there.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Alpha, twice misunderstood
#
# Many versions have one more number, `alpha`, often 0.25. In a softmax loss for many classes it
# multiplies every sample alike: `alpha * (1 - p_t)**gamma * ce`.
#
# > **Predict.** We train with plain gradient descent: once with `alpha=0.25` and a learning rate of
# > 0.4, once without alpha and 0.1. How different are the two models? And with Adam, at one rate?

# %%
pixels, digit = load_digits(return_X_y=True)
pixels = torch.tensor(pixels / 16, dtype=torch.float32)
digit = torch.tensor(digit)

def trained(seed, alpha, optimizer, lr):
    torch.manual_seed(seed)
    model = nn.Linear(64, 10)
    steps = optimizer(model.parameters(), lr=lr)
    for _ in range(60):
        steps.zero_grad()
        (alpha * focal_loss(model(pixels), digit)).backward()
        steps.step()
    return torch.softmax(model(pixels), dim=1).detach()

# %% tags=["nbval-check-output"]
SGD, Adam = torch.optim.SGD, torch.optim.Adam
for name, one, other in [("SGD, rates 0.4 and 0.1 ", (SGD, 0.4), (SGD, 0.1)),
                         ("SGD, both 0.1          ", (SGD, 0.1), (SGD, 0.1)),
                         ("Adam, both 0.01        ", (Adam, 0.01), (Adam, 0.01))]:
    apart = [(trained(seed, 0.25, *one) - trained(seed, 1, *other)).abs().max()
             for seed in range(5)]
    print(f"{name} probabilities with and without alpha differ by at most {max(apart):.3f}")

# %% [markdown]
# **Misconception: alpha read as a class weight.** In softmax a single alpha balances nothing. With
# plain SGD it divides the learning rate by four; Adam, which divides each step by the size of the
# gradients, does not even notice. (Weight decay, clipping and sums of losses do: they see the
# scale.) To weigh classes, give one number *per class*: `weight=`.

# %% [markdown]
# ### With a sigmoid it does something else
#
# In the binary loss positives get `alpha` and negatives `1 - alpha`, written $\alpha_t$:
#
# $$\mathrm{FL} = \alpha_t\,(1 - p_t)^{\gamma}\,(-\ln p_t).$$
#
# > **Predict.** The paper's choice, and torchvision's default, is 0.25. Does it lift rare positives
# > or press them down?

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
eta = torch.linspace(0, 1, 201)
ax.plot(eta, eta, color="#555555", linewidth=1)
looks = [dict(color="#8F3A00", linestyle=":"), plots.LOOK["focal"],
         dict(color="#FF9A4D", linestyle="-.")]
for alpha, look in zip([0.75, None, 0.25], looks, strict=True):
    loss = partial(sigmoid_focal_loss, alpha=alpha, reduction="none")
    ax.plot(eta, belief(loss, eta), label=f"alpha = {alpha}: {belief(loss, 0.1):.2f}", **look)
ax.set(xlabel=r"true probability $\eta$", ylabel=r"belief $p^*(\eta)$")
ax.legend(title=r"belief at $\eta$ = 0.1", alignment="left")
plots.show(fig, "Belief against the true probability for gamma 2. With alpha 0.75 the curve lies "
                "above that without alpha, with alpha 0.25 below it, so that it crosses one half "
                "at a true probability well above one half.")

# %% [markdown]
# It presses them down: 0.25 gives a positive a *third* of a negative's weight. The paper chose it
# by trial: once $\gamma$ has silenced the easy negatives, positives need less weight, not more. Who
# sets 0.25 "to help the rare class" has it backwards.

# %% [markdown]
# **Exercise 2.4, predict.** With `alpha=0.25` and `gamma=2.0`, at which true probability does an
# ideal model say exactly one half? Read it off the figure, or use the equation of section 4 with
# the weights put in.

# %% tags=["exercise"]
eta_at_half = ...

ex.q4.check(eta_at_half)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 7 minutes. Ask for a show of hands: "alpha is 0.25; are positives weighted up or
# down?" Most say up. If there is time: why do weight decay, gradient clipping and a sum of several
# losses see the scale of the loss? (Each sets it against something that did not scale along.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Two classes, many labels, many classes
#
# *Binary*: one logit, one $p$. *Multi-label*: several yes/no questions about one sample, each with
# a logit of its own and its own binary loss. *Multiclass*: one of $K$ classes, by softmax. Is that
# a third loss?
#
# > **Predict.** Three classes with logits 2, 1, 0; the first is true. Which *single* number decides
# > its focal loss?

# %% [markdown]
# Divide softmax by its numerator. With the *margin* $u$, the log-odds *against* the true class,
#
# $$u = \ln \sum_{j \ne y} e^{z_j} - z_y, \qquad p_y = \frac{1}{1 + e^{u}}, \qquad 1 - p_y =
# \sigma(u), \qquad -\ln p_y = \mathrm{softplus}(u).$$
#
# So multiclass focal loss is the *binary focal loss of the margin*.

# %%
def margin(logits, target):
    others = logits.scatter(1, target[:, None], -torch.inf)
    return torch.logsumexp(others, dim=1) - logits.gather(1, target[:, None])[:, 0]

# %% tags=["nbval-check-output"]
scores, classes = torch.tensor([[2.0, 1.0, 0.0], [0.5, -1.0, 3.0]]), torch.tensor([0, 1])
u = margin(scores, classes)
as_binary = sigmoid_focal_loss(u, torch.zeros(2), gamma=2.0)
print("margins", u.numpy().round(3), f" binary focal loss of them: {as_binary:.4f}")
print(f"multiclass focal loss: {focal_loss(scores, classes, gamma=2.0):.4f}")
print(f"gamma 0: {focal_loss(scores, classes, gamma=0.0):.4f}, "
      f"cross entropy: {F.cross_entropy(scores, classes):.4f}")

# %% [markdown]
# The curves of sections 1 and 2 therefore hold for any number of classes, with $-u$ in the place of
# $z$. For two classes $u = -z$; for many labels each logit is a margin, up to its sign.
#
# The *belief* does not carry over so simply. With many classes the best answer for the likeliest
# one can even lie *above* the truth, and undoing needs all classes: $\eta_k \propto p_k (1 - p_k) /
# s(p_k)$ (Charoenphakdee and others, 2021).
#
# > **Predict.** Two samples with three labels each: does "the mean" divide by 2 or by 6?

# %% tags=["nbval-check-output"]
labels = torch.tensor([[1, 0, 1], [0, 0, 1]])
each = sigmoid_focal_loss(scores, labels, gamma=2.0, reduction="none")
print(f"our mean {sigmoid_focal_loss(scores, labels, gamma=2.0):.4f}, over labels and samples "
      f"{each.mean():.4f}, over samples only {each.sum(dim=1).mean():.4f}")

# %% [markdown]
# Both are in use, a factor of 3 apart: read the documentation before you take over a learning rate.

# %% [markdown]
# ### Where the usual form loses its digits
#
# Most versions take $p_t$ from `exp(-ce)` and form $1 - p_t$. For an easy sample that subtracts two
# nearly equal numbers. A float32 has about seven digits. (`F.cross_entropy` has lost digits
# already: it subtracts two nearly equal logits.)
#
# > **Predict.** At a margin of -10 ($p_t = 0.99995$), how many of the seven are left? And at -17?

# %%
u = torch.arange(0, -28.5, -0.5)
zeros, ones = torch.zeros(len(u), dtype=torch.long), torch.ones(len(u))
two = torch.stack([-u, torch.zeros(len(u))], dim=1)
ce = F.cross_entropy(two, zeros, reduction="none")
exact = torch.sigmoid(u.double()) ** 2 * F.softplus(u.double(), threshold=40)
forms = {"exp(-ce)": (1 - torch.exp(-ce)) ** 2 * ce,
         "torchvision": torchvision.ops.sigmoid_focal_loss(-u, ones, alpha=-1),
         "margin": focal_loss(two, zeros, gamma=2.0, reduction="none")}

# %%
fig, ax = plt.subplots(figsize=(6.5, 3.8))
looks = [dict(color="#D55E00", marker="o"), dict(color="#555555", marker="x", linestyle="--"),
         dict(color="#0072B2", marker="s", linestyle="-.")]
for (name, value), look in zip(forms.items(), looks, strict=True):
    error = (value / exact - 1).abs().clamp(min=1e-9)
    ax.semilogy(u, error, label=name, markersize=5, markevery=3, **look)
ax.axhline(1, color="#555555", linewidth=1)
ax.set(xlabel="margin u (easy samples on the right)", ylabel="relative error, float32",
       xlim=(0.5, -28.5))
ax.legend(loc="center right")
plots.show(fig, "Relative error of three forms of focal loss, gamma 2, against the margin, float32 "
                "beside float64. The usual forms lose a digit every two or three units and all of "
                "them beyond -17 (thin line: nothing is right); the margin form keeps them all.")

# %%
for at in [-10.0, -14.0, -17.0]:
    errors = {name: (value / exact - 1).abs()[u == at].item() for name, value in forms.items()}
    digits = [f"{name} {max(0.0, -math.log10(e)):.0f}" for name, e in errors.items()]
    print(f"right digits at margin {at:>5}:", ", ".join(digits))

# %% [markdown]
# Beyond -17 the usual forms say 0: $p_t$ has become exactly 1. Does it matter? Such a sample adds
# almost nothing to a sum, so a training run rarely shows it. It matters in tests, in half
# precision, and with $\gamma < 1$, where the lost digits turn into `nan` (exhibit H).

# %% [markdown]
# **Exercise 2.5, write it.** Softmax focal loss from logits, one value a sample, accurate for very
# easy and finite for hopeless samples. Do without `focal_loss` and `margin`: write it out.

# %% tags=["exercise"]
def focal_from_logits(logits, target, gamma):
    ...

ex.q5.check(focal_from_logits)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 9 minutes. Ask: "one logit more, is the loss a new one?" Usual wrong answers: the
# margin is the gap to the *best* other class (true only when it dwarfs the rest); precision is a
# matter for numerical analysts (ask again at exhibit H).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Soft targets: one name, five losses
#
# Sometimes the target is itself a share: three of ten annotators said no, so $y = 0.7$. Cross
# entropy needs no change: $-y \ln p - (1 - y) \ln(1 - p)$. But what is $p_t$ now?
#
# > **Predict.** How many of the five ideas below give the same value?

# %%
def soft_ce(p, y):
    return -y * torch.log(p) - (1 - y) * torch.log(1 - p)

soft_focal = {
    "sum over classes":
        lambda p, y: -y * (1 - p)**2 * torch.log(p) - (1 - y) * p**2 * torch.log(1 - p),
    "factor |y - p|": lambda p, y: (y - p).abs() ** 2 * soft_ce(p, y),
    "p_t mixed": lambda p, y: (1 - (y * p + (1 - y) * (1 - p))) ** 2 * soft_ce(p, y),
    "p_t = exp(-ce)": lambda p, y: (1 - torch.exp(-soft_ce(p, y))) ** 2 * soft_ce(p, y),
    "p_t of rounded y": lambda p, y: torch.where(y >= 0.5, 1 - p, p) ** 2 * soft_ce(p, y),
}

# %% [markdown]
# All five agree with focal loss when $y$ is 0 or 1. The second is known as *quality focal loss* (Li
# and others, 2020), the third is torchvision's formula. We take $y = 0.7$ and $p = 0.6$, and also
# ask each loss where it is lowest.

# %% tags=["nbval-check-output"]
y, p = torch.tensor([0.7, 0.6], dtype=torch.float64)
candidates = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
for name, loss in soft_focal.items():
    lowest = candidates[loss(candidates, y).argmin()]
    print(f"{name:<17} value {loss(p, y):.4f}   lowest at p = {lowest:.3f}")

# %% tags=["nbval-check-output"]
theirs = torchvision.ops.sigmoid_focal_loss(torch.logit(p), y, alpha=-1)
print(f"torchvision       value {theirs:.4f}")

# %% [markdown]
# Five values, and four different beliefs. Two want the truth, 0.7; the sum wants what focal loss
# always wants; the mixed one overshoots; the rounded one runs to 1. Our losses refuse soft targets,
# with this reason. If you need them, choose one by what it should make the model believe.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 5 minutes. Ask: "which one would you want for mixup?" There is no usual wrong answer,
# only the usual silence: nobody looks. Mixup, distillation and label smoothing all feed soft
# targets into whichever version is at hand.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. The museum of broken losses
#
# Eleven exhibits. Each is called focal loss (or stands beside it in the same file), each is in use,
# and each has one fault that its plate names (some have a second). We rebuilt them from such code,
# cut to the bone.
#
# The rule: read the code, *say the fault aloud*, then open the plate.

# %%
def log_p_true(logits, target):
    return F.log_softmax(logits, dim=1).gather(1, target[:, None])[:, 0]

# %% [markdown]
# ### The guards
#
# A plain focal loss, mean over samples, has properties, and each is one line to check. A loss that
# fails one owes us an explanation: a choice it documents (a sum, an alpha), or a fault. Passing all
# of them is no proof.
#
# > **Predict.** Name three properties that you would test before you read on.

# %%
z = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [-1.0, 2.0, 4.0]], dtype=torch.float64)
y = torch.tensor([0, 2, 0])

def same(a, b):
    return torch.allclose(a.double(), b.double(), rtol=1e-6, atol=1e-9)

def is_ce_at_gamma_0(loss):
    return same(loss(z, y, gamma=0.0), F.cross_entropy(z, y))

def is_mean_of_samples(loss):
    return same(loss(z, y), sum(loss(z[[i]], y[[i]]) for i in range(3)) / 3)

def ignores_a_constant(loss):
    return same(loss(z + 3, y), loss(z, y))

# %%
def never_exceeds_ce(loss):
    return all(0 <= loss(z[[i]], y[[i]]) <= F.cross_entropy(z[[i]], y[[i]]) for i in range(3))

def has_its_own_slope(loss):  # finite differences of the value against backward()
    return torch.autograd.gradcheck(partial(loss, target=y), z.clone().requires_grad_(),
                                    raise_exception=False)

def scales_with_weights(loss):  # all weights doubled: twice the loss, or the same if normalised
    if "weight" not in signature(loss).parameters:
        return None
    one = torch.ones(3, dtype=torch.float64)
    ratio = loss(z, y, weight=2 * one) / loss(z, y, weight=one)
    return any(same(ratio, torch.tensor(whole)) for whole in [1.0, 2.0])

# %%
def value_and_slope(loss, logits, **options):
    logits = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
    value = loss(logits, torch.tensor([0]), **options)
    value.backward()
    return torch.cat([value.detach().reshape(1), logits.grad[0]])

def pushes_the_hopeless(loss):  # p_t is e^-100; the push must be about 1
    return same(value_and_slope(loss, [-50.0, 50.0, 0.0])[1], torch.tensor(-1.0))

def stays_finite(loss, gamma=2.0):
    extremes = [[0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [0.0, 100.0, 0.0], [0.0, 1e4, -1e4]]
    return all(value_and_slope(loss, each, gamma=gamma).isfinite().all() for each in extremes)

def finite_at_gamma_half(loss):
    return stays_finite(loss, gamma=0.5)

def listens_to_gamma(loss):  # p_t = 0.9: gamma 2 makes the loss 100 times smaller
    logits = torch.tensor([[math.log(9.0), 0.0]], dtype=torch.float64)
    true = torch.tensor([0])
    return same(100 * loss(logits, true), F.cross_entropy(logits, true))

# %%
guards = [is_ce_at_gamma_0, listens_to_gamma, is_mean_of_samples, ignores_a_constant,
          never_exceeds_ce, has_its_own_slope, scales_with_weights, pushes_the_hopeless,
          stays_finite, finite_at_gamma_half]

def inspect(loss):
    verdicts = {guard.__name__.replace("_", " "): guard(loss) for guard in guards}
    return {name: "–" if passed is None else "·" if passed else "✗"
            for name, passed in verdicts.items()}

pd.DataFrame({"ours": inspect(focal_loss)})

# %% [markdown]
# A dot is a pass, a cross a failure, a dash "does not apply". Now walk through the rooms.
#
# ### Exhibit A

# %%
def exhibit_a(logits, target, gamma=2.0):
    log_p = log_p_true(logits, target)
    p_t = log_p.detach().exp()
    return -((1 - p_t) ** gamma * log_p).mean()

# %% [markdown]
# **Exercise 2.6, find the bug.** What is wrong with exhibit A? One of `"the value"`, `"the
# gradient"`, `"the logarithm"`, `"the dimension"`, `"the mean"`, `"the sign"`.

# %% tags=["exercise"]
what_is_wrong = ...

ex.q6.check(what_is_wrong)

# %% [markdown]
# <details><summary>Plate A</summary>
#
# **The cut.** `detach()` (formerly `.data`) makes $p_t$ a constant. Every printed value is right;
# `backward()` forgets that the factor moves. Hard samples lose their extra push. Met in: one of the
# oldest public PyTorch versions and its many copies.
#
# </details>
#
# ### Exhibit B

# %%
def exhibit_b(logits, target, gamma=2.0, weight=None):
    ce = F.cross_entropy(logits, target, weight=weight, reduction="none")
    p_t = torch.exp(-ce)
    return ((1 - p_t) ** gamma * ce).mean()

# %% [markdown]
# <details><summary>Plate B</summary>
#
# **The weight in the eye.** `ce` carries the class weight $w$, so `exp(-ce)` is $p_t^{\,w}$, not
# $p_t$. With $w = 10$ a sample at $p_t = 0.9$ is taken for one at 0.35. Met in: short versions with
# a `weight=` or `pos_weight=` argument, and the same with label smoothing.
#
# </details>
#
# **Exercise 2.7, mend it.** Write exhibit B anew for $\gamma = 2$, one value a sample, so that the
# weight multiplies the loss and nothing else.

# %% tags=["exercise"]
def mended(logits, target, weight):
    ...

ex.q7.check(mended)

# %% [markdown]
# ### Exhibit C

# %%
def exhibit_c(logits, target, gamma=2.0, alpha=0.25):
    log_p = log_p_true(logits, target)
    return -(alpha * (1 - log_p.exp()) ** gamma * log_p).mean()

# %% [markdown]
# <details><summary>Plate C</summary>
#
# **The balance with one pan.** A scalar alpha in a softmax loss balances nothing: under SGD it
# divides the learning rate by four (section 5). Met in: tutorials on fine-tuning, with the words
# "alpha handles class imbalance".
#
# </details>
#
# ### Exhibit D

# %%
def exhibit_d(logits, target, gamma=2.0):
    true = logits.gather(1, target[:, None])[:, 0]
    ce = F.cross_entropy(logits, target, reduction="none")
    return ((1 - true) ** gamma * ce).mean()

# %% [markdown]
# <details><summary>Plate D</summary>
#
# **The missing softmax.** The factor takes the *logit* for a probability. A sample with logit 10 is
# multiplied by 81, and one with logit -50 by 2601; add a constant to all logits and the loss
# changes, though the model does not. Met in: losses whose argument is called `pred` or `output`,
# where nobody knows any more which of the two it is.
#
# </details>
#
# ### Exhibit E

# %%
def exhibit_e(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none")
    return ((1 - ce) ** gamma * ce).mean()

# %% [markdown]
# <details><summary>Plate E</summary>
#
# **The forgotten exponential.** $(1 - \mathrm{CE})^{\gamma}$ instead of $(1 -
# e^{-\mathrm{CE}})^{\gamma}$. The factor is 0 at a cross entropy of 1, so that the model may rest
# at $p_t = 0.37$; beyond 2 it exceeds 1, and with a fractional $\gamma$ it is `nan`. Met in: code
# that takes the cross entropy for a probability.
#
# </details>
#
# ### Exhibit F

# %%
def exhibit_f(logits, target, gamma=2.0):
    prob = torch.softmax(logits, dim=1)
    ce = F.cross_entropy(prob, target, reduction="none")
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()

# %% [markdown]
# <details><summary>Plate F</summary>
#
# **Softmax twice**, as in notebook 01. Probabilities are taken for logits, $p_t$ can never come
# near 1, and a hopeless sample has no slope left. Met in: networks whose last layer is a softmax.
#
# </details>
#
# ### Exhibit G
#
# *Half precision* stores a number in 16 bits: float16 with three digits and a small range, bfloat16
# with two digits and the range of float32.

# %%
def exhibit_g(logits, target, gamma=2.0):
    prob = torch.softmax(logits, dim=1).half()
    p_t = prob.gather(1, target[:, None])[:, 0]
    return ((1 - p_t) ** gamma * -torch.log(p_t)).mean()

# %% [markdown]
# <details><summary>Plate G</summary>
#
# **Probabilities in half precision.** A float16 knows nothing between 0.9995 and 1, and nothing
# between 0 and 0.00000006. Easy samples become 0, hopeless ones infinite. Met in: `BCELoss` behind
# a sigmoid, in networks cast to half precision. (On a GPU torch's autocast refuses it, for this
# reason.) It clamps the logarithm at -100, which hides the infinity.
#
# </details>
#
# > **Predict.** A *negative* sample with logit 12 should cost 12 nats, with a slope of 1. What does
# > `BCELoss` of its sigmoid say in the two half precisions?

# %%
for dtype in [torch.float32, torch.float16, torch.bfloat16]:
    logit = torch.tensor([12.0], dtype=dtype, requires_grad=True)
    loss = nn.BCELoss()(torch.sigmoid(logit), torch.zeros(1, dtype=dtype))
    loss.backward()
    print(f"{dtype}: loss {loss.item():.0f}, slope {logit.grad.item():.1f}")

# %% [markdown]
# Both lost the sample. bfloat16 does it silently.
#
# ### Exhibit H

# %%
def exhibit_h(logits, target, gamma=2.0):
    log_p = log_p_true(logits, target)
    p_t = torch.exp(log_p)
    return ((1 - p_t) ** gamma * -log_p).mean()

# %% [markdown]
# <details><summary>Plate H</summary>
#
# **The sleeper.** The formula itself, and right almost everywhere. But for a sample that is *too*
# easy $p_t$ rounds to 1, and the derivative of $0^{\gamma}$ with $\gamma < 1$ is infinite; infinity
# times 0 is `nan`, and one such sample poisons every weight. Met in: most versions we read,
# torchvision's too (next cell).
#
# </details>
#
# > **Predict.** We ask torchvision: gamma 0.5, a positive with logit 20. What slope does it give?

# %% tags=["nbval-check-output"]
logit = torch.tensor([20.0], requires_grad=True)
loss = torchvision.ops.sigmoid_focal_loss(logit, torch.ones(1), alpha=-1, gamma=0.5)
loss.sum().backward()
print("torchvision, gamma 0.5, logit 20: slope", logit.grad.item())

# %% [markdown]
# ### Exhibit I

# %%
def exhibit_i(logits, target, gamma=2.0):
    log_p = F.log_softmax(logits, dim=1)
    one_hot = F.one_hot(target, logits.shape[1])
    return (one_hot * (1 - log_p.exp()) ** gamma * -log_p).mean()

# %% [markdown]
# <details><summary>Plate I</summary>
#
# **The mean over too much.** `mean()` of an $(N, K)$ table divides by $N K$, though only $N$
# entries can differ from 0. With 1000 classes the learning rate is a thousandth. Met in: one-hot
# versions, and multi-label losses compared with a sum over labels.
#
# </details>
#
# ### Exhibit J

# %%
def exhibit_j(logits, target, gamma=2.0):
    prob = torch.softmax(logits, dim=1).clamp(1e-7, 1 - 1e-7)
    p_t = prob.gather(1, target[:, None])[:, 0]
    return ((1 - p_t) ** gamma * -torch.log(p_t)).mean()

# %% [markdown]
# <details><summary>Plate J</summary>
#
# **The safety catch.** The clamp prevents $\ln 0$. But a clamped value has slope 0: the samples
# that are *most* wrong teach nothing at all, and no warning is given. Met in: versions translated
# from other frameworks, with `eps=1e-7` "for numerical stability".
#
# </details>
#
# ### Exhibit K

# %%
def exhibit_k(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target)
    p_t = torch.exp(-ce)
    return (1 - p_t) ** gamma * ce

# %% [markdown]
# <details><summary>Plate K</summary>
#
# **One factor for all.** `ce` is already the mean of the batch, so there is *one* $p_t$, and every
# sample gets the same factor: no sample is turned down against another. It is cross entropy with an
# odd learning rate. Met in: much-copied collections of segmentation losses.
#
# </details>
#
# ### The inspection
#
# > **Predict.** Which exhibits does *one* guard alone catch? Write down the letters.

# %%
exhibits = {"A": exhibit_a, "B": exhibit_b, "C": exhibit_c, "D": exhibit_d, "E": exhibit_e,
            "F": exhibit_f, "G": exhibit_g, "H": exhibit_h, "I": exhibit_i, "J": exhibit_j,
            "K": exhibit_k, "ours": focal_loss}
table = pd.DataFrame({name: inspect(loss) for name, loss in exhibits.items()})
table.loc[:, "A":"F"]

# %%
table.loc[:, "G":]

# %% tags=["nbval-check-output"]
caught = (table == "✗").sum()
print("caught by one guard only:", ", ".join(caught.index[caught == 1]))
print("never caught:", ", ".join(caught.index[caught == 0]))

# %% [markdown]
# Every exhibit is caught and ours is not, yet no single guard catches all. The test that most
# people write, "equal to cross entropy at $\gamma = 0$", lets A, B, D, E, H, J and K pass. The last
# row: B, C, I and K carry the fault of H too; D and E take the root of a negative number, and G
# fails in float16.
#
# More stands in the cellar: false positives and false negatives swapped in a soft F-beta, for
# instance. Notebook 04 brings it up.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 20 minutes; or give each group two exhibits and let them defend "it is correct"
# before the plate is opened. H needs a nudge: "what is the derivative of the square root at 0?"
# Usual wrong answers: A is fine because the values agree; J is fine because it is finite.

# %% [markdown]
# ## What to remember
#
# - Focal loss is cross entropy times $(1 - p_t)^{\gamma}$; hard samples get a slightly stronger
#   push, easy ones almost none.
# - With two classes its belief is pulled towards one half, never across; an ideal model's answers
#   can be undone without data.
# - In softmax a scalar alpha balances nothing: it is a learning rate to SGD and nothing to Adam; in
#   sigmoid 0.25 presses positives *down*.
# - One loss for all: the binary focal loss of the margin, which also keeps the digits.
# - Trust properties, not names: value, gamma, slope, extremes, weights, samples one by one.
#
# **Next.** Focal loss bends the loss and leaves the targets alone. What if we bend the targets, and
# tell the model that 1 means 0.9? Notebook `03_label_smoothing`.
#
# **References.** T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense
# Object Detection", *ICCV* 2017. N. Charoenphakdee, J. Vongkulbhisal, N. Chairatanakul and M.
# Sugiyama, "On Focal Loss for Class-Posterior Probability Estimation: A Theoretical Perspective",
# *CVPR* 2021. J. Mukhoti, V. Kulharia, A. Sanyal, S. Golodetz, P. Torr and P. Dokania, "Calibrating
# Deep Neural Networks using Focal Loss", *NeurIPS* 2020. X. Li, W. Wang, L. Wu, S. Chen, X. Hu, J.
# Li, J. Tang and J. Yang, "Generalized Focal Loss", *NeurIPS* 2020.
