"""The usual UDP port of each protocol. This module imports nothing, for the command line's help."""

PORTS = {"livelink": 11111, "vmc": 39539, "ifacialmocap": 49983}
