"""A Whisper of two small layers with random weights and a byte tokenizer: its words are random, but
it runs to the end.
"""

from pathlib import Path

ENDS = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
]
ENDS += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
TIMES = [f"<|{0.02 * step:.2f}|>" for step in range(1501)]


def write_tiny_whisper(folder: Path) -> Path:
    """Model, tokenizer and feature extractor as Hugging Face stores them."""
    import torch
    from transformers import (
        AddedToken,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    torch.manual_seed(0)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]
    tokenizer = WhisperTokenizer(
        vocab={letter: index for index, letter in enumerate(letters)}, merges=[]
    )
    tokenizer.add_tokens(
        [AddedToken(token, special=True) for token in ENDS + TIMES], special_tokens=True
    )
    tokenizer.eos_token = tokenizer.bos_token = tokenizer.pad_token = tokenizer.unk_token = ENDS[0]
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in ENDS}
    end = ids["<|endoftext|>"]
    sizes = {
        f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in SIZES.items()
    }
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=16, eos_token_id=end, bos_token_id=end, pad_token_id=end,
        decoder_start_token_id=ids["<|startoftranscript|>"], **sizes,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    generation = model.generation_config
    settings = {
        "alignment_heads": [[0, 0], [1, 1]],
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "is_multilingual": True,
        "lang_to_id": {"<|en|>": ids["<|en|>"]},
        "max_length": 24,
        "suppress_tokens": [],
        "begin_suppress_tokens": [end],
        "task_to_id": {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")},
        "max_initial_timestamp_index": 50,
        "prev_sot_token_id": ids["<|startofprev|>"],
    }
    for name, value in settings.items():
        setattr(generation, name, value)
    generation._from_model_config = False  # else what was set here is read as if it had not been
    for part in (model, tokenizer, WhisperFeatureExtractor()):
        part.save_pretrained(folder)
    return folder


SIZES = {"layers": 2, "attention_heads": 2, "ffn_dim": 32}
