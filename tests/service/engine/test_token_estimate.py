"""The estimate of a request's tokens: on the low side, and nearer with every request."""

from service.engine.token_estimate import TokenEstimator
from service.job import Job


def test_an_estimate_is_of_what_will_be_tokenised() -> None:
    """A document that occurs twice once, and no more of one than the client wants to be scored."""
    estimator = TokenEstimator(512)
    one = estimator.tokens([Job(query="q", documents=["a" * 1000])])
    assert estimator.tokens([Job(query="q", documents=["a" * 1000] * 50)]) == one > 90
    assert estimator.tokens([Job(query="q", documents=["a" * 1000], max_tokens_per_doc=10)]) == 10


def test_an_estimate_learns_and_stays_below() -> None:
    """For texts of four characters per token, the estimate approaches the true number from below."""
    estimator, job = TokenEstimator(64), Job(query="abcd", documents=["abcd" * 8 + f"{n:4}" for n in range(10)])
    true = (4 + 36) * 10 // 4
    assert estimator.tokens([job]) < true
    for _ in range(60):
        estimator.learn([job], true)
    assert 0.85 * true < estimator.tokens([job]) < true
    assert estimator.tokens([]) == 0
    assert estimator.tokens([Job(query="q", documents=["a" * 10**6, "b"])]) == 64, "a long document is cut"


def test_an_estimate_never_learns_more_than_a_token_a_character() -> None:
    """A request of one character in a thousand windows says nothing of others."""
    estimator = TokenEstimator(8192)
    estimator.learn([Job(query="", documents=["a"])], 10**6)
    assert estimator.tokens([Job(query="", documents=["a" * 1000])]) <= 200
