"""Units drawn at random, before the first update: what every choice of units has to be better than."""

import torch

from isthmus.engine.streams import stream
from isthmus.removal.cut import Live
from isthmus.removal.scene import Scene, highest, joined, parted


def random(scene: Scene) -> Live:
    """The units (R, n) left: of all hidden units the share that each network keeps, drawn by its seed.

    Uniform over the units of all groups together; where a group would lose all of them, it keeps the one that would
    have gone last. Of n units round(share n) stay, half to even, and at least one of each group.
    """
    groups = torch.cat([torch.full((left.shape[1],), at) for at, left in enumerate(scene.live.values())])
    scores = []
    for network in scene.networks:
        drawn = torch.from_numpy(stream(network.seed, "removed units").random(scene.total))
        for group in range(len(scene.live)):
            members = (groups == group).nonzero().squeeze(1)
            drawn[members[drawn[members].argmax()]] += 1.0
        scores.append(drawn)
    kept = [max(len(scene.live), round(float(share) * scene.total)) for share in scene.shares]
    return parted(scene.live, highest(torch.stack(scores), joined(scene.live), kept))
