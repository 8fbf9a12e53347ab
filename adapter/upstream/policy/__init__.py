"""Policies for failing upstreams: retries and the circuit breaker."""
