#!/usr/bin/env python3
"""Turns a model of llama2.c (stories260K.bin and tok512.bin) into a Hugging Face folder.

Usage: tools/convert_stories260k.py OUT_DIR [--data DIR]

DIR (default: ../shared/data/weights beside the repository) holds the two files of
https://huggingface.co/karpathy/tinyllamas, stories260K. OUT_DIR gets config.json,
generation_config.json, model.safetensors (float32), tokenizer.json and tokenizer_config.json.
Needs no package. The formats: karpathy/llama2.c, run.c (memory_map_weights, build_tokenizer).
"""
import argparse
import array
import json
import pathlib
import struct
import sys

NORM_EPS = 1e-5  # run.c, rmsnorm()
ROPE_THETA = 10000.0  # run.c, forward()
UNKNOWN, BEGIN, END = 0, 1, 2  # token ids that SentencePiece reserves
SPACE = "\u2581"  # how SentencePiece writes a blank


def fail(message):
    sys.exit(f"convert_stories260k: {message}")


class Weights:
    """The floats of the file, taken one tensor after another."""

    def __init__(self, path):
        data = path.read_bytes()
        if len(data) < 28:
            fail(f"{path}: is {len(data)} bytes, expected a llama2.c model; get the file again")
        fields = struct.unpack("<7i", data[:28])
        self.dim, self.ffn, self.layers, self.heads, self.kv_heads = fields[:5]
        # A negative vocabulary says that the head has weights of its own.
        self.vocab, self.positions, self.tied = abs(fields[5]), fields[6], fields[5] > 0
        if min(fields[:5]) <= 0 or self.vocab == 0 or self.dim % self.heads != 0:
            fail(f"{path}: header {fields} is not that of a llama2.c model; get the file again")
        self.head_dim = self.dim // self.heads
        self.floats = array.array("f", data[28:])
        if sys.byteorder == "big":
            self.floats.byteswap()
        self.next, self.path = 0, path

    def take(self, *shape):
        count = 1
        for size in shape:
            count *= size
        if self.next + count > len(self.floats):
            fail(f"{self.path}: ends inside its weights; get the file again")
        self.next += count
        return shape, self.floats[self.next - count : self.next]

    def take_layers(self, *shape):
        return [self.take(*shape) for _ in range(self.layers)]


def halves_from_neighbors(tensor, head_dim):
    """Rows of a query or key projection, reordered within each head.

    llama2.c rotates the rows 2i and 2i + 1 of a head together, Hugging Face i and i + head_dim / 2.
    """
    (rows, columns), floats = tensor
    out = array.array("f")
    for head in range(0, rows, head_dim):
        for row in [*range(0, head_dim, 2), *range(1, head_dim, 2)]:
            out += floats[(head + row) * columns : (head + row + 1) * columns]
    return (rows, columns), out


def read_tensors(weights):
    """Name -> (shape, floats), in the order of llama2.c's file."""
    w, kv_dim = weights, weights.kv_heads * weights.head_dim
    tensors = {"model.embed_tokens.weight": w.take(w.vocab, w.dim)}

    def turned(rows):
        return [halves_from_neighbors(t, w.head_dim) for t in w.take_layers(rows, w.dim)]

    def add(name, per_layer):
        for layer, tensor in enumerate(per_layer):
            tensors[f"model.layers.{layer}.{name}.weight"] = tensor

    add("input_layernorm", w.take_layers(w.dim))
    add("self_attn.q_proj", turned(w.dim))
    add("self_attn.k_proj", turned(kv_dim))
    add("self_attn.v_proj", w.take_layers(kv_dim, w.dim))
    add("self_attn.o_proj", w.take_layers(w.dim, w.dim))
    add("post_attention_layernorm", w.take_layers(w.dim))
    add("mlp.gate_proj", w.take_layers(w.ffn, w.dim))
    add("mlp.down_proj", w.take_layers(w.dim, w.ffn))
    add("mlp.up_proj", w.take_layers(w.ffn, w.dim))
    tensors["model.norm.weight"] = w.take(w.dim)
    w.take(w.positions, w.head_dim)  # tables of cos and sin, which nobody reads any more
    if not w.tied:
        tensors["lm_head.weight"] = w.take(w.vocab, w.dim)
    return tensors


def write_safetensors(path, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (shape, floats) in tensors.items():
        end = offset + 4 * len(floats)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, floats in tensors.values():
            if sys.byteorder == "big":
                floats.byteswap()
            out.write(floats.tobytes())


def read_pieces(path, vocab):
    """[(piece as SentencePiece writes it, score)], by id."""
    data, at, pieces = path.read_bytes(), 4, []
    for _ in range(vocab):
        if at + 8 > len(data):
            fail(f"{path}: holds {len(pieces)} tokens, expected {vocab}; get the file again")
        score, length = struct.unpack_from("<fi", data, at)
        piece = data[at + 8 : at + 8 + length].decode()
        pieces.append((piece.replace(" ", SPACE), score))
        at += 8 + length
    # llama2.c put line breaks around the control tokens.
    pieces[BEGIN], pieces[END] = ("<s>", 0.0), ("</s>", 0.0)
    return pieces


def merges_of(pieces):
    """Every way to put a piece together from two, the best score first: SentencePiece joins the
    pair whose result scores best, tokenizers the pair that comes first in the list."""
    ids = {piece: i for i, (piece, _) in enumerate(pieces)}
    merges = []
    for piece, score in pieces[END + 1 :]:
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in ids and right in ids:
                merges.append((-score, ids[left], ids[right], left, right))
    return [f"{left} {right}" for _, _, _, left, right in sorted(merges)]


def tokenizer_of(pieces):
    special = [{"id": i, "content": pieces[i][0], "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True}
               for i in (UNKNOWN, BEGIN, END)]
    begin = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": SPACE},
            {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing", "single": [begin, text],
            "pair": [begin, text, {"SpecialToken": {"id": "<s>", "type_id": 1}},
                     {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [BEGIN], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                  "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                  "byte_fallback": True, "vocab": {piece: i for i, (piece, _) in enumerate(pieces)},
                  "merges": merges_of(pieces)},
    }


def config_of(w):
    return {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "bos_token_id": BEGIN,
        "eos_token_id": END, "hidden_act": "silu", "hidden_size": w.dim, "intermediate_size": w.ffn,
        "max_position_embeddings": w.positions, "mlp_bias": False, "model_type": "llama",
        "num_attention_heads": w.heads, "num_hidden_layers": w.layers,
        "num_key_value_heads": w.kv_heads, "rms_norm_eps": NORM_EPS, "rope_scaling": None,
        "rope_theta": ROPE_THETA, "tie_word_embeddings": w.tied, "torch_dtype": "float32",
        "vocab_size": w.vocab,
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    beside = pathlib.Path(__file__).resolve().parent.parent.parent / "shared/data/weights"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path, metavar="OUT_DIR")
    parser.add_argument("--data", type=pathlib.Path, default=beside, metavar="DIR")
    arguments = parser.parse_args()
    for name in ("stories260K.bin", "tok512.bin"):
        if not (arguments.data / name).is_file():
            fail(f"{arguments.data} holds no {name}; give its folder with --data")

    weights = Weights(arguments.data / "stories260K.bin")
    tensors = read_tensors(weights)
    pieces = read_pieces(arguments.data / "tok512.bin", weights.vocab)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_safetensors(arguments.out / "model.safetensors", tensors)
    write_json(arguments.out / "config.json", config_of(weights))
    # run.c ends a text at <s>, which stood between the texts it was trained on.
    write_json(arguments.out / "generation_config.json",
               {"bos_token_id": BEGIN, "eos_token_id": [END, BEGIN]})
    write_json(arguments.out / "tokenizer.json", tokenizer_of(pieces))
    write_json(arguments.out / "tokenizer_config.json", {
        "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>",
        "unk_token": "<unk>", "clean_up_tokenization_spaces": False, "legacy": False,
        "model_max_length": weights.positions, "tokenizer_class": "LlamaTokenizer"})
    print(f"{arguments.out}: {len(tensors)} tensors, {len(pieces)} tokens")


if __name__ == "__main__":
    main()
