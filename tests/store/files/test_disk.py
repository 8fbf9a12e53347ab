"""Locks of files: one holder, told apart from a disk that has no locks."""

import fcntl
import os

import pytest

from adapter.store.files.disk import try_lock


def test_a_lock_has_one_holder_until_its_file_is_closed(tmp_path):
    first, second = (os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR) for _ in range(2))
    assert [try_lock(first), try_lock(second)] == [True, False]
    os.close(first)
    assert try_lock(second)
    os.close(second)


def test_a_disk_without_locks_is_not_taken_for_another_holder(tmp_path, monkeypatch):
    def refuse(_descriptor, _operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    descriptor = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    with pytest.raises(OSError, match="No locks"):
        try_lock(descriptor)
    os.close(descriptor)
