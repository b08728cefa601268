"""A model that is loaded: its checked artefact, its tokeniser and its session.

This is what the service and the in-process `Scorer` are built on; neither opens any of the three by itself.
"""

from dataclasses import dataclass
from pathlib import Path

from models.artefact import Artefact, load
from models.devices import DeviceChoice, choose_device
from models.session import Session, available_providers
from models.tokenise import Tokeniser


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be warmed up and run; it starts no threads of its own."""

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
        """Load and check an artefact folder; the first run is slower unless `warm_up` went before.

        Args:
            folder: an artefact (see `models.artefact`).
            device: where to run it; `auto` takes CUDA where it is installed, the CPU otherwise and for int8.
            threads: runs at a time on the CPU; 0 for one per usable CPU.
            max_tokens: a shorter window than the model's own, in tokens.
            max_batch_tokens: padded tokens of a batch; None for the device's default (see `models.devices`).
            token_cache_bytes: size of the cache of documents' token ids; 0 for none.
            gpu_memory_bytes: limit of a GPU's memory that ONNX Runtime may take; 0 for none.

        Raises:
            ArtefactError: the folder is damaged or holds no one-label cross-encoder, or the device is not there.
        """
        artefact = load(folder)
        manifest = artefact.manifest
        window = min(max_tokens or manifest.max_tokens, manifest.max_tokens)
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
        """Run a first short pair; raise ArtefactError if the model does not answer it with a finite logit."""
        self.session.warm_up(self.tokeniser.pairs("warm", ["up"])[0])
