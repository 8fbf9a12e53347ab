"""What tests of several folders use: live processes, scripted servers, judges, recorded traffic."""
