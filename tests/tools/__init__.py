"""Tools that run as long as they are given; a little of the fuzzing is a test."""
