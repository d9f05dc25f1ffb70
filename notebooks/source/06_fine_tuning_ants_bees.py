# %% [markdown] slideshow={"slide_type": "slide"}
# # 06. Fine-tuning: ants and bees
#
# Three questions for this notebook:
#
# 1. What does a network that was never shown our task already know about it?
# 2. Is a new last layer enough, or must all layers move?
# 3. How much of a reported accuracy comes from choosing?
#
# | section | minutes | you will be able to |
# |---|---|---|
# | 1. The words, and the pictures | 6 | tell transfer learning from fine-tuning |
# | 2. A network, read from outside | 6 | find the head, and count what it holds |
# | 3. Before any training | 8 | ask a pretrained network a fair question |
# | 4. A new head | 7 | train one on cached features in a second |
# | 5. Augmentation | 6 | see what the network is shown |
# | 6. All layers | 14 | fine-tune a whole network, and read a table of results |
# | 7. The photos it gets wrong | 5 | look at errors before you explain them |
# | 8. Does the loss matter here? | 10 | compare losses in pairs, each with its own learning rate |
# | 9. The price of choosing | 8 | measure the optimism of "best of many" |
# | 10. Exercises | 20 | show yourself that you can |
#
# **Needs** notebooks 01, 02 and 05. **Data**: the ants and bees of PyTorch's tutorial, or drawn
# insects; features of the real photos are always there. Runs in about a minute, with the photos in
# two.

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
import time
from functools import partial
from itertools import pairwise

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader
from torchvision.models import ResNet18_Weights
from torchvision.transforms import InterpolationMode, v2
from torchvision.utils import make_grid

from course_utils import plots, runtime
from course_utils.data import load_ants_bees, load_backbone, load_features
from course_utils.exercises import fine_tuning as ex
from course_utils.losses import focal_loss
from course_utils.sweeps import train_many
from course_utils.training import TensorLoader, fit, predict

runtime.set_threads(1)
plt.style.use(plots.STYLE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1. The words, and the pictures
#
# *Transfer learning* takes what a network learned on one task over to another. Our network learned
# on ImageNet: 1.3 million photos from the web, 1000 classes. It has two parts:
#
# - the *feature extractor* (or *backbone*) turns a picture into a row of numbers, its *features*;
# - the *head*, its last layer, turns features into one logit per class.
#
# *Fine-tuning* goes on training pretrained layers on our own pictures. Two blog posts about this
# come along (References): *post A* fine-tunes a ResNet-18 with focal loss, *post C* a ResNet-50.

# %%
photos = load_ants_bees()
print(photos.source)

# %% [markdown]
# Where the photos cannot be had, drawn insects stand in for them. What a network *sees* in the real
# photos, its features, is small enough to come with the course:

# %%
features = load_features()
print(features.source)

# %% [markdown]
# So read on with both lines in mind: sections 3, 4, 7, 8 and 9 compute with the real photos'
# features, always; sections 1, 5 and 6 with the pictures named in the first line.

# %%
pd.DataFrame({part: torch.bincount(getattr(photos, part).target).tolist()
              for part in ["train", "val"]}, index=photos.classes)

# %%
some = [40, 80, -40, -1]
fig = plots.show_images([photos.train.images[i] for i in some],
                        titles=[photos.classes[photos.train.target[i]] for i in some])
plots.show(fig, "Four training pictures: two ants on the left, two bees on the right.")

# %% [markdown]
# About as many ants as bees: the set is *balanced*. And it is small: 153 pictures to judge by.
#
# > **Predict.** A classifier gets 95 % of 153 photos right. In a second set of 153 photos of the
# > same kind, could it as well get 92 %?

# %%
def interval(hits, n):
    return stats.binomtest(int(hits), n).proportion_ci(method="wilson")

def said(hits, n):
    low, high = interval(hits, n)
    return f"{hits:>4} of {n} = {hits / n:.3f}   (95 % interval: {low:.3f} to {high:.3f})"

# %% tags=["nbval-check-output"]
print(said(145, 153))

# %% [markdown]
# It could: even a true accuracy of 0.92 lies in *Wilson's interval*, the true accuracies with which
# 145 hits would be no great surprise. And a second sample has luck of its own: two measurements
# differ by 1.4 times as much as one strays from the truth.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2. A network, read from outside
#
# EfficientNet-Lite0 is a small network made for phones. Its weights come as a Python package, so
# that nothing need be downloaded.

# %%
backbone = load_backbone("efficientnet_lite0")
print(backbone.source)

# %% [markdown]
# The whole model, printed, is long:

# %% tags=["nbval-check-output"]
len(str(backbone.model).splitlines())

# %% [markdown]
# Its direct children say enough.
#
# > **Predict.** Which of them holds the *head*, and what share of all parameters sits in it?

# %% tags=["nbval-check-output"]
for name, part in backbone.model.named_children():
    print(f"{name:<13}{type(part).__name__:<26}{sum(p.numel() for p in part.parameters()):>10,}")

# %% [markdown]
# `_conv_stem` is the first convolution, `_blocks` are sixteen blocks of convolutions, and `_fc` (in
# other networks `fc` or `classifier`) is the head: 1280 features in, 1000 classes out, more than a
# quarter of the parameters. Now read the first block, and the head:

# %%
print(backbone.model._blocks[0])
print(backbone.head)

# %% [markdown]
# A convolution for each of 32 channels by itself (`groups=32`), one that mixes them into 16, and a
# BatchNorm after each; no bias, since BatchNorm has one. (`_swish` is but a name here: this variant
# has ReLU6.) Follow one picture through:

# %%
picture = backbone.preprocess(photos.val.images[0])
with torch.no_grad():
    seen = backbone.without_head()(picture[None])
picture.shape, seen.shape, backbone.head(seen).shape

# %% [markdown]
# `preprocess` resizes, cuts out the centre and normalises *as this network was trained*: here $(255
# x - 127)/128$ for pixels in [0, 1]. Other networks want other numbers, and a wrong one does not
# crash.
#
# Which of the 1000 outputs are ours? Look the names up; never match them by cutting letters off
# strings, as post C does.

# %%
backbone.imagenet

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3. Before any training
#
# ImageNet has a class `ant` and a class `bee`. So the untouched network can be tested at once, in
# two ways:
#
# - *strictly*: a hit only if the right one of them beats all 999 others;
# - *between the two*: compare the logits of ant and bee, ignore the rest.
#
# > **Predict.** How many of the 153 validation photos are hits, strictly? And between the two?

# %% tags=["nbval-check-output"]
val = features.val
strict = int((val.top1 == features.imagenet[val.target]).sum())
between = int((val.logits.argmax(dim=1) == val.target).sum())
print("strict:     ", said(strict, 153))
print("between two:", said(between, 153))

# %% [markdown]
# One network, the same photos, no training in between: only the *question* changed. Post C reports
# 0.869 before and 0.954 after fine-tuning, and changed question and weights at once. What did our
# network say instead?

# %%
categories = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
missed = val.top1 != features.imagenet[val.target]
instead = pd.Series([categories[i] for i in val.top1[missed]], name="photos")
instead.value_counts()

# %% [markdown]
# Mostly other insects and their like, their homes (honeycomb, apiary) and flowers, which may well
# be in the picture; with one label a photo, naming them counts as wrong. A few, such as lens cap
# and armadillo, are plain errors.

# %% [markdown]
# ### Has it seen these photos before?
#
# The tutorial that made this set famous calls it "a very small subset of imagenet". Our network was
# trained on ImageNet. So some of these validation photos may have been *training* photos, with
# their labels.
#
# We cannot tell which. Then the first row is no measure of what happens with new photos, and
# neither is any later row that starts from these weights. On your own pictures expect less.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4. A new head
#
# For most tasks there is no old row to reuse. The cheapest transfer: freeze the backbone, so that
# each photo's features never change; compute them once; train a new head on them.
#
# > **Predict.** 244 photos, 1280 features each, 20 epochs. How many seconds? How many hits of 153?

# %%
def train_head(part, seed):
    torch.manual_seed(seed)
    head = nn.Linear(part.x.shape[1], 2)
    loader = TensorLoader(part.x, part.target, batch_size=32, shuffle=True,
                          generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
    fit(head, loader, None, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=20,
        device="cpu", progress=False)
    return head

# %% [markdown]
# No validation loader: nothing is chosen by those photos, and the weights are those of the last
# epoch.

# %%
start = time.perf_counter()
heads = [train_head(features.train, seed) for seed in range(10)]
seconds = (time.perf_counter() - start) / len(heads)
print(f"one head takes {'less' if seconds < 2 else 'more'} than two seconds")

# %%
right = torch.stack([head(val.x).argmax(dim=1) == val.target for head in heads])
hits = right.sum(dim=1)
print(f"hits of 10 seeds: {hits.min()} to {hits.max()}, mean {hits.float().mean() / 153:.3f}")
print("seed 0:", said(int(hits[0]), 153))

# %% [markdown]
# > **Predict.** The seeds hardly differ. Did they all find the same head?

# %%
weights = torch.stack([head.weight[1] - head.weight[0] for head in heads]).detach()  # bee minus ant
on_train = [(head(features.train.x).argmax(dim=1) == features.train.target).sum() for head in heads]
print(f"training photos right, worst seed: {min(on_train)} of {len(features.train)}")
print(f"length of the weights {weights.norm(dim=1).mean():.1f}, "
      f"distance between two seeds {F.pdist(weights).mean():.1f}")

# %% [markdown]
# The seeds hardly differ in hits, though their weights do: every head gets all training photos
# right, so no single best place exists, and part of each start remains. The photos decide alike. Do
# not take that small spread for certainty: it leaves out the luck of *these 153 photos*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5. Augmentation
#
# 244 photos are few. *Augmentation* shows each of them a little different in every epoch: a random
# piece, scaled up (`RandomResizedCrop`), and at random mirrored. What is an ant stays an ant.
#
# To look at what the network is shown, undo the normalisation: times `std`, plus `mean`.

# %%
def pipeline(*steps):
    return v2.Compose([*steps, v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
                       backbone.normalise])

def augment(size, smallest, largest=1.0):
    return pipeline(v2.RandomResizedCrop(size, scale=(smallest, largest),
                                         interpolation=InterpolationMode.BICUBIC),
                    v2.RandomHorizontalFlip())

# %%
torch.manual_seed(0)
once_more = [augment(160, 0.35)(photos.train.images[some[2]]) for _ in range(4)]
fig = plots.show_images(once_more, mean=backbone.mean, std=backbone.std)
plots.show(fig, "One training picture as four epochs show it: other pieces, other scales, some "
                "mirrored.")

# %% [markdown]
# > **Predict.** A piece may have 5 %, half or all of the picture's area (torchvision's smallest is
# > 8 % by default, chosen for a million photos). At which area does the insect get lost?

# %%
def draw_pieces(area, ax):
    torch.manual_seed(1)
    pieces = [augment(96, area, area)(photos.train.images[i]) for i in some for _ in range(2)]
    grid = make_grid(torch.stack(pieces), nrow=4, padding=4, pad_value=1)
    std, mean = (torch.tensor(v).view(3, 1, 1) for v in (backbone.std, backbone.mean))
    ax.imshow((grid * std + mean).clamp(0, 1).permute(1, 2, 0))
    ax.axis("off")

# %%
plots.explore(draw_pieces, "Eight training pieces that have 5, 52 and 100 % of the area: with 5 % "
              "many show a part of the insect or only the ground, with 100 % little changes.",
              area=(0.35, 0.05, 1.0, 0.05))

# %% [markdown]
# Too small a piece turns a label into a lie. We draw areas from 35 % to 100 %. *Validation*
# pictures are never augmented: each is judged once, by its centre.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6. All layers
#
# ### As posted
#
# This is the set-up of post A, as a function: ResNet-18, batches of 4, plain SGD, focal loss, a
# learning rate that falls to a tenth every 7 epochs. It runs through our `fit`. It takes minutes
# and weights from the network, so we only define it: call it when you have both.

# %%
def as_in_post_a(epochs=25, pretrained=True):
    net = load_backbone("resnet18", pretrained=pretrained)
    model = net.replace_head(2)
    view = v2.Compose([v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), v2.PILToTensor(),
                       v2.ToDtype(torch.float32, scale=True), net.normalise])
    train_loader = DataLoader(photos.train.dataset(view), batch_size=4, shuffle=True)
    val_loader = DataLoader(photos.val.dataset(net.preprocess), batch_size=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    return fit(model, train_loader, val_loader, optimizer=optimizer, scheduler=scheduler,
               loss_fn=lambda logits, target: 0.25 * focal_loss(logits, target, gamma=2.0),
               epochs=epochs, monitor="val_accuracy")

# %% [markdown]
# Two of its habits we shall measure: `0.25 *` (section 8), and `monitor="val_accuracy"`, which
# keeps the best of 25 epochs and reports it on the photos that chose it (section 9).

# %% [markdown]
# ### Our recipe
#
# Five decisions. The ratio of the two rates is common practice; the rest was compared by
# *cross-validation* among the training photos (train on part of them, judge by the rest, take
# turns), in earlier runs that are not kept:
#
# 1. Start with the two old rows, ant and bee. (Where ImageNet lacks your classes, train a new head
#    first. A random head sends senseless gradients into good layers; Kumar and others.)
# 2. Two learning rates: a small one for the backbone, ten times that for the head.
# 3. BatchNorm keeps ImageNet's means and variances.
# 4. Train on pieces of 160 pixels, which takes half the time, and test at 224 (Touvron and others).
# 5. At the end go halfway back: the mean of first and last weights (Wortsman and others).

# %%
def keep_statistics(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True: None  # model.train() shall not reach it

# %% [markdown]
# BatchNorm normalises by the batch while training, and remembers running means for later. In
# batches of 16 both are noisy, so we hold these layers in evaluation mode. `fit` calls
# `model.train()` in every epoch; the last line makes them deaf to it (notebook 05, section 8).

# %%
def two_speeds(net, lr=5e-5):
    body = [p for name, p in net.model.named_parameters() if not name.startswith(net.head_name)]
    return torch.optim.AdamW([{"params": body, "lr": lr},
                              {"params": net.head.parameters(), "lr": 10 * lr}], fused=True)

# %% [markdown]
# Each learning rate rises for some steps and then falls to zero (*one cycle*). `channels_last` is
# an order of the pixels in memory that makes these convolutions faster and changes nothing else.
# Drawn insects have no fine hairs; they need fewer pixels.

# %%
piece_size, test_size, epochs = (64, 96, 2) if photos.drawn else (160, 224, 4)

def train_all_layers(net, optimizer, seed):
    torch.manual_seed(seed)
    loader = DataLoader(photos.train.dataset(augment(piece_size, 0.35)), batch_size=16,
                        shuffle=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, epochs * len(loader),
                                                pct_start=0.2, cycle_momentum=False)
    return fit(net.model.to(memory_format=torch.channels_last), loader, None, device="cpu",
               loss_fn=F.cross_entropy, optimizer=optimizer, scheduler=cycle, epochs=epochs)

# %%
ours = torch.tensor([backbone.imagenet[name] for name in photos.classes])

def with_old_rows():
    net = load_backbone("efficientnet_lite0")
    rows = {"weight": net.head.weight[ours], "bias": net.head.bias[ours]}
    net.replace_head(2)
    net.head.load_state_dict(rows)
    keep_statistics(net.model)
    return net

# %% [markdown]
# > **Predict.** A head on cached features took less than two seconds. And all layers?

# %%
tuned = with_old_rows()
first = copy.deepcopy(tuned.model.state_dict())
threads = runtime.set_threads(1 if photos.drawn else 2)  # large convolutions can share
start = time.perf_counter()
gently = train_all_layers(tuned, two_speeds(tuned), seed=0)
print(f"all layers: {time.perf_counter() - start:.0f} s; a head on features: {seconds:.2f} s")

# %%
def halfway(first, last):
    return {name: torch.lerp(first[name], last[name], 0.5) for name in last
            if last[name].is_floating_point()}

_ = tuned.model.load_state_dict(halfway(first, tuned.model.state_dict()), strict=False)

# %% [markdown]
# `strict=False` because the counters of BatchNorm, whole numbers, stay as they are. The mean keeps
# more of what ImageNet taught. That it works is an observation, not a theorem; both ends must lie
# close together.

# %% [markdown]
# ### The same from scratch
#
# The same architecture, pictures, steps and learning rates, but random weights. One thing must
# differ: there are no statistics to keep, so BatchNorm learns them, and quickly enough for so few
# steps.

# %%
scratch = load_backbone("efficientnet_lite0", pretrained=False, seed=0)
scratch.replace_head(2)
for module in scratch.model.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.momentum = 0.1  # its own 0.01 is made for hundreds of thousands of steps
slowly = train_all_layers(scratch, two_speeds(scratch), seed=0)

# %% [markdown]
# > **Predict.** Four rows: the untouched head strictly, and between the two; all layers; all layers
# > from scratch. Put them in order. Which neighbours will 153 pictures be able to tell apart?

# %%
whole = pipeline(v2.Resize(test_size * 8 // 7, interpolation=InterpolationMode.BICUBIC),
                 v2.CenterCrop(test_size))
val_loader = DataLoader(photos.val.dataset(whole), batch_size=32)
logits = {name: predict(net.model.to(memory_format=torch.channels_last), val_loader).logits
          for name, net in [("untouched", backbone), ("tuned", tuned), ("scratch", scratch)]}
_ = runtime.set_threads(threads)

# %%
target = photos.val.target
correct = {
    "untouched, strict": logits["untouched"].argmax(dim=1) == ours[target],
    "untouched, between the two": logits["untouched"][:, ours].argmax(dim=1) == target,
    "all layers, fine-tuned": logits["tuned"].argmax(dim=1) == target,
    "all layers, from scratch": logits["scratch"].argmax(dim=1) == target,
}
for name, right_here in correct.items():
    print(f"{name:<28}", said(right_here.sum(), len(right_here)))

# %% [markdown]
# > **Predict.** What would somebody get who never looks, and always names the commoner class?

# %%
always = target.bincount().max().item() / len(target)
said_bee = int(logits["scratch"].argmax(dim=1).sum())
print(f"always the commoner class: {always:.3f}")
print(f"from scratch says bee {said_bee} times of {len(target)}")

# %%
fig, ax = plt.subplots(figsize=(8, 2.8))
for row, right_here in enumerate(correct.values()):
    n, share = len(right_here), right_here.float().mean().item()
    low, high = interval(right_here.sum(), n)
    ax.errorbar(share, -row, xerr=[[share - low], [high - share]], fmt="osD^"[row], capsize=4,
                markersize=8, color="#0072B2")
ax.axvline(always, color="#999999", linewidth=1)
ax.set(yticks=range(0, -4, -1), yticklabels=correct, xlim=(-0.02, 1.02), ylim=(-3.5, 0.5),
       xlabel="accuracy on the validation pictures, 95 % interval")
plots.show(fig, "Accuracy of four ways on the validation pictures, one run each, with its 95 % "
                "interval. The thin line is always saying the commoner class.")

# %% [markdown]
# Do two rows differ? Intervals that overlap do not settle it, for all rows judge the *same*
# pictures. Look at *pairs*, the pictures on which two rows disagree. Were the two equally good,
# each of these would be the toss of a coin (*sign test*): p says how probable so uneven a count, or
# a more uneven one, then is.

# %%
def sign_test(a, b):
    first, second = int((a & ~b).sum()), int((b & ~a).sum())
    p = stats.binomtest(first, max(1, first + second)).pvalue
    return f"right alone {first:>3} : {second:<3}  by chance: p = {p:<8.2g}"

# %%
for one, other in pairwise(correct):
    print(sign_test(correct[one], correct[other]), f"({one} : {other})")

# %% [markdown]
# If the first line of this notebook says *drawn*, two rows are worth a thought: ImageNet's ant and
# bee are photos, and the untouched head hardly knows our drawings. *There* training earns its keep.

# %% [markdown]
# ### On the real photos
#
# Hits of the 153 real photos with seeds 0, 1 and 2, and the seconds of one run on two cores, as
# `python start.py bench ants_bees` measured and stored them:

# %%
results = Path(plots.__file__).parents[1] / "data" / "ants_bees_results.csv"
pd.read_csv(results, index_col="way", keep_default_na=False)

# %% [markdown]
# > **Predict.** Post C says that fine-tuning lifted the accuracy from 0.869 to 0.954. Which row
# > should stand before "all layers", if only the training is to differ? What is left of the gain?

# %% [markdown]
# Asked the same question, *between the two*, the untouched network is beaten by no training we
# tried. Post C (ResNet-50) changed question and weights at once; with our network, the question
# alone lifts 0.850 to 0.974. How much of its gain was training, only its own network could tell. On
# classes that ImageNet lacks, a new head or fine-tuning is all there is.
#
# From scratch, in these four epochs, gets hardly more hits than always saying *bee*. Of the
# pretrained rows the table keeps hits only. Whether two of them differ is a question of pairs, the
# photos on which they disagree (section 7); overlapping intervals do not settle it.
#
# So does training all layers beat a new head of 2562 numbers? Two recipes got more hits than the
# head and one got fewer. Look at the seconds before you decide.

# %% [markdown]
# How innocent is the table? "From a new head" and "from the old rows" were earlier recipes. We had
# seen their hits before cross-validation led us halfway back. The row of our recipe was measured
# once, but a third look at 153 photos is not a first. Section 9 says what looks cost.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7. The photos it gets wrong
#
# Before you explain errors, look at them. These are the validation photos that the new head of
# section 4 (seed 0, real features) gets wrong, the most confident error first.

# %%
with torch.no_grad():
    prob = heads[0](val.x).softmax(dim=1)
wrong = torch.nonzero(~right[0])[:, 0]
wrong = wrong[prob[wrong, val.target[wrong]].argsort()]
table = pd.DataFrame({"photo": [val.names[i] for i in wrong],
                      "true": [features.classes[val.target[i]] for i in wrong],
                      "probability of it": prob[wrong, val.target[wrong]].round(decimals=2)})
table

# %%
shown = wrong[:8].tolist()
if photos.drawn:
    print("The photos are not here; `python start.py run` with COURSE_DATA shows them.")
else:
    fig = plots.show_images([photos.val.images[photos.val.names.index(val.names[i])]
                             for i in shown],
                            titles=[f"{features.classes[val.target[i]]}, "
                                    f"p = {prob[i, val.target[i]]:.2f}" for i in shown])
    plots.show(fig, "The most confident errors, each with its true class and its probability.")

# %% [markdown]
# > **Predict.** Are these photos hard for everybody, or only for this head? The untouched network
# > has never heard of our head: how many of them does *it* get wrong, between the two?

# %%
untouched = val.logits.argmax(dim=1) == val.target
both = int((~untouched)[wrong].sum())
print(f"the new head misses {len(wrong)}, the untouched one {int((~untouched).sum())}, "
      f"both of them {both}")
print(sign_test(right[0], untouched), "(new head, seed 0 : untouched)")

# %% [markdown]
# What the untouched network misses, the new head misses too: those are hard for both. The rest is
# lost by the new head alone. That leans to the old rows; it is not proof, and ImageNet may have
# held these very photos. Would another seed of the head say the same?

# %%
for seed in range(1, 10):
    print(sign_test(right[seed], untouched), f"(new head, seed {seed} : untouched)")

# %% [markdown]
# All lean to the same side, some more and some less. They are not ten proofs: the photos are the
# same 153.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8. Does the loss matter here?
#
# Post A uses focal loss with $\alpha = 0.25$, $\gamma = 2$. Two things to test: what its $\alpha$
# does, and its own caution, "on balanced data there is little or no gain".
#
# ### A scalar alpha is a learning rate
#
# > **Predict.** Plain SGD, one run with $\alpha = 0.25$ and learning rate 0.04, one without alpha
# > and learning rate 0.01. How far apart are their weights after 20 epochs?

# %%
sgd = partial(torch.optim.SGD, momentum=0.9)

def focal_head(alpha, lr, optimizer=sgd):
    torch.manual_seed(0)
    head = nn.Linear(1280, 2)
    loader = TensorLoader(features.train.x, features.train.target, batch_size=32, shuffle=True,
                          generator=torch.Generator().manual_seed(0))
    fit(head, loader, None, epochs=20, optimizer=optimizer(head.parameters(), lr=lr),
        loss_fn=lambda z, y: alpha * focal_loss(z, y, gamma=2.0), device="cpu", progress=False)
    return head.weight.detach()

# %% tags=["nbval-check-output"]
plain = focal_head(alpha=1.0, lr=0.01)
print(f"alpha 0.25, lr 0.04: {(focal_head(0.25, 0.04) - plain).abs().max():.0e}")
print(f"alpha 0.25, lr 0.01: {(focal_head(0.25, 0.01) - plain).abs().max():.0e}")

# %% [markdown]
# Not a digit apart (a power of two rounds nothing). In plain SGD, momentum included, $\alpha$ and
# the learning rate meet only as a product. (Weight decay or gradient clipping breaks this.) A
# scalar alpha balances no classes. And with Adam?

# %%
adam = partial(focal_head, optimizer=torch.optim.Adam)
gap = (adam(0.25, 0.001) - adam(1.0, 0.001)).abs().max()
print(f"Adam, alpha 0.25 against 1, same learning rate: {gap:.0e}, weights up to "
      f"{adam(1.0, 0.001).abs().max():.2f}")

# %% [markdown]
# Adam divides the size of the gradient out, so there alpha does next to nothing at all.

# %% [markdown]
# ### "No gain on balanced data"
#
# A fair comparison: every loss gets its own learning rate, from the same list, chosen on photos
# that do not judge it. Where rates tie, we report their mean. And it is repeated with *other
# photos*: we pool all 397 and split them at random, 20 times, into 244 to train, 76 to choose by
# and 77 to report on.

# %%
y = torch.cat([features.train.target, features.val.target])
turned = torch.linalg.svd(torch.cat([features.train.x, features.val.x]), full_matrices=False)
x = turned.U * turned.S

# %% [markdown]
# (We turn the axes: 397 photos span at most 397 of the 1280 directions, so the rest can go.
# Distances stay and training is faster. It is not the same run as on the raw features, for a head
# of another width starts elsewhere. Each split takes away the mean of its own training photos.)

# %%
losses = {"cross entropy": F.cross_entropy,
          "focal, gamma 2": partial(focal_loss, gamma=2.0),
          "smoothing 0.1": partial(F.cross_entropy, label_smoothing=0.1)}
rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]

# %%
def one_split(seed):
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    z = x - x[order[:244]].mean(dim=0)
    train, choose, report = ((z[rows], y[rows]) for rows in order.split([244, 76, 77]))
    return train_many(lambda: nn.Linear(x.shape[1], 2), losses, train, seeds=[seed],
                      parts={"choose": choose, "report": report}, epochs=10, batch_size=32,
                      lr=rates, optimizer=sgd,
                      metrics={"accuracy": lambda seen: seen.accuracy}, progress=False)

# %%
with runtime.Progress("20 splits, 18 heads each", total=20, unit="splits") as bar:
    sweeps = []
    for seed in range(20):
        sweeps.append(one_split(seed).frame)
        bar.update(1)
scores = pd.concat(sweeps).query("metric == 'accuracy'").pivot_table(
    index=["seed", "loss", "lr"], columns="part", values="value", sort=False)

# %% [markdown]
# > **Predict.** Accuracy on the reporting photos, focal minus cross entropy, mean of 20 splits:
# > positive, negative or nothing? And smoothing?

# %%
top = scores["choose"] == scores.groupby(["seed", "loss"])["choose"].transform("max")
chosen = scores.loc[top, "report"].groupby(["seed", "loss"], sort=False).mean().unstack("loss")
difference = chosen.drop(columns="cross entropy").sub(chosen["cross entropy"], axis=0)

def band(d, n_train=244, n_report=77):
    variance = (1 / len(d) + n_report / n_train) * d.var()
    return stats.t.ppf(0.975, len(d) - 1) * variance**0.5

# %%
print("accuracy:", chosen.mean().round(3).to_dict())
for name, d in difference.items():
    print(f"{name:<15} minus cross entropy: {d.mean():+.3f} ± {band(d):.3f}, "
          f"so at most {d.mean() + band(d):+.3f}")
print(f"{top.groupby(['seed', 'loss']).sum().mean():.1f} of {len(rates)} rates tie, on average")

# %%
fig, ax = plt.subplots(figsize=(8, 3))
for row, d in enumerate(difference[name] for name in difference):
    look = plots.LOOK["focal" if row == 0 else "smoothing"]
    ax.plot(d, row + 0.02 * (d.index - 9.5), "os"[row], color=look["color"], alpha=0.6)
    ax.errorbar(d.mean(), row, xerr=band(d), fmt="D", color="black", capsize=5)
ax.axvline(0, color="#999999", linewidth=1)
ax.set(yticks=[0, 1], yticklabels=difference.columns, ylim=(-0.6, 1.6),
       xlabel="difference in accuracy to cross entropy, same split")
plots.show(fig, "Difference in accuracy to cross entropy, one mark a split, and the mean with its "
                "95 % band in black. Both bands hold zero.")

# %% [markdown]
# The splits share photos, so twenty of them are not twenty independent tests. The band allows for
# that (Nadeau and Bengio): its variance has $n_{report}/n_{train}$ added to $1/20$, which makes it
# 2.7 times as wide as the naive one.
#
# > **Did it replicate?** *Claim*: "little or no gain on balanced data". *Our run*: no gain seen,
# > and the right end of each band says how large a gain could still hide. On a head over fixed
# > features; not post A's network. What focal loss does when classes are rare is for notebooks 07
# > and 08.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9. The price of choosing
#
# Post A keeps the best of 25 epochs and reports its accuracy *on the photos that chose it*; so do
# most tables of tuned learning rates. What is that worth? We need photos that chose nothing.
#
# 100 random splits of the 397 photos: 244 to train, 76 to choose by, 77 never looked at. In each we
# train heads with six learning rates for 25 epochs, and note both accuracies after every epoch: 150
# candidates.

# %%
orders = torch.stack([torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
                      for seed in range(100)])
train, choose, fresh = orders.split([244, 76, 77], dim=1)
many_rates = torch.tensor([0.003, 0.01, 0.03, 0.1, 0.3, 1.0])

# %% [markdown]
# All 600 heads at once: one logit $z = xw$ suffices for two classes, and its gradient is $p - y$
# (notebook 01). No bias: the mean of the training photos was taken away. `@` multiplies a whole
# stack of matrices, one a split.

# %%
split = torch.arange(100)[:, None]
centred = x - x[train].mean(dim=1, keepdim=True)  # (splits, photos, directions)

def accuracy(w, rows):  # (splits, rates)
    return ((centred[split, rows] @ w > 0) == y[rows, None].bool()).float().mean(dim=1)

# %%
w = torch.zeros(100, x.shape[1], len(many_rates))
on_choose, on_fresh = [], []
for _ in range(25):
    for rows in train.split(32, dim=1):
        seen = centred[split, rows]
        surplus = torch.sigmoid(seen @ w) - y[rows, None]
        w -= many_rates * (seen.mT @ surplus) / rows.shape[1]
    on_choose.append(accuracy(w, choose))
    on_fresh.append(accuracy(w, fresh))
on_choose, on_fresh = torch.stack(on_choose, dim=1), torch.stack(on_fresh, dim=1)
on_choose.shape  # splits, epochs, learning rates

# %% [markdown]
# > **Predict.** Choose the best of the 150 by 76 photos, then test it on the 77 others. How many
# > percentage points does it lose, on average?

# %%
def choose_best(mine, other):
    mine, other = mine.flatten(1), other.flatten(1)
    top = (mine == mine.amax(dim=1, keepdim=True)).float()  # many tie
    return mine.amax(dim=1), (other * top).sum(dim=1) / top.sum(dim=1)

def lost(mine, other):
    told, true = choose_best(mine, other)
    gap = told - true
    return (f"reported {told.mean():.3f}, on fresh photos {true.mean():.3f}, too high by "
            f"{gap.mean():+.3f} ± {1.96 * gap.std() / len(gap)**0.5:.3f}")

# %%
last, middle = slice(24, 25), slice(2, 3)
print("nothing chosen:     ", lost(on_choose[:, last, middle], on_fresh[:, last, middle]))
print("best epoch:         ", lost(on_choose[:, :, middle], on_fresh[:, :, middle]))
print("best epoch and rate:", lost(on_choose, on_fresh))

# %% [markdown]
# The first line is the control: nothing was chosen, nothing is lost. Choosing raises what is
# *reported*; on fresh photos the chosen heads are no better. (The band is for splits of these 397
# photos; nothing is claimed of others.)
#
# > **Predict.** How does the loss grow with the number of candidates: steadily, or steeply at first
# > and then slowly?

# %%
def best_of(k, draws=60):
    draw = torch.Generator().manual_seed(0)
    mine, other = on_choose.flatten(1), on_fresh.flatten(1)
    some = [torch.randperm(mine.shape[1], generator=draw)[:k] for _ in range(draws)]
    pairs = [choose_best(mine[:, few], other[:, few]) for few in some]
    return [torch.stack(values).mean(dim=0) for values in zip(*pairs, strict=True)]

# %%
counts = [1, 2, 4, 8, 16, 32, 75, 150]
curves = torch.stack([torch.stack(best_of(k)) for k in counts])  # counts, 2, splits
fig, ax = plt.subplots()
for values, name, marker, color in zip(curves.unbind(dim=1), ["on the photos that chose", "fresh"],
                                       "os", ["#D55E00", "#0072B2"], strict=True):
    mean, half = values.mean(dim=1), 1.96 * values.std(dim=1) / 10
    ax.plot(counts, mean, marker=marker, color=color, label=name)
    ax.fill_between(counts, mean - half, mean + half, color=color, alpha=0.2)
ax.set(xscale="log", xlabel="candidates to choose from", ylabel="accuracy of the chosen head")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.legend()
plots.show(fig, "Accuracy of the chosen head against the number of candidates, mean and 95 % band "
                "over 100 splits. On the photos that chose it rises, on fresh photos it does not.")

# %% [markdown]
# Each doubling adds a little less: steep at first, then slow. The gap is the *optimism* of
# choosing: one to two percentage points here, with candidates that are nearly equal. That is as
# much as separates most of the pretrained rows of section 6 from their neighbours. The cure costs
# nothing but photos: choose on some, report on others, once.
#
# And our own rows? The last recipe was chosen by cross-validation among the training photos, but we
# had seen what the 153 say of two earlier ones. Some optimism may be in that row.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10. Exercises
#
# Put your answer in place of each `...`. Stuck? `ex.q1.hint()`, again for a stronger hint, then
# `ex.q1.solution()`.
#
# **Exercise 6.1, predict a number.** A new head for ants and bees on EfficientNet-Lite0: how many
# numbers are trained?

# %% tags=["exercise"]
numbers = ...
ex.q1.check(numbers)

# %% [markdown]
# **Exercise 6.2, write code.** Undo the normalisation of one picture of shape `(3, H, W)`, so that
# it can be shown. `mean` and `std` are tuples of three.

# %% tags=["exercise"]
def undo(picture, mean, std):
    ...

ex.q2.check(undo)

# %% [markdown]
# **Exercise 6.3, write code.** *Discriminative learning rates*: the last of `n_blocks` blocks gets
# `lr`, and each block before it `decay` times the rate of the block after it. Return all rates,
# first block first.

# %% tags=["exercise"]
def learning_rates(n_blocks, lr, decay):
    ...

ex.q3.check(learning_rates)

# %% [markdown]
# **Exercise 6.4, find the bug.** To test a loop, somebody fine-tunes with a learning rate of 0 for
# all parameters. Nothing should change. Yet the validation loss differs from epoch to epoch. Which
# is it: `"dropout"`, `"augmentation"`, `"learning rate"`, `"batch norm"`, `"shuffling"` or
# `"overfitting"`?

# %% tags=["exercise"]
cause = ...
ex.q4.check(cause)

# %% [markdown]
# **Exercise 6.5, predict a number.** A model is right on 95 % of all photos. Its accuracy is
# measured on 153 of them. The standard error of that measurement?

# %% tags=["exercise"]
standard_error = ...
ex.q5.check(standard_error)

# %% [markdown]
# **Exercise 6.6, predict a number.** Post A's loss is `0.25 * focal_loss`, its optimiser SGD with
# momentum and learning rate 0.001. You drop the 0.25. Which learning rate trains the same network?

# %% tags=["exercise"]
lr = ...
ex.q6.check(lr)

# %% [markdown]
# **Exercise 6.7, write code.** Accuracies of several candidates in several splits, `a` on the
# photos to choose by and `b` on fresh ones, each `(splits, candidates)`. How much too high, on
# average, is the reported accuracy of the best?

# %% tags=["exercise"]
def optimism(a, b):
    ...

ex.q7.check(optimism)

# %% [markdown]
# **To try, without a checker.** Your rates of 6.3, one a block, in place of two speeds. What stands
# before the first block and after the last, `_conv_stem` and `_conv_head`, rests, for the optimiser
# does not hold it. Predict first: will the 153 validation pictures (yours may be drawn) show a
# difference? Count pairs.

# %%
def block_speeds(net, rates, head_lr=5e-4):
    groups = [{"params": block.parameters(), "lr": rate}
              for block, rate in zip(net.model._blocks, rates, strict=True)]
    return torch.optim.AdamW([*groups, {"params": net.head.parameters(), "lr": head_lr}])

# %% [markdown]
# ```python
# net = with_old_rows()
# train_all_layers(net, block_speeds(net, learning_rates(16, 5e-5, 0.8)), seed=0)
# net.model.load_state_dict(halfway(first, net.model.state_dict()), strict=False)
# theirs = predict(net.model, val_loader).logits.argmax(dim=1) == target
# sign_test(theirs, correct["all layers, fine-tuned"])
# ```
#
# A rate of 0 freezes a block. So *gradual unfreezing*, the head alone, then also the last blocks,
# then all, is the same call with fewer zeros in front each time.

# %% [markdown]
# ## What to remember
#
# - A pretrained network is a feature extractor and a head; a new head costs seconds.
# - Before you compare "before" and "after", ask both the same question.
# - Fine-tune gently: a trained head first, small steps for the backbone, BatchNorm held.
# - On this balanced set we saw no gain over cross entropy; a scalar alpha is a learning rate to
#   SGD.
# - Report on photos that chose nothing, with an interval: 153 photos leave seven points open.
# - Compare two models photo by photo: only the pairs that differ tell them apart.
#
# **Next.** Here every class had its share. What if one in 579 is a fraud, and accuracy says nothing
# at all? Notebook `07_credit_card_imbalance`.

# %% [markdown]
# **References.** Post A: a Korean blog post of 2024 on fine-tuning a ResNet with focal loss, with
# seventeen claims and cautions (notebook 08 tests them). Post C: a Korean blog post on transfer
# learning and fine-tuning with a ResNet-50 on these photos. M. Wortsman and others, "Robust
# Fine-Tuning of Zero-Shot Models", *CVPR* 2022. M. Tan and Q. Le, "EfficientNet: Rethinking Model
# Scaling for Convolutional Neural Networks", *ICML* 2019. R. Liu, "Higher Accuracy on Vision Models
# with EfficientNet-Lite", *TensorFlow Blog* 2020, for the variant used here. A. Kumar, A.
# Raghunathan, R. Jones, T. Ma and P. Liang, "Fine-Tuning can Distort Pretrained Features and
# Underperform Out-of-Distribution", *ICLR* 2022. J. Howard and S. Ruder, "Universal Language Model
# Fine-tuning for Text Classification", *ACL* 2018, for discriminative learning rates and gradual
# unfreezing. H. Touvron, A. Vedaldi, M. Douze and H. Jégou, "Fixing the Train-Test Resolution
# Discrepancy", *NeurIPS* 2019. C. Nadeau and Y. Bengio, "Inference for the Generalization Error",
# *Machine Learning* 52 (2003). E. B. Wilson, "Probable Inference, the Law of Succession, and
# Statistical Inference", *Journal of the American Statistical Association* 22 (1927). S.
# Chilamkurthy, "Transfer Learning for Computer Vision Tutorial", PyTorch tutorials, for the photos.
