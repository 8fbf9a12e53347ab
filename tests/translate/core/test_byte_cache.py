"""The cache of values for later requests is bounded in bytes."""

from adapter.translate.core.byte_cache import ByteCache


def test_what_was_not_asked_for_longest_goes_first():
    cache = ByteCache(10, 6)
    made = []

    def get(key, size):
        return cache.get(key, size, lambda: made.append(key) or key)

    get("a", 5), get("b", 4), get("a", 5), get("c", 3), get("a", 5), get("b", 4)
    assert made == ["a", "b", "c", "b"]
    assert cache.size_bytes <= 10


def test_what_is_too_large_is_made_each_time():
    cache = ByteCache(10, 6)
    assert [cache.get("a", 7, object) is cache.get("a", 7, object), len(cache)] == [False, 0]


def test_what_cannot_be_made_is_not_kept():
    cache = ByteCache(10, 6)
    for _ in range(2):
        try:
            cache.get("a", 1, lambda: 1 / 0)
        except ZeroDivisionError:
            assert len(cache) == 0
