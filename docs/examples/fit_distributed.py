"""`fit` on several processes or machines: the same call, its parts prepared by Accelerate.

    python docs/examples/fit_distributed.py                          one process
    torchrun --nproc-per-node 2 docs/examples/fit_distributed.py     two, on this machine

A name after the script is the file for the weights. docs/scaling.md explains it.
"""

import sys

import torch
import torch.nn.functional as F
from accelerate import Accelerator, DataLoaderConfiguration
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_utils import runtime
from course_utils.training import fit


def parts() -> tuple[nn.Module, torch.optim.Optimizer, DataLoader, DataLoader]:
    """A model, its optimiser and two loaders, as for one process."""
    digits = load_digits()
    x, y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    train = DataLoader(TensorDataset(x[:1280], y[:1280]), batch_size=64, shuffle=True,
                       generator=torch.Generator().manual_seed(0))
    return model, optimizer, train, DataLoader(TensorDataset(x[1280:], y[1280:]), batch_size=256)


def main() -> None:
    # split_batches: each of 2 processes takes half of the loader's batch of 64, not 64 of its own.
    accelerator = Accelerator(cpu=runtime.device().type == "cpu",
                              dataloader_config=DataLoaderConfiguration(split_batches=True))
    model, optimizer, train, val = parts()
    model, optimizer, train = accelerator.prepare(model, optimizer, train)
    history = fit(model, train, val, loss_fn=F.cross_entropy, optimizer=optimizer, epochs=3,
                  device=accelerator.device, progress=accelerator.is_main_process)
    if accelerator.is_main_process:
        print(f"{accelerator.num_processes} process(es)")
        print(history.frame[["val_loss", "val_accuracy"]].round(4))
        for name in sys.argv[1:]:
            accelerator.save(accelerator.unwrap_model(model).state_dict(), name)
    accelerator.end_training()


if __name__ == "__main__":
    main()
