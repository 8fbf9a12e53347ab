"""Mutation testing of `adapter/translate` by the conformance cases and the unit tests of the pure layers."""
