#include "text/tokenizer/tokenizer.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/utf8.h"
#include "text/answer/detokenizer.h"

namespace pagoda {
namespace {

namespace json = boost::json;

std::filesystem::path demo_folder() {
  return std::filesystem::path(PAGODA_SOURCE_DIR) / "models/demo";
}

TokenIds ids_of(const json::value& numbers) {
  TokenIds ids;
  for (const json::value& id : numbers.as_array())
    ids.emplace_back(static_cast<int32_t>(id.as_int64()));
  return ids;
}

std::vector<json::value> reference_answers() {
  std::vector<json::value> answers;
  std::istringstream lines(read_text_file(demo_folder() / "expected.jsonl"));
  for (std::string line; std::getline(lines, line);) answers.push_back(json::parse(line));
  return answers;
}

TEST_CASE("the demo model's prompts become the reference's tokens") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  int num_compared = 0;
  for (const json::value& answer : reference_answers()) {
    const json::value* prompt = answer.at("request").as_object().if_contains("prompt");
    if (prompt == nullptr) continue;
    CHECK(tokenizer.encode(prompt->as_string()) == ids_of(answer.at("prompt_token_ids")));
    ++num_compared;
  }
  CHECK(num_compared > 3);
}

TEST_CASE("the demo model's answers become the reference's text") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  for (const json::value& answer : reference_answers()) {
    CHECK(tokenizer.decode(ids_of(answer.at("token_ids")), true) == answer.at("text").as_string());
  }
}

TEST_CASE("special tokens are found in a text and can be left out of one") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  const std::string text = "<|im_start|>user\nWho are you? 你是谁？ 🎉<|im_end|>\n<think>";
  const TokenIds ids = tokenizer.encode(text);
  CHECK(ids.front() == tokenizer.id_of("<|im_start|>"));
  CHECK(tokenizer.decode(ids, false) == text);
  CHECK(tokenizer.decode(ids, true) == "user\nWho are you? 你是谁？ 🎉\n<think>");
}

TEST_CASE("a token can be asked for its id, its writing and its bytes") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  const TokenId the = tokenizer.id_of("Ġthe").value();
  CHECK(tokenizer.token(the) == "Ġthe");
  CHECK(tokenizer.bytes_of(the) == " the");
  CHECK(tokenizer.vocab_size() == 2048);
  CHECK(tokenizer.eos() == tokenizer.id_of("<|im_end|>"));
  CHECK_FALSE(tokenizer.bos());
  CHECK(tokenizer.is_special(*tokenizer.eos()));
  CHECK(tokenizer.bytes_of(*tokenizer.eos()).empty());
  CHECK(tokenizer.bytes_of(*tokenizer.id_of("<think>")) == "<think>");
  CHECK_FALSE(tokenizer.is_special(*tokenizer.id_of("<think>")));
}

TEST_CASE("ids that stand for nothing are skipped") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  const TokenIds ids = {TokenId(-1), *tokenizer.id_of("Ġthe"), TokenId(2048), TokenId(INT32_MAX)};
  CHECK(tokenizer.decode(ids, false) == " the");
  CHECK(tokenizer.token(TokenId(-1)).empty());
}

TEST_CASE("what is not UTF-8 is encoded as replacement characters") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  CHECK(tokenizer.decode(tokenizer.encode("a\xFF\xE4\xBD z"), false) == "a\uFFFD\uFFFD z");
}

// Half of the text is made of what tokenizers look at, half of any code points.
std::string random_text(std::mt19937& random) {
  const std::vector<std::string> parts = {" ",          "\n",      "\r\n",   "\t",   "a", "The",
                                          "'s",         "12",      "!?",     "你好", "🎉", "e\u0301",
                                          "<|im_end|>", "<think>", "\u3000", "가"};
  std::string text;
  for (size_t n = random() % 20; n > 0; --n) {
    if (random() % 2 == 0) {
      text += parts[random() % parts.size()];
      continue;
    }
    const uint32_t code_point = static_cast<uint32_t>(random()) % 0x110000;
    if (code_point < 0xD800 || code_point > 0xDFFF) append_utf8(text, code_point);
  }
  return text;
}

TEST_CASE("every text comes back but for its normal form, and then stays as it is") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    const std::string once = tokenizer.decode(tokenizer.encode(random_text(random)), false);
    REQUIRE(tokenizer.decode(tokenizer.encode(once), false) == once);
  }
}

TEST_CASE("random bytes are encoded as their repaired text") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  std::mt19937 random(12);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (size_t n = random() % 40; n > 0; --n) bytes += static_cast<char>(random());
    REQUIRE(tokenizer.encode(bytes) == tokenizer.encode(to_valid_utf8(bytes)));
  }
}

TEST_CASE("the pieces of a detokenizer are valid UTF-8 and together the decoded text") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  std::mt19937 random(13);
  for (int round = 0; round < 3000; ++round) {
    TokenIds ids;
    for (size_t n = random() % 40; n > 0; --n)
      ids.emplace_back(static_cast<int32_t>(random() % 2050));
    const bool skip = round % 2 == 0;
    Detokenizer detokenizer(tokenizer, {.skip_special_tokens = skip});
    std::string text;
    for (const TokenId id : ids) {
      const std::string piece = detokenizer.add(id);
      REQUIRE(is_valid_utf8(piece));
      text += piece;
    }
    REQUIRE(text + detokenizer.finish() == tokenizer.decode(ids, skip));
  }
}

TEST_CASE("a code point comes with the token that completes it") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  const TokenIds ids = tokenizer.encode("🦆");
  REQUIRE(ids.size() > 1);
  Detokenizer detokenizer(tokenizer);
  for (size_t i = 0; i + 1 < ids.size(); ++i) CHECK(detokenizer.add(ids[i]).empty());
  CHECK(detokenizer.add(ids.back()) == "🦆");
  CHECK(detokenizer.finish().empty());
}

TEST_CASE("a text that breaks off within a code point ends with a replacement character") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  const TokenIds ids = tokenizer.encode("🦆");
  Detokenizer detokenizer(tokenizer);
  CHECK(detokenizer.add(ids.front()).empty());
  CHECK(detokenizer.finish() == "\uFFFD");
}

TEST_CASE("a code point that the prompt began is completed by the answer") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  TokenIds prompt(100, *tokenizer.id_of("Ġthe"));
  const TokenIds duck = tokenizer.encode("🦆");
  prompt.insert(prompt.end(), duck.begin(), duck.end() - 1);
  Detokenizer detokenizer(tokenizer, {}, prompt);
  CHECK(detokenizer.add(duck.back()) == "🦆");
}

TEST_CASE("threads that encode at the same time get the same tokens") {
  const Tokenizer tokenizer = Tokenizer::load(demo_folder());
  std::mt19937 random(14);
  std::vector<std::string> texts(200);
  for (std::string& text : texts) text = random_text(random);
  std::vector<std::vector<TokenIds>> results(4);
  {
    std::vector<std::jthread> threads;
    threads.reserve(results.size());
    for (auto& result : results) {
      threads.emplace_back([&tokenizer, &texts, &result] {
        for (const std::string& text : texts) result.push_back(tokenizer.encode(text));
      });
    }
  }
  for (const auto& result : results) CHECK(result == results[0]);
}

}  // namespace
}  // namespace pagoda
