"""The runs of notebook 05: what they change is what makes the difference."""

import pytest
import torch
from torch import nn

from course_utils import loop_runs
from course_utils.training import TensorLoader


def loader() -> TensorLoader:
    torch.manual_seed(0)
    return TensorLoader(torch.randn(30, 4), torch.randint(3, (30,)), batch_size=8)


def test_the_learning_rate_grows_by_one_factor_from_the_lowest_to_the_highest():
    rates, losses = loop_runs.learning_rate_range(nn.Linear(4, 3), loader(), lowest=0.01,
                                                  highest=1.0, steps=9)
    ratios = torch.tensor(rates[1:]) / torch.tensor(rates[:-1])
    assert (rates[0], pytest.approx(rates[-1])) == (0.01, 1.0)
    torch.testing.assert_close(ratios, torch.full((8,), 100.0 ** (1 / 8)))
    assert len(losses) == 9


@pytest.mark.parametrize("wrong", [dict(lowest=0.0), dict(lowest=2.0, highest=1.0), dict(steps=1)])
def test_a_range_that_is_none_is_refused(wrong: dict):
    with pytest.raises(ValueError, match="lowest is"):
        loop_runs.learning_rate_range(nn.Linear(4, 3), loader(), **wrong)


def test_an_empty_loader_is_refused_and_not_waited_for():
    with pytest.raises(ValueError, match="no batch"):
        loop_runs.learning_rate_range(nn.Linear(4, 3), [])


def test_decay_acts_on_the_scale_of_batch_norm_unless_it_is_left_out():
    runs = loop_runs.weight_decay(1.0, seeds=[0, 1])
    scale = runs.pivot(index="seed", columns="kind", values="scale")
    assert (scale["AdamW"] < scale["AdamW, groups"]).all()
    assert list(runs["seed"]) == [0, 1, 0, 1, 0, 1]


def test_without_decay_all_kinds_are_one():
    runs = loop_runs.weight_decay(0.0, seeds=[0])
    assert runs["norm"].nunique() == runs["accuracy"].nunique() == 1


def test_clipping_saves_a_run_from_one_bad_batch():
    spoilt, = loop_runs.one_bad_batch(None, seeds=[0])
    clipped, = loop_runs.one_bad_batch(1.0, seeds=[0])
    unharmed, = loop_runs.one_bad_batch(None, factor=1.0, seeds=[0])
    assert spoilt < 0.8 < clipped
    assert abs(clipped - unharmed) < 0.05


def test_the_table_of_hits_is_that_of_networks_which_learned():
    hits = loop_runs.hits_of_networks(2)
    assert hits.shape == (2, 1297)
    assert set(hits.unique().tolist()) == {0.0, 1.0}
    assert (hits.mean(dim=1) > 0.9).all()
    assert not torch.equal(hits[0], hits[1])


def test_a_scheduler_stepped_after_each_batch_ends_the_training_early():
    rates, accuracies = loop_runs.step_lr(seeds=[3])
    assert rates["each epoch"].loc[[1, 7, 8, 15]].tolist() == pytest.approx([0.3, 0.3, 0.03, 0.003])
    assert rates["each batch"].loc[[1, 2, 3]].tolist() == pytest.approx([0.3, 0.03, 0.003])
    assert accuracies.index.tolist() == [3]
    assert accuracies.loc[3, "each batch"] < accuracies.loc[3, "each epoch"]
