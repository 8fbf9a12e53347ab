"""JSON Schemas: checking values, and making values that hold."""
