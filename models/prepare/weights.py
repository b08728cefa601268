"""Check the weights of a checkpoint: whole files, not quantised, finite numbers, and a head that was trained.

transformers opens a model with such faults, or fails with a message that names neither the file nor the cause.
"""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from models.prepare.checkpoint_files import INDEX, WEIGHTS, shards
from models.prepare.errors import PrepareError, reason

EXACT = frozenset({"F64", "F32", "F16", "BF16"})
"""The data types of weights that are not quantised, as safetensors names them."""
INDEXES = frozenset({"I64", "I32", "BOOL"})
"""The data types of buffers, such as position ids."""


def read_shapes(folder: Path) -> dict[str, list[int]]:
    """Check that the safetensors files of a folder are whole and not quantised; return the shape of each weight.

    Raises:
        PrepareError: a file is damaged, incomplete or quantised.
    """
    shapes: dict[str, list[int]] = {}
    for name in _names(folder):
        try:
            with safe_open(str(folder / name), framework="numpy") as file:
                tensors = {tensor: file.get_slice(tensor) for tensor in file.keys()}  # noqa: SIM118 - no mapping
                kinds = {tensor.get_dtype() for tensor in tensors.values()}
                shapes |= {key: tensor.get_shape() for key, tensor in tensors.items()}
        except (SafetensorError, OSError) as error:
            raise PrepareError(
                f"transformers cannot open the checkpoint in {folder}: {name} is damaged or incomplete "
                f"({reason(error)}); copy or download it again"
            ) from None
        quantised = sorted(kinds - EXACT - INDEXES)
        if quantised:
            raise PrepareError(
                f"the weights in {folder / name} are quantised ({', '.join(quantised)}): "
                "use the model that they were made from, in fp32, fp16 or bf16"
            )
    return shapes


def _names(folder: Path) -> list[str]:
    """List the safetensors files that transformers reads."""
    names = [path.name for path in folder.iterdir()]
    if WEIGHTS in names:
        return [WEIGHTS]
    return shards(folder / INDEX, names, str(folder)) if INDEX in names else []


def check_numbers(model: PreTrainedModel, folder: Path) -> None:
    """Check that all weights of a model are finite and that its head is not zero; raise PrepareError."""
    trunk = f"{model.base_model_prefix}."
    for name, weights in model.named_parameters():
        if not bool(weights.isfinite().all()):
            raise PrepareError(
                f"the weight {name} of the checkpoint in {folder} has numbers that are infinite or not a number (NaN): "
                "the checkpoint is damaged, or its training failed"
            )
        if not name.startswith(trunk) and weights.dim() > 1 and not bool(weights.any()):
            raise PrepareError(
                f"the weight {name} of the checkpoint in {folder} is all zero, so every pair would get the same score: "
                "its head was never trained"
            )
