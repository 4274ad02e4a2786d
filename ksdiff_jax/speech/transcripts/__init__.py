"""What is said, read from the files that people and tools keep beside their recordings: one format
a file.

`sidecar` finds the file, `encoding` makes text of its bytes, `read` chooses the reader by what the
text looks like, `never_spoken` takes out what no mouth forms, and `broken_lines` names what could
not be read.
"""
