"""The bar to everything beyond this machine, which all other tests here lean on."""

import socket

import pytest

from tests.clients.loopback import LeftTheMachine

ELSEWHERE = "192.0.2.1"  # reserved for documentation: nobody lives there


def test_no_client_can_connect_to_another_machine(asked: list[str]) -> None:
    """Neither by address nor by name, and the attempt is noted."""
    with pytest.raises(LeftTheMachine):
        socket.create_connection((ELSEWHERE, 80))
    with socket.socket() as guest, pytest.raises(LeftTheMachine):
        guest.connect((ELSEWHERE, 80))
    with pytest.raises(LeftTheMachine):
        socket.getaddrinfo("api.cohere.com", 443)
    assert asked == [ELSEWHERE, ELSEWHERE, "api.cohere.com"]
    asked.clear()
