"""What several tests use: live processes, scripted servers, judges."""
