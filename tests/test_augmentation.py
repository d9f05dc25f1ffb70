"""What worker processes do with the random numbers of a data set."""

import torch
from torch.utils.data import DataLoader

from course_utils.augmentation import RandomShift, seed_own_generator


def passes(source: str, **options) -> list[list[int]]:
    """Two passes over the eight items; worker 0 has the first four, worker 1 the rest."""
    torch.manual_seed(0)
    loader = DataLoader(RandomShift(source), batch_size=4, num_workers=2, **options)
    return [torch.cat(list(loader)).tolist() for _ in range(2)]


def test_a_generator_of_its_own_repeats_itself_in_each_worker_and_in_each_pass():
    first, second = passes("own")
    assert first[:4] == first[4:]
    assert first == second


def test_a_generator_seeded_in_the_worker_does_not():
    first, second = passes("own", worker_init_fn=seed_own_generator)
    assert first[:4] != first[4:]
    assert first != second
    assert passes("own", worker_init_fn=seed_own_generator) == [first, second]


def test_pytorch_seeds_its_own_and_numpys_global_generator_in_each_worker():
    for source in ["torch", "numpy"]:
        first, second = passes(source)
        assert first[:4] != first[4:]
        assert first != second


def test_without_workers_a_generator_of_its_own_goes_on():
    data = RandomShift("own")
    assert len(data) == 8
    assert [data[i] for i in range(8)] != [data[i] for i in range(8)]
    assert all(0 <= data[i] < 100 for i in range(8))
