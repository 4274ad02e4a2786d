"""Small changes to the package, each of which must make a test fail: `python -m tests.mutants`, or
`make mutants`.
"""
