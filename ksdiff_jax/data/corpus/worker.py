"""A process that makes one block of clips and writes them, pickled, to its standard output.

espeak carries state from call to call, so a block is made by a process of its own that makes no
other calls to it. Run by `write.py` as `python -m ksdiff_jax.data.corpus.worker '{"seed": 0,
"split": "train", ...}'`.
"""

import json
import os
import pickle
import sys

from ksdiff_jax.data.corpus.synthesis import synthesise_block
from ksdiff_jax.errors import InputError


def main() -> int:
    """Clips one after the other; a caller's mistake arrives at the other end as the exception
    itself.
    """
    # espeak prints to standard output now and then: keep the pipe to ourselves and point descriptor
    # 1 elsewhere.
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(2, 1)
        block = json.loads(sys.argv[1])
        block["languages"] = tuple(block["languages"])
        try:
            for clip in synthesise_block(**block):
                pickle.dump(clip, pipe, protocol=pickle.HIGHEST_PROTOCOL)
        except InputError as error:
            pickle.dump(error, pipe)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
