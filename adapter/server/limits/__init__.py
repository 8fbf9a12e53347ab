"""Who may call, how much at once, and how often."""
