"""Protobuf JSON as Google's front end reads it, by a table of fields."""
