#include "text/tokenizer.h"

#include <doctest/doctest.h>

#include <filesystem>

namespace pagoda {
namespace {

Tokenizer demo() {
  return Tokenizer::load(std::filesystem::path(PAGODA_SOURCE_DIR) / "models/demo");
}

TEST_CASE("the demo model's text comes back") {
  const Tokenizer tokenizer = demo();
  const std::string text = "<|im_start|>user\nWho are you? 你是谁？ 🎉<|im_end|>\n";
  const TokenIds ids = tokenizer.encode(text);
  CHECK(tokenizer.decode(ids, false) == text);
}

}  // namespace
}  // namespace pagoda
