"""Many networks at once against each of them trained alone by ``fit``."""

import itertools
import os
from functools import partial

import joblib
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score
from torch import nn

from course_utils import runtime, sweeps
from course_utils.losses import (
    FocalLoss,
    focal_loss,
    label_smoothing_cross_entropy,
    sigmoid_focal_loss,
    soft_f1_loss,
)
from course_utils.sweeps import train_many
from course_utils.training import TensorLoader, evaluate, fit

bce = F.binary_cross_entropy_with_logits
ONE_LOGIT = {"BCE": bce, "weighted": partial(bce, pos_weight=torch.tensor(5.0)),
             "focal": partial(sigmoid_focal_loss, gamma=2.0), "soft F1": soft_f1_loss}
TWO_LOGITS = {"CE": F.cross_entropy, "focal": FocalLoss(gamma=0.5),
              "weighted": partial(focal_loss, weight=torch.tensor([0.2, 0.8])),
              "smoothing": partial(label_smoothing_cross_entropy, spread="others"),
              "soft F1": soft_f1_loss}
EACH = {"BCE": partial(bce, reduction="none"),
        "focal": partial(sigmoid_focal_loss, gamma=2.0, reduction="none")}


@pytest.fixture(scope="module")
def table():
    """Inputs, 0/1 targets and weights; 330 rows, which 32 does not divide."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(330, 4, generator=rng)
    y = (x[:, 0] + 0.5 * torch.randn(330, generator=rng) > 0.8).float()
    return x, y, 0.5 + torch.rand(330, generator=rng)


def network(outputs=1):
    last = [nn.Flatten(0)] if outputs == 1 else []
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, outputs), *last)


def train_alone(make_model, loss_fn, train, seed, *, epochs=3, lr=1e-2, val=None,
                optimizer=torch.optim.Adam):
    torch.manual_seed(seed)
    model = make_model()
    shuffle = torch.Generator().manual_seed(seed)
    history = fit(model, TensorLoader(*train, batch_size=32, shuffle=True, generator=shuffle),
                  None if val is None else TensorLoader(*val, batch_size=32), loss_fn=loss_fn,
                  optimizer=optimizer(model.parameters(), lr=lr), epochs=epochs, device="cpu",
                  progress=False)
    return model.eval(), history


def assert_each_as_if_alone(sweep, losses, make_model, train, test, **how):
    assert len(sweep.members) > 0
    for member, logits in zip(sweep.members.itertuples(), sweep.logits["test"], strict=True):
        alone, _ = train_alone(make_model, losses[member.loss], train, member.seed, lr=member.lr,
                               **how)
        with torch.no_grad():
            torch.testing.assert_close(logits, alone(test), rtol=1e-4, atol=1e-5)


many = partial(train_many, seeds=[7, 0, 3], epochs=3, batch_size=32, lr=1e-2, progress=False)


def test_each_network_is_as_if_trained_alone(table):
    x, y, _ = table
    sweep = many(network, ONE_LOGIT, (x, y), parts={"test": (x[:50], y[:50])})
    assert_each_as_if_alone(sweep, ONE_LOGIT, network, (x, y), x[:50])


def test_so_with_two_logits_and_integer_targets(table):
    x, y, _ = table
    make = partial(network, 2)
    sweep = many(make, TWO_LOGITS, (x, y.long()), parts={"test": (x[:50], y[:50].long())})
    assert sweep.logits["test"].shape == (15, 50, 2)
    assert_each_as_if_alone(sweep, TWO_LOGITS, make, (x, y.long()), x[:50])


def test_so_with_a_loss_that_changes_its_own_tensors_in_place(table):
    def doubled(logits, target):
        twice = logits * 1.0
        twice.mul_(2).sub_(1)  # nobody takes the result
        part = twice[:]
        return bce(part.view(-1), target).add_(1)

    x, y, _ = table
    sweep = many(network, {"doubled": doubled}, (x, y), parts={"test": (x[:50], y[:50])})
    assert_each_as_if_alone(sweep, {"doubled": doubled}, network, (x, y), x[:50])


def test_so_with_a_loss_that_makes_a_constant_and_changes_it(table):
    def tripled(logits, target):
        factor = torch.tensor([1.5])
        factor.mul_(2)
        return (bce(logits, target, reduction="none") * factor).mean()

    x, y, _ = table
    sweep = many(network, {"tripled": tripled}, (x, y), parts={"test": (x[:50], y[:50])})
    assert_each_as_if_alone(sweep, {"tripled": tripled}, network, (x, y), x[:50])


class RandomFeatures(nn.Module):
    """A buffer drawn at random, which is not even part of the state dict."""

    def __init__(self):
        super().__init__()
        self.register_buffer("directions", torch.randn(4, 8), persistent=False)
        self.last = nn.Linear(8, 1)

    def forward(self, x):
        return self.last((x @ self.directions).cos()).flatten(0)


def test_so_with_buffers_of_their_own(table):
    x, y, _ = table
    sweep = many(RandomFeatures, {"BCE": bce}, (x, y), parts={"test": (x[:50], y[:50])})
    assert_each_as_if_alone(sweep, {"BCE": bce}, RandomFeatures, (x, y), x[:50])
    for seed, logits in zip(sweep.members["seed"], sweep.logits["test"], strict=True):
        with torch.no_grad():
            torch.testing.assert_close(sweep.model("BCE", seed)(x[:50]), logits)


def shared_prelu():
    prelu = nn.PReLU()
    return nn.Sequential(nn.Linear(4, 6), prelu, nn.Linear(6, 6), prelu, nn.Linear(6, 1),
                         nn.Flatten(0))


def shared_layer():
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0))


def shared_weight():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0))


def shared_buffer():
    features = RandomFeatures()
    features.register_buffer("again", features.directions)
    return features


@pytest.mark.parametrize("make", [shared_prelu, shared_layer, shared_weight, shared_buffer])
def test_so_with_a_layer_or_a_tensor_that_occurs_twice(table, make):
    x, y, _ = table
    part = (x[:50], y[:50])
    sweep = many(make, {"BCE": bce}, (x, y), parts={"test": part}, keep_best="test")
    for number, seed in enumerate(sweep.members["seed"]):
        alone, _ = train_alone(make, bce, (x, y), seed, val=part)
        with torch.no_grad():
            for logits in (sweep.logits["test"][number], sweep.model("BCE", seed)(x[:50])):
                torch.testing.assert_close(logits, alone(x[:50]), rtol=1e-4, atol=1e-5)


def in_order(tensor):
    return tensor.clone(memory_format=torch.contiguous_format)


def reads_an_operand_again(a, b):
    product = a.bmm(b)
    return product.relu() + product, torch.add(product, b.bmm(a), alpha=3)


def adds_what_lies_otherwise(a, b):
    return a + a.bmm(b).transpose(1, 2).relu(), a[:, :1].bmm(b) + b, a.bmm(b).double() + a.bmm(b)


def copies_a_transposed_product(a, b):
    return in_order(a.bmm(b).transpose(1, 2)) + 1, in_order(a.bmm(b).transpose(0, 1)) + 1


def copies_one_that_is_read_again(a, b):
    product = a.bmm(b)
    turned = product.transpose(1, 2)
    return in_order(turned), turned.relu() + a


def changes_it_before_or_after(a, b):
    factor, product, other = a + 1, a.bmm(b), b.bmm(a)
    turned = [factor.bmm(b).transpose(1, 2), product.transpose(1, 2), other.transpose(1, 2)]
    factor.mul_(2)
    product.view(-1).mul_(3)
    copied = [in_order(t) for t in turned]
    other.mul_(5)
    return *copied, turned[2] + 1


def holds_a_weight(a, b, weight=nn.Parameter(torch.tensor(2.0))):  # noqa: B008
    return (a.bmm(b) + weight).relu(),


@pytest.mark.parametrize("function", [
    reads_an_operand_again, adds_what_lies_otherwise, copies_a_transposed_product,
    copies_one_that_is_read_again, changes_it_before_or_after, holds_a_weight])
def test_a_recorded_function_gives_the_same_numbers_and_leaves_its_arguments(function):
    rng = torch.Generator().manual_seed(0)
    once, *others = torch.randn(3, 2, 5, 4, 4, generator=rng)
    recorded = sweeps._record(function, *once[:2])
    for a, b, *_ in (once, *others):
        before = a.clone(), b.clone()
        for result, expected in zip(recorded(a, b), function(a, b), strict=True):
            torch.testing.assert_close(result, expected)
            assert result.stride() == expected.stride()
        assert torch.equal(a, before[0])
        assert torch.equal(b, before[1])


def test_numbers_and_samples_may_come_from_numpy_and_in_lists(table):
    x, y, _ = table
    one = many(network, {"BCE": bce}, [x, y], parts={"test": [x, y]}, seeds=np.arange(2),
               lr=np.array([1e-2, 1e-3]), epochs=np.int64(1))
    other = many(network, {"BCE": bce}, (x, y), parts={"test": (x, y)}, seeds=[0, 1],
                 lr=[1e-2, 1e-3], epochs=1)
    assert one.members.equals(other.members)
    assert torch.equal(one.logits["test"], other.logits["test"])
    rate = many(network, {"BCE": bce}, (x, y), lr=np.float32(0.5), epochs=1).members["lr"]
    assert rate.tolist() == [0.5] * 3


def test_the_bar_advances_with_every_batch(table, monkeypatch):
    x, y, _ = table
    bars, update = set(), runtime.Progress.update
    monkeypatch.setattr(runtime.Progress, "update",
                        lambda bar, n=1, note=None: bars.add(bar) or update(bar, n, note))
    many(network, ONE_LOGIT, (x, y), members_at_once=5)
    (bar,) = bars
    assert bar.n == bar.total == 3 * 3 * 11  # three chunks of three epochs of 11 batches


def test_so_with_training_samples_of_its_own_for_each_seed(table):
    x, y, _ = table
    own = {seed: (x[seed:300 + seed] + seed, y[seed:300 + seed]) for seed in [0, 7, 3]}
    sweep = many(network, ONE_LOGIT, own, parts={"test": (x[:50], y[:50])}, members_at_once=5)
    for seed, train in own.items():
        for name, loss in ONE_LOGIT.items():
            alone, _ = train_alone(network, loss, train, seed)
            with torch.no_grad():
                torch.testing.assert_close(sweep.model(name, seed)(x[:50]), alone(x[:50]),
                                           rtol=1e-4, atol=1e-5)


def test_samples_that_a_seed_lacks_are_named(table):
    x, y, _ = table
    with pytest.raises(ValueError, match="no samples for seed 7; it holds some for 0, 3"):
        many(network, ONE_LOGIT, {0: (x, y), 3: (x, y)})
    with pytest.raises(ValueError, match=r"train\[3\] has shapes .*320.* as many samples"):
        many(network, ONE_LOGIT, {7: (x, y), 0: (x, y), 3: (x[:320], y[:320])})


def test_so_with_weights_on_the_samples(table):
    x = table[0]
    sweep = many(network, EACH, table, parts={"test": (x, table[1])})
    assert_each_as_if_alone(sweep, EACH, network, table, x)
    unweighted = many(network, EACH, table[:2], parts={"test": (x, table[1])})
    assert (unweighted.logits["test"] - sweep.logits["test"]).abs().max() > 0.01


@pytest.mark.parametrize("optimizer", [
    partial(torch.optim.SGD, momentum=0.9), partial(torch.optim.AdamW, weight_decay=0.1),
    partial(torch.optim.Adam, fused=True), torch.optim.RMSprop])
def test_so_with_other_optimizers_and_a_grid_of_learning_rates(table, optimizer):
    x, y, _ = table
    losses = {name: ONE_LOGIT[name] for name in ("BCE", "soft F1")}
    sweep = many(network, losses, (x, y), parts={"test": (x[:50], y[:50])}, lr=[1e-2, 1e-3],
                 seeds=[0, 1], optimizer=optimizer)
    assert len(sweep.members) == 8
    assert_each_as_if_alone(sweep, losses, network, (x, y), x[:50], optimizer=optimizer)


def test_the_best_epoch_kept_is_the_one_that_fit_keeps(table):
    x, y, _ = table
    train, val = (x[:60], y[:60]), (x[60:], y[60:])
    sweep = many(network, ONE_LOGIT, train, parts={"test": val}, keep_best="test", lr=0.3,
                 epochs=8, seeds=range(4))
    epochs = []
    for member in sweep.members.itertuples():
        alone, history = train_alone(network, ONE_LOGIT[member.loss], train, member.seed, lr=0.3,
                                     epochs=8, val=val)
        assert member.best_epoch == history.best_epoch
        epochs.append(member.best_epoch)
        ours = sweep.model(member.loss, member.seed)
        torch.testing.assert_close(ours.state_dict(), alone.state_dict(), rtol=1e-3, atol=1e-4)
        both = sweep.history.query(f"loss == {member.loss!r} and seed == {member.seed}")
        np.testing.assert_allclose(both["train_loss"], history.frame["train_loss"], rtol=1e-3)
        np.testing.assert_allclose(both["test_loss"], history.frame["val_loss"], rtol=1e-3)
    assert len(set(epochs)) > 2  # else this shows little


@pytest.mark.parametrize("members_at_once", [1, 5, 12])
def test_chunks_do_not_change_the_result(table, members_at_once):
    x, y, _ = table
    one, other = (many(network, ONE_LOGIT, (x, y), parts={"test": (x, y)}, lr=[1e-2, 1e-3],
                       members_at_once=n) for n in (members_at_once, 24))
    assert one.members.equals(other.members)
    torch.testing.assert_close(one.logits["test"], other.logits["test"], rtol=1e-4, atol=1e-5)


def test_members_come_by_loss_then_rate_then_seed(table):
    x, y, _ = table
    losses = {name: ONE_LOGIT[name] for name in ("focal", "BCE")}
    members = many(network, losses, (x, y), lr=[1e-2, 1e-3], seeds=[5, 2], epochs=1).members
    assert members[["loss", "lr", "seed"]].values.tolist() == [
        [loss, lr, seed] for loss in ("focal", "BCE") for lr in (1e-2, 1e-3) for seed in (5, 2)]


def test_the_frame_holds_what_evaluate_says(table):
    x, y, weight = table
    part = (x[:100], y[:100], weight[:100])
    metrics = {"AP": lambda seen: average_precision_score(seen.target, seen.prob),
               "accuracy": lambda seen: seen.accuracy}
    sweep = many(network, EACH, (x, y), parts={"all": (x, y), "some": part}, metrics=metrics)
    values = sweep.frame.set_index(["loss", "seed", "part", "metric"])["value"].sort_index()
    assert len(values) == 6 * 2 * 3
    for number, member in enumerate(sweep.members.itertuples()):
        model = sweep.model(member.loss, member.seed)
        seen = evaluate(model, TensorLoader(*part, batch_size=100), EACH[member.loss])
        told = values[member.loss, member.seed, "some"]
        assert told["loss"] == pytest.approx(seen.loss, rel=1e-4)
        assert told["accuracy"] == pytest.approx(seen.accuracy, rel=1e-4)
        assert told["AP"] == pytest.approx(average_precision_score(y[:100], seen.prob), rel=1e-4)
        torch.testing.assert_close(sweep.prob("some")[number], seen.prob, rtol=1e-4, atol=1e-5)


def test_a_network_that_diverges_is_named_and_harms_no_other(table):
    x, y, _ = table
    with pytest.warns(RuntimeWarning, match=r"inf or nan.*\('BCE', 1e\+30, 0\)"):
        sweep = many(network, {"BCE": bce}, (x, y), parts={"test": (x, y)}, seeds=[0],
                     lr=[1e30, 1e-2], optimizer=torch.optim.SGD,
                     metrics={"accuracy": lambda seen: seen.accuracy})
    calm = many(network, {"BCE": bce}, (x, y), parts={"test": (x, y)}, seeds=[0], lr=1e-2,
                optimizer=torch.optim.SGD)
    torch.testing.assert_close(sweep.logits["test"][1], calm.logits["test"][0])
    accuracy = sweep.frame.query("metric == 'accuracy'")["value"].to_numpy()
    assert np.isnan(accuracy).tolist() == [True, False]


@pytest.mark.filterwarnings("ignore:.*inf or nan", "ignore:.*nan or infinite")
def test_a_network_that_diverges_later_ends_where_fit_ends(table):
    def squared(logits, target):
        return ((logits - target) ** 2).mean()

    def linear():
        return nn.Sequential(nn.Linear(4, 1), nn.Flatten(0))

    x, y, _ = table
    how = {"epochs": 20, "lr": 1.2, "optimizer": torch.optim.SGD}
    sweep = many(linear, {"squared": squared}, (x, y), parts={"test": (x[:50], y[:50])},
                 seeds=[0, 1, 2, 3], **how)
    last = sweep.history.groupby("seed")["epoch"].max()
    assert last.between(2, 29).any()  # else this shows nothing
    assert sweep.members["best_epoch"].tolist() == last.tolist()
    for seed in [0, 1, 2, 3]:
        alone, history = train_alone(linear, squared, (x, y), seed, **how)
        assert len(history.rows) == last[seed]
        ours = sweep.model("squared", seed).state_dict()
        torch.testing.assert_close(ours, alone.state_dict(), rtol=1e-3, atol=1e-4)


def test_weights_that_became_infinite_in_the_last_epoch_have_diverged(table):
    x, y, _ = table
    with pytest.warns(RuntimeWarning, match="a weight became inf or nan"):
        many(network, {"huge": lambda z, t: (z - 1e4 * t).square().mean()}, (x, y), seeds=[0],
             epochs=1, batch_size=330, lr=1e38, optimizer=torch.optim.SGD)


def test_an_interrupt_returns_the_chunks_that_are_finished(table, monkeypatch):
    x, y, _ = table
    update, calls = runtime.Progress.update, []

    def press_stop(bar, n=1, note=None):
        calls.append(n)
        if len(calls) == 34:  # in the second chunk of three epochs of 11 batches
            raise KeyboardInterrupt
        update(bar, n, note)

    monkeypatch.setattr(runtime.Progress, "update", press_stop)
    with pytest.warns(RuntimeWarning, match="interrupted: 2 of 6 networks"):
        sweep = many(network, {"BCE": bce, "focal": ONE_LOGIT["focal"]}, (x, y),
                     parts={"test": (x, y)}, members_at_once=2)
    assert sweep.members["seed"].tolist() == [7, 7]
    assert len(sweep.logits["test"]) == 2
    calls[:] = 33 * [0]
    with pytest.raises(KeyboardInterrupt):  # nothing to return
        many(network, {"BCE": bce}, (x, y))


def test_an_exception_carries_the_networks_that_are_finished(table):
    x, y, _ = table
    values = iter([10, 5, 0])
    with pytest.raises(ZeroDivisionError) as caught:
        many(network, {"BCE": bce}, (x, y), parts={"test": (x, y)}, members_at_once=1,
             metrics={"f1": lambda seen: 1 / next(values)}, epochs=1)
    sweep = caught.value.sweep
    assert sweep.members["seed"].tolist() == [7, 0]
    assert sweep.frame.query("metric == 'f1'")["value"].tolist() == [0.1, 0.2]
    with pytest.raises(ValueError, match=r"metrics\['f1'\] gives a list"):
        many(network, {"BCE": bce}, (x, y), parts={"test": (x, y)}, metrics={"f1": lambda s: [1]},
             epochs=1)


def test_the_global_random_state_is_left_alone(table):
    x, y, _ = table
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    many(network, {"BCE": bce}, (x, y), epochs=1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_two_processes_give_what_one_gives(table, backend):
    """With lambdas, which plain pickle cannot send."""
    x, y, _ = table
    losses = {"BCE": lambda logits, target: bce(logits, target), "soft F1": soft_f1_loss}
    sweep = partial(many, lambda: network(), losses, (x, y), parts={"test": (x, y)}, epochs=2,
                    members_at_once=2, metrics={"accuracy": lambda seen: seen.accuracy,
                                                "process": lambda seen: os.getpid()})
    here = sweep()
    if backend == "loky":
        there = sweep(n_jobs=2)
    else:
        with two_dask_workers(), joblib.parallel_config("dask"):
            there = sweep()
    assert there.members.equals(here.members)
    assert os.getpid() not in there.frame.query("metric == 'process'")["value"].tolist()
    values, expected = (s.frame.query("metric != 'process'")["value"] for s in (there, here))
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(there.logits["test"], here.logits["test"], rtol=1e-4, atol=1e-5)


def two_dask_workers():
    distributed = pytest.importorskip("distributed")
    return distributed.Client(n_workers=2, threads_per_worker=1, processes=True,
                              dashboard_address=None, host="127.0.0.1")


def masked(logits, target):
    return bce(logits[target == 1], target[target == 1])


class Annealed:
    calls = 0

    def __call__(self, logits, target):
        self.calls += 1
        return bce(logits, target) * min(1, self.calls / 6)


class ScaledByTheNorm(torch.optim.SGD):
    """Divides the gradient of each parameter by its length."""

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = p.grad / p.grad.norm()
        super().step()


class UnregisteredFeatures(RandomFeatures):
    def __init__(self):
        super().__init__()
        directions = self._buffers.pop("directions")
        self.directions = directions


def widths(width=itertools.count(3)):  # noqa: B008
    hidden = next(width)
    return nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Flatten(0))


@pytest.mark.parametrize(("change", "message"), [
    ({"losses": {"masked": masked}}, "'masked' cannot"),
    ({"losses": {"annealed": Annealed()}}, "'annealed' gives .* and then .* for the same batch"),
    ({"make_model": UnregisteredFeatures, "seeds": [0, 1]}, "differ in more than parameters"),
    ({"make_model": widths, "seeds": [0, 1]}, "make_model must give one architecture"),
    ({"make_model": partial(lambda one: one, network()), "seeds": [0, 1]}, "same network twice"),
    ({"make_model": lambda: nn.Sequential(network(), nn.Dropout()).eval()}, "dropout"),
    ({"train": (torch.zeros(3, 4).double(), torch.zeros(3))}, "inputs of train, .*float64"),
    ({"train": (np.zeros((3, 4)), np.zeros(3))}, "train holds ndarray, ndarray; give a tuple"),
    ({"parts": {"a": [torch.zeros(3, 4)]}}, r"a holds tensors of \[3\] samples; give inputs, t"),
    ({"parts": {"a": {"x": torch.zeros(3, 4)}}}, "a holds NoneType.*; give a tuple of tensors"),
    ({"parts": (torch.zeros(3, 4), torch.zeros(3))}, "parts is a tuple; give a dict, from names"),
    ({"losses": bce}, "losses is a .*function.*; give a dict, from names to functions"),
    ({"metrics": [float]}, "metrics is a list; give a dict"),
    ({"make_model": network()}, "make_model is a Sequential; give a function"),
    ({"optimizer": torch.optim.SGD(network().parameters(), lr=0.1)}, "optimizer is a SGD; give"),
    ({"optimizer": torch.optim.Adafactor}, "looks across the weights"),
    ({"optimizer": torch.optim.LBFGS}, "cannot train networks side by side.*closure"),
    ({"optimizer": ScaledByTheNorm}, "looks across the weights"),
    ({"seeds": 3}, r"seeds is 3; give several whole numbers, such as range\(3\)"),
    ({"seeds": [0.5]}, r"seeds is \[0\.5\]"),
    ({"lr": "fast"}, "lr is 'fast'"),
    ({"epochs": 2.5}, r"epochs is 2\.5; it must be a whole number"),
    ({"train": (torch.zeros(3, 4), torch.zeros(3), -torch.ones(3))}, r"a weight of -1\.0"),
    ({"train": (torch.zeros(3, 4), torch.zeros(3).long())}, r"targets are torch\.int64.*float32"),
    ({"metrics": {"loss": float}}, "none of them may be named loss"),
    ({"metrics": {"AP": float}, "parts": None}, "need parts"),
    ({"parts": {"train": (torch.zeros(3, 4), torch.zeros(3))}, "keep_best": "train"}, "another"),
    ({"seeds": []}, r"seeds is \[\]"),
    ({"seeds": [1, 1]}, "none of them twice"),
    ({"losses": {}}, "losses is"),
    ({"lr": []}, "lr is"),
    ({"epochs": 0}, "epochs is 0"),
    ({"batch_size": 0}, "batch_size is 0"),
    ({"members_at_once": 0}, "members_at_once is 0"),
    ({"keep_best": "val"}, "keep_best is 'val'; the parts are test"),
    ({"train": (torch.zeros(3, 4), torch.zeros(2))}, r"train holds tensors of \[3, 2\]"),
    ({"make_model": lambda: nn.Sequential(network(), nn.Dropout())}, "dropout"),
    ({"make_model": lambda: nn.Sequential(nn.BatchNorm1d(4), network())}, "batch norm"),
    ({"make_model": lambda: network().requires_grad_(False)}, "frozen"),
    ({"losses": {"peeks": lambda x, y: x.mean() * x.max().item()}}, "'peeks' cannot"),
    ({"train": (torch.zeros(3, 4), torch.zeros(3), torch.ones(3))}, 'reduction="none"'),
    ({"parts": {"a": (torch.zeros(3, 4), torch.zeros(3), torch.ones(3))}}, 'reduction="none"'),
])
def test_what_cannot_be_done_is_refused_before_training(table, change, message):
    x, y, _ = table
    how = {"make_model": network, "losses": {"BCE": bce}, "train": (x, y), "seeds": [0],
           "epochs": 1, "parts": {"test": (x, y)}, "progress": False} | change
    with pytest.raises(ValueError, match=message):
        train_many(**how)


def test_networks_answer_further_samples_in_the_order_of_their_members(table):
    x, y, _ = table
    sweep = many(network, ONE_LOGIT, (x, y), parts={"test": (x[:50], y[:50])}, lr=[1e-2, 1e-3])
    torch.testing.assert_close(sweep.logits_on(x[:50]), sweep.logits["test"])
    assert not sweep.logits_on(x[:50]).requires_grad


def test_a_model_that_is_not_there_is_not_invented(table):
    x, y, _ = table
    sweep = many(network, {"BCE": bce}, (x, y), lr=[1e-2, 1e-3], epochs=1)
    with pytest.raises(KeyError, match="2 networks have loss 'BCE'"):
        sweep.model("BCE", 0)
    with pytest.raises(KeyError, match="0 networks have loss 'CE'"):
        sweep.model("CE", 0, lr=1e-2)
    assert not sweep.model("BCE", 0, lr=1e-2).training


def test_the_rows_predicted_at_once_fit_into_memory():
    seen = []

    class Wide(nn.Linear):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x).relu().mean(dim=1)

    stack = sweeps._Stack([Wide(4, 2**14) for _ in range(8)], torch.device("cpu"))
    assert stack.predict(torch.zeros(2000, 4)).shape == (8, 2000)
    assert 8 * max(seen[1:]) * 2**14 * 4 <= 2**27  # the first was a trial, of 128 rows


def test_bigger_networks_are_trained_fewer_at_once(table):
    sizes = []
    for width in (8, 512):
        job = sweeps._Job({"BCE": bce}, table[:2], {0: 0}, 330, {}, 1, 128, torch.optim.Adam, {},
                          None, torch.device("cpu"))
        sizes.append(job.members_that_fit(nn.Sequential(
            nn.Linear(4, width), nn.ReLU(), nn.Linear(width, width), nn.Linear(width, 1))))
    assert sizes[0] > 200 > 50 > sizes[1] >= 1
