"""What is recorded of requests: logs, figures, traces."""
