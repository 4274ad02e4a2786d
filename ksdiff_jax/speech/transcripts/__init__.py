"""Reads the words of a recording from the text files stored beside it; one module per format.

`sidecar` finds the file, `encoding` decodes its bytes, and `read` selects the reader from the
content of the text. `never_spoken` removes text that is not spoken, and `broken_lines` reports
lines that could not be parsed.
"""
