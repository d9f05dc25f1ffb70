# %% [markdown] slideshow={"slide_type": "slide"}
# # 00. Start here: what should a classifier believe?
#
# A *classifier* is a model that says which class something belongs to, and how probable that is.
# A bank's classifier looks at a card payment and says "0.31" for fraud. Does this mean that
# three in ten such payments are frauds? Is it a reason to raise an alarm? The answer depends on
# the *loss*, the number that was made small while the model was trained. This course is about
# that dependence. Its first page asks three questions:
#
# 1. Does everything work on this machine, and are the data real?
# 2. Ten payments look exactly alike, and one of them is a fraud. What *should* a model say?
# 3. What do different losses *make* it say?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. How to work with these notebooks](#1.-How-to-work-with-these-notebooks) | 3 | run a cell, and use a *Predict* box |
# | [2. The machine and the data](#2.-The-machine-and-the-data) | 4 | see what runs here, and whether the rows are real |
# | [3. Ten payments that look alike](#3.-Ten-payments-that-look-alike) | 9 | find the answer that a loss rewards most |
# | [4. The belief map](#4.-The-belief-map) | 15 | read what a loss makes an ideal model believe |
# | [5. What would you do with it?](#5.-What-would-you-do-with-it?) | 5 | say when a changed number changes a decision |
# | [6. Exercises](#6.-Exercises) | 4 | check your own understanding |
#
# Together that is about 40 minutes. You **need** a little Python, and no knowledge of losses.
# The **data** are a table of credit-card payments, or a synthetic stand-in where the real one is
# not available. The page runs in about ten seconds.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. How to work with these notebooks
#
# A notebook is a page of text with cells of code in between. Click into a cell and press **Shift +
# Enter**: the cell runs, its result appears below it, and the next cell is selected. Work from
# top to bottom, because most cells need the ones above them. Change numbers and run a cell again
# whenever you are curious. Nothing can break: if the page behaves strangely, choose *Restart
# Kernel* in the menu and begin again at the top.
#
# Three things return on every page:
#
# - A **Predict** box stands before a result. Write your answer down, and only then run the cell.
#   A wrong guess that you remember teaches more than a right answer that you read.
# - An **exercise** is a cell with `...` in it. Put your answer there and run the cell, and it
#   says whether the answer is right and, if it is not, what went wrong. Nothing is sent
#   anywhere.
# - A section marked *(further)* goes beyond the lesson. No later page needs it.
#
# New words are printed in *italics* where they first appear, and the
# [glossary](../docs/glossary.md) lists them all.

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
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from course_utils import plots, runtime
from course_utils.data import load_creditcard
from course_utils.exercises import start_here as ex

plt.style.use(plots.STYLE)
torch.set_default_dtype(torch.float64)  # compute with 16 digits

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The machine and the data
#
# The next cell lists the versions in use here. If something fails later on, send this list along
# with your question.

# %%
print(runtime.report())

# %% [markdown]
# The course's main example is a table of credit-card payments, most of them normal and a few of
# them frauds.
#
# > **Predict.** How rare are frauds in such a table: about one in 10, one in 100, or one in 600?

# %% [markdown]
# The loader takes the real rows if it can find or download them. Otherwise it makes a synthetic
# table of the same size, with the same share of frauds. It always says which of the two you got,
# in a line that begins with `Data:`. Look for that line before you believe a number below it.

# %%
data = load_creditcard()
print(data.source)

# %%
columns = ["Time", "V1", "V2", "Amount", "Class"]
data.frame[columns].head(3).round(2)

# %% [markdown]
# Each row is a payment. The columns `V1`, `V2` and so on are anonymous measurements of it, and
# `Class` is 1 for a fraud and 0 for a normal payment. We count:

# %%
is_fraud = data.frame["Class"] == 1
frauds = data.weight[is_fraud].sum()
payments = data.weight.sum()
print(f"{frauds:,.0f} frauds among {payments:,.0f} payments: {frauds / payments:.2%}")

# %% [markdown]
# (We add up `data.weight` because some files hold only a sample of the table, and a row then
# stands for several payments. Here each weight is 1.) Fewer than two payments in a thousand are
# frauds, about one in 600. A model that always answers "normal" is right 99.8 % of the time, and
# useless. Remember this when somebody reports an *accuracy*, the share of right answers.
#
# All we need from the data on this page is how rare frauds are. They return in notebooks 04 and 07.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Ten payments that look alike
#
# Imagine ten payments that agree in every column we have. One of them is a fraud, the other nine
# are normal. No model can tell them apart, however large it is, because it sees the same row ten
# times. So it has to give all ten the same answer: one number $p$, its *probability* of fraud.
#
# > **Predict.** Which number would you want the model to say: 0, 0.1, 0.5, or another one?

# %% [markdown]
# There is something to be said for 0, which is right nine times out of ten, and for 0.1, which
# says how often such a payment is a fraud. But training does not ask what we want. It looks for
# the answer that makes the loss small. The most common loss is called *cross entropy*. For a
# fraud it charges $-\ln p$, which is small if $p$ is close to 1 and large if $p$ is close to 0.
# For a normal payment it charges $-\ln(1 - p)$, which is the other way round. ($\ln$ is the
# natural logarithm.)
#
# With $y = 1$ for a fraud and $y = 0$ for a normal payment, both charges fit into one formula,
#
# $$-y \ln p - (1 - y) \ln(1 - p),$$
#
# because one of the two terms is always multiplied by 0.

# %%
def cross_entropy(p, y):
    return -y * torch.log(p) - (1 - y) * torch.log(1 - p)

# %% [markdown]
# One of our ten payments is a fraud, so the mean charge is 0.1 times the charge for a fraud plus
# 0.9 times the charge for a normal payment. We try six answers:

# %%
p = torch.tensor([0.01, 0.05, 0.1, 0.2, 0.5, 0.9])
0.1 * cross_entropy(p, 1) + 0.9 * cross_entropy(p, 0)

# %% [markdown]
# Of these six, the third is the smallest. It belongs to $p = 0.1$, the true share of frauds. We
# tried only six answers, though, so let us try a thousand and draw the curve.
#
# Beside it we draw a second loss, which is popular for rare classes. *Focal loss* multiplies
# each charge by a factor that is small when the answer is nearly right. We take the simplest
# version, whose factor is the square of the distance between the answer and the truth,
# $(y - p)^2$. (Notebook 02 treats the whole family.)

# %%
def focal(p, y):
    return (y - p) ** 2 * cross_entropy(p, y)

# %% [markdown]
# > **Predict.** Where will the lowest point of focal loss be: at 0.1 as well, below it, or above
# > it?

# %%
p = torch.linspace(0.001, 0.8, 1000)
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
for ax, loss, name in [(axes[0], cross_entropy, "cross entropy"), (axes[1], focal, "focal")]:
    mean_loss = 0.1 * loss(p, 1) + 0.9 * loss(p, 0)
    lowest = mean_loss.argmin()
    ax.plot(p, mean_loss, **plots.LOOK[name])  # each loss keeps its colour in the whole course
    ax.plot(p[lowest], mean_loss[lowest], "o", color="black")
    ax.set(xlabel="the answer p", ylabel="mean loss", title=f"{name}: lowest at {p[lowest]:.2f}")
plots.show(fig, "Mean loss of ten look-alike payments, one of them a fraud, against the answer p that "
                "all ten get; each panel has its own vertical scale. A dot marks the lowest point.")

# %% [markdown]
# Cross entropy is lowest at the true share, 0.10. Focal loss is lowest at 0.31, three times as
# high. The reason is its factor. At $p = 0.1$ the nine normal payments are nearly right, so
# their charges are multiplied by $0.1^2 = 0.01$, but the charge of the fraud is multiplied by
# $0.9^2 = 0.81$. A larger $p$ costs the nine very little and helps the one a lot, until the two
# effects balance. Both are well-known losses, and neither is broken. They reward *different
# answers to the same question*.
#
# So the "0.31" of the bank's model can mean two things. If the model was trained with cross
# entropy, and has learned all there is to learn, three in ten such payments are frauds. If it
# was trained with focal loss, it is one in ten.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. The belief map
#
# What we did for one share of frauds can be done for every share. Seen from a single payment,
# the share of frauds among its look-alikes is its *true probability* of being a fraud. We call
# it $\eta$ (the Greek letter "eta"). For each $\eta$ we look for the answer that the loss
# rewards most. We call this answer the *belief*, and write it $p^*(\eta)$:
#
# $$p^*(\eta) = \text{the } p \text{ that minimises } \; \eta\, L(p, 1) + (1 - \eta)\, L(p, 0).$$
#
# In this formula, $L(p, y)$ is the loss. The code takes the same three steps as before: try many
# answers, compute the mean loss of each, and take the best.

# %%
def belief(loss, eta):
    p = torch.linspace(0.001, 0.999, 999)
    mean_loss = eta * loss(p, 1) + (1 - eta) * loss(p, 0)
    return p[mean_loss.argmin()].item()

# %% tags=["nbval-check-output"]
for eta in [0.01, 0.1, 0.5, 0.9]:
    print(f"true probability {eta:<4}  cross entropy says {belief(cross_entropy, eta):.2f}, "
          f"focal loss says {belief(focal, eta):.2f}")

# %% [markdown]
# This little function is the most important tool of the course. It describes an *ideal* model:
# one that is flexible enough, sees endless data, and is trained to the end. A real network falls
# short of it, but this is the point it is heading for.
#
# Now three more losses that people use in place of cross entropy. The first counts each fraud
# ten times. The second, *label smoothing*, is cross entropy with softer targets: it replaces
# $y = 1$ by 0.95 and $y = 0$ by 0.05, so that both terms of the formula count a little. The
# third is simply the distance between the answer and the truth.

# %%
def weighted(p, y):
    return (1 + 9 * y) * cross_entropy(p, y)   # a factor of 10 if y is 1, and of 1 if y is 0

def smoothing(p, y):
    return cross_entropy(p, 0.05 + 0.9 * y)

def absolute_error(p, y):
    return (y - p).abs()

# %% [markdown]
# > **Predict.** Take $\eta = 0.1$ once more. Which of these three losses give an answer above
# > 0.1, and which give one below?

# %% tags=["nbval-check-output"]
losses = {"cross entropy": cross_entropy, "weighted": weighted, "focal": focal,
          "smoothing": smoothing, "absolute error": absolute_error}
for name, loss in losses.items():
    print(f"{name:<15} {belief(loss, 0.1):.2f}")

# %% [markdown]
# The weight raises the answer above one half, and smoothing raises it a little. The absolute
# error gives the smallest answer that we tried, practically 0. Its mean is
# $0.1(1 - p) + 0.9p = 0.1 + 0.8p$, which is smallest at $p = 0$: it pays to be exactly right
# about the nine.
#
# > **Predict.** Now let $\eta$ run from 0 to 1. Which of the five curves is a straight line from
# > corner to corner? Which one jumps? Which one is far above one half when $\eta$ is one half?

# %%
etas = torch.linspace(0, 1, 501)
fig, ax = plt.subplots(figsize=(7.5, 5.4))
for name, loss in losses.items():
    answers = [belief(loss, eta) for eta in etas]
    ax.plot(etas, answers, label=f"{name}: {belief(loss, 0.1):.2f}", **plots.LOOK[name])
ax.axvline(0.1, color="#555555", linewidth=1.2, linestyle="-", zorder=1)
ax.set(xlabel=r"true probability $\eta$", ylabel=r"belief $p^*(\eta)$", xlim=(0, 1), ylim=(-0.02, 1.02))
ax.legend(title=r"belief at $\eta$ = 0.1", alignment="left", loc="lower right")
plots.show(fig, "The belief map: what an ideal model answers, against the true probability, for five "
                "losses. The thin vertical line stands at a true probability of 0.1, and the legend "
                "gives the five answers there.")

# %% [markdown]
# Cross entropy is the straight line from corner to corner: whatever the true probability is, the
# belief equals it. A loss with this property is called *strictly proper*, and [notebook
# 01](01_cross_entropy.ipynb) shows why cross entropy has it. Smoothing is a straight line as
# well, but a flatter one. Focal loss bends towards one half from both sides. The absolute error
# jumps from 0 to 1. All four change sides of one half where the truth does. Only the weighted
# loss is far above one half there, because it lies above the diagonal all the way between the
# two corners.
#
# We call this figure the *belief map*. Wherever a curve leaves the diagonal, the model's
# "probability" is no longer a frequency: it does not say how often such payments are frauds.
# That can be useful, and it has a price. Every loss in this course gets its place on the map.

# %% [markdown]
# > **Predict.** A weight of 10 turned 0.1 into 0.53. Which weight would turn it into exactly one
# > half: 5, 9, or 11? Then look at the figure. (If you run this page, you can also move the
# > slider.)

# %%
def draw_weight(weight, ax):
    def weighted(p, y):
        return (1 + (weight - 1) * y) * cross_entropy(p, y)

    ax.plot(etas, etas, label="cross entropy", **plots.LOOK["cross entropy"])
    ax.plot(etas, [belief(weighted, eta) for eta in etas], **plots.LOOK["weighted"],
            label=f"weight {weight:g}: {belief(weighted, 0.1):.2f} at 0.1")
    ax.plot(0.1, belief(weighted, 0.1), "o", color="black")
    ax.set(xlabel="true probability", ylabel="belief", xlim=(0, 1), ylim=(0, 1))
    ax.legend(loc="lower right")

plots.explore(draw_weight, "Belief against the true probability, for cross entropy without and with a "
                           "weight on frauds. A dot marks the weighted belief at 0.1; its height is "
                           "in the legend.",
              weight=(5.0, 1.0, 19.0, 1.0), stills=(5, 9, 11))  # start, ends, step of the slider

# %% [markdown]
# It takes a weight of 9. Then the one fraud counts exactly as much as the nine normal payments
# beside it.
#
# The course's package holds a finer and faster `belief`, which we will use from the next page
# on. It works on PyTorch's own losses. Most of these take, in place of $p$, a number $z$ that
# can be anything from minus to plus infinity. It is called a *logit*, and $p = 1/(1 + e^{-z})$;
# the next page explains why. The package's `belief` tries many logits and turns the best one
# into a probability, so the answer is the same as ours. (`reduction="none"` asks PyTorch for one
# value per payment instead of their mean.)

# %%
from course_utils import metrics

def cross_entropy_of_pytorch(logit, y):
    return F.binary_cross_entropy_with_logits(logit, y, reduction="none")

metrics.belief(cross_entropy_of_pytorch, 0.1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. What would you do with it?
#
# A number alone does nothing. Suppose the bank raises an alarm wherever the model's answer is at
# least 0.5. This limit is called the *threshold*. Two losses lead to different alarms only if
# they put an answer on different sides of the threshold.
#
# > **Predict.** With cross entropy, an ideal model raises an alarm where the true probability is
# > 0.5 or more. With focal loss and a threshold of 0.5, does the alarm begin at a lower true
# > probability, at the same one, or at a higher one? And with a threshold of 0.3?

# %% tags=["nbval-check-output"]
def alarm_from(loss, threshold):
    for eta in etas:  # from small to large
        if belief(loss, eta) >= threshold:
            return eta.item()

for name, loss in losses.items():
    print(f"{name:<15} threshold 0.5: alarm from {alarm_from(loss, 0.5):.2f} upwards,   "
          f"threshold 0.3: from {alarm_from(loss, 0.3):.2f} upwards")

# %% [markdown]
# At a threshold of 0.5 the alarms with focal loss begin where they begin with cross entropy. The
# same holds for smoothing and for the absolute error: these losses change the *numbers*, but not
# the place where they cross one half. Only the weight makes a difference. (It would do so in
# focal loss, too, if we gave it one.) With it, an alarm is raised from 0.09 on, where about one
# payment in eleven is a fraud.
#
# At a threshold of 0.3 it is different. There focal loss raises an alarm from 0.09 on, too,
# because its belief lies far above the truth on this side. So a threshold that was chosen for
# one loss means something else for another.
#
# Remember the result for 0.5, because you will see figures in which focal loss finds many more
# frauds than cross entropy at a threshold of 0.5. In [notebook
# 07](07_credit_card_imbalance.ipynb) we will see it happen with our own networks, and find out
# what the reason is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Exercises
#
# Replace the `...` with your answer and run the cell. `check` answers *not attempted*, *not yet*
# with a reason, or *correct*.
#
# **Exercise 0.1, predict a number.** Among certain look-alikes *one in five* is a fraud. What
# does an ideal model say about them after training with cross entropy? Try a wrong answer first,
# to see what happens.

# %% tags=["exercise"]
belief_one_in_five = ...
ex.q1.check(belief_one_in_five)

# %% [markdown]
# Stuck? Each call of `hint` gives you another hint, and `solution` shows the answer.

# %%
ex.q1.hint()

# %% [markdown]
# **Exercise 0.2, choose.** A colleague sends you a trained network and no further information.
# For a certain group of look-alike payments it says 0.53. What share of these payments are
# frauds? Choose one of `"53 %"`, `"10 %"`, `"more than half"`, `"it depends on the loss"` and
# `"it depends on the threshold"`.

# %% tags=["exercise"]
share_of_frauds = ...
ex.q2.check(share_of_frauds)

# %% [markdown]
# ## What to remember
#
# - Look-alikes have to share one answer, and the loss decides which answer is best.
# - The belief $p^*(\eta)$ is that best answer. For a two-class loss, four lines compute it.
# - The belief of cross entropy is the true probability. Weights, focal loss and smoothing move
#   it, so in general their outputs are not frequencies.
# - Two losses decide differently only where their beliefs lie on different sides of the
#   threshold.
#
# **Next.** Cross entropy rewards the truth. Where does its formula come from, how does a network
# learn with it, and how do people break it? Go on with
# [01_cross_entropy](01_cross_entropy.ipynb).
#
# **References**
#
# - T. Gneiting and A. E. Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation",
#   *Journal of the American Statistical Association* 102 (2007),
#   [doi:10.1198/016214506000001437](https://doi.org/10.1198/016214506000001437).
# - T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollár, "Focal Loss for Dense Object
#   Detection", *ICCV* 2017, [doi:10.1109/ICCV.2017.324](https://doi.org/10.1109/ICCV.2017.324).
# - N. Charoenphakdee, J. Vongkulbhisal, N. Chairatanakul and M. Sugiyama, "On Focal Loss for
#   Class-Posterior Probability Estimation: A Theoretical Perspective", *CVPR* 2021,
#   [doi:10.48550/arXiv.2011.09172](https://doi.org/10.48550/arXiv.2011.09172).
# - A. Dal Pozzolo, O. Caelen, R. A. Johnson and G. Bontempi, "Calibrating Probability with
#   Undersampling for Unbalanced Classification", *IEEE CIDM* 2015,
#   [doi:10.1109/SSCI.2015.33](https://doi.org/10.1109/SSCI.2015.33) (the fraud data).
