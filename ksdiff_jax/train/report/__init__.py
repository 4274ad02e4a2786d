"""What only looks on while a run trains: logs, curves, pages, videos, shares of time."""
