"""Builds a tiny Llama with random weights, and a tokenizer trained on the project's own texts. It runs in an environment of its own.

    python tiny_llama.py FOLDER TEXT...

FOLDER gets what `transformers` loads, and ``tiny.gguf`` with the same weights for llama.cpp.
"""

# mypy: ignore-errors
# The libraries are not installed where types are checked.

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 20260304
WORDS = 1_024
"""Entries of the vocabulary, the 256 bytes and the special ones among them."""
SPECIAL = ("<unk>", "<s>", "</s>")
UNKNOWN, BEGIN, END = range(3)
CONTEXT_TOKENS = 512
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def trained_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte-level BPE, so that it can say any text: Korean too."""
    tokenizer = Tokenizer(models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=WORDS, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def random_llama(silent: list[int]) -> LlamaForCausalLM:
    """Two layers of width 64. Asked for the likeliest words it says none of the `silent` ones, for which nothing speaks."""
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS, bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END, tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight[silent] = 0
    return model


def write_gguf(model: LlamaForCausalLM, tokenizer: Tokenizer, path: Path) -> None:
    """The same model as llama.cpp reads it (GGUF, architecture ``llama``): 32-bit weights, the two projections that rotate in its own order."""
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    _write_words(writer, tokenizer)
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for name, weight in model.state_dict().items():
        told = gguf_name(name)
        rotated = next((count for part, count in heads.items() if f".{part}." in told), 0)
        writer.add_tensor(told, (as_pairs(weight, rotated) if rotated else weight).float().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_words(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    known = json.loads(tokenizer.to_str())["model"]
    words = [tokenizer.id_to_token(place) for place in range(WORDS)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(words)
    kinds = [gguf.TokenType.CONTROL if word in SPECIAL else gguf.TokenType.NORMAL for word in words]
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in known["merges"]])
    writer.add_unk_token_id(UNKNOWN)
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def gguf_name(name: str) -> str:
    """A tensor's name in GGUF."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    found = names.get_name(name, try_suffixes=(".weight",))
    assert found, name
    return found


def as_pairs(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query or key projection in llama.cpp's order: the two numbers that rotate together stand side by side."""
    rows, columns = weight.shape
    return weight.view(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def main(folder: Path, texts: list[Path]) -> None:
    """Write everything."""
    tokenizer = trained_tokenizer([path.read_text("utf-8") for path in texts])
    # It does not end by itself, and no letter comes in halves: servers hold those back until they are whole, which here might never be.
    model = random_llama([place for place in range(WORDS) if "\ufffd" in tokenizer.decode([place], skip_special_tokens=True) or place <= END])
    model.save_pretrained(folder)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    write_gguf(model, tokenizer, folder / "tiny.gguf")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
