"""What is said, read from the files that people and tools keep beside their recordings: one format a file."""
