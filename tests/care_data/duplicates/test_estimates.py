from care_data.duplicates import estimates
from care_data.duplicates.estimates import estimate


def test_more_text_takes_more_of_everything_and_more_cores_less_time():
    small, large = estimate(10**6, 2), estimate(10**9, 2)
    assert small.seconds < 2 < 10 < large.seconds < 60
    assert small.memory < 400 << 20 < 1 << 30 < large.memory < 3 << 30
    assert large.scratch < 10**9
    assert estimate(10**9, 8).seconds < large.seconds / 3
    assert estimate(10**9, 2, exhaustive=True).memory > 3 * large.memory


def test_it_says_when_memory_will_not_do(monkeypatch):
    monkeypatch.setattr(estimates, "_free_memory", lambda: 10**9)
    assert str(estimate(10**7, 2)).endswith("of disk meanwhile")
    assert str(estimate(10**10, 2)).endswith("of disk meanwhile; only 1.0 GB of memory are free")
    monkeypatch.setattr(estimates, "_free_memory", lambda: 0)
    assert str(estimate(10**10, 2)).endswith("of disk meanwhile")
