"""What `serve` says about a model that is not prepared, where it cannot be prepared."""

import subprocess
import sys
from pathlib import Path

from models.prepare.requirements import FOR_GRAPHS, FOR_WEIGHTS
from tests.support.server import clean_environ

BGE = "bge-reranker-v2-m3"


def test_without_the_packages_for_preparing_the_command_that_installs_them_is_named(tmp_path: Path) -> None:
    """A fresh `make serve` has no torch; what would have been typed at make is in the message."""
    wanted = FOR_GRAPHS + FOR_WEIGHTS  # whichever of them this environment has
    hidden = f"import sys; sys.modules.update(dict.fromkeys({wanted})); from service.cli import main; "
    command = [sys.executable, "-c", f"{hidden}main()", "serve", "--model", BGE, "--models-dir", str(tmp_path / "none")]
    done = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: {BGE} is not prepared yet: run `rerank models prepare {BGE}`, which needs packages that are not "
        f"installed: {', '.join(wanted)}; in the checkout, `make prepare MODEL={BGE}` installs them and prepares the "
        f"model, and `make serve MODEL={BGE}` also serves it; elsewhere, install rerank-server with its extra "
        "`prepare`\n"
    )
