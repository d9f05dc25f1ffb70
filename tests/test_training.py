"""The loop trains what it says, counts samples and not batches, and loses nothing on the way."""

import copy
import math
from functools import partial

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

from course_utils.losses import soft_f1_loss
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
    train = TensorLoader(*rows, batch_size=32, shuffle=True,
                         generator=torch.Generator().manual_seed(1))
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
                         monitor="val_score")
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
                         patience=3, epochs=8)
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
    options = dict(metrics={"score": lambda seen: next(scores)}, monitor="val_score", patience=2,
                   checkpoint=tmp_path / "run.pt")
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
    with pytest.raises(ValueError, match="is damaged or not a checkpoint of fit; delete it"):
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
    with pytest.raises(ValueError, match=r"run.pt is damaged or not a checkpoint.*delete it"):
        run(rows, checkpoint=file)
    assert file.read_bytes() == spoiled


@pytest.mark.parametrize("other", [
    dict(width=9), dict(scheduler="step"), dict(val_loader=None),
], ids=["model", "scheduler", "validation"])
def test_a_checkpoint_of_something_else_is_named(rows, tmp_path, other):
    run(rows, 1, checkpoint=tmp_path / "run.pt")
    with pytest.raises(ValueError, match=r"run\.pt (belongs to another|was written).*delete it"):
        run(rows, checkpoint=tmp_path / "run.pt", **other)


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
                         metrics={"score": lambda seen: 1.0}, monitor="val_score", epochs=4)
    assert history.frame.val_loss.is_monotonic_decreasing
    assert history.frame.lr.tolist() == [0.4, 0.4, 0.2, 0.1]


def test_of_equal_epochs_the_first_is_kept_and_nan_is_never_best(rows):
    scores = iter([math.nan, 0.5, 0.5, math.nan])
    _, history = trained(rows, metrics={"score": lambda seen: next(scores)}, monitor="val_score",
                         epochs=4)
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
    (dict(monitor="val_f1"), "monitor is 'val_f1'; the columns are .*val_accuracy"),
    (dict(val_loader=None, monitor="val_accuracy"), "monitor is 'val_accuracy'"),
    (dict(metrics={"accuracy": lambda seen: 7.0}), "accuracy are there already"),
    (dict(val_loader=[]), "no batch"),
    (dict(val_loader=TensorLoader(torch.empty(0, 2), torch.empty(0))), "no batch"),
    (dict(device="gpu"), "device is 'gpu'"),
    (dict(patience=0), "patience is 0"),
    (dict(patience=2, val_loader=None), "patience is 2, but there is no val_loader"),
    (dict(max_grad_norm=0.0), r"max_grad_norm is 0\.0"),
    (dict(checkpoint="no/such/folder/run.pt"), "folder does not exist"),
])
def test_bad_arguments_are_named(rows, options, says):
    with pytest.raises(ValueError, match=says):
        trained(rows, **options)


def test_empty_and_uneven_data_are_named():
    with pytest.raises(ValueError, match="train_loader gave no batch"):
        fit(network(), [], None, loss_fn=F.cross_entropy, epochs=1, device="cpu", progress=False,
            optimizer=torch.optim.SGD(network().parameters(), lr=0.1))
    with pytest.raises(ValueError, match=r"\[3, 2\] samples"):
        TensorLoader(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="batch_size is 0"):
        TensorLoader(torch.zeros(3), batch_size=0)
    with pytest.raises(ValueError, match="no batch"):
        predict(network(), [])
