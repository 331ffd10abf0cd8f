"""Writes checkpoints that are small and real: the configuration, tokenizer and template of a
published model with few and narrow layers, and weights that make it say a sentence that is known.

The sentence is a chain of tokens. Each link has a dimension of the residual stream of its own: the
embedding of a token is 1 there, and the row of the output matrix of the token that follows it is
large there. Attention and feed-forward layers have random weights that are too small to disturb
this, but big enough to be computed.
"""
import json
import math
import random
import shutil
import struct

LAYERS = 2
HEAD_DIM = 4
OUTPUT_SCALE = 8.0  # a normalized stream is 8 to 13 at the link, so the next token leads by 60
NOISE = 0.02


def bf16(value):
    return struct.pack(">f", value)[1::-1]


class Weights:
    """Tensors of a safetensors file; zeros cost nothing, as the file is sparse."""

    def __init__(self, seed):
        self.tensors = []  # (name, shape, {offset in elements: bytes})
        self.random = random.Random(seed)

    def add(self, name, shape, parts):
        self.tensors.append((name, shape, parts))

    def noise(self, name, *shape):
        count = math.prod(shape)
        values = (bf16(self.random.uniform(-NOISE, NOISE)) for _ in range(count))
        self.add(name, shape, {0: b"".join(values)})

    def ones(self, name, size):
        self.add(name, (size,), {0: bf16(1.0) * size})

    def write(self, path):
        header, begin = {}, 0
        for name, shape, _ in self.tensors:
            end = begin + 2 * math.prod(shape)
            header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
            begin = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            data = file.tell()
            for name, _, parts in self.tensors:
                first = data + header[name]["data_offsets"][0]
                for offset, values in parts.items():
                    file.seek(first + 2 * offset)
                    file.write(values)
            file.truncate(data + begin)


def add_attention(weights, prefix, config):
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    kv_heads, dim = config["num_key_value_heads"], config.get("head_dim") or hidden // heads
    family = config["model_type"]
    for name, rows in (("q", heads), ("k", kv_heads), ("v", kv_heads)):
        weights.noise(f"{prefix}.{name}_proj.weight", rows * dim, hidden)
        if family in ("qwen2", "qwen2_5_vl"):
            weights.noise(f"{prefix}.{name}_proj.bias", rows * dim)
        if family in ("qwen3", "qwen3_moe") and name != "v":
            weights.ones(f"{prefix}.{name}_norm.weight", dim)
    weights.noise(f"{prefix}.o_proj.weight", hidden, heads * dim)


def add_latent_attention(weights, prefix, config):
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    q_rank, kv_rank = config["q_lora_rank"], config["kv_lora_rank"]
    nope, rope = config["qk_nope_head_dim"], config["qk_rope_head_dim"]
    value = config["v_head_dim"]
    weights.noise(f"{prefix}.q_a_proj.weight", q_rank, hidden)
    weights.ones(f"{prefix}.q_a_layernorm.weight", q_rank)
    weights.noise(f"{prefix}.q_b_proj.weight", heads * (nope + rope), q_rank)
    weights.noise(f"{prefix}.kv_a_proj_with_mqa.weight", kv_rank + rope, hidden)
    weights.ones(f"{prefix}.kv_a_layernorm.weight", kv_rank)
    weights.noise(f"{prefix}.kv_b_proj.weight", heads * (nope + value), kv_rank)
    weights.noise(f"{prefix}.o_proj.weight", hidden, heads * value)


def add_experts(weights, prefix, config):
    hidden, ffn = config["hidden_size"], config["moe_intermediate_size"]
    experts = config.get("num_experts") or config["n_routed_experts"]
    weights.noise(f"{prefix}.gate.weight", experts, hidden)
    for expert in range(experts):
        add_ffn(weights, f"{prefix}.experts.{expert}", hidden, ffn)
    if config.get("topk_method") == "noaux_tc":
        weights.noise(f"{prefix}.gate.e_score_correction_bias", experts)
    if config.get("n_shared_experts"):
        add_ffn(weights, f"{prefix}.shared_experts", hidden, ffn * config["n_shared_experts"])


def add_layer(weights, layer, config):
    """All weights of one decoder layer, whichever of them the architecture has."""
    prefix, hidden = f"model.layers.{layer}", config["hidden_size"]
    weights.ones(f"{prefix}.input_layernorm.weight", hidden)
    weights.ones(f"{prefix}.post_attention_layernorm.weight", hidden)
    add_heads = add_latent_attention if "kv_lora_rank" in config else add_attention
    add_heads(weights, f"{prefix}.self_attn", config)
    if "moe_intermediate_size" in config and layer >= config.get("first_k_dense_replace", 0):
        add_experts(weights, f"{prefix}.mlp", config)
    else:
        add_ffn(weights, f"{prefix}.mlp", hidden, config["intermediate_size"])


def add_ffn(weights, prefix, hidden, ffn):
    weights.noise(f"{prefix}.gate_proj.weight", ffn, hidden)
    weights.noise(f"{prefix}.up_proj.weight", ffn, hidden)
    weights.noise(f"{prefix}.down_proj.weight", hidden, ffn)


def add_linear(weights, prefix, rows, columns):
    weights.noise(f"{prefix}.weight", rows, columns)
    weights.noise(f"{prefix}.bias", rows)


def add_vision_tower(weights, config):
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    merged = hidden * config["spatial_merge_size"] ** 2
    side = config["patch_size"]
    weights.noise("visual.patch_embed.proj.weight", hidden, config["in_chans"],
                  config["temporal_patch_size"], side, side)
    for block in range(config["depth"]):
        prefix = f"visual.blocks.{block}"
        weights.ones(f"{prefix}.norm1.weight", hidden)
        weights.ones(f"{prefix}.norm2.weight", hidden)
        add_linear(weights, f"{prefix}.attn.qkv", 3 * hidden, hidden)
        add_linear(weights, f"{prefix}.attn.proj", hidden, hidden)
        add_linear(weights, f"{prefix}.mlp.gate_proj", ffn, hidden)
        add_linear(weights, f"{prefix}.mlp.up_proj", ffn, hidden)
        add_linear(weights, f"{prefix}.mlp.down_proj", hidden, ffn)
    weights.ones("visual.merger.ln_q.weight", hidden)
    add_linear(weights, "visual.merger.mlp.0", merged, merged)
    add_linear(weights, "visual.merger.mlp.2", config["out_hidden_size"], merged)


def links_of(chains):
    """[[a, b, c]] -> [(a, b), (b, c)]; a token that leads on has one follower."""
    links = [pair for chain in chains for pair in zip(chain, chain[1:])]
    assert len({first for first, _ in links}) == len(links), "a token has two followers"
    return links


def write_weights(path, config, chains, seed):
    hidden, vocab = config["hidden_size"], config["vocab_size"]
    links = links_of(chains)
    assert len(links) <= hidden, "a link needs a dimension of its own"
    weights = Weights(seed)
    if "vision_config" in config:
        add_vision_tower(weights, config["vision_config"])
    weights.add("model.embed_tokens.weight", (vocab, hidden),
                {first * hidden + i: bf16(1.0) for i, (first, _) in enumerate(links)})
    for layer in range(config["num_hidden_layers"]):
        add_layer(weights, layer, config)
    weights.ones("model.norm.weight", hidden)
    weights.add("lm_head.weight", (vocab, hidden),
                {second * hidden + i: bf16(OUTPUT_SCALE) for i, (_, second) in enumerate(links)})
    weights.write(path)


def shrunk(config, heads, kv_heads, head_dim=HEAD_DIM):
    """The same architecture, with few and narrow layers. 28 heads stay 28 heads."""
    small = dict(config, hidden_size=heads * head_dim, intermediate_size=96,
                 num_hidden_layers=LAYERS, num_attention_heads=heads,
                 num_key_value_heads=kv_heads, tie_word_embeddings=False)
    if "head_dim" in config:
        small["head_dim"] = head_dim
    if "num_experts" in config:
        small |= {"num_experts": 16, "moe_intermediate_size": 32}
    if "kv_lora_rank" in config:
        small |= {"q_lora_rank": 24, "kv_lora_rank": 32, "qk_nope_head_dim": head_dim,
                  "qk_rope_head_dim": head_dim, "v_head_dim": head_dim,
                  "first_k_dense_replace": 1, "n_routed_experts": 32, "moe_intermediate_size": 32}
    if "vision_config" in config:
        tower = dict(config["vision_config"], hidden_size=64, intermediate_size=96, depth=4,
                     fullatt_block_indexes=[1, 3], out_hidden_size=heads * head_dim)
        axes = [head_dim // 8, head_dim // 8, head_dim // 4]
        small |= {"vision_config": tower, "rope_scaling": {"type": "mrope", "mrope_section": axes}}
    return small


class Vocabulary:
    """Ids of tokens by the text that they stand for."""

    def __init__(self, tokenizer_folder):
        data = json.loads((tokenizer_folder / "tokenizer.json").read_text())
        self.ids = dict(data["model"]["vocab"])
        self.ids |= {token["content"]: token["id"] for token in data["added_tokens"]}

    def chain(self, *tokens):
        # Byte-level vocabularies write a blank as U+0120 and a line break as U+010A.
        return [self.ids[t.replace(" ", "\u0120").replace("\n", "\u010a")] for t in tokens]


def write_vision_files(folder, chat_template, preprocessor):
    """What the processor of a model that sees pictures adds to its folder."""
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": chat_template}))
    shutil.copyfile(preprocessor, folder / "preprocessor_config.json")


def write_checkpoint(folder, config, tokenizer_folder, chains, seed=1):
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer_folder / name, folder / name)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    write_weights(folder / "model.safetensors", config, chains, seed)
