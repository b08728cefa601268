"""How the tests that need torch use the CPUs."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small run slower on several threads, by far where others want the CPUs too."""
    import torch

    torch.set_num_threads(1)
