"""What every test needs before its own imports: isthmus before torch, whose products it makes reproducible, and one
thread, as every job of the workflow has."""

import isthmus  # noqa: F401  isort: skip
import torch

torch.set_num_threads(1)
