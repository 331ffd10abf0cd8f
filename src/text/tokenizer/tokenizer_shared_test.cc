// Real tokenizers and what others made of the same texts with them.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path data_folder() {
  return fs::path(PAGODA_SHARED_DIR) / "data";
}

Tokenizer load(std::string_view name) {
  return Tokenizer::load(data_folder() / "tokenizers" / name);
}

std::vector<std::string> texts_of(const fs::path& path) {
  constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
  const std::string text = read_text_file(path);
  std::vector<std::string> texts;
  size_t begin = 0;
  for (size_t at = text.find(kBetween); at != std::string::npos; at = text.find(kBetween, begin)) {
    texts.push_back(text.substr(begin, at - begin));
    begin = at + kBetween.size();
  }
  return texts;
}

std::vector<TokenIds> ids_of(const fs::path& path) {
  std::vector<TokenIds> lists;
  std::istringstream lines(read_text_file(path));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    TokenIds& ids = lists.emplace_back();
    for (int32_t id = 0; numbers >> id;) ids.emplace_back(id);
  }
  return lists;
}

struct Vector {
  std::string file, tokenizer;
};

TEST_CASE("llama.cpp's vectors come out of encode and go back through decode") {
  // There is no tokenizer.json of llama-bpe, deepseek-llm and deepseek-coder in the data.
  for (const Vector& vector :
       {Vector{"gpt-2", "gpt2"}, Vector{"llama-spm", "tinyllama"}, Vector{"qwen2", "qwen2.5"},
        Vector{"qwen2", "qwen3"}, Vector{"deepseek-r1-qwen", "qwen2.5"}}) {
    const fs::path folder = data_folder() / "tokenizer-vectors/llama.cpp";
    const auto texts = texts_of(folder / (vector.file + ".gguf.inp"));
    const auto expected = ids_of(folder / (vector.file + ".gguf.out"));
    REQUIRE(texts.size() > 30);
    REQUIRE(texts.size() == expected.size());
    const Tokenizer tokenizer = load(vector.tokenizer);
    for (size_t i = 0; i < texts.size(); ++i) {
      INFO(vector.file, " with ", vector.tokenizer, ": \"", texts[i], "\"");
      CHECK(tokenizer.encode(texts[i], false) == expected[i]);
      CHECK(tokenizer.decode(expected[i], false) == texts[i]);
    }
  }
}

TEST_CASE("DeepSeek-V3's vectors come out of encode and go back through decode") {
  const json::value file =
      json::parse(read_text_file(data_folder() / "tokenizer-vectors/deepseek-v3/splintr.json"));
  const Tokenizer tokenizer = load("deepseek-v3");
  for (const json::value& entry : file.at("cases").as_array()) {
    const std::string text(entry.at(0).as_string());
    TokenIds expected;
    for (const json::value& id : entry.at(1).as_array()) {
      expected.emplace_back(static_cast<int32_t>(id.as_int64()));
    }
    CHECK(tokenizer.encode(text, false) == expected);
    CHECK(tokenizer.decode(expected, false) == text);
  }
}

TEST_CASE("a Llama tokenizer puts its begin of text before a prompt") {
  const Tokenizer tokenizer = load("tinyllama");
  CHECK(tokenizer.adds_bos());
  CHECK(tokenizer.encode("Hello") == TokenIds{TokenId(1), TokenId(15043)});
  CHECK(tokenizer.encode("Hello", false) == TokenIds{TokenId(15043)});
  CHECK(tokenizer.eos() == TokenId(2));
}

TEST_CASE("a tokenizer file whose merges lost their blanks is refused with the place") {
  const std::string path = (data_folder() / "tokenizers/llama2/tokenizer.json").string();
  const std::string expected =
      str(path, ": model.merges [18917] is \"   \": not two tokens with a ", "blank between them");
  CHECK_THROWS_WITH_AS(load("llama2"), expected.c_str(), Error);
}

// A million bytes of what merges badly. None of this would end in the test's time if any step were
// quadratic.
TEST_CASE("no text makes a tokenizer quadratic") {
  constexpr size_t kSize = 1000000;
  std::vector<std::string> units = {"a",  " ",      "\n",           "🎉",  "1",  "'",
                                    "!",  "\u0301", "\u0316\u0301", "漢", "<",  "ab",
                                    " a", "\t ",    "<|im_start|",  "▁",  "▁a", "가"};
  for (const char* name : {"qwen3", "deepseek-v3", "tinyllama", "gpt2"}) {
    const Tokenizer tokenizer = load(name);
    for (const std::string& unit : units) {
      std::string text;
      while (text.size() < kSize) text += unit;
      INFO(name, " of ", unit);
      CHECK(tokenizer.decode(tokenizer.encode(text, false), false).size() > kSize / 4);
    }
  }
}

TEST_CASE("a book comes back as it was") {
  const std::string text = read_text_file(data_folder() / "corpora/frankenstein.txt");
  for (const char* name : {"qwen3", "deepseek-v3", "gpt2", "tinyllama"}) {
    const Tokenizer tokenizer = load(name);
    CHECK(tokenizer.decode(tokenizer.encode(text), true) == text);
  }
}

}  // namespace
}  // namespace pagoda
