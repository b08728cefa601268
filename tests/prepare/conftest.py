"""Without torch these tests cannot even be imported; `make test-prepare` installs it."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
