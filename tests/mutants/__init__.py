"""Small changes to the package that a test must notice: `python -m tests.mutants`, or `make
mutants`.
"""
