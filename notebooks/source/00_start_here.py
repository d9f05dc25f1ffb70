# %% [markdown] slideshow={"slide_type": "slide"}
# # 00. Start here: what should a classifier believe?
#
# A bank's model looks at a card payment and says "0.31". Is that a probability of fraud? Is it a
# reason to raise an alarm? The answer depends on the *loss* that the model was trained with, and
# often more on the loss than on the network. This course is about that dependence. Its first
# page asks three questions:
#
# 1. Does everything work on this machine, and are the data real?
# 2. Ten payments look exactly alike, and one of them is a fraud. What *should* a model say?
# 3. What do different losses *make* it say?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. How to work with these notebooks](#1.-How-to-work-with-these-notebooks) | 2 | run a cell, and use a *Predict* box |
# | [2. The machine and the data](#2.-The-machine-and-the-data) | 4 | see what runs here, and whether the rows are real |
# | [3. Ten payments that look alike](#3.-Ten-payments-that-look-alike) | 8 | find the answer that a loss rewards most |
# | [4. The belief map](#4.-The-belief-map) | 8 | read what a loss makes an ideal model believe |
# | [5. What would you do with it?](#5.-What-would-you-do-with-it?) | 4 | say when a changed number changes a decision |
# | [6. Exercises](#6.-Exercises) | 4 | check your own understanding |
#
# Together that is half a lesson. You **need** a little Python, and no knowledge of losses. The
# **data** are the credit-card fraud table, or a synthetic twin where the real rows cannot be
# had. The page runs in about ten seconds.

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
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from course_utils import plots, runtime
from course_utils.data import load_creditcard
from course_utils.exercises import start_here as ex

plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. The machine and the data
#
# The next cell lists the versions that are at work here. If something fails later on, this list
# is what to send along with your question.

# %%
print(runtime.report())

# %% [markdown]
# The course's examples come from a table of credit-card payments. Its loader takes the real rows
# if it can find or download them, and otherwise makes a synthetic stand-in. It always says which
# of the two you got, in a line that begins with `Data:`. Look for that line before you believe a
# number below it.

# %%
data = load_creditcard()
print(data.source)

# %%
columns = ["Time", "V1", "V2", "Amount", "Class"]
data.frame[columns].head(3).round(2)

# %% [markdown]
# Each row is one payment. The columns `V1`, `V2` and so on are anonymous measurements of it, and
# `Class` is 1 for a fraud and 0 for a normal payment.
#
# > **Predict.** How rare are frauds in such a table: about one in 10, one in 100, or one in 600?

# %%
is_fraud = data.frame["Class"] == 1
payments = data.weight.sum()        # how many payments the rows stand for
frauds = data.weight[is_fraud].sum()
print(f"{frauds:,.0f} frauds among {payments:,.0f} payments: {frauds / payments:.2%}")

# %% [markdown]
# Fewer than two payments in a thousand are frauds, about one in 600. A model that always answers
# "normal" is right in 99.8 % of the cases, and it is useless. Keep this in mind whenever
# somebody reports an accuracy.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Ten payments that look alike
#
# Imagine ten payments that agree in every column we have. One of them is a fraud, the other nine
# are normal. No model can tell them apart, however large it is, because it sees ten times the
# same row. So it has to give all ten the same answer: one number $p$, its *probability* of
# fraud.
#
# > **Predict.** Which number would you want the model to say: 0, 0.1, 0.5, or another one?

# %% [markdown]
# Training does not ask what we want. It looks for the answer that makes a certain number small,
# the *loss*. The most common loss is called *cross entropy*. It charges $-\ln p$ for a payment
# that is a fraud, and $-\ln(1 - p)$ for one that is normal: little if the model gave a high
# probability to what is true, and much if it gave a low one. ($\ln$ is the natural logarithm.)

# %%
def cross_entropy(p, y):
    if y == 1:
        return -torch.log(p)
    return -torch.log(1 - p)

# %% [markdown]
# For our ten payments the mean loss is one part fraud and nine parts normal. We try six answers:

# %%
p = torch.tensor([0.01, 0.05, 0.1, 0.2, 0.5, 0.9])
0.1 * cross_entropy(p, 1) + 0.9 * cross_entropy(p, 0)

# %% [markdown]
# Of these six, the third is the smallest. It belongs to $p = 0.1$, the true share of frauds. We
# tried only six answers, though, so let us try a thousand and draw the curve. Beside it we draw
# a second loss that is popular for rare classes. *Focal loss* multiplies each charge by the
# square of the probability that is still missing: $(1 - p)^2$ for a fraud and $p^2$ for a normal
# payment.

# %%
def focal(p, y):
    if y == 1:
        return (1 - p) ** 2 * cross_entropy(p, 1)
    return p ** 2 * cross_entropy(p, 0)

# %% [markdown]
# > **Predict.** Where will the lowest point of focal loss be: at 0.1 as well, below it, or above
# > it?

# %%
p = torch.linspace(0.001, 0.8, 1000)
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.8))
for ax, loss, name in [(axes[0], cross_entropy, "cross entropy"), (axes[1], focal, "focal")]:
    mean_loss = 0.1 * loss(p, 1) + 0.9 * loss(p, 0)
    lowest = mean_loss.argmin()
    ax.plot(p, mean_loss, **plots.LOOK[name])
    ax.plot(p[lowest], mean_loss[lowest], "o", color="black")
    ax.set(xlabel="the answer p", ylabel="mean loss", title=f"{name}: lowest at {p[lowest]:.2f}")
    ax.set_ylim(0, 1.5 * mean_loss[-1])
plots.show(fig, "Mean loss of ten look-alike payments, one of them a fraud, against the answer p that "
                "all ten get. A dot marks the lowest point of each curve.")

# %% [markdown]
# Cross entropy is lowest at the true share, 0.10. Focal loss is lowest at 0.31, three times as
# high. Both are well-known losses, and neither is broken. They reward *different answers to the
# same question*.
#
# So the "0.31" of the bank's model can mean two things. If it was trained with cross entropy, it
# means that three in ten such payments are frauds. If it was trained with focal loss, one in ten
# is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. The belief map
#
# What we did for one share of frauds can be done for every share. Call the true share among
# look-alikes $\eta$ (the Greek letter "eta"). For each $\eta$, a loss has one answer that it
# rewards most. We call this answer the *belief*, and write it $p^*(\eta)$:
#
# $$p^*(\eta) = \text{the } p \text{ that minimises } \; \eta\, L(p, 1) + (1 - \eta)\, L(p, 0).$$
#
# The code is the same three steps as before: try many answers, compute the mean loss of each,
# and take the best.

# %%
def belief(loss, eta):
    p = torch.linspace(0.001, 0.999, 999)
    mean_loss = eta * loss(p, 1) + (1 - eta) * loss(p, 0)
    return p[mean_loss.argmin()].item()

# %% tags=["nbval-check-output"]
for eta in [0.01, 0.1, 0.5, 0.9]:
    print(f"true share {eta:<4}  cross entropy says {belief(cross_entropy, eta):.2f}, "
          f"focal loss says {belief(focal, eta):.2f}")

# %% [markdown]
# This little function is the most important tool of the course. It describes an *ideal* model,
# one that is flexible enough and trained to the end. A real network may fall short of it, but
# this is the point it is heading for.
#
# The package holds a finer version under the same name, which we import from here on. It differs
# in one respect. A network's last layer gives a number $z$ that can be anything from minus to
# plus infinity, called a *logit*, and PyTorch's losses take this logit instead of $p$. The two
# are related by the *sigmoid*, $p = 1/(1 + e^{-z})$, so that $z = 0$ means $p = 0.5$.

# %%
from course_utils.metrics import belief

# %% [markdown]
# Now five losses, as functions of the logit. The first is PyTorch's own cross entropy for two
# classes. (With `reduction="none"` it returns one value per payment instead of their mean.) The
# other four are popular changes to it:

# %%
def cross_entropy(logit, y):
    return F.binary_cross_entropy_with_logits(logit, y, reduction="none")

def weighted(logit, y):                       # a fraud counts ten times
    return (1 + 9 * y) * cross_entropy(logit, y)

def focal(logit, y):                          # the square of the missing probability
    return (y - torch.sigmoid(logit)) ** 2 * cross_entropy(logit, y)

# %%
def smoothed(logit, y):                       # targets 0.05 and 0.95 in place of 0 and 1
    return cross_entropy(logit, 0.05 + 0.9 * y)

def absolute_error(logit, y):                 # the distance from the truth
    return (y - torch.sigmoid(logit)).abs()

# %% [markdown]
# > **Predict.** Take $\eta = 0.1$ once more. Which of the three new ones will say more than 0.1,
# > and which will say less?

# %% tags=["nbval-check-output"]
losses = {"cross entropy": cross_entropy, "weighted, frauds x 10": weighted,
          "focal, gamma 2": focal, "smoothing 0.1": smoothed, "absolute error": absolute_error}
for name, loss in losses.items():
    print(f"{name:<22} {belief(loss, 0.1):.2f}")

# %% [markdown]
# The weight lifts the answer above one half, and smoothing lifts it a little. The absolute error
# says 0: nine of ten payments are normal, and it pays to be exactly right about those nine.
#
# > **Predict.** Now let $\eta$ run from 0 to 1. Which of the five curves is a straight line from
# > corner to corner? Which one jumps? Which ones pass through the middle of the figure, (0.5,
# > 0.5)?

# %%
ax = plots.plot_belief_map(losses, mark=0.1)
ax.figure.set_size_inches(7.5, 5.4)
plots.show(ax, "The belief map: what an ideal model answers, against the true probability, for five "
               "losses. The thin vertical line stands at a true probability of 0.1, and the legend "
               "gives the five answers there.")

# %% [markdown]
# Cross entropy is the straight line: whatever the truth is, its belief is the truth. A loss with
# this property is called *strictly proper*, and [notebook 01](01_cross_entropy.ipynb) shows why
# cross entropy has it. The absolute error jumps from 0 to 1. Focal loss and smoothing bend the
# line towards one half, from both sides, and pass through the middle. The weight lifts it
# everywhere.
#
# We call this figure the *belief map*. Wherever a curve leaves the diagonal, the model's
# "probability" is no longer a frequency: it does not say how often such payments are frauds.
# That can be useful, and it has a price. Every loss in this course gets its place on the map.

# %% [markdown]
# > **Predict.** A weight of 10 turned 0.1 into 0.53. Which weight would turn it into exactly one
# > half: 5, 9, or 11? Then move the slider until it does.

# %%
def draw_weight(weight, ax):
    def weighted(logit, y):
        return (1 + (weight - 1) * y) * cross_entropy(logit, y)
    return plots.plot_belief_map({"cross entropy": cross_entropy, "weighted": weighted},
                                 mark=0.1, ax=ax)

plots.explore(draw_weight, "Belief against the true probability for cross entropy without and with "
                           "a weight on frauds. The legend gives both beliefs at 0.1.",
              weight=(3.0, 1.0, 19.0, 1.0), stills=(3, 9, 19))

# %% [markdown]
# It takes a weight of 9. Then the one fraud counts exactly as much as the nine normal payments
# beside it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. What would you do with it?
#
# A number alone does nothing. Suppose the bank raises an alarm wherever the model's answer is at
# least 0.5. A loss changes the alarms only if it moves an answer from one side of 0.5 to the
# other.
#
# > **Predict.** With cross entropy, an ideal model raises an alarm where the true probability is
# > 0.5 or more. For which of the other four losses does it begin earlier, at a smaller true
# > probability?

# %% tags=["nbval-check-output"]
eta = torch.linspace(0, 1, 1001)
for name, loss in losses.items():
    alarm = belief(loss, eta) >= 0.5 - 1e-5   # belief is exact to about 1e-6
    print(f"{name:<22} alarm from a true probability of {eta[alarm].min():.2f} on")

# %% [markdown]
# Only the weight makes a difference: with it, an alarm is raised as soon as one payment in
# eleven is a fraud. Focal loss and smoothing change the *numbers*, but the place where they
# cross one half stays the same, and so do the alarms of an ideal model.
#
# This is worth remembering, because you will see figures in which focal loss finds many more
# frauds than cross entropy at a threshold of 0.5. In [notebook
# 07](07_credit_card_imbalance.ipynb) we will see it happen with our own networks, and find out
# what the reason is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. Exercises
#
# Replace the `...` by your answer and run the cell. `check` answers *not attempted*, *not yet*
# with a reason, or *correct*.
#
# **Exercise 0.1, predict a number.** Among certain look-alikes *one in five* is a fraud. What
# does an ideal model say about them after training with cross entropy? Try a wrong answer first,
# to see what happens.

# %% tags=["exercise"]
belief_one_in_five = ...
ex.q1.check(belief_one_in_five)

# %% [markdown]
# Are you stuck? Each call of `hint` gives one more hint, and `solution` shows the answer.

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
# - The belief $p^*(\eta)$ is that best answer. It takes four lines to compute for any loss.
# - The belief of cross entropy is the truth. Weights, focal loss and smoothing move it, so their
#   outputs are not frequencies.
# - A loss changes an ideal model's decisions only where its belief crosses the threshold
#   elsewhere.
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
