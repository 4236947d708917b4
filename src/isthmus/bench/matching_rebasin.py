"""`python matching_rebasin.py <folder>`, by an interpreter that has `rebasin`: matches the folder's pairs with it.

Reads case.json and pairs.npy (2, K, P), writes permuted.npy (K, P), and prints seconds and sweeps as JSON.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from isthmus.bench.cases import Case
from isthmus.bench.plain import network
from isthmus.engine.recipe import Named


def main(folder: str) -> None:
    """Tracing of the modules counts: the package does it for each pair."""
    from rebasin import PermutationCoordinateDescent

    told = json.loads(Path(folder, "case.json").read_text(encoding="utf-8"))
    model, shape = Named(told["group"], told["settings"]), tuple(told["shape"])
    case = Case(f"{told['group']}-", "", model, shape, 2, 2, 0)
    pairs = torch.from_numpy(np.load(f"{folder}/pairs.npy"))
    torch.manual_seed(0)
    permuted, seconds, sweeps = [], 0.0, 0
    for rows in pairs.transpose(0, 1):
        modules = [network(case).eval() for _ in rows]
        for module, row in zip(modules, rows, strict=True):
            torch.nn.utils.vector_to_parameters(row, module.parameters())
        start = time.perf_counter()
        search = PermutationCoordinateDescent(*modules, torch.randn(2, *shape))
        step, counted = search._calculate_permutations_step, []
        search._calculate_permutations_step = lambda loop, step=step, counted=counted: (
            counted.append(1) or step(loop)
        )
        search.rebasin()
        seconds += time.perf_counter() - start
        sweeps += len(counted)
        # Not by PyTorch's own function: the package leaves parameters behind that are no longer contiguous.
        permuted.append(torch.cat([value.detach().flatten() for value in modules[1].parameters()]))
    np.save(f"{folder}/permuted.npy", torch.stack(permuted).numpy())
    print(json.dumps({"seconds": seconds, "sweeps": sweeps / len(permuted)}))


if __name__ == "__main__":
    main(sys.argv[1])
