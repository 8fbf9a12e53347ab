"""Mutation testing of `adapter/translate` by the conformance cases alone; `python -m tests.tools.mutation` runs it."""
