"""Helpers for tests of several folders: live processes, scripted servers, judges, recorded traffic."""
