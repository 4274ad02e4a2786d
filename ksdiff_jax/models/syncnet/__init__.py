"""SyncNet (Chung and Zisserman 2016), the network that LSE-C and LSE-D are measured with.

network.py has its two streams, origins.py the names of its weights in the original's file, and
folder.py the conversion and the converted folder. It is not trained here.
"""
