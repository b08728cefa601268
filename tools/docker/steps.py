"""Test the Dockerfile without a Docker engine: run its steps in chroots, then start the image that they build.

    python -m tools.docker.steps --work DIR [--target cpu] [--env NAME]... [--bind PATH]...

It needs root, debootstrap, unshare and ip. A minimal Debian with its own Python stands in for the slim base image. Each
stage is a folder, and RUN steps are chrooted into it as in an engine: with their own mounts and process ids and a clean
environment, but without cache mounts. The finished image runs as its USER, as process 1, on a read-only root and in its
own network. It must become ready, rank documents, pass its HEALTHCHECK and exit with 0 on SIGTERM. `--env` and `--bind`
make this machine's pip settings (variables, files) available to the RUN steps only.
"""

import argparse
import atexit
import ctypes
import json
import logging
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import environ, geteuid, kill, killpg
from pathlib import Path
from urllib.error import URLError

from tools.docker.dockerfile import Instruction, Stage, lets_through, read, substitute

log = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parents[2]
BASE_PACKAGES = "python3,python3-venv,python3-pip,python-is-python3"
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NETWORK_FILES = ["/etc/resolv.conf", "/etc/hosts"]
"""The files that an engine provides to every container."""
NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h; os.unshare exists from Python 3.12 on
ANY_ADDRESS = "127.0.0.2"
"""A loopback address other than 127.0.0.1, on which only a server that listens on all addresses answers."""
QUERY = "how do plants make their food"
DOCUMENTS = [
    "The stock market closed higher on Friday.",
    "Photosynthesis lets plants turn sunlight, water and carbon dioxide into sugar, their food.",
    "A bicycle chain needs oil from time to time.",
]
ENTER = """
root=$1 mode=$2 user=$3; shift 3
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$(dirname "$root$1")"; touch "$root$1"; fi
    mount --rbind "$1" "$root$1"; shift
done
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
[ "$mode" = rw ] || mount -o remount,ro,bind "$root"
exec chroot --userspec="$user" "$root" "$@"
"""


@dataclass(frozen=True)
class Image:
    """The folder of a stage and the configuration that the next stage inherits."""

    root: Path
    environ: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH})
    workdir: str = "/"
    user: str = "0:0"
    commands: dict[str, list[str]] = field(default_factory=dict)
    port: int = 0

    def inside(self, path: str) -> Path:
        """Translate a path in the image, relative to its working directory, to a path on this machine."""
        return self.root / str(Path("/", self.workdir, path)).lstrip("/")

    def start(
        self, command: Sequence[str], *, binds: Sequence[str] = (), mode: str = "rw", **lent: str
    ) -> subprocess.Popen[bytes]:
        """Start a command in the image as its user, as process 1 of new process and mount namespaces."""
        variables = [f"{name}={value}" for name, value in {**lent, **self.environ}.items()]
        unshare = ["unshare", "--mount", "--pid", "--fork", "sh", "-euc", ENTER, "sh"]
        enter = [str(self.root), mode, self.user, *NETWORK_FILES, *binds, "--"]
        entered = [*unshare, *enter, "env", "-i", "-C", self.workdir, *variables, *command]
        process = subprocess.Popen(entered, start_new_session=True)
        atexit.register(_end, process)
        return process


class Build:
    """The images built so far, and the variables and paths made available to RUN steps."""

    def __init__(
        self, work: Path, stages: dict[str, Stage], base: Path, variables: list[str], binds: list[str]
    ) -> None:
        self.work, self.stages, self.base = work, stages, base
        self.lent = {name: environ[name] for name in variables if name in environ}
        self.binds = binds
        self.images: dict[str, Image] = {}

    def image(self, name: str) -> Image:
        """Build a stage and, before it, the stages that it is based on; each is built once."""
        if name not in self.images:
            stage = self.stages[name]
            base = self.image(stage.base) if stage.base in self.stages else Image(self.base)
            log.info("FROM %s AS %s", stage.base, name)
            root = self.work / name
            shutil.rmtree(root, ignore_errors=True)
            _run("cp", "--archive", "--reflink=auto", str(base.root), str(root))
            image = replace(base, root=root)
            for instruction in stage.instructions:
                log.info("[%s] %s %s", name, instruction.name, instruction.text)
                image = self._step(image, instruction)
            self.images[name] = image
        return self.images[name]

    def _step(self, image: Image, step: Instruction) -> Image:
        if step.name == "RUN":
            process = image.start(["/bin/sh", "-c", step.text], binds=self.binds, **self.lent)
            _expect(process.wait() == 0, f"RUN {step.text} ended with {process.returncode}")
        elif step.name == "COPY":
            self._copy(image, step)
        elif step.name in ("ENTRYPOINT", "CMD"):
            return replace(image, commands={**image.commands, step.name: step.command()})
        elif step.name == "HEALTHCHECK":
            command = Instruction("HEALTHCHECK", {}, step.text.removeprefix("CMD ")).command()
            return replace(image, commands={**image.commands, step.name: command})
        return _configured(image, step)

    def _copy(self, image: Image, step: Instruction) -> None:
        *sources, destination = step.words()
        origin = self.image(step.flags["from"]).root if "from" in step.flags else self.work / "context"
        for source in (origin / name.lstrip("/") for name in sources):
            target = image.inside(destination)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
            else:
                target = target / source.name if destination.endswith("/") else target
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)


def _configured(image: Image, step: Instruction) -> Image:
    """Return the image with a step's configuration; LABEL and steps that were run change nothing."""
    if step.name == "ENV":
        values = {name: substitute(value, image.environ) for name, value in step.pairs().items()}
        return replace(image, environ=image.environ | values)
    if step.name == "WORKDIR":
        image.inside(step.text).mkdir(parents=True, exist_ok=True)
        return replace(image, workdir=step.text)
    if step.name == "USER":
        return replace(image, user=step.text)
    if step.name == "EXPOSE":
        return replace(image, port=int(step.text))
    return image


def prove(image: Image) -> None:
    """Start the image and use it like a user and an engine; exit with a message at the first failure."""
    own_network()
    listed = image.start([*image.commands["ENTRYPOINT"], "models", "list"], mode="ro")
    _expect(listed.wait(timeout=60) == 0, "`models list` runs instead of the default command")
    server = image.start([*image.commands["ENTRYPOINT"], *image.commands["CMD"]], mode="ro")
    url = f"http://{ANY_ADDRESS}:{image.port}"
    _expect(_ready(server, url), f"GET {url}/ready answers 200, as {image.user} on a read-only root")
    body = json.dumps({"query": QUERY, "documents": DOCUMENTS}).encode()
    request = urllib.request.Request(url + "/rerank", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        results = json.load(answer)["results"]
    _expect(results[0]["index"] == 1 and len(results) == len(DOCUMENTS), f"POST /rerank ranks: {results}")
    _expect(
        image.start(image.commands["HEALTHCHECK"], mode="ro").wait(timeout=60) == 0,
        "HEALTHCHECK passes while the server runs",
    )
    kill(int(Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()), signal.SIGTERM)
    _expect(server.wait(timeout=60) == 0, "on SIGTERM, process 1 exits with 0")
    _expect(
        image.start(image.commands["HEALTHCHECK"], mode="ro").wait(timeout=60) != 0,
        "HEALTHCHECK fails after the server has stopped",
    )


def own_network() -> None:
    """Move this process to a new network namespace, where every port is free and only loopback exists."""
    _expect(ctypes.CDLL(None).unshare(NEW_NETWORK) == 0, "a new network namespace")
    _run("ip", "link", "set", "lo", "up")


def write_context(project: Path, context: Path) -> None:
    """Copy the files that the project's .dockerignore does not exclude to `context`."""
    dockerignore = (project / ".dockerignore").read_text()
    shutil.rmtree(context, ignore_errors=True)
    for entry in (path for path in project.iterdir() if lets_through(dockerignore, path.name)):
        for source in (entry, *entry.rglob("*")):
            path = source.relative_to(project)
            if source.is_file() and lets_through(dockerignore, path.as_posix()):
                (context / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, context / path)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group of a failed test (unshare's --kill-child does not survive a change of user)."""
    if process.poll() is None:
        killpg(process.pid, signal.SIGKILL)


def _ready(server: subprocess.Popen[bytes], url: str) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url + "/ready", timeout=5):
                return True
        except URLError:
            time.sleep(0.05)
    return False


def _expect(condition: bool, fact: str) -> None:
    if not condition:
        sys.exit(f"FAILED: {fact}")
    log.info("ok: %s", fact)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> None:
    """Build the target and test the image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the stages, about 2 GB; the base is reused"
    )
    parser.add_argument("--target", default="cpu", help="stage to build and test (default: %(default)s)")
    parser.add_argument("--suite", default="bookworm", help="Debian suite of the base (default: %(default)s)")
    parser.add_argument("--env", action="append", default=[], metavar="NAME", help="variable to pass to RUN steps")
    parser.add_argument("--bind", action="append", default=[], metavar="PATH", help="file or folder for RUN steps")
    given = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    if geteuid() != 0:
        sys.exit("chroot and unshare need root: run this program as root")
    work = given.work.resolve()
    base = work / f"base-{given.suite}"
    if not base.exists():
        _run("debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", given.suite, str(base))
    write_context(PROJECT, work / "context")
    stages = read((PROJECT / "Dockerfile").read_text())
    prove(Build(work, stages, base, given.env, given.bind).image(given.target))


if __name__ == "__main__":
    main()
