"""What each of two processes does in the tests of distributed training: train, score, leave the result."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from benchkit.data.images import SearchImages, divide, open_image_set, parse_split
from benchkit.spaces import get_space
from benchkit.spaces.engine import build_supernet
from benchkit.strategies import get_weight_sharing
from benchkit.training.distributed import ALONE, Processes, joined
from benchkit.training.recipe import TrainingRecipe
from benchkit.training.trainer import Streams, Trainer
from tests.training.plain_supernet import PlainSupernet

__all__ = ["make", "result"]

# no clipping, whose norm would spread a last bit over all weights
RECIPE = TrainingRecipe(epochs=2, batch_size=30, learning_rate=0.1, clip=None)


def images() -> SearchImages:
    return divide(open_image_set("digits", limit=250), parse_split("100"))[0]


def make(kind: str, processes: Processes = ALONE, folder: Path | None = None) -> Trainer:
    """Return a training of ``plain`` (no batch statistics), ``spos`` or ``darts``."""
    streams = Streams.of(1)
    space = get_space("nasbench201-3")
    supernet = (
        PlainSupernet(streams.network)
        if kind == "plain"
        else build_supernet(space, 10, 1, generator=streams.network, channels=4, cells=1)
    )
    strategy = get_weight_sharing("spos" if kind == "plain" else kind)(space, streams.strategy)
    return Trainer(
        strategy, supernet, images(), RECIPE, processes.device, streams, folder=folder, processes=processes
    )


def result(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return the weights, the strategy's parameters, the losses, and scores of nine architectures."""
    rows = get_space("nasbench201-3").sample(np.random.default_rng(0), 9)
    return {
        **{f"network.{name}": value.clone() for name, value in trainer.supernet.state_dict().items()},
        **{f"own.{name}": value.clone() for name, value in trainer.strategy.state_tensors().items()},
        "losses": torch.tensor([row["loss"] for row in trainer.history], dtype=torch.float64),
        "scores": torch.from_numpy(trainer.evaluator.evaluate(rows).scores),
    }


def main(out: Path) -> None:
    with joined("cpu") as processes:
        for kind in ("plain", "spos", "darts"):
            whole = make(kind, processes, folder=out / kind)
            whole.fit()
            processes.wait()
            again = make(kind, processes)
            again.resume(out / kind / "epoch-0001.json")
            again.fit()
            for name, trainer in (("whole", whole), ("again", again)):
                found = {key: value.contiguous() for key, value in result(trainer).items()}
                save_file(found, out / f"{kind}-{name}-{processes.rank}.safetensors")
        rank = processes.rank
    threads = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    (out / f"threads-{rank}.json").write_text(json.dumps(threads))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
