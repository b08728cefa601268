"""A loaded model: its checked artefact, its tokeniser and its session.

The service and the in-process `Scorer` are both built on it; neither opens any of the three itself.
"""

from dataclasses import dataclass
from pathlib import Path

from models.artefact import Artefact, ArtefactError, OptionError, load
from models.devices import DeviceChoice, choose_device
from models.session import Session, available_providers
from models.tokenise import Tokeniser
from models.wording import counted


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be warmed up and run; it starts no threads of its own."""

    artefact: Artefact
    tokeniser: Tokeniser
    session: Session

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        device: DeviceChoice = "auto",
        threads: int = 0,
        max_tokens: int | None = None,
        max_batch_tokens: int | None = None,
        token_cache_bytes: int = 0,
        gpu_memory_bytes: int = 0,
    ) -> "LoadedModel":
        """Load and check an artefact folder; the first run is slow unless `warm_up` is called before it.

        Args:
            folder: the artefact folder (see `models.artefact`).
            device: the device to run on; `auto` uses CUDA if it is installed and the model is not int8, else the CPU.
            threads: the number of concurrent runs on the CPU; 0 for one per usable CPU.
            max_tokens: the context window in tokens, if it is to be shorter than the model's own.
            max_batch_tokens: the padded tokens per batch; None for the device's default (see `models.devices`).
            token_cache_bytes: the size of the cache of documents' token ids; 0 for no cache.
            gpu_memory_bytes: the GPU memory that ONNX Runtime may use; 0 for no limit.

        Raises:
            ArtefactError: the folder is damaged or has no one-label cross-encoder.
            OptionError: the device is not available, or the context window is too long or too short.
        """
        artefact = load(folder)
        manifest = artefact.manifest
        window = context_window(manifest.name, manifest.max_tokens, max_tokens)
        tokeniser = Tokeniser.open(artefact.tokenizer, window, cache_bytes=token_cache_bytes)
        session = Session(
            artefact,
            choose_device(device, manifest.precision, available_providers()),
            threads=threads,
            max_batch_tokens=max_batch_tokens,
            gpu_memory_bytes=gpu_memory_bytes,
        )
        return cls(artefact, tokeniser, session)

    def warm_up(self) -> None:
        """Run a short test pair; raise ArtefactError if it cannot be tokenised or has no finite logit."""
        try:
            pair = self.tokeniser.pairs("warm", ["up"])[0]
        except Exception as error:
            raise ArtefactError(f"the warm-up of the model failed: {error}") from error
        self.session.warm_up(pair)


def context_window(model: str, window: int, max_tokens: int | None) -> int:
    """Return the context window to use, in tokens.

    Args:
        model: the model's name, for the message.
        window: the model's own context window in tokens.
        max_tokens: the context window that the user wants; None for the model's own.

    Raises:
        OptionError: the user wants a longer window than the model's own.
    """
    if max_tokens is not None and max_tokens > window:
        raise OptionError(
            "max_tokens",
            f"{OptionError.NAME}={max_tokens} is more than the context window of {model}, {counted(window, 'token')}: "
            "lower it, or leave it unset to use the whole window",
        )
    return max_tokens or window
