# %% [markdown] slideshow={"slide_type": "slide"}
# # 00. Start here: what should a classifier believe?
#
# Three questions for this notebook:
#
# 1. Does everything work on this machine, and are the data real?
# 2. Ten transactions look exactly alike, one is a fraud. What *should* a model say about each?
# 3. What do different losses *make* it say?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | 1. The machine and the data | 3 | say what runs here, and whether rows are real or stand in |
# | 2. Ten transactions that look alike | 7 | find the answer a loss rewards most |
# | 3. The belief map | 5 | read what a loss makes an ideal model believe |
# | 4. How to work with these notebooks | 2 | predict first, then run |
#
# **Needs** a little Python. **Data**: the credit-card fraud table, or its synthetic twin where the
# real rows cannot be had. Runs in about 10 seconds.

# %% [markdown]
# ## 1. The machine and the data
#
# The first cell of each notebook finds the course's helper package, `course_utils`, wherever the
# notebook was opened. Run it with Shift + Enter. If all is well it prints nothing.

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
from functools import partial

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from course_utils import plots, runtime
from course_utils.data import load_creditcard
from course_utils.exercises import start_here as ex
from course_utils.losses import label_smoothing_cross_entropy, sigmoid_focal_loss
from course_utils.metrics import as_binary, belief

plt.style.use(plots.STYLE)

# %% [markdown]
# Should something not work, this report is what to send along with the question.

# %%
print(runtime.report())

# %% [markdown]
# Loaders take real data where they can be had and a stand-in where not, and always say which. Read
# the line that begins with `Data:` before you believe a number below it.

# %%
data = load_creditcard()
print(data.source)

# %%
data.frame[["Time", "V1", "V2", "Amount", "Class"]].head(3).round(2)

# %% [markdown]
# `Class` is 1 for a fraud. How rare are they? (`data.weight` says how many transactions a row
# stands for; it is 1 unless the file is a draw from the full table.)

# %%
fraud = data.frame["Class"] == 1
share = data.weight[fraud].sum() / data.weight.sum()
print(f"{fraud.sum()} frauds among {data.weight.sum():,.0f} transactions: {share:.4%}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. Ten transactions that look alike
#
# Ten transactions agree in every column we have. One of them is a fraud. No model, however large,
# can tell them apart: it must give all ten the same answer, a *probability* $p$ of fraud.
#
# > **Predict.** Which $p$ would you want it to say?

# %% [markdown]
# A model that is flexible enough, and trained to the end, says what its *loss* rewards: the number
# that training makes small. The most common one, *cross entropy*, charges $-\ln p$ for a fraud and
# $-\ln(1 - p)$ for a normal transaction. (Always the natural logarithm; notebook 01 says why.) For
# our ten, on average:

# %%
def cross_entropy(p, share=0.1):
    return share * -torch.log(p) + (1 - share) * -torch.log(1 - p)

p = torch.tensor([0.01, 0.05, 0.1, 0.2, 0.5, 0.9])
cross_entropy(p)

# %% [markdown]
# The smallest of these numbers stands at $p = 0.1$, the true share. Is that luck of our six values?
#
# > **Predict.** In the figure, where is the lowest point of the curve? And of *focal loss*, which
# > multiplies each charge by the square of the probability still missing, $(1 - p)^2$ or $p^2$?

# %%
def focal(p, share=0.1):
    return share * (1 - p) ** 2 * -torch.log(p) + (1 - share) * p**2 * -torch.log(1 - p)

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
p = torch.linspace(0.005, 0.8, 500)
for ax, loss, name in zip(axes, [cross_entropy, focal], ["cross entropy", "focal"], strict=True):
    lowest = p[loss(p).argmin()].item()
    ax.plot(p, loss(p), **plots.LOOK[name])
    ax.plot(lowest, loss(p).min(), "o", color="black")
    ax.set(xlabel="the answer p", ylabel="mean loss (nats)", ylim=(0, None),
           title=f"{name}: lowest at p = {lowest:.2f}")
plots.show(fig, "Mean loss of ten look-alikes, one of them a fraud, against the answer p. Cross "
                "entropy is lowest at the true share, 0.10; focal loss with gamma 2 at 0.31.")

# %% [markdown]
# Cross entropy is lowest at the truth. Focal loss is lowest at 0.31. Both are well-known losses and
# nothing is broken: they reward *different answers to the same question*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. The belief map
#
# Call the true share of frauds among look-alikes $\eta$ ("eta"). For each $\eta$ a loss has one
# answer that it rewards most. We call it the *belief* $p^*(\eta)$:
#
# $$p^*(\eta) = \arg\min_p \; \eta\, L(p, \text{fraud}) + (1 - \eta)\, L(p, \text{normal}).$$

# %% [markdown]
# `belief` finds it for any loss. A model's raw score is called a *logit*, and $p = 1/(1 +
# e^{-\text{logit}})$; PyTorch's losses take logits, for a reason that notebook 01 gives.
#
# Three things in the next cell are Python and PyTorch, not ideas: `partial(f, a=1)` is `f` with `a`
# filled in; `reduction="none"` asks for one value per row, not their mean; `pos_weight` multiplies
# the charge for frauds.

# %%
losses = {
    "cross entropy": partial(F.binary_cross_entropy_with_logits, reduction="none"),
    "weighted, frauds x 10": partial(F.binary_cross_entropy_with_logits, reduction="none",
                                     pos_weight=torch.tensor(10.0, dtype=torch.float64)),
    "focal, gamma 2": partial(sigmoid_focal_loss, gamma=2.0, reduction="none"),
    "absolute error": lambda logit, y: (logit.sigmoid() - y).abs(),
}
{name: round(belief(loss, 0.1).item(), 2) for name, loss in losses.items()}

# %% [markdown]
# One loss is still missing: *label smoothing* mixes a little of every class into the target. It is
# written for several classes; `as_binary` gives it two, with the logits 0 and our own.

# %%
losses["smoothing 0.1"] = as_binary(
    partial(label_smoothing_cross_entropy, smoothing=0.1, reduction="none"))
belief(losses["smoothing 0.1"], 0.1)

# %% [markdown]
# > **Predict.** Draw the five curves in the air, for $\eta$ from 0 to 1. Which one is a straight
# > line through both corners? Which one jumps? Which ones cross the diagonal at one half?

# %%
ax = plots.plot_belief_map(losses, mark=0.1)
ax.figure.set_size_inches(7.5, 5)
plots.show(ax, "What each loss makes an ideal model believe, against the true probability. Cross "
               "entropy lies on the diagonal. Focal loss and smoothing pull towards one half, a "
               "weight on frauds pulls upwards, absolute error jumps from 0 to 1 at one half.")

# %% [markdown]
# This map is the thread of the course. A curve away from the diagonal means that the model's
# "probability" is no longer a frequency. That can be useful, and it has a price. Each loss notebook
# returns to this map, and notebook 07 shows it at work on credit cards.

# %% [markdown]
# > **Predict.** How heavily must a fraud be weighted for the answer to be one half where one in ten
# > is a fraud? Move the slider until it is.

# %%
def draw(weight, ax):
    bce = partial(F.binary_cross_entropy_with_logits, reduction="none")
    weighted = partial(bce, pos_weight=torch.tensor(weight, dtype=torch.float64))
    return plots.plot_belief_map({"cross entropy": bce, "weighted": weighted}, mark=0.1, ax=ax)

plots.explore(draw, "Belief against the true probability with frauds weighted 1, 10 and 19 times. "
                    "With weight 1 the curve lies on the diagonal; the heavier, the further it "
                    "bows above it.", weight=(1.0, 1.0, 19.0, 1.0))

# %% [markdown]
# Nine times: then the one fraud counts as much as the nine normal transactions beside it.
#
# ### What would you do with it?
#
# Suppose we raise an alarm where the answer is at least 0.5.
#
# > **Predict.** For which losses is an alarm raised at a smaller *true* probability than one half?

# %% tags=["nbval-check-output"]
eta = torch.linspace(0, 1, 1001)
for name, loss in losses.items():
    alarm_from = eta[belief(loss, eta) >= 0.5 - 1e-5].min().item()  # belief is exact to 1e-6
    print(f"{name:<22} alarm where the true probability is at least {alarm_from:.2f}")

# %% [markdown]
# Only for the weighted one: one fraud in eleven is enough. Focal loss and smoothing move the
# *numbers*, but not the place where they cross one half. Keep this in mind: in notebook 07 focal
# loss will seem to find far more frauds at a threshold of 0.5, and we shall have to find out why.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. How to work with these notebooks
#
# - A **Predict** box comes before a result. Answer aloud or on paper, *then* run the cell. A wrong
#   guess that you remember teaches more than a right one that you read.
# - An **exercise** has a stub with `...` in it. Put your answer there and run the cell: `check`
#   says *not attempted*, *not yet* with a reason, or *correct*. It sends nothing anywhere.
# - Run the cells from top to bottom. Change numbers and run them again: nothing can break that
#   *Restart* does not mend.
# - Claims about training rest on several random seeds, and show how far they scatter.

# %% [markdown]
# **Exercise 0.1.** *One in five* look-alikes is a fraud. What does an ideal model say after
# training with cross entropy? Try a wrong answer first, to see what happens.

# %% tags=["exercise"]
belief_one_in_five = ...
ex.q1.check(belief_one_in_five)

# %% [markdown]
# Stuck? Each call of `hint` tells a little more, and `solution` tells all.

# %%
ex.q1.hint()

# %% [markdown] slideshow={"slide_type": "notes"}
# **Teacher.** 17 minutes in all. Before the curves of section 2, let everybody write down a number
# for "which p would you want?" Usual answers: 0 ("nine in ten are fine"), 0.1, 0.5 ("I do not
# know"). Collect them on the board before the belief map: each of them is the answer that *some*
# loss rewards. Do not explain focal loss yet; that the curves differ is enough.

# %% [markdown]
# ## What to remember
#
# - Look-alikes must share one answer; the loss decides which answer is best.
# - The belief $p^*(\eta)$ is that best answer. Cross entropy's belief is the truth.
# - Weights, focal loss and smoothing move it: their outputs are not frequencies.
#
# **Next.** Cross entropy rewards the truth. Which formula does that, what is its gradient, and how
# do people break it? Notebook `01_cross_entropy`.
#
# **References.** T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and
# Estimation", *Journal of the American Statistical Association* 102 (2007). N. Charoenphakdee, J.
# Vongkulbhisal, N. Chairatanakul and M. Sugiyama, "On Focal Loss for Class-Posterior Probability
# Estimation: A Theoretical Perspective", *CVPR* 2021. T.-Y. Lin, P. Goyal, R. Girshick, K. He and
# P. Dollár, "Focal Loss for Dense Object Detection", *ICCV* 2017. A. Dal Pozzolo, O. Caelen, R. A.
# Johnson and G. Bontempi, "Calibrating Probability with Undersampling for Unbalanced
# Classification", *IEEE CIDM* 2015 (the fraud data).
