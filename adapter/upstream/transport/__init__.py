"""The narrow waist that carries calls, and the two transports behind it."""
