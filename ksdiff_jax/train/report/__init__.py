"""Reports on a training run, which do not change its results: logs, curves, pages, videos, time
accounting.
"""
