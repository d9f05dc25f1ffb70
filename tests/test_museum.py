"""Each exhibit of the museum shows its fault, and the right loss does not."""

import math

import pytest
import torch
import torch.nn.functional as F

from course_utils import museum
from course_utils.losses import focal_loss
from course_utils.metrics import as_binary, belief

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [-1.0, 2.0, 4.0]], dtype=torch.float64)
TARGET = torch.tensor([0, 2, 0])


def each(loss_fn):
    """One value per sample of a loss that returns a mean over a batch of one."""
    def values(logits, target):
        return torch.stack([loss_fn(row[None], y[None])
                            for row, y in zip(logits, target, strict=True)])
    return values


def slope(loss_fn, logits, **options):
    """The slope of a sample with respect to the logit of its true class, the first."""
    logits = torch.tensor([logits], requires_grad=True)
    loss_fn(logits, torch.tensor([0]), **options).backward()
    return logits.grad[0, 0].item()


def learned(loss_fn, steps=300):
    """What one logit answers after training on look-alikes, one in ten of them positive."""
    target = (torch.arange(10) < 1).long()
    z = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([z], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_fn(torch.stack([torch.zeros(10), z.expand(10)], dim=1), target).backward()
        optimizer.step()
    return z.sigmoid().item()


@pytest.mark.parametrize(("letter", "answer"), [
    ("A", 0.3247), ("B", 0.3058), ("C", 0.3058), ("D", 0.4050), ("E", 0.6296), ("F", 0.0901),
    ("G", 0.3058), ("H", 0.3058), ("I", 0.3058), ("J", 0.3058), ("K", 0.1)])
def test_what_one_logit_answers(letter, answer):
    assert learned(museum.EXHIBITS[letter]) == pytest.approx(answer, abs=3e-4)


def test_the_right_answer_is_the_belief_of_focal_loss():
    right = belief(as_binary(each(focal_loss)), 0.1).item()
    assert learned(focal_loss) == pytest.approx(right, abs=3e-4)


def test_a_has_the_right_value_and_a_slope_that_is_too_small():
    assert museum.exhibit_a(LOGITS, TARGET) == pytest.approx(focal_loss(LOGITS, TARGET).item())
    for p, ratio in [(0.1, 1.5), (0.5, 2.4), (0.9, 2.9)]:
        z = [math.log(p / (1 - p)), 0.0]
        assert slope(focal_loss, z) / slope(museum.exhibit_a, z) == pytest.approx(ratio, abs=0.05)


def test_the_answer_of_a_follows_from_its_slopes():
    """eta (1 - p)^(gamma + 1) = (1 - eta) p^(gamma + 1)."""
    for gamma, answer in [(1.0, 1 / 4), (2.0, 1 / (1 + 9 ** (1 / 3)))]:
        def loss_fn(logits, target, gamma=gamma):
            return museum.exhibit_a(logits, target, gamma=gamma)
        assert learned(loss_fn) == pytest.approx(answer, abs=3e-4)


def test_b_takes_the_weighted_loss_for_the_surprise():
    weight = torch.tensor([1.0, 9.0])
    assert learned(lambda z, y: focal_loss(z, y, weight=weight)) == pytest.approx(0.5, abs=3e-4)
    wrong = learned(lambda z, y: museum.exhibit_b(z, y, weight=weight))
    assert wrong == pytest.approx(0.5814, abs=3e-4)


def test_c_and_i_are_right_but_for_their_scale():
    value = focal_loss(LOGITS, TARGET).item()
    assert museum.exhibit_c(LOGITS, TARGET).item() == pytest.approx(value / 4)
    assert museum.exhibit_i(LOGITS, TARGET).item() == pytest.approx(value / 3)


def test_d_changes_with_a_constant_that_changes_no_probability():
    assert museum.exhibit_d(LOGITS + 3, TARGET) != pytest.approx(
        museum.exhibit_d(LOGITS, TARGET).item(), rel=0.1)


def test_e_is_zero_where_cross_entropy_is_one():
    z = torch.tensor([[-math.log(math.e - 1), 0.0]], dtype=torch.float64)
    assert F.cross_entropy(z, torch.tensor([0])).item() == pytest.approx(1)
    assert museum.exhibit_e(z, torch.tensor([0])).item() == pytest.approx(0, abs=1e-12)


def test_f_is_not_near_zero_for_a_perfect_answer():
    z = torch.tensor([[100.0, 0.0]])
    assert museum.exhibit_f(z, torch.tensor([0])) > 0.02
    assert abs(slope(museum.exhibit_f, [-50.0, 50.0])) < 1e-6


def test_g_loses_a_hopeless_sample():
    assert museum.exhibit_g(torch.tensor([[-20.0, 20.0]]), torch.tensor([0])).isinf()
    assert museum.exhibit_g(torch.tensor([[9.39, 0.0]]), torch.tensor([0])) == 0


def test_h_has_a_slope_that_is_nan_where_p_rounds_to_one():
    assert math.isnan(slope(museum.exhibit_h, [50.0, -50.0, 0.0], gamma=0.5))
    assert museum.exhibit_h(LOGITS, TARGET) == pytest.approx(focal_loss(LOGITS, TARGET).item())


def test_j_has_no_slope_where_it_is_most_wrong_and_costs_what_users_report():
    assert slope(museum.exhibit_j, [-50.0, 50.0]) == 0
    stuck = 0.25 * museum.exhibit_j(torch.tensor([[-50.0, 50.0]]), torch.tensor([0])).item()
    assert stuck == pytest.approx(2.302, abs=5e-4)


def test_k_is_right_for_one_sample_and_wrong_for_a_batch():
    for row, y in zip(LOGITS, TARGET, strict=True):
        assert museum.exhibit_k(row[None], y[None]) == pytest.approx(
            focal_loss(row[None], y[None]).item())
    assert museum.exhibit_k(LOGITS, TARGET) != pytest.approx(
        focal_loss(LOGITS, TARGET).item(), rel=0.02)


def test_only_exhibits_can_be_shown(capsys):
    museum.show("AK")
    assert capsys.readouterr().out.count("def exhibit_") == 2
    with pytest.raises(ValueError, match="no exhibit 'X'; the letters are A, B"):
        museum.show("AX")
