"""Contents of files, in a directory."""
