"""The models of the user's own document: tiny checkpoints of the same architectures, with the published
configurations, tokenizers and templates, that say sentences which are known."""
import json

import tiny_checkpoint

QWEN3 = "/models/Qwen/Qwen3-8B"
QWEN25 = "/models/Qwen/Qwen2.5-7B-Instruct"
CODER = "/models/Qwen/Qwen2.5-Coder-32B-Instruct"
MOE = "/models/Qwen/Qwen3-30B-A3B"
VISION = "/models/Qwen/Qwen2.5-VL-32B-Instruct"
DEEPSEEK = "/models/vllm-ascend/DeepSeek-V3-Pruning"

# What each says to a chat; the last one repeats that without end.
ANSWERS = {QWEN3: "Hello!", QWEN25: "Hello!", CODER: "I write code.", MOE: "Hello from experts.",
           VISION: "The text is seen.", DEEPSEEK: "One two three"}


class Published:
    """What `shared` has of published models."""

    def __init__(self, shared):
        self.data = shared / "data"

    def config(self, name):
        return json.loads((self.data / "configs" / name / "config.json").read_text())

    def tokenizer(self, name):
        return self.data / "tokenizers" / name

    def template(self, name):
        templates = self.data / "templates/jinja-tests/hf_jinja_e2e.json"
        return next(case["chat_template"] for case in json.loads(templates.read_text())
                    if case["name"] == name)


def write_model(folder, config, tokenizer, sentences):
    """Chat prompts end with "assistant\\n"; a plain prompt may end with any token."""
    vocabulary = tiny_checkpoint.Vocabulary(tokenizer)
    chains = [vocabulary.chain(*sentence) for sentence in sentences]
    tiny_checkpoint.write_checkpoint(folder, config, tokenizer, chains)


def write_vision(published, folder, sentence):
    config = tiny_checkpoint.shrunk(published.config("Qwen2.5-VL-7B-Instruct"), 40, 8, head_dim=8)
    write_model(folder, config, published.tokenizer("qwen2.5"), [sentence])
    tiny_checkpoint.write_vision_files(
        folder, published.template("Qwen/Qwen2.5-VL-7B-Instruct"),
        published.data / "configs/Qwen2.5-VL/preprocessor_config.json")


def write_models(shared, root):
    """Writes each where the document has it, but under `root`. Model name -> its folder."""
    published = Published(shared)
    folders = {name: root / name.lstrip("/")
               for name in (QWEN3, QWEN25, CODER, MOE, VISION, DEEPSEEK)}

    def write(name, config, heads, kv_heads, tokenizer, *sentences):
        config = tiny_checkpoint.shrunk(config, heads, kv_heads)
        write_model(folders[name], config, published.tokenizer(tokenizer), sentences)

    end = "<|im_end|>"
    write(QWEN3, published.config("Qwen3-8B"), 16, 4, "qwen3",
          (" is", " bright", ",", " and", " here", " to", " stay", ".", end),
          ("\n", "Hello", "!", end))
    write(QWEN25, published.config("Qwen2.5-7B-Instruct"), 28, 4, "qwen2.5",
          ("\n", "Hello", "!", end))
    write(CODER, published.config("Qwen2.5-32B"), 40, 8, "qwen2.5",
          ("\n", "I", " write", " code", ".", end))
    write(MOE, published.config("Qwen3-30B-A3B"), 16, 4, "qwen3",
          ("\n", "Hello", " from", " experts", ".", end))
    write_vision(published, folders[VISION], ("\n", "The", " text", " is", " seen", ".", end))
    deepseek = published.config("DeepSeek-V3")
    del deepseek["quantization_config"]  # the pruned model is in bfloat16
    write(DEEPSEEK, deepseek, 16, 16, "deepseek-v3",
          ("<｜Assistant｜>", "One", " two", " three", "One"))
    return folders
