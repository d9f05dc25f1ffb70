"""`fit` on two processes learns what it learns on one (docs/scaling.md)."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from course_utils.training import fit

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "examples" / "fit_distributed.py"


@pytest.mark.skipif(sys.platform == "win32", reason="PyTorch for Windows has no libuv for torchrun")
def test_two_processes_learn_what_one_learns(tmp_path):
    """Against a plain `fit` without any engine; the two add their gradients in another order."""
    weights = tmp_path / "two.pt"
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(SCRIPT), str(weights)],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    assert "2 process(es)" in done.stdout

    model, optimizer, train, val = runpy.run_path(str(SCRIPT))["parts"]()
    fit(model, train, val, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=3, device="cpu",
        progress=False)
    two = torch.load(weights, weights_only=True)
    for name, one in model.state_dict().items():
        torch.testing.assert_close(two[name], one, rtol=1e-4, atol=1e-5)
