# %% [markdown] slideshow={"slide_type": "slide"}
# # 01. Cross entropy: the loss that believes the truth
#
# Three questions for this notebook:
#
# 1. How do scores become probabilities, and how wrong is a probability?
# 2. Why is the gradient as simple as $p - y$?
# 3. Which everyday changes alter its value only, and which alter what the model believes?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | 1. From scores to probabilities | 8 | write softmax so that it never overflows |
# | 2. How wrong is a probability? | 7 | compute a surprise in nats, and spot a wrong logarithm |
# | 3. Cross entropy from logits | 8 | write it in three lines, for two classes and for many |
# | 4. The gradient | 7 | derive $p - y$ and say what it does |
# | 5. What does it make the model believe? | 5 | show that the answer is the truth |
# | 6. Softmax twice | 6 | recognise the mistake by its floor |
# | 7. Class weights | 5 | say what a weighted model's number means |
# | 8. The first loss | 4 | know the loss before the first step |
# | 9. Exercises | 20 | show yourself that you can |
#
# **Needs** notebook 00, and the chain rule. **Data**: scikit-learn's digits, which are always
# there. Runs in about 20 seconds.

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

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

from course_utils import plots, runtime
from course_utils.exercises import cross_entropy as ex
from course_utils.metrics import as_binary, belief
from course_utils.training import TensorLoader, fit

plt.style.use(plots.STYLE)
runtime.set_threads(1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. From scores to probabilities
#
# A network ends in one number per class, its *logits* $z$. They may be anything: negative, huge.
# Probabilities must be positive and sum to 1.
#
# > **Predict.** Logits 1, 2, 3. Which class gets the largest probability, and is it below or above
# > one half?

# %% [markdown]
# *Softmax* makes every logit positive by $e^{z}$ and divides by the sum over the $K$ classes:
#
# $$p_k = \frac{e^{z_k}}{\sum_{j=1}^{K} e^{z_j}}.$$

# %%
def softmax(z):
    return torch.exp(z) / torch.exp(z).sum()

z = torch.tensor([1.0, 2.0, 3.0])
softmax(z)

# %%
(softmax(z) - torch.softmax(z, dim=0)).abs().max()

# %% [markdown]
# Is it the softmax of PyTorch? The largest difference is zero, or a rounding error. So we compare
# all through the course: never for exact equality.
#
# > **Predict.** We add 100 to all three logits. What happens to the probabilities? Then we add
# > 1000.

# %%
softmax(z + 100), softmax(z + 1000)

# %% [markdown]
# Adding a constant changes nothing in the formula: $e^{100}$ cancels. But $e^{1000}$ is beyond the
# largest float, so the code divides infinity by infinity: `nan`, *not a number*.
#
# The cure follows from the same fact: since a constant cancels, subtract the largest logit.

# %%
def softmax(z):
    e = torch.exp(z - z.max())
    return e / e.sum()

softmax(z + 1000)

# %% [markdown]
# ### log-sum-exp
#
# We shall need $\ln p_k = z_k - \ln \sum_j e^{z_j}$. The second term is called *log-sum-exp*, a
# soft version of the maximum. The same trick keeps it finite:
#
# $$\ln \sum_j e^{z_j} = m + \ln \sum_j e^{z_j - m}, \qquad m = \max_j z_j.$$

# %%
def logsumexp(z):
    m = z.max()
    return m + torch.log(torch.exp(z - m).sum())

logsumexp(z), torch.logsumexp(z, dim=0), logsumexp(z + 1000)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes. Ask before the `nan`: "does adding a constant matter?" Most say no, and
# are right about the formula. Usual wrong answer to the first question: 3/6, logits taken for
# shares.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. How wrong is a probability?
#
# A forecaster said 0.7 for what then happened. Call $-\ln p$ her *surprise*. It is 0 for certainty
# ($p = 1$), and grows without end as $p$ falls to 0.
#
# > **Predict.** She says 0.7 instead of 1. How large is the surprise: about 0.04, 0.4 or 4?

# %% tags=["nbval-check-output"]
print(f"{-math.log(0.7):.3f}")

# %% [markdown]
# The target is usually written *one-hot*: 1 for the true class and 0 for the others. *Cross
# entropy* is $-\sum_k y_k \ln p_k$: with a one-hot target only the true class remains.

# %% tags=["nbval-check-output"]
y = torch.tensor([0.0, 1.0, 0.0])
p = torch.tensor([0.2, 0.7, 0.1])
print(f"{-(y * torch.log(p)).sum():.3f}")

# %% [markdown]
# > **Predict.** Two rare events, each said with $p = 0.1$, both happen. Independent probabilities
# > multiply. What happens to their surprises?

# %%
torch.tensor(-math.log(0.1 * 0.1)), torch.tensor(-math.log(0.1) - math.log(0.1))

# %% [markdown]
# They add. That is why we use a logarithm: the surprise of a whole data set is a sum over its
# samples, and minimising it makes the data as probable as the model can (*maximum likelihood*).

# %% [markdown]
# ### Which logarithm?
#
# In `torch`, `numpy` and `math`, `log` is the natural logarithm, base $e$; its unit is the *nat*.
# Base 2 would give bits. Base 10 is what most calculators mean by "log", and it creeps in:

# %%
fig, ax = plt.subplots()
p = torch.linspace(0.005, 1, 400)
ax.plot(p, -torch.log(p), label="natural: −ln p (nats)", **plots.LOOK["cross entropy"])
ax.plot(p, -torch.log10(p), label="base 10: −log10 p", **plots.LOOK["absolute error"])
ax.set(xlabel="probability given to what happened", ylabel="surprise", ylim=(0, 5))
ax.legend()
plots.show(fig, "Surprise against the probability of what happened. Both curves fall to 0 at p = "
                "1; the base-10 curve is lower everywhere, by the same factor of 2.303.")

# %% [markdown]
# **A detective case.** A much-read post on losses gets 0.357 for the cross entropy above. Further
# down it multiplies the surprise by $(1 - p)^2$ (that is focal loss, notebook 02) and prints
# 0.00003508 for $p = 0.98$ and 0.44734 for $p = 0.2$.
#
# > **Predict.** Which logarithm did it use for each? One of the numbers has a second fault.

# %% tags=["nbval-check-output"]
for p, printed in [(0.98, 0.00003508), (0.2, 0.44734)]:
    natural, base_10 = (1 - p) ** 2 * -math.log(p), (1 - p) ** 2 * -math.log10(p)
    print(f"p = {p:<5} ln: {natural:.5g}   log10: {base_10:.5g}   printed: {printed:.5g}   "
          f"printed / log10 = {printed / base_10:.1f}")

# %% [markdown]
# The cross entropy was in nats; the two focal numbers use base 10, and the first is ten times too
# large even so. A reader who compares 0.357 with them compares different units.
#
# From here on every loss is in nats.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 7 minutes, and exercise 1.2. Let everybody guess the surprise of 0.7 before the cell.
# Usual wrong answers: 0.3, which is $1 - p$, and 0.15, the calculator's log key. In the detective
# case let pairs find the factor of ten themselves.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Cross entropy from logits
#
# Put the two together: the surprise of the true class, straight from the logits,
#
# $$\mathrm{CE}(z, y) = -\ln p_y = \ln \sum_j e^{z_j} - z_y.$$
#
# A *batch* holds $N$ samples, so logits have the shape `(N, C)` and targets `(N,)`. The loss of a
# batch is the mean.

# %%
def cross_entropy(logits, target):
    true = logits.gather(1, target[:, None])[:, 0]
    return (torch.logsumexp(logits, dim=1) - true).mean()

# %% tags=["nbval-check-output"]
logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [30.0, 0.0, 0.0]])
target = torch.tensor([0, 2, 1])
difference = cross_entropy(logits, target) - F.cross_entropy(logits, target)
print(f"ours {cross_entropy(logits, target):.4f}, difference to torch's {difference.abs():.0e}")

# %% [markdown]
# Why not compute the probabilities first and take the logarithm after? Try it on the third sample,
# whose true class has logit 0 beside a 30, and on worse ones.
#
# > **Predict.** The true class trails by 30, then 100, then 200. Is the loss right by the detour
# > over $p$?

# %% tags=["nbval-check-output"]
for gap in [30.0, 100.0, 200.0]:
    z = torch.tensor([[gap, 0.0]])
    detour = -torch.log(torch.softmax(z, dim=1)[0, 1])
    print(f"gap {gap:>5}: from logits {cross_entropy(z, torch.tensor([1])):>5.1f}, "
          f"by way of p {detour:>5.1f}")

# %% [markdown]
# Beyond a gap of about 100, $p$ is too small for a float32 and becomes 0: the loss is infinite and
# its gradient useless. On the other side it is worse, since numbers near 1 are coarser:

# %% tags=["nbval-check-output"]
for z in [10.0, 15.0, 17.0]:
    p = torch.sigmoid(torch.tensor(z))
    print(f"logit {z}: -ln(1 - p) is {F.softplus(torch.tensor(z)):.3f}, by way of p "
          f"{-torch.log(1 - p):.3f}")

# %% [markdown]
# **Losses want logits.** So prefer the functions that take them: `F.cross_entropy` and
# `F.binary_cross_entropy_with_logits`. (`nn.BCELoss` takes probabilities; it cuts the logarithm off
# at -100, which hides the trouble and does not mend it.)

# %% [markdown]
# ### Two classes: one logit is enough
#
# Softmax of $(0, z)$ gives the second class $p = 1/(1 + e^{-z})$, the *sigmoid* $\sigma(z)$. The
# loss is *binary cross entropy* (BCE):
#
# $$\mathrm{BCE}(z, y) = -y \ln \sigma(z) - (1 - y) \ln (1 - \sigma(z)).$$

# %%
def bce(z, y):
    return F.softplus(-z) * y + F.softplus(z) * (1 - y)

# %% [markdown]
# `softplus(z)` is $\ln(1 + e^{z})$, and indeed $-\ln \sigma(z) = \ln(1 + e^{-z})$. No probability
# is ever formed. Is it the loss others call by that name?

# %% tags=["nbval-check-output"]
z, y = torch.tensor([-50.0, -1.0, 0.0, 3.0]), torch.tensor([1.0, 0.0, 1.0, 1.0])
theirs = F.binary_cross_entropy_with_logits(z, y, reduction="none")
as_two = F.cross_entropy(torch.stack([torch.zeros(4), z], 1), y.long(), reduction="none")
print(f"largest difference to BCE {(bce(z, y) - theirs).abs().max():.0e}, "
      f"to cross entropy of (0, z) {(bce(z, y) - as_two).abs().max():.0e}")

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes, and exercise 1.1. Ask which side breaks first, a hopeless sample or a sure
# one; nearly all say the hopeless one. Usual wrong answer: "float32 has seven digits, so 17 is
# safe".

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. The gradient
#
# Training moves logits against the gradient.
#
# > **Predict.** Probabilities 0.2, 0.7, 0.1, and the second class is true. Which logits will
# > training push up, which down, and which one hardest?

# %% [markdown]
# Differentiate $\mathrm{CE} = \ln \sum_j e^{z_j} - z_y$. The first term gives $e^{z_k} / \sum_j
# e^{z_j} = p_k$, the second gives 1 for the true class:
#
# $$\frac{\partial\, \mathrm{CE}}{\partial z_k} = p_k - y_k.$$

# %%
z = torch.log(torch.tensor([[0.2, 0.7, 0.1]])).requires_grad_()
F.cross_entropy(z, torch.tensor([1])).backward()
z.grad

# %% [markdown]
# *Probability minus target.* The true class is pushed up by what it lacks, 0.3; each other class
# down by what it should not have. The pushes on the logits sum to 0, and none is ever larger than
# 1.

# %%
fig, ax = plt.subplots()
z = torch.linspace(-6, 6, 200, requires_grad=True)
loss = F.binary_cross_entropy_with_logits(z, torch.ones(200), reduction="none")
loss.sum().backward()
ax.plot(z.detach(), loss.detach(), label="loss (nats)", **plots.LOOK["cross entropy"])
ax.plot(z.detach(), z.grad, label="slope, p − 1", **plots.LOOK["absolute error"])
ax.set(xlabel="logit z of a positive sample", ylabel="loss, slope")
ax.legend()
plots.show(fig, "BCE of a positive sample and its slope against the logit. Far on the wrong side "
                "the loss is a straight line and the slope is -1; on the right side both fade to "
                "0.")

# %% [markdown]
# A hopeless sample pulls at its logit with force 1, never more, and a settled one hardly at all.
# Compare the squared error of the probability, $(1 - p)^2$.
#
# > **Predict.** At $z = -6$, where the model is confidently wrong, is its slope large or small?

# %%
z = torch.tensor([-6.0], requires_grad=True)
((1 - torch.sigmoid(z)) ** 2).sum().backward()
z.grad

# %% [markdown]
# Nearly zero: the sample that is most wrong teaches least. The sigmoid is flat out there and
# squared error multiplies by its slope. Cross entropy's logarithm cancels exactly that.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 7 minutes, and exercise 1.4. Who gets pushed hardest? A usual wrong answer is "the
# largest logit". Before the squared error ask for the sample that *should* teach most.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. What does it make the model believe?
#
# Of many look-alikes a share $\eta$ is positive. The mean slope at a common answer $p$ is
#
# $$\eta\,(p - 1) + (1 - \eta)\,p = p - \eta,$$
#
# which is zero at $p = \eta$ and nowhere else. The belief is the truth.

# %%
belief(partial(F.binary_cross_entropy_with_logits, reduction="none"), [0.01, 0.1, 0.5, 0.9])

# %% [markdown]
# That is for an ideal model and endless data. What of a finite sample?
#
# > **Predict.** We draw 1000 look-alikes with $\eta = 0.1$ and train a single logit on them, five
# > times with new draws. How far from 0.1 will the answers scatter?

# %%
def draw(seed):
    return (torch.rand(1000, generator=torch.Generator().manual_seed(seed)) < 0.1).float()

def train_one_logit(seed, loss_fn, steps=200):
    y, logit = draw(seed), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([logit], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_fn(logit.expand(1000), y).backward()
        optimizer.step()
    return logit.sigmoid().item()

# %% tags=["nbval-check-output"]
for seed in range(5):
    answer = train_one_logit(seed, F.binary_cross_entropy_with_logits)
    print(f"seed {seed}: share drawn {draw(seed).mean():.3f}, answer learned {answer:.3f}")

# %% [markdown]
# The answer is the share that was *drawn*. It scatters as draws do: the standard
# deviation of a share of 1000 is $\sqrt{0.1 \cdot 0.9 / 1000} \approx 0.009$. The loss adds no
# error of its own.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 5 minutes. Ask for the scatter of 1000 draws before the cell; usual wrong answers are
# 0.1 and 0.001. That the answer equals the drawn share is the point: the loss adds nothing.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Misconception: softmax twice
#
# `F.cross_entropy` and `nn.CrossEntropyLoss` take logits. Many networks on the web end in a softmax
# layer and are trained with it all the same. Nothing crashes.
#
# > **Predict.** Three classes, and the network is perfectly certain and right: probabilities 1, 0,
# > 0. What loss does it get?

# %% tags=["nbval-check-output"]
certain = torch.tensor([[1.0, 0.0, 0.0]])
print(f"loss of a perfect answer: {F.cross_entropy(certain, torch.tensor([0])):.3f}")

# %% [markdown]
# The probabilities are taken for logits, and logits between 0 and 1 can say little: softmax of (1,
# 0, 0) is only (0.58, 0.21, 0.21). With $K$ classes the loss cannot fall below $\ln(e + K - 1) -
# 1$. For 10 classes:

# %% tags=["nbval-check-output"]
floor = math.log(math.e + 9) - 1
print(f"floor for 10 classes: {floor:.3f} nats; knowing nothing costs {math.log(10):.3f}")

# %% [markdown]
# Does it matter for what is learned? We train a small network on the handwritten digits of
# scikit-learn, with and without the extra softmax: five seeds each, all else equal, and measure the
# accuracy on validation digits after every epoch. (`fit` is our training loop; notebook 05 opens
# it.)

# %%
pixels, digit = load_digits(return_X_y=True)
pixels = torch.tensor(pixels / 16, dtype=torch.float32)
digit = torch.tensor(digit)
order = torch.randperm(len(digit), generator=torch.Generator().manual_seed(0))
train, val = order[:1200], order[1200:]

# %%
def train_digits(seed, last_layer):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10), *last_layer)
    loader = TensorLoader(pixels[train], digit[train], batch_size=64, shuffle=True,
                          generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return model, fit(model, loader, [(pixels[val], digit[val])], loss_fn=F.cross_entropy,
                      optimizer=optimizer, epochs=15, device="cpu", progress=False).frame

once = [train_digits(seed, [])[1] for seed in range(5)]
twice = [train_digits(seed, [nn.Softmax(dim=1)])[1] for seed in range(5)]

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
looks = [plots.LOOK["cross entropy"], {"color": "#555555", "linestyle": "--"}]
for runs, name, look in zip([once, twice], ["logits", "softmax twice"], looks, strict=True):
    for ax, column in zip(axes, ["val_loss", "val_accuracy"], strict=True):
        table = pd.concat([frame[column] for frame in runs], axis=1)
        ax.plot(table.mean(axis=1), label=name, **look)
        ax.fill_between(table.index, table.min(axis=1), table.max(axis=1), alpha=0.25,
                        color=look["color"])
axes[0].axhline(floor, color="#555555", linewidth=1)
axes[0].set(xlabel="epoch", ylabel="validation loss (nats)", ylim=(0, None))
axes[1].set(xlabel="epoch", ylabel="validation accuracy")
axes[1].legend()
plots.show(fig, "Digits, mean and range of 5 seeds. With softmax twice the loss sticks above its "
                "floor of 1.46 nats (thin line), and the accuracy rises more slowly.")

# %% tags=["nbval-check-output"]
for name, runs in [("logits", once), ("softmax twice", twice)]:
    for epoch in [2, 15]:
        accuracy = torch.tensor([frame.val_accuracy[epoch] for frame in runs])
        print(f"{name:<14} epoch {epoch:>2}: accuracy {accuracy.mean():.2f}")

# %% [markdown]
# The mistake does not crash and costs only some accuracy, which is why it survives. Its marks are a
# loss that stays above $\ln(e + K - 1) - 1$, and slow learning: the gradient passes through a
# softmax that is almost flat. If your loss will not fall below that floor, look at the last layer
# first.
#
# And what does it make the model *believe*?
#
# > **Predict.** True probability 0.1, 0.3, 0.5 or 0.9: will a softmax before cross entropy leave
# > the belief alone, pull it towards one half, or push it to the ends?

# %%
def softmax_twice(logits, target, reduction="none"):
    return F.cross_entropy(logits.softmax(dim=1), target, reduction=reduction)

belief(as_binary(softmax_twice), [0.1, 0.2, 0.3, 0.5, 0.7, 0.9])

# %% [markdown]
# To the ends! Below about 0.27 an ideal model says 0, above 0.73 it says 1: "a fraud for certain"
# for what happens in three of four cases. The loss that never looks satisfied makes the most
# reckless model.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 6 minutes, and exercise 1.3. Many think that the loss of a perfect answer must be 0;
# let them compute the floor. For the belief nearly all guess "towards one half": it goes to the
# ends.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Class weights
#
# Frauds are rare, so let each count ten times: `pos_weight=10` for BCE, `weight=` a number per
# class for cross entropy.
#
# > **Predict.** Three normal samples and one fraud, all with the answer 1/2 and so a surprise of
# > 0.693; the fraud weighs 10. What is the weighted mean?

# %% tags=["nbval-check-output"]
weight = torch.tensor([1.0, 10.0])
logits, target = torch.zeros(4, 2), torch.tensor([0, 0, 0, 1])
by_class = F.cross_entropy(logits, target, weight=weight)
by_pos_weight = F.binary_cross_entropy_with_logits(torch.zeros(4), target.float(),
                                                   pos_weight=torch.tensor(10.0))
print(f"cross entropy, weight= : {by_class:.3f}")
print(f"BCE, pos_weight=       : {by_pos_weight:.3f}")

# %% [markdown]
# Two conventions! Cross entropy divides by the sum of the weights, $(3 \cdot 0.693 + 10 \cdot
# 0.693)/13$; BCE divides by the number of samples, $13 \cdot 0.693/4$, so its `pos_weight` also
# makes every step larger. What both *reward* is the same.

# %% [markdown]
# > **Predict.** One in ten look-alikes is a fraud, and frauds weigh 10. What will a model trained
# > this way say? Below one half, or above?

# %%
weighted = partial(F.binary_cross_entropy_with_logits, pos_weight=torch.tensor(10.0))
[round(train_one_logit(seed, weighted), 2) for seed in range(5)]

# %% [markdown]
# Ten times one fraud against nine normal ones: $10/19 = 0.53$. In general a weight $w$ multiplies
# the *odds*, $\dfrac{p^*}{1 - p^*} = w\, \dfrac{\eta}{1 - \eta}$:

# %%
ax = plots.plot_belief_map({
    "cross entropy": partial(F.binary_cross_entropy_with_logits, reduction="none"),
    "weighted, positives x 10": partial(weighted, reduction="none"),
}, mark=0.1)
plots.show(ax, "Belief against the true probability. Cross entropy lies on the diagonal; with a "
               "weight of 10 the model says 0.53 where the truth is 0.1.")

# %% [markdown]
# **Misconception: a weighted model's probabilities read as probabilities.** A score of 0.53 here
# means one in ten. If all you do is compare with 0.5, then for an ideal model weighting by 10 is
# the same as a threshold of $1/11 = 0.09$ without weights. And since we know what the weight did,
# we can undo it:

# %%
p = torch.tensor(0.53)
odds = p / (1 - p) / 10
odds / (1 + odds)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 5 minutes, and exercises 1.5 and 1.6. Usual wrong answers: 1.0 (ten times 0.1) and
# 0.1 ("the loss is still cross entropy"). Ask who would read 0.53 as "more likely than not".

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. The first loss, before the first step
#
# A fresh network knows nothing, its logits are near 0.
#
# > **Predict.** What is its mean loss on a table with two classes? With ten? Does it matter that
# > only 0.17 % are frauds?

# %%
math.log(2), math.log(10)

# %% [markdown]
# $\ln K$, however rare the positives. If your first loss is far from it, look for a bug before you
# train. With 0.17 % frauds that is a poor start, since a constant answer of 0.0017 would cost only
# the *entropy* $-\eta \ln \eta - (1 - \eta) \ln (1 - \eta)$ of the share:

# %%
eta = 492 / 284_807
-eta * math.log(eta) - (1 - eta) * math.log(1 - eta)

# %% [markdown]
# To begin there, set the bias of the last layer to the *log-odds* of the share, $\ln \frac{\eta}{1
# - \eta}$ (*prior-bias initialisation*, after the focal-loss paper). The paper keeps small random
#   weights; weights
# of zero make our first loss exact, at a price: in the first step no gradient reaches the layers
# below.

# %%
def first_loss(seed, prior_bias):
    torch.manual_seed(seed)
    x, y = torch.randn(284_807, 29), (torch.arange(284_807) < 492).float()
    last = nn.Linear(8, 1)
    if prior_bias:
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, math.log(eta / (1 - eta)))
    model = nn.Sequential(nn.Linear(29, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), last)
    with torch.no_grad():
        return F.binary_cross_entropy_with_logits(model(x)[:, 0], y).item()

pd.DataFrame({"default": [first_loss(seed, False) for seed in range(5)],
              "prior bias": [first_loss(seed, True) for seed in range(5)]}).round(4)

# %% [markdown]
# By default the first loss scatters around $\ln 2 = 0.69$, as far as the random last layer takes
# it; with the prior bias it is the entropy, whatever the seed. Notebook 07 shows what that spares a
# network.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 4 minutes. Ask for the first loss with two classes, then with 0.17 % frauds. Usual
# wrong answer: "smaller, since nearly all are normal"; an untrained network does not know that yet.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Exercises
#
# Put your answer in place of each `...`. Stuck? `ex.q1.hint()`, again for a stronger hint, then
# `ex.q1.solution()`.
#
# **Exercise 1.1, write code.** The logarithm of softmax for logits of shape `(N, C)`, right even
# where a logit is 1000.

# %% tags=["exercise"]
def log_softmax(z):
    ...

ex.q1.check(log_softmax)

# %% [markdown]
# **Exercise 1.2, predict a number.** Four doors, one prize, and the model says 1/4 for each. The
# surprise of the door that was opened, in nats?

# %% tags=["exercise"]
surprise = ...
ex.q2.check(surprise)

# %% [markdown]
# **Exercise 1.3, find the bug.** A network for ten classes begins with a loss of 2.30 and settles
# at 1.47, with a validation accuracy of 0.93. Which is it: `"learning rate too high"`, `"labels
# shuffled"`, `"softmax twice"`, `"too few epochs"` or `"class weights"`?

# %% tags=["exercise"]
cause = ...
ex.q3.check(cause)

# %% [markdown]
# **Exercise 1.4, write code.** The gradient of the mean cross entropy of a batch with respect to
# its logits, by the formula, without autograd. Integer targets `(N,)`.

# %% tags=["exercise"]
def gradient(logits, target):
    ...

ex.q4.check(gradient)

# %% [markdown]
# **Exercise 1.5, predict a number.** Positives weigh 20. Of some look-alikes one in twenty is
# positive. What does the ideal model say?

# %% tags=["exercise"]
belief_5_percent = ...
ex.q5.check(belief_5_percent)

# %% [markdown]
# **Exercise 1.6, write code.** A model was trained with positives weighted `w` and says `p`. What
# was the true probability?

# %% tags=["exercise"]
def unweight(p, w):
    ...

ex.q6.check(unweight)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** Two lessons: sections 1 to 4 (30 minutes and 1.1, 1.2, 1.4), sections 5 to 8 (20
# minutes and the rest). `check` names the mistake; ask the pair to explain it before they mend it.

# %% [markdown]
# ## What to remember
#
# - Cross entropy is the surprise $-\ln p_y$ in nats: log-sum-exp minus the true logit.
# - Its gradient is $p - y$: bounded, and zero only when the answer is the true share.
# - It wants logits. A softmax before it costs speed and leaves a floor of $\ln(e + K - 1) - 1$.
# - A weight $w$ multiplies the odds that the model reports; it can be undone.
# - The first loss is $\ln K$, or the entropy of the shares with a prior bias.
#
# **Next.** A table with 578 normal transactions for each fraud: the easy ones cost almost nothing
# each, but there are so many. Should the loss ignore them? Notebook `02_focal_loss`.
#
# **References.** I. J. Good, "Rational Decisions", *Journal of the Royal Statistical Society B* 14
# (1952), the logarithmic score. C. Bishop, *Pattern Recognition and Machine Learning* (Springer
# 2006), chapter 4. T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense
# Object Detection", *ICCV* 2017, section 3.3 for the prior bias.
