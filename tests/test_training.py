"""The loop trains what it says, counts samples and not batches, and loses nothing on the way."""

import copy
import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, log_loss
from torch import nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from course_utils.losses import FocalLoss, soft_f1_loss
from course_utils.training import TensorLoader, evaluate, fit, predict

CPU = torch.device("cpu")


@pytest.fixture
def rows():
    """103 samples in two dimensions, a little overlapping: 103 leaves a small last batch of 7."""
    rng = torch.Generator().manual_seed(0)
    y = torch.randint(2, (103,), generator=rng)
    return torch.randn(103, 2, generator=rng) + 1.5 * y[:, None], y


def network(seed=0, outputs=2):
    torch.manual_seed(seed)
    layers = [nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, outputs)]
    return nn.Sequential(*layers, *([nn.Flatten(0)] if outputs == 1 else []))


def trained(rows, *, model=None, epochs=3, loss_fn=F.cross_entropy, lr=0.1, **options):
    model = model or network()
    train = options.pop("train_loader", None) or TensorLoader(
        *rows, batch_size=32, shuffle=True, generator=torch.Generator().manual_seed(1))
    val = TensorLoader(*rows, batch_size=32)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    options = dict(val_loader=val, loss_fn=loss_fn, optimizer=optimizer, epochs=epochs,
                   device="cpu", progress=False) | options
    return model, fit(model, train, options.pop("val_loader"), **options)


def test_fit_is_the_loop_one_writes_by_hand(rows):
    x, y = rows
    by_hand = network()
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.1)
    rng = torch.Generator().manual_seed(1)
    for _ in range(5):
        for batch in torch.randperm(103, generator=rng).split(32):
            optimizer.zero_grad()
            F.cross_entropy(by_hand(x[batch]), y[batch]).backward()
            optimizer.step()
        scheduler.step()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.1)
    _, history = trained(rows, model=model, optimizer=optimizer, scheduler=scheduler, epochs=5,
                         val_loader=None)
    for ours, hand in zip(model.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(ours, hand)
    assert history.frame.lr.tolist() == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001])


def test_evaluation_is_over_all_samples_whatever_the_batches(rows):
    model = network()
    x, y = rows
    with torch.no_grad():
        logits = model(x)
    for size in (1, 32, 103):
        seen = evaluate(model, TensorLoader(x, y, batch_size=size), F.cross_entropy)
        assert seen.loss == pytest.approx(log_loss(y, logits.double().softmax(1)), rel=1e-6)
        assert seen.accuracy == pytest.approx(accuracy_score(y, logits.argmax(1)))
        torch.testing.assert_close(seen.prob, logits.double().softmax(1))


def test_training_columns_are_sample_weighted_means(rows):
    """With a learning rate of zero the epoch's mean must be that of the whole data set."""
    model, history = trained(rows, epochs=1, lr=0.0)
    whole = evaluate(model, [rows], F.cross_entropy)
    assert history.frame.train_loss[1] == pytest.approx(whole.loss, rel=1e-6)
    assert history.frame.train_accuracy[1] == pytest.approx(whole.accuracy, rel=1e-6)


def test_a_weight_of_two_is_the_sample_twice(rows):
    x, y = rows
    weight = 1.0 + (y == 1)
    twice = torch.cat([torch.arange(103), torch.arange(103)[y == 1]])

    def bce(logits, target):
        return F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")

    results = []
    for batch in [(x, y, weight), (x[twice], y[twice])]:
        model = network(outputs=1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        history = fit(model, [batch], [batch], loss_fn=bce, optimizer=optimizer, epochs=4,
                      device="cpu", progress=False)
        results.append((history.frame, evaluate(model, [batch], bce)))
    (frame, weighted), (frame_twice, repeated) = results
    assert frame.to_numpy() == pytest.approx(frame_twice.to_numpy(), rel=1e-5)
    assert weighted.accuracy == pytest.approx(repeated.accuracy)
    assert weighted.loss == pytest.approx(repeated.loss, rel=1e-5)


def test_weights_need_a_loss_of_one_value_a_sample(rows):
    with pytest.raises(ValueError, match='reduction="none"'):
        evaluate(network(), [(*rows, torch.ones(103))], F.cross_entropy)


def test_the_best_epochs_weights_come_back(rows):
    """Validation by a metric that is best in epoch 2, so that later epochs must be undone."""
    after_epoch, scores = [], iter([0.1, 0.9, 0.5, 0.9])
    model = network()

    def score(seen):
        after_epoch.append(copy.deepcopy(model.state_dict()))
        return next(scores)

    _, history = trained(rows, model=model, epochs=4, metrics={"score": score},
                         monitor="val_score", mode="max")
    assert history.best_epoch == 2
    for name, value in model.state_dict().items():
        assert torch.equal(value, after_epoch[1][name])
    assert history.frame.val_score.tolist() == [0.1, 0.9, 0.5, 0.9]


def test_without_validation_the_last_weights_stay(rows):
    _, history = trained(rows, val_loader=None)
    assert history.best_epoch is None
    assert list(history.frame.columns) == ["lr", "train_loss", "train_accuracy"]


@pytest.mark.parametrize("when", ["training", "validation"])
def test_an_interrupt_keeps_what_was_learned(rows, when):
    calls = 0

    def loss_then_ctrl_c(logits, target):
        nonlocal calls
        calls += 1
        if calls == {"training": 8, "validation": 10}[when]:  # an epoch calls 4 times, then once
            raise KeyboardInterrupt
        return F.cross_entropy(logits, target)

    with pytest.warns(RuntimeWarning, match="interrupted in epoch 2"):
        model, history = trained(rows, loss_fn=loss_then_ctrl_c, epochs=9)
    reference, _ = trained(rows, epochs=1)
    assert history.ended == "interrupted in epoch 2"
    assert len(history.frame) == history.best_epoch == 1
    for ours, one_epoch in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours, one_epoch)


def test_a_loss_that_is_not_finite_ends_training_with_the_best_weights(rows):
    x, y = rows
    poison = [(x, y)], [(x * torch.nan, y)]
    model = network()
    epochs = iter(poison)

    class Loader:
        def __iter__(self):
            return iter(next(epochs))

    with pytest.warns(RuntimeWarning, match="infinite in epoch 2: try a lower learning rate"):
        history = fit(model, Loader(), [(x, y)], loss_fn=F.cross_entropy, epochs=5, device="cpu",
                      optimizer=torch.optim.SGD(model.parameters(), lr=0.1), progress=False)
    assert history.best_epoch == 1
    assert all(p.isfinite().all() for p in model.parameters())


def test_without_validation_the_last_finite_weights_come_back(rows):
    """A step of infinite length, after an epoch whose own loss was finite."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: [1, math.inf][epoch > 1])
    with pytest.warns(RuntimeWarning, match="a weight became nan or infinite in epoch 3"):
        fit(model, [rows], None, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=5,
            scheduler=scheduler, device="cpu", progress=False)
    reference = network()
    fit(reference, [rows], None, loss_fn=F.cross_entropy, epochs=2, device="cpu", progress=False,
        optimizer=torch.optim.SGD(reference.parameters(), lr=0.1))
    assert same_weights(model, reference)


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(),
                                                 other.state_dict().values(), strict=True))


def test_patience_counts_epochs_since_the_best(rows):
    scores = iter([0.2, 0.5, 0.4, 0.6, 0.5, 0.6, 0.5, 0.7])
    _, history = trained(rows, metrics={"score": lambda seen: next(scores)}, monitor="val_score",
                         mode="max", patience=3, epochs=8)
    assert len(history.frame) == 7
    assert history.best_epoch == 4
    assert history.ended == "stopped: 3 epochs without a better val_score"


def test_a_long_gradient_is_scaled_down_and_a_short_one_is_left_alone(rows):
    start, clipped, free, wide = (network() for _ in range(4))
    for model, limit in ((clipped, 0.01), (free, None), (wide, 1e6)):
        fit(model, [rows], None, loss_fn=F.cross_entropy, epochs=1, device="cpu", progress=False,
            optimizer=torch.optim.SGD(model.parameters(), lr=1.0), max_grad_norm=limit)

    def step(model):
        return nn.utils.parameters_to_vector(model.parameters()) - \
            nn.utils.parameters_to_vector(start.parameters())

    assert step(clipped).norm().item() == pytest.approx(0.01, rel=1e-3)
    assert F.cosine_similarity(step(clipped), step(free), dim=0).item() == pytest.approx(1)
    assert same_weights(free, wide)


def test_one_cycle_steps_with_every_batch_and_step_lr_with_every_epoch(rows):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    one_cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=12)
    trained(rows, model=model, optimizer=optimizer, scheduler=one_cycle, epochs=3)  # 4 batches each
    assert one_cycle.last_epoch == 12
    step_lr = torch.optim.lr_scheduler.StepLR(optimizer, 7)
    trained(rows, model=model, optimizer=optimizer, scheduler=step_lr, epochs=3)
    assert step_lr.last_epoch == 3


@pytest.mark.parametrize(("name", "mode", "best"), [
    ("brier", None, 2), ("ece", None, 2), ("mse", None, 2), ("error", None, 2), ("nll", None, 2),
    ("log_loss", None, 2), ("calibration_error", None, 2), ("expected_cost", None, 2),
    ("f1", None, 3), ("AP", None, 3), ("roc auc", None, 3), ("neg_log_loss", None, 3),
    ("surprise", "min", 2), ("surprise", "max", 3), ("f1", "min", 2),
])
def test_the_best_epoch_is_the_lowest_or_the_highest_as_the_metric_means(rows, name, mode, best):
    values = iter([0.5, 0.2, 0.9])
    _, history = trained(rows, metrics={name: lambda seen: next(values)}, monitor=f"val_{name}",
                         mode=mode)
    assert history.best_epoch == best


@pytest.mark.parametrize(("monitor", "mode", "says"), [
    ("val_surprise", None, r"monitor is 'val_surprise'.*add mode=\"min\" or mode=\"max\""),
    ("val_no_loss", None, "monitor is 'val_no_loss'"),
    ("val_score", None, "monitor is 'val_score'"),
    ("val_surprise", "lower", "mode is 'lower'; it must be \"min\""),
    ("val_loss", "max", "mode is 'max', but the best val_loss is the lowest"),
    ("val_accuracy", "min", "mode is 'min', but the best val_accuracy is the highest"),
])
def test_the_direction_of_a_metric_is_never_guessed(rows, monitor, mode, says):
    model = network()
    names = ("surprise", "no_loss", "score")
    with pytest.raises(ValueError, match=says):
        trained(rows, model=model, monitor=monitor, mode=mode,
                metrics=dict.fromkeys(names, lambda seen: 1.0))
    assert same_weights(model, network())


def test_a_plateau_scheduler_that_looks_the_other_way_is_refused(rows):
    for plateau, monitor in (("min", "val_accuracy"), ("max", "val_loss")):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=plateau)
        with pytest.raises(ValueError, match=f"mode='{plateau}', but the best {monitor} is the"):
            trained(rows, model=model, optimizer=optimizer, scheduler=scheduler, monitor=monitor)


def test_a_scheduler_of_another_optimizer_is_refused(rows):
    other = torch.optim.SGD(network().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="made for another optimizer"):
        trained(rows, scheduler=torch.optim.lr_scheduler.StepLR(other, 1))


def rates_of(rows, make_scheduler, **options):
    """The learning rate of each of the 12 steps of three epochs."""
    model, rates = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    trained(rows, model=model, optimizer=optimizer, scheduler=make_scheduler(optimizer), **options)
    return rates


def warm_up(optimizer):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 8))


def warm_up_and_cosine(optimizer):
    parts = [torch.optim.lr_scheduler.LinearLR(optimizer, 0.125, total_iters=7),
             torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)]
    return torch.optim.lr_scheduler.SequentialLR(optimizer, parts, milestones=[7])


@pytest.mark.parametrize("scheduler", [warm_up, warm_up_and_cosine])
def test_a_warm_up_counts_batches_or_epochs_as_the_caller_says(rows, scheduler):
    first_epoch = [0.05, 0.1, 0.15, 0.2]
    rates = rates_of(rows, scheduler, scheduler_steps="batch")
    assert rates[:8] == pytest.approx([*first_epoch, 0.25, 0.3, 0.35, 0.4])
    for steps in ("epoch", None):
        rates = rates_of(rows, scheduler, scheduler_steps=steps)
        assert rates[::4] == pytest.approx(first_epoch[:3])


def test_one_cycle_counts_batches_by_itself_and_epochs_if_it_is_made_for_them(rows):
    def one_cycle(total):
        return lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=total,
                                                             cycle_momentum=False)

    def cycle_in_sequence(o):
        return torch.optim.lr_scheduler.SequentialLR(
            o, [one_cycle(6)(o), one_cycle(6)(o)], milestones=[6])

    assert len(set(rates_of(rows, one_cycle(12)))) == 12
    assert len(set(rates_of(rows, one_cycle(3), scheduler_steps="epoch"))) == 3
    assert len(set(rates_of(rows, cycle_in_sequence))) > 4

    def mixed(o):
        parts = [torch.optim.lr_scheduler.ConstantLR(o), one_cycle(9)(o)]
        return torch.optim.lr_scheduler.SequentialLR(o, parts, milestones=[3])

    with pytest.raises(ValueError, match='add scheduler_steps="batch"'):
        rates_of(rows, mixed)
    assert len(set(rates_of(rows, mixed, scheduler_steps="batch"))) > 4
    with pytest.raises(ValueError, match="scheduler_steps is 'step'"):
        rates_of(rows, warm_up, scheduler_steps="step")
    with pytest.raises(ValueError, match="ReduceLROnPlateau needs val_loss"):
        rates_of(rows, torch.optim.lr_scheduler.ReduceLROnPlateau, scheduler_steps="batch")


def test_a_rate_that_is_a_tensor_is_written_down_as_a_number(rows):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=torch.tensor(0.08))
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    _, history = trained(rows, model=model, optimizer=optimizer, scheduler=scheduler)
    assert history.frame.lr.tolist() == pytest.approx([0.08, 0.04, 0.02])
    assert all(type(row["lr"]) is float for row in history.rows)


# ----------------------------------------------------------- what ends a run, and what is refused


class Breaks:
    """A loader whose second epoch fails after one batch."""

    def __init__(self, rows, error):
        self.rows, self.error, self.passes = rows, error, 0

    def __iter__(self):
        self.passes += 1
        yield self.rows
        if self.passes == 2:
            raise self.error


@pytest.mark.parametrize("error", [OSError("photo 7 is damaged"), SystemExit(3)])
def test_an_exception_keeps_the_finished_epochs_and_carries_their_history(rows, error):
    model, reference = network(), network()
    with pytest.raises(type(error)) as caught:
        trained(rows, model=model, val_loader=[rows], train_loader=Breaks(rows, error))
    history = caught.value.history
    assert caught.value is error
    assert history.best_epoch == len(history.frame) == 1
    assert history.ended.startswith(f"{type(error).__name__} in epoch 2: {error}")
    assert "kept the 1 epochs finished" in error.__notes__[0]
    trained(rows, model=reference, val_loader=[rows], epochs=1, train_loader=[rows])
    assert same_weights(model, reference)


def test_a_metric_that_fails_and_a_scheduler_without_steps_lose_nothing(rows):
    values = iter([0.5, 0.7])
    model = network()
    with pytest.raises(StopIteration) as caught:
        trained(rows, model=model, metrics={"f1": lambda seen: next(values)}, monitor="val_f1")
    assert caught.value.history.best_epoch == 2
    assert same_weights(model, trained(rows, epochs=2)[0])

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=6)
    with pytest.raises(ValueError, match="Tried to step 7 times") as caught:
        trained(rows, model=model, optimizer=optimizer, scheduler=scheduler)
    assert caught.value.history.best_epoch == 1
    assert "in epoch 2: Tried to step 7" in caught.value.history.ended


def test_an_optimizer_of_something_else_is_refused(rows):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="holds no parameter of the model"):
        trained(rows, model=copy.deepcopy(model), optimizer=optimizer)
    model[2] = nn.Linear(8, 2)  # after the optimiser was made
    with pytest.raises(ValueError, match=r"holds 2 parameters that are not .* lacks 2.weight, 2.b"):
        trained(rows, model=model, optimizer=optimizer)
    model[0].requires_grad_(False)
    with pytest.raises(ValueError, match="holds no parameter of the model that requires"):
        trained(rows, model=model, optimizer=optimizer)
    with pytest.raises(ValueError, match="no parameter of the model requires a gradient"):
        trained(rows, model=model.requires_grad_(False), optimizer=optimizer)
    model = network()
    with pytest.raises(ValueError, match="LBFGS"):
        trained(rows, model=model, optimizer=torch.optim.LBFGS(model.parameters()))


def test_a_part_of_the_model_may_be_trained_and_parts_of_the_loss_too(rows):
    model = network()
    head = torch.optim.SGD(model[2].parameters(), lr=0.1)
    assert trained(rows, model=model, optimizer=head)[1].ended == "finished"
    assert torch.equal(model[0].weight, network()[0].weight)

    class Temperature(nn.Module):
        def __init__(self):
            super().__init__()
            self.log = nn.Parameter(torch.zeros(()))

        def forward(self, logits, target):
            return F.cross_entropy(logits * self.log.exp(), target)

    loss_fn = Temperature()
    both = torch.optim.SGD([*model[2].parameters(), *loss_fn.parameters()], lr=0.1)
    trained(rows, model=model, optimizer=both, loss_fn=loss_fn)
    assert loss_fn.log.detach() != 0


def test_a_gradient_whose_square_overflows_keeps_its_direction(rows):
    start, model, calm = network(), network(), network()
    for one, factor in ((model, 1e30), (calm, 1e3)):
        fit(one, [rows], None, epochs=1, device="cpu", progress=False, max_grad_norm=1.0,
            loss_fn=lambda z, y, factor=factor: factor * F.cross_entropy(z, y),
            optimizer=torch.optim.SGD(one.parameters(), lr=1.0))
    assert not same_weights(model, start)
    for ours, other in zip(model.parameters(), calm.parameters(), strict=True):
        torch.testing.assert_close(ours, other)


def test_ordinary_clipping_is_that_of_torch_to_the_last_bit(rows):
    by_hand, model = network(), network()
    optimizer = torch.optim.SGD(by_hand.parameters(), lr=1.0)
    F.cross_entropy(by_hand(rows[0]), rows[1]).backward()
    nn.utils.clip_grad_norm_(by_hand.parameters(), 0.01)
    optimizer.step()
    fit(model, [rows], None, loss_fn=F.cross_entropy, epochs=1, device="cpu", progress=False,
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0), max_grad_norm=0.01)
    assert same_weights(model, by_hand)


X, Y = torch.randn(33, 2, generator=torch.Generator().manual_seed(0)), torch.arange(33) % 2


@pytest.mark.parametrize(("batch", "says"), [
    ({"image": X, "label": Y}, "a dict with the keys image, label; .* collate_fn"),
    ((X.numpy(), Y.numpy()), "a tuple of 2: ndarray, ndarray; .*torch.as_tensor"),
    ((X, Y.numpy()), "a tuple of 2: Tensor, ndarray; .*torch.as_tensor"),
    ((X, Y, torch.ones(33), Y), "a tuple of 4: .*leave the other entries out"),
    ((X,), r"a tuple of 1: Tensor; .*\(inputs, target\)"),
    (X[:2], r"one Tensor; .*\[\(inputs, target\)\]"),
    ((X, Y.tolist()), "a tuple of 2: Tensor, list"),
    ((X, Y, -torch.ones(33)), r"a weight of -1\.0; weights must be"),
    ((X, Y, torch.ones(33) * torch.nan), "a weight of nan"),
    ((X.double(), Y), r"inputs are torch\.float64 .*with inputs\.to\(torch\.float32\)"),
    ((X.long(), Y), r"inputs are torch\.int64"),
    ((X, Y.float()), r"targets are torch\.float32.*target\.to\(torch\.int64\)"),
    ((X, Y.int()), r"targets are torch\.int32.*target\.to\(torch\.int64\)"),
    ((X, Y.bool()), r"targets are torch\.bool.*target\.to\(torch\.int64\)"),
])
def test_a_batch_of_another_form_is_one_sentence(batch, says):
    model = network()
    with pytest.raises(ValueError, match=says):
        fit(model, [batch], None, loss_fn=F.cross_entropy, epochs=1, device="cpu", progress=False,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(ValueError, match=says):
        evaluate(model, [batch], F.cross_entropy)
    if isinstance(batch, dict) or not isinstance(batch[0], torch.Tensor):
        with pytest.raises(ValueError, match="the loader gives a "):
            predict(model, [batch])


@pytest.mark.parametrize("target", [Y, Y.bool(), Y.int()])
def test_binary_cross_entropy_asks_for_floating_targets(target):
    with pytest.raises(ValueError, match=r"targets are .*target\.to\(torch\.float32\)"):
        evaluate(network(outputs=1), [(X, target)], F.binary_cross_entropy_with_logits)


def test_a_last_batch_of_one_under_batch_norm_is_explained():
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(ValueError, match=r"one sample, and BatchNorm .*drop_last=True"):
        fit(model, TensorLoader(X, Y, batch_size=32), None, loss_fn=F.cross_entropy, epochs=1,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1), device="cpu", progress=False)


@pytest.mark.parametrize(("loss_fn", "says"), [
    (lambda z, y: F.cross_entropy(z, y).item(), "the loss returns one float"),
    (lambda z, y: (z.argmax(1) != y).float().mean(), "the loss has no gradient"),
    (lambda z, y: F.cross_entropy(z.detach(), y), "the loss has no gradient"),
])
def test_a_loss_that_cannot_teach_is_refused(rows, loss_fn, says):
    with pytest.raises(ValueError, match=says):
        trained(rows, loss_fn=loss_fn)


def test_other_things_that_are_not_what_they_should_be(rows):
    class Pair(nn.Linear):
        def forward(self, x):
            return {"logits": super().forward(x)}

    with pytest.raises(ValueError, match="returns a dict with the keys logits"):
        trained(rows, model=Pair(2, 2))
    with pytest.raises(ValueError, match=r"metrics\['f1'\] gives a NoneType"):
        trained(rows, metrics={"f1": lambda seen: None})
    with pytest.raises(ValueError, match="give a dict from names to functions"):
        trained(rows, metrics=[lambda seen: 1.0])
    with pytest.raises(ValueError, match="some batches of the loader have weights"):
        evaluate(network(), [(X, Y), (X, Y, torch.ones(33))], F.cross_entropy)
    with pytest.raises(ValueError, match=r"returns shape \(33, 1\); with weights"):
        evaluate(network(), [(X, Y, torch.ones(33))], lambda z, y: z[:, :1])
    with pytest.raises(ValueError, match="unpacks a list"):
        TensorLoader([X, Y])
    with pytest.raises(ValueError, match="arguments are a tuple of 2: ndarray"):
        TensorLoader(X.numpy(), Y.numpy())


def test_a_loss_with_class_weights_follows_the_model():
    """To ``meta``, the one device beside the processor that every machine has."""
    for loss_fn in (nn.CrossEntropyLoss(torch.ones(2)), FocalLoss(weight=torch.ones(2))):
        with pytest.raises(NotImplementedError, match="meta"):  # it has no numbers to return
            evaluate(network().to("meta"), [(X.to("meta"), Y.to("meta"))], loss_fn)
        assert loss_fn.weight.device.type == "meta"


# --------------------------------------------------------------------------------- checkpoints


SCHEDULERS = {
    "none": lambda optimizer: None,
    "step": lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5),
    "plateau": lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0),
    "one cycle": lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1,
                                                                       total_steps=24),
    "cosine": lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6),
}


def shuffled(data, rng):
    return DataLoader(data, batch_size=32, shuffle=True, generator=rng)


def run(rows, epochs=6, *, checkpoint=None, scheduler="none", seed=0, loss_fn=F.cross_entropy,
        lr=0.01, width=8, loader=shuffled, **options):
    """Everything that has a state: dropout, batch norm, Adam, a scheduler, two shuffles."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Dropout(0.3),
                          nn.Linear(width, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    train = loader(TensorDataset(*rows), torch.Generator().manual_seed(1))
    options = dict(val_loader=[rows], loss_fn=loss_fn, optimizer=optimizer, epochs=epochs,
                   scheduler=SCHEDULERS[scheduler](optimizer), checkpoint=checkpoint, device="cpu",
                   progress=False) | options
    return model, fit(model, train, options.pop("val_loader"), **options)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_stopping_and_going_on_equals_never_having_stopped(rows, tmp_path, scheduler):
    file = tmp_path / "run.pt"
    whole, history = run(rows, scheduler=scheduler)
    run(rows, 2, checkpoint=file, scheduler=scheduler)
    torch.manual_seed(99)  # another session has another state
    resumed, again = run(rows, checkpoint=str(file), scheduler=scheduler, seed=5)
    assert again.frame.equals(history.frame)
    assert again.best_epoch == history.best_epoch
    assert same_weights(whole, resumed)


@pytest.mark.parametrize("loader", [
    lambda data, rng: DataLoader(data, 32, sampler=RandomSampler(data, generator=rng)),
    lambda data, rng: DataLoader(data, 32, sampler=WeightedRandomSampler([1.0] * 103, 103,
                                                                         generator=rng)),
    lambda data, rng: DataLoader(data, batch_sampler=BatchSampler(
        RandomSampler(data, generator=rng), 32, False)),
    lambda data, rng: TensorLoader(*data.tensors, batch_size=32, shuffle=True, generator=rng),
    lambda data, rng: DataLoader(data, 32, shuffle=True, generator=torch.default_generator),
], ids=["sampler", "weighted", "batch sampler", "tensors", "global"])
def test_going_on_draws_the_order_that_was_due_whoever_draws_it(rows, tmp_path, loader):
    whole, history = run(rows, loader=loader)
    run(rows, 2, checkpoint=tmp_path / "run.pt", loader=loader)
    resumed, again = run(rows, checkpoint=tmp_path / "run.pt", loader=loader)
    assert again.frame.equals(history.frame)
    assert same_weights(whole, resumed)


def test_an_interrupt_in_mid_epoch_loses_that_epoch_only(rows, tmp_path):
    calls = 0

    def loss_then_ctrl_c(logits, target):
        nonlocal calls
        calls += 1
        if calls == 13:  # an epoch calls 4 times, then once
            raise KeyboardInterrupt
        return F.cross_entropy(logits, target)

    with pytest.warns(RuntimeWarning, match="interrupted in epoch 3"):
        run(rows, checkpoint=tmp_path / "run.pt", loss_fn=loss_then_ctrl_c)
    whole, history = run(rows)
    resumed, again = run(rows, checkpoint=tmp_path / "run.pt")
    assert again.frame.equals(history.frame)
    assert same_weights(whole, resumed)
    assert [f.name for f in tmp_path.iterdir()] == ["run.pt"]


def test_a_finished_checkpoint_is_not_trained_further(rows, tmp_path):
    model, history = run(rows, 3, checkpoint=tmp_path / "run.pt")
    again, more = run(rows, 3, checkpoint=tmp_path / "run.pt", seed=7)
    assert more.frame.equals(history.frame)
    assert same_weights(model, again)


def test_patience_counts_across_a_resume(rows, tmp_path):
    scores = iter([0.5, 0.4, 0.3, 0.2])
    options = dict(metrics={"score": lambda seen: next(scores)}, monitor="val_score", mode="max",
                   patience=2, checkpoint=tmp_path / "run.pt")
    run(rows, 2, **options)
    _, history = run(rows, 9, **options)
    assert len(history.frame) == 3
    _, history = run(rows, 9, **options)
    assert len(history.frame) == 3
    assert history.ended.startswith("stopped: 2 epochs")


class Payload:
    """Would make a folder when unpickled by code that trusts the file."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        import os
        return os.mkdir, (str(self.folder),)


def test_a_file_that_runs_code_is_refused_unrun(rows, tmp_path):
    torch.save({"model": Payload(tmp_path / "was_run")}, tmp_path / "run.pt")
    with pytest.raises(ValueError, match=r"holds .*mkdir, that is code or objects"):
        run(rows, checkpoint=tmp_path / "run.pt")
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize("spoil", [
    lambda whole: whole[:len(whole) // 2], lambda whole: b"", lambda whole: b"no checkpoint",
    lambda whole: whole[:-1000] + b"\0" * 1000,
], ids=["half", "empty", "text", "zeros at the end"])
def test_a_damaged_checkpoint_is_one_sentence_and_stays(rows, tmp_path, spoil):
    file = tmp_path / "run.pt"
    run(rows, 1, checkpoint=file)
    file.write_bytes(spoil(file.read_bytes()))
    spoiled = file.read_bytes()
    with pytest.raises(ValueError, match=r"run.pt is damaged or not a checkpoint.*move this"):
        run(rows, checkpoint=file)
    assert file.read_bytes() == spoiled


@pytest.mark.parametrize("other", [
    dict(width=9), dict(scheduler="step"), dict(val_loader=None),
], ids=["model", "scheduler", "validation"])
def test_a_checkpoint_of_something_else_is_named(rows, tmp_path, other):
    run(rows, 1, checkpoint=tmp_path / "run.pt")
    with pytest.raises(ValueError, match=r"run\.pt (belongs to another|was written).*move this"):
        run(rows, checkpoint=tmp_path / "run.pt", **other)


def numpy_rate(model):
    optimizer = torch.optim.Adam(model.parameters(), lr=np.logspace(-3, -1, 3)[1],
                                 betas=(np.float64(0.9), np.float64(0.99)),
                                 weight_decay=np.float64(1e-3))
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: 0.6 + np.cos(e) / 2)


def numpy_in_single_precision(model):
    optimizer = torch.optim.Adam(model.parameters(), lr=np.float32(0.01))
    return optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, np.float32(0.9))


def numpy_milestones(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=np.float64(0.1), momentum=np.float32(0.9))
    return optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, np.array([1, 3]),
                                                           gamma=np.float64(0.5))


def numpy_plateau(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return optimizer, torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=np.float64(0.5), patience=np.int64(0), min_lr=np.float64(1e-4))


class Counting(nn.Linear):
    """A layer with a state of its own, which counts in NumPy's numbers."""

    count = np.int64(0)

    def forward(self, x):
        self.count = self.count + np.int64(1)
        return super().forward(x)

    def get_extra_state(self):
        return {"count": self.count, "rows": [np.float32(0.1)]}

    def set_extra_state(self, state):
        self.count = state["count"]


@pytest.mark.parametrize("make", [numpy_rate, numpy_in_single_precision, numpy_milestones,
                                  numpy_plateau])
def test_numbers_of_numpy_are_written_so_that_they_can_be_read_again(rows, tmp_path, make):
    def go(epochs, file, seed=0):
        torch.manual_seed(seed)
        model = nn.Sequential(Counting(2, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer, scheduler = make(model)
        loader = TensorLoader(*rows, batch_size=32, shuffle=True,
                              generator=torch.Generator().manual_seed(0))
        history = fit(model, loader, [rows], loss_fn=F.cross_entropy, epochs=epochs,
                      optimizer=optimizer, scheduler=scheduler, checkpoint=file, device="cpu",
                      progress=False)
        return model, history

    whole, history = go(5, tmp_path / "whole.pt")
    go(2, tmp_path / "run.pt")
    torch.load(tmp_path / "run.pt", weights_only=True)
    resumed, again = go(5, tmp_path / "run.pt", seed=9)
    assert again.frame.equals(history.frame)
    for name, value in whole.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, resumed.state_dict()[name])
    assert resumed[0].count == whole[0].count


class Odd:
    """A schedule that keeps something in its state."""

    def __init__(self, **state):
        self.__dict__.update(state)

    def __call__(self, epoch):
        return 1.0


@pytest.mark.parametrize(("state", "says"), [
    (dict(table=np.ones(3)), "the state of the scheduler holds a ndarray"),
    (dict(steps=range(3)), "the state of the scheduler holds a range"),
    (dict(decay=lambda epoch: 1.0), "holds a function that cannot be pickled"),
    (dict(steps=[1, (2, {"set": frozenset([1])})]), "holds a frozenset"),
])
def test_what_could_not_be_read_again_is_refused_before_training(rows, tmp_path, state, says):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, Odd(**state))
    with pytest.raises(ValueError, match=says):
        trained(rows, model=model, optimizer=optimizer, scheduler=scheduler,
                checkpoint=tmp_path / "run.pt")
    assert same_weights(model, network())
    assert not list(tmp_path.iterdir())


def test_what_becomes_unreadable_later_leaves_the_old_file_in_place(rows, tmp_path):
    class Late(nn.Linear):
        passes = 0

        def get_extra_state(self):
            return range(3) if self.passes > 6 else 0  # an epoch makes 4 passes, then 4 more

        def set_extra_state(self, state):
            pass

        def forward(self, x):
            self.passes += 1
            return super().forward(x)

    torch.manual_seed(0)
    with pytest.warns(RuntimeWarning, match="it holds builtins.range, which could not be read"):
        _, history = trained(rows, model=Late(2, 2), checkpoint=tmp_path / "run.pt",
                             val_loader=None)
    assert len(history.frame) == 3
    assert len(torch.load(tmp_path / "run.pt", weights_only=True)["rows"]) == 1


def test_a_foreign_file_is_named_and_its_deletion_is_never_advised(rows, tmp_path):
    file = tmp_path / "weights.pt"
    torch.save(network().state_dict(), file)
    with pytest.raises(ValueError, match=r"not a checkpoint of fit \(it holds .*0.weight") as one:
        run(rows, checkpoint=file)
    torch.save(network(), file)
    with pytest.raises(ValueError, match=r"weights.pt holds .*Linear.*code or objects") as two:
        run(rows, checkpoint=file)
    with pytest.raises(ValueError, match=r"is a folder; name a file, such as .*run\.pt") as three:
        run(rows, checkpoint=tmp_path)
    assert not any("delete" in str(caught.value) for caught in (one, two, three))


def test_a_file_that_cannot_be_opened_is_not_called_damaged(rows, tmp_path, monkeypatch):
    file = tmp_path / "run.pt"
    run(rows, 1, checkpoint=file)

    def denied(self, *args):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", denied)  # chmod does not stop the administrator
        with pytest.raises(ValueError, match=r"cannot be opened \(Permission denied\); make it re"):
            run(rows, checkpoint=file)
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        with pytest.raises(ValueError, match="nothing can be written into its folder"):
            run(rows, checkpoint=file)
    assert len(run(rows, 2, checkpoint=file)[1].frame) == 2


def test_a_refused_checkpoint_leaves_the_model_as_it_was(rows, tmp_path):
    run(rows, 1, checkpoint=tmp_path / "run.pt")
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match="belongs to another"):
        trained(rows, model=model, checkpoint=tmp_path / "run.pt")
    assert same_weights(model, before)


def test_a_checkpoint_of_the_other_direction_is_refused(rows, tmp_path):
    options = dict(metrics={"q": lambda seen: 1.0}, monitor="val_q", checkpoint=tmp_path / "run.pt")
    run(rows, 1, mode="min", **options)
    with pytest.raises(ValueError, match="was written with monitor 'val_q' and mode 'min'"):
        run(rows, 2, mode="max", **options)


@pytest.mark.parametrize("scheduler", [warm_up, warm_up_and_cosine])
def test_a_schedule_that_counts_batches_goes_on_where_it_was(rows, tmp_path, scheduler):
    def go(epochs, file):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
        return trained(rows, model=model, optimizer=optimizer, scheduler=scheduler(optimizer),
                       scheduler_steps="batch", epochs=epochs, checkpoint=file,
                       train_loader=TensorLoader(*rows, batch_size=32))[0]

    go(1, tmp_path / "run.pt")
    assert same_weights(go(3, None), go(3, tmp_path / "run.pt"))


def test_a_full_disk_costs_the_checkpoint_and_not_the_training(rows, tmp_path, monkeypatch):
    file = tmp_path / "run.pt"
    run(rows, 1, checkpoint=file)
    before = file.read_bytes()

    def no_space(state, part):
        part.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", no_space)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        model, history = run(rows, 3, checkpoint=file)
    assert len(history.frame) == 3
    assert same_weights(model, run(rows, 3)[0])
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_dropout_sleeps_in_evaluation_and_the_mode_comes_back(rows):
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    model.train()
    one, two = predict(model, [rows]), predict(model, [rows])
    assert torch.equal(one.logits, two.logits)
    assert model.training
    assert not one.logits.requires_grad


def test_probabilities_keep_the_order_of_large_logits():
    certain = predict(nn.Flatten(0), [torch.tensor([[20.0], [25.0], [30.0]])])
    assert (certain.prob.diff() > 0).all()


def test_predict_needs_no_targets(rows):
    x, y = rows
    model = network()
    with_targets = predict(model, DataLoader(TensorDataset(x, y), batch_size=10))
    for loader in (TensorLoader(x, batch_size=10), x.split(10), DataLoader(x, batch_size=10)):
        assert torch.equal(predict(model, loader).logits, with_targets.logits)
    assert torch.equal(with_targets.decision, with_targets.prob.argmax(1))
    one_logit = predict(network(outputs=1), [x])
    assert torch.equal(one_logit.decision == 1, one_logit.prob > 0.5)


def test_the_plateau_scheduler_sees_the_monitored_column(rows):
    """The score never improves, so the rate falls each epoch, while the validation loss does."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=0,
                                                           factor=0.5)
    _, history = trained(rows, model=model, optimizer=optimizer, scheduler=scheduler,
                         metrics={"score": lambda seen: 1.0}, monitor="val_score", mode="max",
                         epochs=4)
    assert history.frame.val_loss.is_monotonic_decreasing
    assert history.frame.lr.tolist() == [0.4, 0.4, 0.2, 0.1]


def test_of_equal_epochs_the_first_is_kept_and_nan_is_never_best(rows):
    scores = iter([math.nan, 0.5, 0.5, math.nan])
    _, history = trained(rows, metrics={"score": lambda seen: next(scores)}, monitor="val_score",
                         mode="max", epochs=4)
    assert history.best_epoch == 2


def test_the_loss_does_not_depend_on_the_batches_even_where_it_is_no_mean(rows):
    model = network()
    losses = [evaluate(model, TensorLoader(*rows, batch_size=size), soft_f1_loss).loss
              for size in (1, 7, 103)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_training_wakes_dropout_and_evaluation_gives_each_module_its_mode_back(rows):
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
    model.eval()
    modes = []
    model[2].register_forward_hook(lambda module, *_: modes.append(module.training))
    trained(rows, model=model, epochs=1)
    assert modes == 4 * [True] + 4 * [False]
    model[1].eval()
    predict(model, [rows])
    assert [module.training for module in model] == [True, False, True, True]


def test_a_batch_of_weight_zero_teaches_nothing_and_breaks_nothing(rows):
    x, y = rows
    model = network()
    none = partial(F.cross_entropy, reduction="none")
    batches = [(x[:50], y[:50], torch.ones(50)), (x[50:], y[50:], torch.zeros(53))]
    history = fit(model, batches, batches, loss_fn=none, epochs=2, device="cpu", progress=False,
                  optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    assert history.ended == "finished"
    assert history.frame.val_loss[2] == pytest.approx(evaluate(model, batches[:1], none).loss)


def test_a_stream_of_unknown_length_can_be_trained_on(rows):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(zip(*rows, strict=True))

    _, history = trained(rows, val_loader=DataLoader(Stream(), batch_size=50))
    assert len(history.frame) == 3


@pytest.mark.parametrize(("shape", "says"), [
    (nn.Linear(2, 1), r"logits of shape \(32, 1\).*nn.Flatten\(0\)"),
    (nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (2, 2))), r"target per sample, \(32, 2\)"),
])
def test_logits_of_an_odd_shape_are_refused_before_they_broadcast(rows, shape, says):
    with pytest.raises(ValueError, match=says):
        trained(rows, model=shape)


def test_tensor_loader_gives_each_sample_once_in_a_new_order():
    x = torch.arange(10)
    loader = TensorLoader(x, x * 10, batch_size=4, shuffle=True,
                          generator=torch.Generator().manual_seed(0))
    epochs = [torch.cat([a for a, _ in loader]) for _ in range(2)]
    assert all(torch.equal(epoch.sort().values, x) for epoch in epochs)
    assert not torch.equal(*epochs)
    assert all(torch.equal(b, a * 10) for a, b in loader)
    assert [len(a) for a, _ in loader] == [4, 4, 2]
    assert len(loader) == 3


def test_a_bar_is_drawn_and_ends_with_the_last_epoch(rows, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    trained(rows, progress=True)
    said = capsys.readouterr().err
    assert "12/12" in said
    assert "epoch 3: val_loss" in said


@pytest.mark.parametrize(("options", "says"), [
    (dict(epochs=0), "epochs is 0"),
    (dict(epochs=2.5), r"epochs is 2\.5; it must be a whole number"),
    (dict(monitor="val_f1"), "monitor is 'val_f1'; the columns are .*val_accuracy"),
    (dict(val_loader=None, monitor="val_accuracy"), "monitor is 'val_accuracy'"),
    (dict(metrics={"accuracy": lambda seen: 7.0}), "accuracy are there already"),
    (dict(val_loader=[]), "no batch"),
    (dict(val_loader=TensorLoader(torch.empty(0, 2), torch.empty(0))), "no batch"),
    (dict(device="gpu"), "device is 'gpu'"),
    (dict(patience=0), "patience is 0"),
    (dict(patience=2, val_loader=None), "patience is 2, but there is no val_loader"),
    (dict(max_grad_norm=0.0), r"max_grad_norm is 0\.0"),
    (dict(max_grad_norm="1"), "max_grad_norm is '1'"),
    (dict(optimizer=torch.optim.SGD), "optimizer is <class .*give one that holds"),
    (dict(scheduler=torch.optim.lr_scheduler.StepLR), "scheduler is the class StepLR"),
    (dict(checkpoint="no/such/folder/run.pt"), "folder does not exist"),
])
def test_bad_arguments_are_named(rows, options, says):
    with pytest.raises(ValueError, match=says):
        trained(rows, **options)


def test_empty_and_uneven_data_are_named():
    model = network()
    with pytest.raises(ValueError, match="train_loader gave no batch"):
        fit(model, [], None, loss_fn=F.cross_entropy, epochs=1, device="cpu", progress=False,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(ValueError, match=r"\[3, 2\] samples"):
        TensorLoader(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="batch_size is 0"):
        TensorLoader(torch.zeros(3), batch_size=0)
    with pytest.raises(ValueError, match="no batch"):
        predict(network(), [])
