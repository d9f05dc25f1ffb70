"""Right answers to the exercises of notebook 05 in other words, and wrong ones with their reply."""

import copy
import io
import math
import types
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# -------------------------------------------------------------------------------- 5.2, evaluate


def all_at_once(model, loader):
    came = model.training
    model.eval()
    with torch.inference_mode():
        answers = torch.cat([model(x).argmax(1) for x, _ in loader])
    model.train(came)
    return (answers == torch.cat([y for _, y in loader])).double().mean()


@torch.no_grad()
def hit_by_hit(model, loader):
    was = model.training
    model.train(False)
    hits = [hit for x, y in loader for hit in (model(x).max(1).indices == y).tolist()]
    if was:
        model.train()
    return Fraction(sum(hits), len(hits))


def layer_by_layer(model, loader):
    modes = [(layer, layer.training) for layer in model.modules()]
    try:
        model.eval()
        right = 0
        with torch.no_grad():
            for x, y in loader:
                right = right + int((model(x).softmax(1).argmax(1) == y).sum())
    finally:
        for layer, mode in modes:
            layer.training = mode
    return right / len(loader.dataset)


def by_a_copy(model, loader):
    model, hits = copy.deepcopy(model).eval().requires_grad_(False), []
    for x, y in loader:
        hits += list(model(x).argmax(1) == y)
    return torch.stack(hits).float().mean().item()


def and_leaves_gradients_off(model, loader):
    came = model.training
    torch.set_grad_enabled(False)
    right = count = 0
    for x, y in loader:
        right += (model.eval()(x).argmax(1) == y).sum()
        count += len(x)
    model.train(came)
    return right / count


def by_weighted_means(model, loader):
    came, total = model.training, 0.0
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            total += (model(x).argmax(1) == y).float().mean().item() * len(y)
    model.train(mode=came)
    return total / sum(len(y) for _, y in loader)


def sample_by_sample(model, loader):
    came = model.training
    model.eval()
    right = []
    with torch.no_grad():
        for x, y in loader.dataset:
            right.append(bool(model(x[None])[0].argmax() == y))
    model.train() if came else model.eval()
    return np.mean(right)


def with_numpy(model, loader):
    came = model.training
    model.eval()
    answers, targets = np.zeros(0), np.zeros(0)
    with torch.set_grad_enabled(False):
        for x, y in loader:
            answers = np.append(answers, model(x).argmax(1).numpy())
            targets = np.append(targets, y.numpy())
    model.train(came)
    return (answers == targets).mean()


def without_a_thought_of_gradients(model, loader):
    came = model.training
    model.eval()
    answers = torch.cat([model(x).argmax(1) for x, _ in loader])
    model.train(came)
    return (answers == torch.cat([y for _, y in loader])).float().mean()


def every_other_batch_without_graph(model, loader):
    came, answers = model.training, []
    for number, (x, _) in enumerate(loader):
        with torch.set_grad_enabled(number % 2 == 1):
            answers.append(model.eval()(x).argmax(1))
    model.train(came)
    return (torch.cat(answers) == torch.cat([y for _, y in loader])).float().mean()


def detached_too_late(model, loader):
    came, right, count = model.training, 0, 0
    model.eval()
    for x, y in loader:
        right += (model(x).detach().argmax(1) == y).sum().item()
        count += len(y)
    model.train(came)
    return right / count


def evaluated(end=lambda hits: torch.cat(hits).mean(), mode=False, back=None):
    """Evaluates as it should, up to a mode or how the right answers are put together."""
    def evaluate(model, loader):
        came = model.training
        if mode is not None:
            model.train(mode)
        with torch.no_grad():
            hits = [(model(x).argmax(1) == y).float() for x, y in loader]
        model.train(came if back is None else back)
        return end(hits)
    return evaluate


def only_norm_in_eval(model, loader):
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.eval()
    value = evaluated(mode=None)(model, loader)
    model.train()
    return value


def only_dropout_in_eval(model, loader):
    came = model.training
    model[2].eval()
    value = evaluated(mode=None)(model, loader)
    model.train(came)
    return value


def eval_after_the_first_batch(model, loader):
    came, right, count = model.training, 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()
            count += len(y)
            model.eval()
    model.train(came)
    return right / count


def over_the_wrong_dimension(model, loader):
    came = model.training
    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(0)[0] == y).sum().item() for x, y in loader)
    model.train(came)
    return right / len(loader.dataset)


# -------------------------------------------------------------------------------- 5.3, epoch_mean


def mean_in_a_loop(means, sizes):
    total = 0.0
    for mean, size in zip(means.tolist(), sizes.tolist(), strict=True):
        total += mean * size
    return total / int(sizes.sum())


def mean_as_it_runs(means, sizes):
    count, mean = 0, 0.0
    for m, n in zip(means, sizes, strict=True):
        count += n
        mean += (m - mean) * n / count
    return mean


def mean_in_place(means, sizes):
    means *= sizes
    return means.sum() / torch.sum(sizes)


# ---------------------------------------------------------------------- 5.5, keep the best weights


def keep_a_copied_state(model, epochs, train_one_epoch, validate):
    best, kept = None, None
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if best is None or loss < best:
            best, kept = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return best


def keep_a_copied_model(model, epochs, train_one_epoch, validate):
    best, lowest = model, math.inf
    for _ in range(epochs):
        train_one_epoch(model)
        if validate(model) < lowest:
            lowest = validate(model)
            best = copy.deepcopy(model)
    model.load_state_dict(best.state_dict())
    return torch.tensor(lowest)


def keep_all_states(model, epochs, train_one_epoch, validate):
    losses, states = [], []
    for _ in range(epochs):
        train_one_epoch(model)
        losses.append(validate(model))
        states.append({name: t.detach().clone() for name, t in model.state_dict().items()})
    best = int(np.nanargmin(losses))
    model.load_state_dict(states[best])
    return losses[best]


def keep_in_a_file(model, epochs, train_one_epoch, validate):
    file, lowest = io.BytesIO(), float("inf")
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss < lowest:
            lowest, file = loss, io.BytesIO()
            torch.save(model.state_dict(), file)
    file.seek(0)
    model.load_state_dict(torch.load(file, weights_only=True))
    return lowest


def keep_by_filling(model, epochs, train_one_epoch, validate):
    lowest = float("inf")
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss < lowest:
            lowest, kept = loss, [t.clone() for t in model.state_dict().values()]
    with torch.no_grad():
        for value, old in zip(model.state_dict().values(), kept, strict=True):
            value.copy_(old)
    return lowest


def train_a_copy(model, epochs, train_one_epoch, validate):
    student, best = copy.deepcopy(model), (math.inf, -1)
    for epoch in range(epochs):
        train_one_epoch(student)
        now = (validate(student), epoch)
        if now[0] < best[0]:
            best = now
            model.load_state_dict(student.state_dict())
    return best[0]


def keep_and_assign(model, epochs, train_one_epoch, validate):
    lowest, epoch = np.inf, 0
    while epoch < epochs:
        train_one_epoch(model)
        loss = validate(model)
        if not math.isnan(loss) and lowest > loss:
            lowest, kept = loss, copy.deepcopy(model.state_dict())
        epoch += 1
    model.load_state_dict(kept, assign=True)
    return np.float32(lowest)


def keep_parameters_and_buffers(model, epochs, train_one_epoch, validate):
    lowest = float("inf")
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss < lowest:
            lowest = loss
            kept = [copy.deepcopy(t.data) for t in [*model.parameters(), *model.buffers()]]
    for value, old in zip([*model.parameters(), *model.buffers()], kept, strict=True):
        value.data = old
    return lowest


def keeping(keep=lambda model: copy.deepcopy(model.state_dict()),
            restore=lambda model, kept: model.load_state_dict(kept),
            better=lambda loss, best: loss < best, result=lambda best, losses: best,
            begin=float("inf")):
    """Keeps the best weights, with something changed."""
    def train_and_keep_best(model, epochs, train_one_epoch, validate):
        best, losses = begin, []
        for _ in range(epochs):
            train_one_epoch(model)
            losses.append(validate(model))
            if better(losses[-1], best):
                best, kept = losses[-1], keep(model)
        restore(model, kept)
        return result(best, losses)
    return train_and_keep_best


def keep_the_model_itself(model, epochs, train_one_epoch, validate):
    lowest = float("inf")
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss < lowest:
            lowest, best = loss, model
    model = best
    return lowest


def rebind_a_copy(model, epochs, train_one_epoch, validate):
    lowest = float("inf")
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss < lowest:
            lowest, best = loss, copy.deepcopy(model)
    model = best
    return lowest


def stops_at_the_first_rise(model, epochs, train_one_epoch, validate):
    lowest = float("inf")
    for _ in range(epochs):
        train_one_epoch(model)
        loss = validate(model)
        if loss >= lowest:
            break
        lowest, kept = loss, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    return lowest


def validates_only_at_the_end(model, epochs, train_one_epoch, validate):
    for _ in range(epochs):
        train_one_epoch(model)
    return validate(model)


def trains_forever(model, epochs, train_one_epoch, validate):
    while True:
        train_one_epoch(model)


def only_trainable(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


# ------------------------------------------------------------------------------ 5.6, freeze a part


class Frozen(nn.Sequential):
    def train(self, mode=True):
        return super().train(False)


class Wrapped(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part
        for p in self.part.parameters():
            p.requires_grad = False
        self.train()

    def train(self, mode=True):
        self.training = mode
        self.part.eval()
        return self

    def forward(self, x):
        return self.part(x)


class EvalOnCall(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part.requires_grad_(False)

    def forward(self, x):
        self.part.eval()
        return self.part(x)


class Hidden(nn.Module):
    """Keeps the part out of the reach of train()."""

    def __init__(self, part):
        super().__init__()
        self.parts = [part.eval().requires_grad_(False)]

    def forward(self, x):
        return self.parts[0](x)


class Mode(nn.Module):
    """Evaluation mode for the call alone."""

    def __init__(self, part):
        super().__init__()
        self.part = part.requires_grad_(False)

    def forward(self, x):
        was = self.part.training
        self.part.eval()
        y = self.part(x)
        self.part.train(was)
        return y


class WithoutGraph(Frozen):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


class ForgetsTheRest(nn.Module):
    """Refuses train() for itself, but not for the part."""

    def __init__(self, part):
        super().__init__()
        self.part = part.requires_grad_(False).eval()

    def train(self, mode=True):
        self.training = False
        self.part.train(mode)
        return self

    def forward(self, x):
        return self.part(x)


def by_an_own_train(part):
    def stay(mode=True):
        return part

    part.requires_grad_(False)
    part.eval()
    part.train = stay
    return part


def by_another_class(part):
    part.requires_grad_(False).eval()
    part.__class__ = Frozen
    return part


def by_a_hook(part):
    part.register_forward_pre_hook(lambda module, inputs: module.eval() and None)
    return part.requires_grad_(False)


def by_each_layer(part):
    for layer in part.modules():
        layer.training = False
        layer.train = types.MethodType(lambda self, mode=True: self, layer)
    for p in part.parameters():
        p.requires_grad_(False)
    return part


def by_a_fixed_mode(part):
    part.train = lambda mode=True: nn.Sequential.train(part, False)
    part.train()
    return part.requires_grad_(False)


def by_the_two_kinds(part):
    for layer in part.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.Dropout):
            layer.eval()
            layer.train = lambda mode=True, layer=layer: layer
    return part.requires_grad_(False)


def with_gradients_set_to_zero(part):
    for p in part.parameters():
        p.register_hook(torch.zeros_like)
    return Frozen(part).eval()


def train_without_a_mode(part):
    part.requires_grad_(False).eval()
    part.train = lambda: part
    return part


def detached_answers(part):
    part.register_forward_hook(lambda module, inputs, output: output.detach())
    return by_an_own_train(part)


def all_sequences(part):
    nn.Sequential.train = lambda self, mode=True: self
    return part.requires_grad_(False).eval()


def all_modules(part):
    nn.Module.train = lambda self, mode=True: self
    return part.requires_grad_(False).eval()


def dropout_removed_but_not_inside(part):
    for number, layer in enumerate(part):
        if isinstance(layer, nn.Dropout):
            part[number] = nn.Identity()
        if isinstance(layer, nn.BatchNorm1d):
            layer.eval()
            layer.train = lambda mode=True: None
    return part.requires_grad_(False)


# ---------------------------------------------------------------------- 5.9, accumulate gradients


def by_sums(model, batches, optimizer):
    samples = sum(len(y) for _, y in batches)
    optimizer.zero_grad()
    total = 0.0
    for x, y in batches:
        loss = F.cross_entropy(model(x), y, reduction="sum")
        (loss / samples).backward()
        total += loss.item()
    optimizer.step()
    return total / samples


def by_divided_gradients(model, batches, optimizer):
    model.zero_grad(set_to_none=False)
    samples, total = 0, 0.0
    for x, y in batches:
        loss = nn.CrossEntropyLoss(reduction="sum")(model(x), y)
        loss.backward()
        samples, total = samples + len(y), total + loss.detach()
    for p in model.parameters():
        p.grad /= samples
    optimizer.step()
    return total / samples


def cleared_at_the_end(model, batches, optimizer):
    sizes = torch.tensor([len(x) for x, _ in batches])
    losses = []
    for (x, y), share in zip(batches, sizes / sizes.sum(), strict=True):
        losses.append(F.cross_entropy(model(x), y) * share)
        losses[-1].backward()
    optimizer.step()
    optimizer.zero_grad()
    return torch.stack(losses).sum()


def cleared_by_hand(model, batches, optimizer):
    for p in model.parameters():
        p.grad = None
    return cleared_at_the_end(model, batches, optimizer)


def reported_beforehand(model, batches, optimizer):
    n = len(torch.cat([y for _, y in batches]))
    report = 0.0
    for x, y in batches:
        report += F.cross_entropy(model(x), y, reduction="sum").item() / n
    by_sums(model, batches, optimizer)
    return report


def by_log_softmax(model, batches, optimizer):
    n = 0
    for batch in batches:
        n += batch[1].numel()
    optimizer.zero_grad()
    values = []
    for x, y in batches:
        each = -torch.log_softmax(model(x), dim=1).gather(1, y[:, None])
        each.sum().div(n).backward()
        values.extend(each.flatten().tolist())
    optimizer.step()
    return float(np.mean(values))


def by_autograd_grad(model, batches, optimizer):
    parameters, n = list(model.parameters()), sum(len(x) for x, _ in batches)
    total, gradients = 0, [torch.zeros_like(p) for p in parameters]
    for x, y in batches:
        loss = F.cross_entropy(model(x), y) * (len(y) / n)
        for kept, new in zip(gradients, torch.autograd.grad(loss, parameters), strict=True):
            kept += new
        total += loss.item()
    for p, gradient in zip(parameters, gradients, strict=True):
        p.grad = gradient
    optimizer.step()
    return total


def as_the_mean_runs(model, batches, optimizer):
    """Rescales what is there before each batch, so that N need not be known beforehand."""
    optimizer.zero_grad()
    count, mean = 0, 0.0
    for x, y in batches:
        new = count + len(y)
        for p in model.parameters():
            if p.grad is not None:
                p.grad *= count / new
        loss = F.cross_entropy(model(x), y)
        (loss * len(y) / new).backward()
        mean, count = (mean * count + loss.item() * len(y)) / new, new
    optimizer.step()
    return mean


def accumulating(share=lambda y, batches: len(y) / sum(len(t) for _, t in batches), clear="start",
                 step="end", result=lambda losses, batches: by_size(losses, batches)):
    """Accumulates, with something changed."""
    def accumulate(model, batches, optimizer):
        losses = []
        if clear == "start":
            optimizer.zero_grad()
        for x, y in batches:
            if clear == "each":
                optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            (share(y, batches) * loss).backward()
            losses.append(loss.item())
            if step == "each":
                optimizer.step()
        if clear == "before the step":
            optimizer.zero_grad()
        if step == "end":
            optimizer.step()
        return result(losses, batches)
    return accumulate


def by_size(losses, batches):
    sizes = [len(y) for _, y in batches]
    return sum(loss * n for loss, n in zip(losses, sizes, strict=True)) / sum(sizes)


def one_backward_at_the_end(model, batches, optimizer):
    optimizer.zero_grad()
    n = sum(len(y) for _, y in batches)
    loss = sum(F.cross_entropy(model(x), y) * len(y) / n for x, y in batches)
    loss.backward()
    optimizer.step()
    return loss.item()


def joined(model, batches, optimizer):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(torch.cat([x for x, _ in batches])),
                           torch.cat([y for _, y in batches]))
    loss.backward()
    optimizer.step()
    return loss.item()


def with_a_scaled_rate(model, batches, optimizer):
    n = sum(len(y) for _, y in batches)
    optimizer.zero_grad()
    total = 0.0
    for x, y in batches:
        loss = F.cross_entropy(model(x), y, reduction="sum")
        loss.backward()
        total += loss.item()
    for group in optimizer.param_groups:
        group["lr"] /= n
    optimizer.step()
    for group in optimizer.param_groups:
        group["lr"] *= n
    return total / n


def by_hand(model, batches, optimizer):
    value = accumulating(step="never")(model, batches, optimizer)
    with torch.no_grad():
        for p in model.parameters():
            p -= optimizer.param_groups[0]["lr"] * p.grad
    return value


def without_the_tail(model, batches, optimizer):
    full = [(x, y) for x, y in batches if len(y) == len(batches[0][1])]
    return by_sums(model, full, optimizer)


def clipped(model, batches, optimizer):
    accumulating(step="never")(model, batches, optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    return 1.0


DIFFERENTLY = {
    "q1": [-7.2, torch.tensor(-7.2), np.float32(-7.2), Fraction(-36, 5), -4 - 3.2, [-7.2][0],
           np.array([-7.2]), -7.2000003],
    "q2": [all_at_once, hit_by_hit, layer_by_layer, by_a_copy, and_leaves_gradients_off,
           by_weighted_means, sample_by_sample, with_numpy, evaluated()],
    "q3": [mean_in_a_loop, mean_as_it_runs, mean_in_place,
           lambda means, sizes: np.average(means.numpy(), weights=sizes.numpy()),
           lambda means, sizes: torch.repeat_interleave(means, sizes).mean(),
           lambda means, sizes: means @ sizes.float() / sizes.sum(),
           lambda means, sizes: torch.dot(means, sizes / sizes.sum()),
           lambda means, sizes: sum(means * sizes) / sum(sizes),
           lambda means, sizes: (means * sizes).mean() / sizes.double().mean()],
    "q4": ["AI", " ai. ", "ia", "a, i", "a and i", "lines a and i", "(A), (I)", ("i", "a"),
           {"a", "i"}, np.array(["a", "i"]), "a/i"],
    "q5": [keep_a_copied_state, keep_a_copied_model, keep_all_states, keep_in_a_file,
           keep_by_filling, train_a_copy, keep_and_assign, keep_parameters_and_buffers, keeping()],
    "q6": [lambda part: Frozen(*part).requires_grad_(False).eval(), Wrapped, EvalOnCall, Hidden,
           Mode, by_an_own_train, by_another_class, by_a_hook, by_each_layer, by_a_fixed_mode,
           by_the_two_kinds, lambda part: by_an_own_train(copy.deepcopy(part))],
    "q7": ["B", "b ", "line b", "(b)", "The line b.", np.array(["b"]), ["b"], "B."],
    "q8": [0.000015625, 0.002 / 128, Fraction(1, 64000), 0.002 * 0.5**7, 1.56e-5, 1.6e-5 * 0.9766,
           torch.tensor(0.002 / 2**7), np.float64(0.0000156)],
    "q9": [by_sums, by_divided_gradients, cleared_at_the_end, cleared_by_hand, reported_beforehand,
           by_log_softmax, by_autograd_grad, as_the_mean_runs, accumulating()],
    "q10": [146, 146.0, round(0.95425 * 153), torch.tensor(146), np.int64(146), Fraction(146),
            153 - 7, int(146.9)],
}

_left, _mode = "you leave it there", "and goes back in"

# Wrong ones beside those that an exercise lists, with words of the reply.
WRONG = {
    "q1": [(-8.8, "against the gradient"), (-7, "not the number"), ("-7.2", "without quotes")],
    "q2": [(without_a_thought_of_gradients, "builds a graph"),
           (every_other_batch_without_graph, "builds a graph"),
           (detached_too_late, "builds a graph"),
           (evaluated(mode=None), _left), (evaluated(mode=True), "evaluate with model.eval()"),
           (only_norm_in_eval, _left), (only_dropout_in_eval, _left),
           (eval_after_the_first_batch, _left),
           (evaluated(back=False), f"came in training mode {_mode} evaluation"),
           (evaluated(back=True), f"came in evaluation mode {_mode} training"),
           (evaluated(lambda hits: hits[-1].mean()), "last batch only"),
           (evaluated(lambda hits: np.mean([float(h.mean()) for h in hits])), "of the batches"),
           (evaluated(lambda hits: max(h.mean() for h in hits)), "best batch"),
           (evaluated(lambda hits: torch.cat(hits).sum() / 14), "should be"),
           (over_the_wrong_dimension, "should be"), (evaluated(torch.cat), "the shape is (14,)"),
           (evaluated(lambda hits: None), "is there a return?"),
           (lambda model, loader: model(loader), "raised"),
           (evaluated(lambda hits: math.nan), "the value is nan")],
    "q3": [(lambda m, s: m.median(), "the value is"),
           (lambda m, s: (m * s)[s > 1].sum() / s.sum(), "the value is"),
           (lambda m, s: (m * s).sum().abs() / s.sum(), "should be -0.375"),
           (lambda m, s: print(m), "is there a return?"),
           (lambda m, s: m * s, "the shape is (4,)"),
           (lambda m, s: (m * s).sum() / 193, "the value is"),
           (lambda m, s: (m[:-1].sum() * s[0] + m[-1] * s[-1]) / s.sum(), "the value is"),
           (lambda m, s: np.mean(m.numpy()), "mean of the batch means"),
           (lambda m, s: m.sum() / len(s), "mean of the batch means")],
    "q4": [("lines a and f", "yes, a is one of the two; f is right"), ("line a", "the other?"),
           ("e, i", "yes, i is one of the two; e is right"), ("hi", "h is right"),
           ("all", "two letters from a to i"), ("aif", "two letters"), ("aj", "two letters"),
           (np.array(["a", "b", "c"]), "two letters"), (np.array(["d", "e"]), "e is right")],
    "q5": [(keep_the_model_itself, "keep a copy of the best ones"),
           (rebind_a_copy, "keep a copy of the best ones"),
           (keeping(keep=lambda m: m.state_dict()), "the model's own tensors"),
           (keeping(keep=lambda m: dict(m.state_dict())), "the model's own tensors"),
           (keeping(keep=lambda m: copy.copy(m.state_dict())), "the model's own tensors"),
           (keeping(keep=lambda m: {k: v.detach() for k, v in m.state_dict().items()}),
            "the model's own tensors"),
           (keeping(keep=only_trainable, restore=lambda m, kept: m.load_state_dict(
               kept, strict=False)), "running averages"),
           (keeping(better=lambda loss, best: loss > best, begin=-math.inf), "the highest loss"),
           (keeping(better=lambda loss, best: loss <= best), "the earlier epoch counts"),
           (keeping(better=lambda loss, best: not loss >= best), "nan is never the best"),
           (keeping(better=lambda loss, best: loss < best, begin=1.0), "raised"),
           (keeping(better=lambda loss, best: True), "the model ends with the weights of its last"),
           (keeping(result=lambda best, losses: losses[-1]), "the loss of the last epoch"),
           (keeping(result=lambda best, losses: losses.index(best)), "number of the best epoch"),
           (keeping(result=lambda best, losses: losses), "one number"),
           (keeping(result=lambda best, losses: None), "is there a return?"),
           (keeping(result=lambda best, losses: np.min(losses)), "you return nan"),
           (stops_at_the_first_rise, "of 5 epochs you trained 4"),
           (validates_only_at_the_end, "after every epoch"),
           (trains_forever, "called again and again")],
    "q6": [(ForgetsTheRest, "holds only until"), (with_gradients_set_to_zero, "answers otherwise"),
           (train_without_a_mode, "training with the frozen part raised TypeError"),
           (detached_answers, "the stem"), (WithoutGraph, "the stem"),
           (all_sequences, "no longer switch"), (all_modules, "no longer switch"),
           (dropout_removed_but_not_inside, "smaller part inside"),
           (lambda part: Frozen(part).eval(), "still get gradients"),
           (lambda part: Frozen(part[:-1]).requires_grad_(False).eval(), "otherwise"),
           (lambda part: part.requires_grad_(False).train(False), "holds only until"),
           (lambda part: part.requires_grad_(False).train(), "stops the gradients only"),
           (lambda part: by_an_own_train(part) and None, "is there a return?"),
           (lambda part: part.state_dict(), "return the frozen part, a module"),
           (lambda part: nn.Identity(), "answers otherwise"),
           (lambda part: part.freeze(), "your function raised AttributeError")],
    "q7": [("line c", "what else does making one change?"), ("d, e", "one letter from a to j"),
           (np.array(["a", "b"]), "one letter"), ("bc", "one letter"), ("SGD", "one letter")],
    "q8": [(0.5**7, "the factor alone"), (2e-12, "not the number"), (0, "very small, but not 0"),
           (0.002 * 0.5**6, "one halving too few"), (3.125e-5, "one halving too few"),
           ("0.000015625", "without quotes")],
    "q9": [(one_backward_at_the_end, "in memory at once"), (joined, "at once"),
           (with_a_scaled_rate, "learning rate"), (by_hand, "never called"),
           (without_the_tail, "share of all samples"), (clipped, "share of all samples"),
           (accumulating(lambda y, batches: 1), "adds up the batches' mean losses"),
           (accumulating(lambda y, batches: 1 / len(batches)), "mean of the batches' means"),
           (accumulating(lambda y, batches: len(y)), "sum over all samples"),
           (accumulating(clear="each"), "last batch alone"),
           (accumulating(lambda y, batches: 1 / len(batches), clear="each"), "last batch alone"),
           (accumulating(clear="never"), "in a second call"),
           (accumulating(clear="before the step"), "no gradients"),
           (accumulating(lambda y, batches: 1, step="each", clear="each"), "you make 3"),
           (accumulating(result=lambda losses, batches: losses[-1]), "last batch alone"),
           (accumulating(result=lambda losses, batches: np.mean(losses)), "mean of the batches'"),
           (accumulating(result=lambda losses, batches: losses), "return one number"),
           (accumulating(result=lambda losses, batches: None), "is there a return?"),
           (accumulating(result=lambda losses, batches: -by_size(losses, batches)),
            "the mean loss is")],
    "q10": [(0.954 * 153, "photos come whole"), (146.1, "not the number")],
}
