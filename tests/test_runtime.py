"""The machine is described without secrets, seeded alike, and bars end as plain text."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import runtime


def test_one_seed_seeds_all_three_generators():
    draws = []
    for _ in range(2):
        generator = runtime.seed_everything(7)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item(),
                      torch.rand(1, generator=generator).item()))
    assert draws[0] == draws[1]


def test_a_number_of_numpy_is_a_seed_like_any_other():
    for seed in (np.int64(7), np.uint8(7), torch.tensor(7)):
        generator = runtime.seed_everything(seed)
        assert generator.initial_seed() == torch.initial_seed() == 7
    assert runtime.set_threads(np.int64(torch.get_num_threads())) >= 1


def test_a_device_that_is_not_there_is_refused_by_name():
    assert runtime.device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="'gpu', which PyTorch does not know; this machine has"):
        runtime.device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device is 'cuda', but this machine has only"):
            runtime.device("cuda")
    for nothing in ("cpu:3", 2.5):
        with pytest.raises(ValueError, match=f"device is {nothing!r}, "):
            runtime.device(nothing)


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match="seed is -1"):
        runtime.seed_everything(-1)
    for seed in (1.0, None, "1"):
        with pytest.raises(ValueError, match=f"seed is {seed!r}; it must be a whole number"):
            runtime.seed_everything(seed)
    with pytest.raises(ValueError, match="n is 0"):
        runtime.set_threads(0)
    with pytest.raises(ValueError, match=r"n is 1\.5"):
        runtime.set_threads(1.5)


def test_threads_are_set_and_the_old_number_is_told():
    before = runtime.set_threads(1)
    try:
        assert torch.get_num_threads() == 1
    finally:
        assert runtime.set_threads(before) == 1


def test_the_report_helps_and_keeps_secrets(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(Path.home() / "secret"))
    report = runtime.report()
    assert torch.__version__.split("+")[0] in report
    assert "COURSE_DATA    a path" in report
    assert "secret" not in report
    assert str(Path.home()) not in report


class FakeHandle:
    def __init__(self, seen):
        self.seen = seen

    def update(self, bundle, raw):
        self.seen.append(bundle)


def test_a_notebook_bar_ends_as_plain_text_without_times(monkeypatch):
    seen = []
    monkeypatch.setattr(runtime, "_in_notebook", lambda: True)
    monkeypatch.setattr(runtime.Progress, "_seconds_between_drawings", 0)
    monkeypatch.setattr("IPython.display.display",
                        lambda bundle, **_: seen.append(bundle) or FakeHandle(seen))
    with runtime.Progress("training", total=2, unit="epochs") as bar:
        bar.update(1)
        bar.update(1, note="val_loss 0.5")
    assert "<progress" in seen[0]["text/html"]
    assert 'value="1" max="2"' in seen[1]["text/html"]
    assert seen[-1] == {"text/plain": "training: 2 of 2 epochs, val_loss 0.5"}


def test_a_bar_is_silent_where_nobody_looks(capsys):
    with runtime.Progress("training", total=2) as bar:
        bar.update(2)
    assert capsys.readouterr() == ("", "")


def test_a_bar_serves_pooch():
    """pooch sets the total late, resets, and closes without a with block."""
    bar = runtime.Progress("downloading", unit="B", show=False)
    bar.total = 5_000_000
    bar.update(2_000_000)
    bar.reset()
    bar.update(5_000_000)
    bar.close()
    assert bar.n == bar.total
    assert bar._text() == "downloading: 5 MB"


def test_import_of_the_package_imports_nothing_heavy():
    """`import course_utils` must cost nothing beside `import torch`."""
    import subprocess
    code = "import sys, course_utils; print([m for m in ('torch', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(runtime.__file__).parents[1])
    assert done.stdout.strip() == "[]"
