"""The description of this API, as it is served."""
