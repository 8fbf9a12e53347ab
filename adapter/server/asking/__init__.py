"""Asking one place: further calls that go on with an answer, and parallel calls for several choices."""
