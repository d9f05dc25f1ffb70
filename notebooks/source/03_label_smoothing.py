# %% [markdown] slideshow={"slide_type": "slide"}
# # 03. Label smoothing: a target that admits doubt
#
# Three questions for this notebook:
#
# 1. Two formulas go by the name of label smoothing. When do they differ, and how do we convert?
# 2. Where does a smoothed loss stop pushing, and what does the model then believe?
# 3. Does smoothing calibrate a network? What if we just divide the logits by a number?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | 1. A target that admits doubt | 6 | write label smoothing in three lines |
# | 2. Two conventions | 6 | convert one into the other, and say when it matters |
# | 3. The loss that has a bottom | 8 | derive where the logits stop, and the lowest loss |
# | 4. What does it make the model believe? | 5 | undo smoothing in a stated probability |
# | 5. With class weights | 5 | predict a surprise that torch has in store |
# | 6. A hundred networks and their clusters | 8 | look into the layer before the last |
# | 7. Does the model mean what it says? | 8 | read a reliability diagram and an ECE |
# | 8. Did it replicate? | 10 | say when smoothing calibrates, and compare its rival |
# | 9. Exercises | 25 | show yourself that you can |
#
# **Needs** notebooks 00 and 01. **Data**: scikit-learn's digits, which are always there. Runs in
# about 25 seconds.

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
from itertools import combinations

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from sklearn.datasets import load_digits
from torch import nn
from torch.func import functional_call, stack_module_state

from course_utils import plots, runtime
from course_utils.exercises import label_smoothing as ex
from course_utils.losses import label_smoothing_cross_entropy
from course_utils.metrics import as_binary, belief, calibration_error

plt.style.use(plots.STYLE)
runtime.set_threads(1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. A target that admits doubt
#
# A one-hot target says: this class for certain, the others never. Cross entropy then asks for a
# logit that is infinitely larger than the others. *Label smoothing* asks for less.
#
# > **Predict.** Four classes. We take 0.2 from the true class and share it among *all four*. What
# > does the true class end up with: 0.80, 0.85 or 0.95?

# %% [markdown]
# In words: mix the one-hot target $y$ with the uniform distribution, $1/K$ for each of $K$ classes.
# The share of the mixture is $\varepsilon$ ("epsilon"; `smoothing` in code), often 0.1:
#
# $$q_k = (1 - \varepsilon)\, y_k + \frac{\varepsilon}{K}.$$

# %% tags=["nbval-check-output"]
y = F.one_hot(torch.tensor([2]), 4)
q = (1 - 0.2) * y + 0.2 / 4
print(q.numpy().round(2), " sum", q.sum().numpy().round(2))

# %% [markdown]
# 0.85: the true class gets a quarter of its gift back. The loss is the cross entropy against this
# target, $-\sum_k q_k \ln p_k$. Put $q$ in, and it is a mixture of two losses: the surprise of the
# true class, and the mean surprise of all classes.

# %%
def smoothed(logits, target, eps):
    log_p = F.log_softmax(logits, dim=-1)
    true = log_p.gather(-1, target[..., None])[..., 0]
    return -(1 - eps) * true - eps * log_p.mean(dim=-1)

# %% [markdown]
# Is it the loss that others call by that name? We ask torch, whose `cross_entropy` has an argument
# for it, and the course's own.

# %% tags=["nbval-check-output"]
logits = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 3.0, 1.0, -2.0]])
target = torch.tensor([0, 2])
torchs = F.cross_entropy(logits, target, label_smoothing=0.2, reduction="none")
course = label_smoothing_cross_entropy(logits, target, smoothing=0.2, reduction="none")
print("ours", smoothed(logits, target, 0.2).numpy().round(4), " torch", torchs.numpy().round(4),
      " course", course.numpy().round(4))

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 6 minutes. Before the first code cell let everybody write down the four numbers of
# the target. The usual answer is 0.8 and three times 0.067: that is the *other* convention, and
# the best possible way into section 2.
# 50 minutes: 1 to 4 (25), 7 (8), 8 as far as the test figure (15). Sections 5, 6 and the rest of 8
# are reading.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Two conventions
#
# Some take the $\varepsilon$ away from the true class and share it among the $K - 1$ *others*:
#
# $$q_{\text{true}} = 1 - \varepsilon, \qquad q_{\text{other}} = \frac{\varepsilon}{K - 1}.$$
#
# Torch, Keras and timm share among *all*; many hand-written losses share among the others.

# %% [markdown]
# > **Predict.** For how many classes do the two differ most: 2, 10 or 1000? By what factor?

# %%
def targets(K, eps=0.1):
    return {"all: true": 1 - eps + eps / K, "others: true": 1 - eps,
            "all: each other": eps / K, "others: each other": eps / (K - 1)}

table = pd.DataFrame({K: targets(K) for K in [2, 3, 10, 100, 1000]}).T.rename_axis("classes K")
table["ratio"] = table["others: each other"] / table["all: each other"]
table.round(5)

# %% [markdown]
# With two classes the smoothing differs by a factor of 2, with a thousand by a thousandth. The
# factor is $K/(K-1)$, and it is all there is: "others" with $\varepsilon$ is "all" with
# $\varepsilon K/(K - 1)$.

# %% tags=["nbval-check-output"]
for K in [2, 3, 10, 1000]:
    z = torch.randn(5, K, generator=torch.Generator().manual_seed(K), dtype=torch.float64)
    t = torch.arange(5) % K
    others = label_smoothing_cross_entropy(z, t, smoothing=0.1, spread="others")
    theirs = F.cross_entropy(z, t, label_smoothing=0.1 * K / (K - 1))
    same = torch.isclose(others, theirs, rtol=1e-12, atol=0)
    print(f"K = {K:>4}: equal to 12 digits: {same.item()}")

# %% [markdown]
# **A detective case, continued.** The post that mixed up its logarithms in notebook 01 prints a
# formula with the uniform distribution, $\varepsilon/K$, and code that shares $\varepsilon/(K-1)$
# among the others. Each is label smoothing. They are not the same loss, and its $\varepsilon$
# means one thing in the text and another in the code.

# %% [markdown]
# > **Predict.** Two classes, $\varepsilon = 0.5$. What does each convention teach? And 0.8?

# %%
pd.DataFrame({eps: targets(2, eps) for eps in [0.1, 0.5, 0.8]}).T.rename_axis("epsilon").round(2)

# %% [markdown]
# At 0.5 "others" teaches nothing, and at 0.8 it teaches the *wrong* class. "All" can never do that:
# its true class stays ahead for every $\varepsilon < 1$.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 6 minutes, and exercises 3.1 and 3.2. Ask before the table: "does it matter which one
# you take?" Usual wrong answer: "no, epsilon is tiny anyway". It is a factor of two for the fraud
# task. Then ask for the largest epsilon that makes sense in either convention.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. The loss that has a bottom
#
# Notebook 01 differentiated $\ln \sum_j e^{z_j} - z_y$. For a target $q$ that sums to 1 the loss is
# $\ln \sum_j e^{z_j} - \sum_k q_k z_k$: the same first term, and the second now gives $q_k$:
#
# $$\frac{\partial L}{\partial z_k} = p_k - q_k.$$

# %%
z = logits.clone().requires_grad_()
smoothed(z, target, 0.2).sum().backward()
q = 0.8 * F.one_hot(target, 4) + 0.2 / 4
torch.allclose(z.grad, torch.softmax(z, dim=1) - q)

# %% [markdown]
# > **Predict.** Ten classes, $\varepsilon = 0.1$, all other logits 0. We raise the logit of the
# > true class from −4 to 10. Does the loss fall all the way? Where does its slope change sign?

# %%
def along(z, smoothing):
    rows = torch.zeros(len(z), 10).index_fill(1, torch.tensor([0]), 1) * z[:, None]
    loss = F.cross_entropy(rows, torch.zeros(len(z), dtype=torch.long), reduction="none",
                           label_smoothing=smoothing)
    return loss.detach(), torch.autograd.grad(loss.sum(), z)[0]

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
z = torch.linspace(-4, 10, 281, requires_grad=True)
for eps, name in [(0.0, "cross entropy"), (0.1, "smoothing")]:
    for ax, curve in zip(axes, along(z, eps), strict=True):
        ax.plot(z.detach(), curve, label=name, **plots.LOOK[name])
lowest = -(0.91 * math.log(0.91) + 0.09 * math.log(0.01))
for ax, height, label in zip(axes, [lowest, 0.0], ["loss (nats)", "slope, p − q"], strict=True):
    ax.plot(math.log(91), height, "o", color="black")
    ax.set(xlabel="logit of the true class, the others 0", ylabel=label)
axes[1].axhline(0, color="#555555", linewidth=1, linestyle="-")
axes[0].legend()
plots.show(fig, "Loss and slope against the true class's logit, ten classes. Cross entropy falls "
                "for ever. With smoothing 0.1 the loss is lowest at 4.5 (dots), half a nat above "
                "0, and rises again; its slope changes sign there.")

# %% [markdown]
# Beyond that point *more certainty costs*. The slope is zero where $p = q$. A difference of logits
# is the logarithm of a ratio of probabilities, so at the bottom
#
# $$z_{\text{true}} - z_{\text{other}} = \ln \frac{q_{\text{true}}}{q_{\text{other}}} = \ln \frac{K
# - (K - 1)\,\varepsilon}{\varepsilon}.$$

# %% [markdown]
# (For "others" it reads $\ln \frac{(K-1)(1-\varepsilon)}{\varepsilon}$.) For ten classes and
# $\varepsilon = 0.1$ the *gap* is $\ln 91 = 4.51$.
#
# > **Predict.** We train ten free logits, no network at all. What will the gap be after 10, 100 and
# > 1000 steps, with smoothing and without?

# %%
def train_gap(smoothing, steps=1000):
    z, gaps = torch.zeros(1, 10, requires_grad=True), []
    optimizer = torch.optim.SGD([z], lr=5.0)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(z, torch.tensor([3]), label_smoothing=smoothing).backward()
        optimizer.step()
        gaps.append((z[0, 3] - z[0, 0]).item())
    return gaps

# %% tags=["nbval-check-output"]
plain, smooth = train_gap(0.0), train_gap(0.1)
for step in [10, 100, 1000]:
    print(f"{step:>4} steps: plain {plain[step - 1]:.2f}, smoothed {smooth[step - 1]:.2f}, "
          f"formula {math.log(91):.2f}")

# %% [markdown]
# Without smoothing the gap grows with the logarithm of the steps, for ever. With it, the formula is
# reached and kept. And at the bottom the loss is not 0 but the *entropy* of the target, $-\sum_k
# q_k \ln q_k$: a training loss that settles there has nothing left to learn.

# %% tags=["nbval-check-output"]
q = torch.tensor([0.91] + [0.01] * 9)
print(f"lowest loss, 10 classes, smoothing 0.1: {-(q * q.log()).sum():.4f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes, and exercises 3.3 and 3.4. Before the figure ask: "can a loss get worse
# when the model becomes *more* sure of the right class?" Most say no. Usual wrong answer for the
# lowest loss: 0. A learner who sees a training loss stuck at 0.5 looks for a bug that is not there.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. What does it make the model believe?
#
# Two classes. Of many look-alikes a share $\eta$ is positive. Cross entropy rewards the mean of the
# targets, whatever they are, and the mean of the smoothed ones is
#
# $$p^*(\eta) = (1 - \varepsilon)\, \eta + \frac{\varepsilon}{2}.$$
#
# (`as_binary` makes a loss of two logits one of a single logit, as `belief` wants it.)

# %%
eta = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
loss = as_binary(partial(label_smoothing_cross_entropy, smoothing=0.1, reduction="none"))
belief(loss, eta), 0.9 * eta + 0.05

# %% [markdown]
# > **Predict.** How does the line move as $\varepsilon$ grows from 0 to 1? Does a threshold of 0.5
# > ever catch more, or fewer?

# %%
def draw(smoothing, ax):
    loss = partial(label_smoothing_cross_entropy, smoothing=smoothing, reduction="none")
    return plots.plot_belief_map({"smoothing": as_binary(loss)}, mark=0.1, ax=ax)

plots.explore(draw, "Belief against the true probability for smoothing 0, 0.5 and 1. The line "
                    "turns about the point (0.5, 0.5) from the diagonal to a level line: it never "
                    "crosses one half elsewhere.", smoothing=(0.1, 0.0, 1.0, 0.05))

# %% [markdown]
# It turns about one half, so decisions at 0.5 stay. Any other threshold must move along, from $t$
# to $(1-\varepsilon)\, t + \varepsilon/2$: with $\varepsilon = 0.2$ and the 1/11 of notebook 01
# left as it is, everything is called fraud, for an ideal model never says less than 0.1.
#
# Since the line is known, we can go back: $\eta = (p - \varepsilon/2)/(1 - \varepsilon)$.

# %%
p = belief(loss, eta)
((p - 0.05) / 0.9).round(decimals=3)

# %% [markdown]
# With $K$ classes each probability $\eta_k$ becomes $(1-\varepsilon)\,\eta_k + \varepsilon/K$; the
# largest stays the largest. That is the ideal model. What a *trained* network says of digits it
# never saw is another question; we come to it in sections 7 and 8.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 5 minutes, and exercise 3.7. Before the slider: "draw the line for epsilon 1". Usual
# wrong answer: that smoothing moves decisions at 0.5, as a class weight does. Then ask what
# becomes of a threshold of 1/11 that is left behind: it calls far more rows fraud.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. With class weights
#
# Frauds shall weigh 10, and the target is smoothed. Whose weight does a term get: that of the
# *sample's* class, or that of the *term's* class? With a one-hot target it is the same. Now not.

# %% tags=["nbval-check-output"]
weight = torch.tensor([1.0, 10.0])
logits, target = torch.tensor([[0.5, -0.5]]), torch.tensor([0])  # one normal transaction
q = 0.9 * F.one_hot(target, 2) + 0.05
terms = -q * F.log_softmax(logits, dim=1)
torchs = F.cross_entropy(logits, target, weight=weight, label_smoothing=0.1, reduction="none")
print(f"weight of the sample {weight[target].item() * terms.sum():.4f}, "
      f"of each term {(weight * terms).sum():.4f}, torch {torchs.item():.4f}")

# %% [markdown]
# Torch weighs each *term*, and so do we. (Its mean then divides by the weights of the samples'
# classes, as without smoothing.) So the 0.05 that a *normal* transaction gives to "fraud" counts
# ten times.
#
# > **Predict.** Rows that are normal without any doubt, $\eta = 0$. What does a model trained this
# > way say: 0.05, 0.10 or 0.34?

# %%
rare = [0.0, 0.01, 0.1, 1.0]
heavy = torch.tensor([1.0, 10.0], dtype=torch.float64)
options = {"smoothing": {"label_smoothing": 0.1}, "weights": {"weight": heavy},
           "both": {"label_smoothing": 0.1, "weight": heavy}}
pd.DataFrame({name: belief(as_binary(partial(F.cross_entropy, reduction="none", **option)),
                           rare)
              for name, option in options.items()},
             index=pd.Index(rare, name="true probability")).round(3)

# %% [markdown]
# $10 \cdot 0.05$ against $0.95$: a third, for certainly normal rows. Smoothing says "be a little
# unsure", the weight multiplies that little by ten. Use one or the other, or weigh the samples'
# losses yourself.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 5 minutes. Let the class vote on 0.05, 0.10 or 0.34 before the table. Usual wrong
# answer: 0.05, "there is no fraud among these rows, so the weight of frauds cannot matter".

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. A hundred networks and their clusters
#
# Now real networks, on digits. Three parts: 797 digits to train from, 400 to choose with
# (*validation*), and 600 for one final look (*test*, section 8).

# %%
pixels, digit = load_digits(return_X_y=True)
pixels, digit = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digit)
order = torch.randperm(len(digit), generator=torch.Generator().manual_seed(0))
pool, val, test = order[:797], order[797:1197], order[1197:]

# %% [markdown]
# Four situations, from far too sure to far too shy, we expect. *Relabelled* digits get a label
# drawn at random: wrong labels are common in practice, and a network can learn them by heart.

# %%
SITUATIONS = {
    "by heart": {"n": 200, "epochs": 200, "relabelled": 0.3},
    "few digits": {"n": 200, "epochs": 100},
    "many digits": {"n": 700, "epochs": 60},
    "hurried": {"n": 700, "epochs": 5},
}
EPS, SEEDS = [0.0, 0.005, 0.05, 0.1, 0.2], range(5)
TENTH = EPS.index(0.1)

# %% [markdown]
# A seed decides the digits that are drawn, the relabelled ones and the first weights. Networks of
# one seed differ in $\varepsilon$ *only*, so that they can be compared in pairs.

# %%
def draw_digits(seed, n, relabelled):
    g = torch.Generator().manual_seed(seed)
    rows = pool[torch.randperm(len(pool), generator=g)[:n]]
    anything = torch.randint(10, (n,), generator=g)
    return pixels[rows], torch.where(torch.rand(n, generator=g) < relabelled, anything, digit[rows])

# %%
def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(),
                         nn.Linear(64, 10))

# %% [markdown]
# Small networks leave a processor idle, so the 25 networks of a situation train side by side: their
# weights are stacked, and `vmap` applies one network to each slice. The loss is our `smoothed`,
# with one $\varepsilon$ a network.

# %%
nets = [network(seed) for _ in EPS for seed in SEEDS]
each_eps = torch.tensor(EPS).repeat_interleave(len(SEEDS))[:, None]

# %%
def apply(layers, params, x):
    names = dict(layers.named_parameters())
    own = {name: value for name, value in params.items() if name in names}
    return torch.vmap(lambda p, x: functional_call(layers, p, (x,)))(own, x)

# %%
def train(n, epochs, relabelled=0.0):
    drawn = [draw_digits(seed, n, relabelled) for _ in EPS for seed in SEEDS]
    x, y = (torch.stack(tensors) for tensors in zip(*drawn, strict=True))
    params, _ = stack_module_state(nets)
    optimizer = torch.optim.Adam(params.values(), lr=3e-3, fused=True)
    g = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in torch.randperm(n, generator=g).split(50):
            optimizer.zero_grad()
            loss = smoothed(apply(nets[0], params, x[:, batch]), y[:, batch], each_eps)
            loss.mean(dim=1).sum().backward()
            optimizer.step()
    return {name: value.detach() for name, value in params.items()}

# %%
with runtime.Progress("training", total=100, unit="networks") as bar:
    params = {}
    for name, situation in SITUATIONS.items():
        params[name] = train(**situation)
        bar.update(len(nets))

# %%
def logits_of(name, part):
    x = pixels[part].expand(len(nets), -1, -1)
    return apply(nets[0], params[name], x).double().unflatten(0, (len(EPS), len(SEEDS)))

# %% [markdown]
# ### Looking into the layer before the last
#
# The last layer holds a *template* $w_k$ for each class: its logit is $w_k \cdot h + b_k$, where
# $h$ is the *penultimate* layer. Three templates span a plane. We project $h$ onto it, for the
# digits of these three classes (Müller, Kornblith and Hinton 2019).

# %%
trio = [1, 8, 9]
hidden = apply(nets[0][:4], params["many digits"], pixels[val].expand(len(nets), -1, -1))

# %%
def in_plane(which, trio=trio):
    w = params["many digits"]["4.weight"][which][list(trio)]
    plane, _ = torch.linalg.qr((w[1:] - w[0]).T)
    return hidden[which] @ plane

# %% [markdown]
# > **Predict.** Section 3: without smoothing, more certainty always pays; with it, each sample has
# > *one* best gap to all other classes. What should the three clouds look like, with and without?

# %%
fig, axes = plt.subplots(1, 2, figsize=(9.5, 4.4))
for ax, eps in zip(axes, [0.0, 0.1], strict=True):
    at = in_plane(EPS.index(eps) * len(SEEDS))
    for c, color, marker in zip(trio, ["#0072B2", "#D55E00", "#009E73"], "o^s", strict=True):
        ax.scatter(*at[digit[val] == c].T, s=36, color=color, marker=marker, alpha=0.6,
                   edgecolor="white", label=f"digit {c}")
    ax.set(title=f"smoothing {eps:g}", xlabel="first direction of the plane", aspect="equal")
axes[0].set_ylabel("second direction")
axes[0].legend(loc="upper left", frameon=True)
plots.show(fig, "Validation digits 1, 8 and 9 in the plane of their three templates, 'many "
                "digits', seed 0. Without smoothing the clouds are wide; with smoothing 0.1 each "
                "is small for its distance to the others (the axes differ: compare width with "
                "distance).")

# %% [markdown]
# One seed and one plane prove little. A number for all: the mean squared distance of a digit to the
# centre of its class, divided by that of the centres to their mean. Small means tight.

# %%
def looseness(h, y):
    classes = y.unique()
    centres = torch.stack([h[y == c].mean(dim=0) for c in classes])
    within = (h - centres[torch.searchsorted(classes, y)]).square().sum(dim=1).mean()
    return (within / (centres - centres.mean(dim=0)).square().sum(dim=1).mean()).item()

# %%
y = digit[val]
rows = [{"smoothing": EPS[m // len(SEEDS)], "all classes, all 64 units": looseness(hidden[m], y)}
        for m in range(len(nets))]
pd.DataFrame(rows).groupby("smoothing").agg(["mean", "min", "max"]).round(2)

# %% [markdown]
# And were 1, 8 and 9 a lucky choice? There are 120 trios; we try them all.
#
# > **Predict.** In how many do the clouds tighten, in their own plane? And in all 64 units?

# %%
def trio_looseness(trio, eps):
    inside = torch.isin(y, torch.tensor(trio))
    first = EPS.index(eps) * len(SEEDS)
    return torch.tensor([[looseness(h[inside], y[inside]) for h in (in_plane(m, trio), hidden[m])]
                         for m in range(first, first + len(SEEDS))])

# %%
trios = list(combinations(range(10), 3))
plain, smooth = (torch.stack([trio_looseness(t, eps) for t in trios]) for eps in [0.0, 0.1])
ratio = smooth.mean(dim=1) / plain.mean(dim=1)
touch = smooth.amax(dim=1) >= plain.amin(dim=1)
pd.DataFrame({"trios": len(trios), "mean tightens in": (ratio < 1).sum(dim=0),
              "seed ranges touch in": touch.sum(dim=0),
              "mean ratio, smoothed : plain": ratio.mean(dim=0)},
             index=["in their plane", "in all 64 units"]).round(2)

# %% [markdown]
# The tighter clusters of the paper do replicate at 0.1, on digits never trained on: in every trio's
# plane, and in few of them do the ranges of five seeds touch. In all 64 units nearly all trios
# tighten, but less, and the ranges touch more often. The tiny 0.005 tightens nothing.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes; `apply` and `train` can be taken as given. Ask before the scatter plots
# for a sketch of both. Usual wrong answer: "smoothing blurs, so the clouds get wider". Compare
# width *relative to distance*: the axes of the two panels differ.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Does the model mean what it says?
#
# A model's *confidence* is its largest probability. It is *calibrated* if, among the digits it is
# 80 % sure of, 80 % are right. Is it right less often, it is *over-confident*; more often,
# *under-confident*. A *reliability diagram* shows it bin by bin.

# %% [markdown]
# > **Predict.** Below the diagonal or above it: "by heart" without smoothing? "Many digits"
# > without? And both with smoothing 0.1?

# %%
fig, axes = plt.subplots(1, 2, figsize=(10.5, 5.4))
for ax, name in zip(axes, ["by heart", "many digits"], strict=True):
    prob = logits_of(name, val).softmax(dim=-1)
    for eps, label in [(0.0, "cross entropy"), (0.1, "smoothing 0.1")]:
        plots.plot_reliability(digit[val], list(prob[EPS.index(eps)]), label=label, ax=ax)
    ax.set_title(name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
plots.show(fig, "Share of right answers against confidence on validation digits, 5 seeds; mark "
                "size tells how many digits are there. Smoothing mends 'by heart', whose plain "
                "networks lie below the diagonal, and lifts 'many digits' far above it.")

# %% [markdown]
# One number for a diagram is the *expected calibration error*, ECE: the mean distance of the bins
# from the diagonal, weighted by how many samples they hold. Here $B$ runs over 15 bins (the
# diagram draws 10), and we compare the share of right answers in a bin with its mean confidence:
#
# $$\mathrm{ECE} = \sum_B \frac{n_B}{N}\, \bigl| \mathrm{right}_B - \mathrm{confidence}_B \bigr|.$$

# %%
def ece_by_hand(prob, y, bins=15):
    confidence, guess = prob.max(dim=1)
    gap = (guess == y).double() - confidence
    where = (confidence * bins).long().clamp(max=bins - 1)
    return torch.zeros(bins).double().index_add(0, where, gap).abs().sum().item() / len(y)

prob = logits_of("by heart", val).softmax(dim=-1)[0, 0]
math.isclose(ece_by_hand(prob, digit[val]), calibration_error(digit[val], prob))

# %% [markdown]
# > **Predict.** A perfectly honest model: we *draw* whether it is right, with exactly the stated
# > confidence. What is its ECE on 400 digits?

# %%
def honest_ece(prob, draws=20):
    confidence = prob.max(dim=1).values
    g = torch.Generator().manual_seed(0)
    return pd.Series([calibration_error(torch.bernoulli(confidence, generator=g), confidence)
                      for _ in range(draws)])

honest_ece(prob, draws=200).describe()[["mean", "min", "max"]].round(3)

# %% [markdown]
# Not 0! A bin with few samples strays from the diagonal by chance, and ECE adds up the strayings
# without their signs. Differences of a hundredth or two mean little on 400 digits of such
# middling confidence; sure networks have a lower floor. The *mean negative log-likelihood*, NLL,
# has no bins: it is plain cross entropy on unseen digits.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 8 minutes. Ask which side of the diagonal is over-confidence before showing it; the
# usual answer is the wrong side. Ask why not simply ECE 0 for an honest model: coins land 7 of 10
# heads and are fair.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Did it replicate?
#
# > **The claim.** Label smoothing improves calibration (Müller, Kornblith and Hinton, "When Does
# > Label Smoothing Help?", 2019; image and translation networks that are over-confident).
#
# > **Predict.** Mean confidence minus accuracy, four situations, $\varepsilon$ from 0 to 0.2. Will
# > the lines meet at 0?

# %%
def over_confidence(name):
    prob = logits_of(name, val).softmax(dim=-1)
    right = (prob.argmax(dim=-1) == digit[val]).double()
    return (prob.max(dim=-1).values - right).mean(dim=-1)

# %%
fig, ax = plt.subplots()
at = range(len(EPS))
colors = ["#D55E00", "#E69F00", "#0072B2", "#555555"]
for name, color, marker, dash in zip(SITUATIONS, colors, "o^sD", ["-", "--", "-.", ":"],
                                     strict=True):
    gap = over_confidence(name)
    ax.plot(at, gap.mean(dim=1), color=color, marker=marker, label=name, linestyle=dash)
    ax.fill_between(at, gap.min(dim=1).values, gap.max(dim=1).values, color=color, alpha=0.2)
ax.axhline(0, color="black", linewidth=1, linestyle="-")
ax.set(xlabel="smoothing (not to scale)", ylabel="confidence − accuracy", xticks=at,
       xticklabels=EPS)
ax.legend(loc="lower left")
plots.show(fig, "Over-confidence on validation digits against smoothing, mean and range of 5 "
                "seeds. All lines fall. 'By heart' meets 0 near 0.1, 'few' and 'many digits' near "
                "0.005; 'hurried' begins below 0 and moves away from it.")

# %% [markdown]
# Smoothing is no thermostat. It turns confidence down wherever it stands. "By heart" needed much of
# that, "few" and "many digits" a little; the "hurried" networks were too shy before.
#
# By how much? By section 4, with $\varepsilon = 0.1$ and $K = 10$, an ideal model's confidence $c$
# becomes $0.9\, c + 0.01$. (Validation and test labels are clean; "by heart" trains on relabelled
# ones.)
#
# > **Predict.** Do trained networks obey? On digits they were trained on, and on unseen ones?

# %%
def confidence_on(x, name):
    prob = apply(nets[0], params[name], x).softmax(dim=-1)
    return prob.amax(dim=-1).mean(dim=1).unflatten(0, (len(EPS), len(SEEDS))).mean(dim=1)

def digits_of(name, n, relabelled=0.0, **_):
    trained_on = [draw_digits(seed, n, relabelled)[0] for _ in EPS for seed in SEEDS]
    return {"trained on": torch.stack(trained_on),
            "unseen": pixels[val].expand(len(nets), -1, -1)}

# %%
rows = {}
for name, situation in SITUATIONS.items():
    for which, x in digits_of(name, **situation).items():
        c = confidence_on(x, name).tolist()
        rows[name, which] = {"plain c": c[0], "0.9 c + 0.01": 0.9 * c[0] + 0.01,
                             "smoothing 0.1": c[TENTH]}
pd.DataFrame(rows).T.round(3)

# %% [markdown]
# On digits they were trained on, nearly. On unseen digits those that fit their training digits fall
# further, "by heart" and "few digits" much further. The map says what a network learns to say of
# digits it has seen; how that carries over to others it cannot tell.

# %% [markdown]
# ### The rival: temperature scaling
#
# Train without smoothing, then divide all logits by one number $T$, the *temperature*, chosen to
# make the validation NLL small (Guo and others 2017). No decision changes: the largest logit stays
# the largest.

# %%
def temperature(logits, y):
    def nll(log_t):
        return F.cross_entropy(logits / math.exp(log_t), y).item()
    return math.exp(minimize_scalar(nll, bounds=(-3, 3), method="bounded").x)

# %%
T = {name: [[temperature(z, digit[val]) for z in runs] for runs in logits_of(name, val)]
     for name in SITUATIONS}
pd.DataFrame({name: torch.tensor(t).mean(dim=1) for name, t in T.items()}, index=EPS).round(2)

# %% [markdown]
# Mean $T$ over the seeds, a row for each smoothing. Above 1: the network was too sure and is
# softened. Below 1: too shy, and sharpened.
#
# > **Predict.** On the test digits, which has the lowest ECE: smoothing 0.1, smoothing chosen by
# > validation NLL, or temperature? And what if we use both, smoothing 0.1 *and* temperature?

# %%
def chosen(name, seed):
    val_nll = [F.cross_entropy(z, digit[val]).item() for z in logits_of(name, val)[:, seed]]
    return EPS[val_nll.index(min(val_nll))]

pd.DataFrame({name: [chosen(name, seed) for seed in SEEDS] for name in SITUATIONS},
             index=pd.RangeIndex(len(SEEDS), name="seed"))

# %%
def recipes(name, seed):
    z = logits_of(name, test)[:, seed]
    t = [T[name][e][seed] for e in range(len(EPS))]
    return {"plain": z[0], "smoothing 0.1": z[TENTH],
            "smoothing chosen": z[EPS.index(chosen(name, seed))],
            "temperature": z[0] / t[0], "both": z[TENTH] / t[TENTH]}

# %% [markdown]
# Now the test digits, once.

# %%
rows = [{"situation": name, "recipe": recipe, "seed": seed,
         "ECE": calibration_error(digit[test], z.softmax(dim=1)),
         "honest ECE": honest_ece(z.softmax(dim=1)).mean(),
         "NLL": F.cross_entropy(z, digit[test]).item(),
         "accuracy": (z.argmax(dim=1) == digit[test]).double().mean().item()}
        for name in SITUATIONS for seed in SEEDS for recipe, z in recipes(name, seed).items()]
result = pd.DataFrame(rows).set_index(["situation", "recipe", "seed"])

# %%
LOOKS = {"plain": ("o", "#0072B2"), "smoothing 0.1": ("s", "#009E73"),
         "smoothing chosen": ("v", "#56B4E9"), "temperature": ("^", "#D55E00"),
         "both": ("D", "#555555")}

def draw_scores(score, ax):
    for k, (recipe, (marker, color)) in enumerate(LOOKS.items()):
        table = result[score].xs(recipe, level="recipe").unstack("seed").loc[list(SITUATIONS)]
        height = [row + 0.15 * (k - 2) for row in range(len(SITUATIONS))]
        ax.hlines(height, table.min(axis=1), table.max(axis=1), color=color)
        ax.plot(table.mean(axis=1), height, marker, color=color, label=recipe)
    ax.set(yticks=range(len(SITUATIONS)), yticklabels=SITUATIONS, ylim=(3.5, -0.5))

# %%
fig, axes = plt.subplots(1, 2, figsize=(10.5, 5), sharey=True)
for ax, score in zip(axes, ["ECE", "NLL"], strict=True):
    draw_scores(score, ax)
axes[0].set(xlabel="ECE", xlim=(0, None))
axes[1].set(xlabel="NLL (nats, logarithmic scale)", xscale="log")
axes[1].set_xticks([0.1, 0.2, 0.5, 1, 2], labels=["0.1", "0.2", "0.5", "1", "2"])
fig.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncol=5)
plots.show(fig, "ECE and NLL on the test digits, mean and range of 5 seeds. Smoothing 0.1 alone "
                "has a lower ECE than plain only in 'by heart'. Temperature is low everywhere, and "
                "smoothing with temperature is about as low or lower.")

# %%
result.groupby(["situation", "recipe"], sort=False).mean().unstack("situation").round(3).T

# %% [markdown]
# *Honest ECE* is the ECE if each answer were right with exactly its stated confidence. Where ECE is
# at or near it, these 600 digits show no fault, and recipes there cannot be told apart by ECE.
#
# Is "both" really better than temperature alone? The seeds are paired, so we count, by NLL.

# %%
nll = result["NLL"].unstack("recipe")
lower = (nll["both"] < nll["temperature"]).groupby("situation").sum()[list(SITUATIONS)]
lower.to_frame("seeds of 5 where 'both' has the lower NLL")

# %% [markdown]
# > **Predict.** A temperature moves no decision. Does training with smoothing 0.1 make more right
# > answers than plain, or fewer?

# %%
right = result["accuracy"].unstack("recipe")
gain = right["smoothing 0.1"] - right["plain"]
print(f"smoothing 0.1 made more right answers in {(gain > 0).sum()} of {len(gain)} pairs")
gain.groupby("situation").agg(["mean", "min", "max"]).loc[list(SITUATIONS)].round(3)

# %% [markdown]
# Smoothing 0.1 also made more right answers in nearly every pair. NLL rewards that too: it measures
# accuracy and honesty together. So a lower NLL alone does not say "better calibrated".

# %% [markdown]
# > **Did it replicate?**
# >
# > - *Smoothing calibrates* (Müller and others): yes, if its strength fits. "By heart" wants 0.1,
# >   "few" and "many digits" far less; there 0.1 does the opposite. No strength helps "hurried",
# >   which is too shy already.
# > - *Tighter clusters* (the same paper): yes, above all in the plane of its pictures.
# > - *Smoothed networks are harder to calibrate afterwards* (Wang, Feng and Zhang 2021): not here.
# >   With both, NLL was lower than with temperature alone, or about the same ("by heart").

# %% [markdown]
# What this does not say: these are small networks on small images, one split, five seeds, one
# learning rate. We did not tune the epochs for each recipe, and we have not tested how much of the
# lower NLL of smoothing with temperature is accuracy. Keep "how much smoothing?" as a question to
# your validation digits.

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 10 minutes, and exercise 3.8. Let everybody write a ranking of the five recipes
# before the test figure. Usual wrong answers: smoothing 0.1 first, because the paper says so; and
# that temperature changes accuracy. Dwell on the honest ECE: scores at their
# floor make no ranking.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Exercises
#
# Put your answer in place of each `...`. Stuck? `ex.q1.hint()`, again for a stronger hint, then
# `ex.q1.solution()`.
#
# **Exercise 3.1, write code.** A paper smooths by `eps` shared among the *others*, with `K`
# classes. Which `label_smoothing` must torch get, to do the same?

# %% tags=["exercise"]
def for_torch(eps, K):
    ...

ex.q1.check(for_torch)

# %% [markdown]
# **Exercise 3.2, write code.** The loss itself: the mean over the batch of label smoothing with
# `eps` shared among the others. Logits `(N, K)`, integer targets `(N,)`.

# %% tags=["exercise"]
def smooth_others(logits, target, eps):
    ...

ex.q2.check(smooth_others)

# %% [markdown]
# **Exercise 3.3, predict a number.** Four classes, torch's `label_smoothing=0.2`. How low can the
# training loss get, in nats?

# %% tags=["exercise"]
lowest = ...
ex.q3.check(lowest)

# %% [markdown]
# **Exercise 3.4, predict a number.** The same four classes and 0.2. At the bottom, by how much does
# the true logit exceed each of the others?

# %% tags=["exercise"]
gap = ...
ex.q4.check(gap)

# %% [markdown]
# **Exercise 3.5, find the bug.** With four classes and `eps=0.1` this ends far from where it
# should. Which step is wrong: `"log"`, `"sum"`, `"scatter"`, `"gradient"` or `"mean"`?
#
# ```python
# def smoothing_from_the_web(logits, target, eps=0.1):
#     log_p = F.log_softmax(logits, dim=1)
#     with torch.no_grad():
#         q = torch.full_like(logits, eps).scatter(1, target[:, None], 1 - eps)
#     return -(q * log_p).sum(dim=1).mean()
# ```
#
# (`"sum"` means: what the target sums to.)

# %% tags=["exercise"]
bug = ...
ex.q5.check(bug)

# %% [markdown]
# **Exercise 3.6, find the bugs and mend them.** Smoothing is often written as a *Kullback-Leibler
# divergence*, $\sum_k q_k \ln (q_k / p_k)$, the mean over the samples of a batch. This has two
# bugs:
#
# ```python
# def kl_loss(logits, q):
#     return F.kl_div(torch.softmax(logits, dim=1), q)
# ```

# %% tags=["exercise"]
def kl_loss(logits, q):
    ...

ex.q6.check(kl_loss)

# %% [markdown]
# **Exercise 3.7, predict a number.** Two classes, torch's smoothing 0.1, an ideal model. It says
# 0.23. What is the true probability?

# %% tags=["exercise"]
truth = ...
ex.q7.check(truth)

# %% [markdown]
# **Exercise 3.8, choose.** A smoothed network is right on 96 % of the validation digits, with a
# mean confidence of 0.82. It is trained, and stays smoothed. What do you reach for: `"T above 1"`,
# `"T below 1"`, `"more smoothing"`, `"another threshold"` or `"nothing"`?

# %% tags=["exercise"]
cure = ...
ex.q8.check(cure)

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 25 minutes for all eight; for half an hour of homework take 3.1, 3.3, 3.5 and 3.8.
# In 3.3 most say 0. In 3.6 many mend the softmax and overlook the mean over samples *and* classes,
# which divides the learning rate by K. Exercises 3.1 to 3.4 need nothing beyond section 3.

# %% [markdown]
# ## What to remember
#
# - Two conventions: "others" with $\varepsilon$ is torch with $\varepsilon K/(K-1)$. For two
#   classes that is a factor of 2.
# - The smoothed loss has a bottom: a finite gap of logits, and the entropy of the target, not 0.
# - Belief: $(1 - \varepsilon)\,\eta + \varepsilon/2$. Decisions at 0.5 stay; any other
#   threshold must move along.
# - With class weights, torch also weighs what smoothing gives away.
# - Smoothing turns confidence down; choose how far on validation data. A temperature can correct
#   what is left: the two go together.
#
# **Next.** All losses so far add up over samples. F1, the score by which many a task is judged,
# does not. Can we train for it all the same? Notebook `04_f1_loss`.
#
# **References.** C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the
# Inception Architecture for Computer Vision", *CVPR* 2016, section 7. R. Müller, S. Kornblith and
# G. Hinton, "When Does Label Smoothing Help?", *NeurIPS* 2019. C. Guo, G. Pleiss, Y. Sun and K. Q.
# Weinberger, "On Calibration of Modern Neural Networks", *ICML* 2017. M. P. Naeini, G. F. Cooper
# and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", *AAAI* 2015.
# D.-B. Wang, L. Feng and M.-L. Zhang, "Rethinking Calibration of Deep Neural Networks: Do Not Be
# Afraid of Overconfidence", *NeurIPS* 2021.
