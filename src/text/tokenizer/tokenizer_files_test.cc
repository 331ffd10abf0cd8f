// Small tokenizers written by the tests: what each part of a file does, and what a file that is
// wrong is told.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "text/answer/detokenizer.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// A folder that is gone with the test.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "pagoda-tokenizer-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// As Llama 2 writes it, with a vocabulary of a few words.
json::object llama_file() {
  json::object vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kHexDigits = "0123456789ABCDEF";
    const std::string name = str("<0x", kHexDigits[byte / 16], kHexDigits[byte % 16], ">");
    vocab[name] = 3 + byte;
  }
  int next = 259;
  for (const char* token : {"▁", "a", "b", "c", "▁a", "ab", "▁ab", "▁▁"}) vocab[token] = next++;
  const json::object model = {{"type", "BPE"},    {"unk_token", "<unk>"},
                              {"fuse_unk", true}, {"byte_fallback", true},
                              {"vocab", vocab},   {"merges", {"▁ ▁", "a b", "▁ ab", "▁ a"}}};
  const auto special = [](int id, const char* content) {
    return json::object{{"id", id}, {"content", content}, {"special", true}, {"normalized", false}};
  };
  const json::value normalizer = {
      {"type", "Sequence"},
      {"normalizers",
       {{{"type", "Prepend"}, {"prepend", "▁"}},
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}}}}};
  const json::value decoder = {
      {"type", "Sequence"},
      {"decoders",
       {{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
        {{"type", "ByteFallback"}},
        {{"type", "Fuse"}},
        {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}}}};
  return {{"added_tokens", {special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")}},
          {"normalizer", normalizer},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", decoder},
          {"model", model}};
}

Tokenizer load(const json::object& file, std::string_view config = "{}") {
  const Folder folder;
  folder.write("tokenizer.json", json::serialize(file));
  folder.write("tokenizer_config.json", config);
  return Tokenizer::load(folder.path());
}

// The message without the folder's name.
std::string refusal_of(const json::object& file, std::string_view config = "{}") {
  try {
    load(file, config);
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kCheckpoint);
    const std::string message = e.what();
    return message.substr(message.find("tokenizer"))
        .substr(message.substr(message.find("tokenizer")).find("/tokenizer") + 1);
  }
  return "(loaded)";
}

std::string written(const Tokenizer& tokenizer, std::string_view text, bool special = false) {
  std::string names;
  for (const TokenId id : tokenizer.encode(text, special)) names += str(tokenizer.token(id), " ");
  return names;
}

TEST_CASE("blanks become marks and words merge with the one before them") {
  const Tokenizer tokenizer = load(llama_file());
  CHECK(written(tokenizer, "ab a  b") == "▁ab ▁a ▁▁ b ");
  CHECK(tokenizer.decode(tokenizer.encode("ab a  b"), true) == "ab a  b");
}

TEST_CASE("a character that the vocabulary lacks becomes its bytes") {
  const Tokenizer tokenizer = load(llama_file());
  CHECK(written(tokenizer, "é") == "▁ <0xC3> <0xA9> ");
  CHECK(tokenizer.decode(tokenizer.encode("é\n"), true) == "é\n");
}

TEST_CASE("without byte tokens a run of unknown characters is one unknown token") {
  json::object file = llama_file();
  file["model"].as_object()["byte_fallback"] = false;
  CHECK(written(load(file), "aéüb") == "▁a <unk> b ");
  file["model"].as_object()["fuse_unk"] = false;
  CHECK(written(load(file), "aéüb") == "▁a <unk> <unk> b ");
}

TEST_CASE("whole words that are tokens need no merges where merges are ignored") {
  json::object file = llama_file();
  file["model"].as_object()["merges"] = json::array{"a b"};
  CHECK(written(load(file), "ab") == "▁ ab ");
  file["model"].as_object()["ignore_merges"] = true;
  CHECK(written(load(file), "ab") == "▁ab ");
}

TEST_CASE("the blank before the first word belongs to an answer but not to a text") {
  const Tokenizer tokenizer = load(llama_file());
  const TokenId word = *tokenizer.id_of("▁ab");
  CHECK(Detokenizer(tokenizer).add(word) == "ab");
  CHECK(Detokenizer(tokenizer, {}, TokenIds{word}).add(word) == " ab");
}

TEST_CASE("a newline written as a byte is sent at once") {
  const Tokenizer tokenizer = load(llama_file());
  Detokenizer detokenizer(tokenizer);
  CHECK(detokenizer.add(*tokenizer.id_of("<0x0A>")) == "\n");
}

TEST_CASE("bytes that are not UTF-8 become a replacement character each") {
  const Tokenizer tokenizer = load(llama_file());
  const TokenId first = *tokenizer.id_of("<0xE4>"), second = *tokenizer.id_of("<0xBD>");
  const TokenId word = *tokenizer.id_of("ab");
  CHECK(tokenizer.decode(TokenIds{word, first, second, word}, true) == "ab\uFFFD\uFFFDab");
  CHECK(tokenizer.decode(TokenIds{word, first}, true) == "ab\uFFFD");
}

TEST_CASE("the pieces of random tokens with byte fallback are together the decoded text") {
  const Tokenizer tokenizer = load(llama_file());
  std::mt19937 random(21);
  for (int round = 0; round < 3000; ++round) {
    TokenIds ids;
    for (size_t n = random() % 30; n > 0; --n)
      ids.emplace_back(static_cast<int32_t>(random() % 268));
    Detokenizer detokenizer(tokenizer);
    std::string text;
    for (const TokenId id : ids) text += detokenizer.add(id);
    REQUIRE(text + detokenizer.finish() == tokenizer.decode(ids, true));
  }
}

TEST_CASE("Llama classes put the begin of text before a prompt unless told not to") {
  const std::string_view with = R"({"tokenizer_class":"LlamaTokenizer","bos_token":"<s>"})";
  const std::string_view without =
      R"({"tokenizer_class":"LlamaTokenizerFast","bos_token":{"content":"<s>"},)"
      R"("add_bos_token":false,"add_eos_token":true,"eos_token":"</s>"})";
  CHECK(written(load(llama_file(), with), "a", true) == "<s> ▁a ");
  CHECK(written(load(llama_file(), with), "a", false) == "▁a ");
  CHECK(written(load(llama_file(), without), "a", true) == "▁a </s> ");
  CHECK_FALSE(load(llama_file(), without).adds_bos());
}

TEST_CASE("a template says what stands around a text") {
  json::object file = llama_file();
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}}}},
        {{"Sequence", {{"id", "A"}}}},
        {{"SpecialToken", {{"id", "</s>"}}}}}},
      {"special_tokens", {{"<s>", {{"ids", {1}}}}, {"</s>", {{"ids", {2}}}}}}};
  CHECK(written(load(file), "a", true) == "<s> ▁a </s> ");
}

TEST_CASE("added tokens take the white space and keep the words that they are told to") {
  json::object file = llama_file();
  json::array& added = file["added_tokens"].as_array();
  added.push_back({{"id", 300}, {"content", "<l>"}, {"lstrip", true}});
  added.push_back({{"id", 301}, {"content", "<r>"}, {"rstrip", true}});
  added.push_back({{"id", 302}, {"content", "cab"}, {"single_word", true}, {"normalized", false}});
  for (json::value& token : added) token.as_object()["normalized"] = false;
  const Tokenizer tokenizer = load(file);
  CHECK(written(tokenizer, "a  <l>b") == "▁a <l> ▁ b ");
  CHECK(written(tokenizer, "a<r>  b") == "▁a <r> ▁ b ");
  CHECK(written(tokenizer, "cab") == "cab ");
  CHECK(written(tokenizer, "a-cab-a").find("cab") != std::string::npos);
  CHECK(written(tokenizer, "acab").find("cab") == std::string::npos);
  CHECK(written(tokenizer, "caba").find("cab ") == std::string::npos);
}

TEST_CASE("a normalized added token is looked for in its normalized form") {
  json::object file = llama_file();
  file["normalizer"] = {{"type", "Lowercase"}};
  file["added_tokens"].as_array().push_back(
      {{"id", 300}, {"content", "<CAB>"}, {"normalized", true}});
  CHECK(written(load(file), "a<Cab>a") == "a <CAB> a ");
}

TEST_CASE(
    "tokens of the configuration are added, and of the longest that begin there one is taken") {
  const Tokenizer tokenizer =
      load(llama_file(), R"({"added_tokens_decoder":{"300":{"content":"<x>","special":true},)"
                         R"("301":{"content":"<x><y>","normalized":false}},"pad_token":"<pad>"})");
  CHECK(written(tokenizer, "<x><y><x>") == "<x><y> <x> ");
  CHECK(tokenizer.is_special(TokenId(300)));
  CHECK_FALSE(tokenizer.is_special(TokenId(301)));
  CHECK(tokenizer.pad() == TokenId(302));
}

TEST_CASE("single ids are shown as the configuration cleans them up") {
  json::object file = llama_file();
  const std::string_view cleans = R"({"clean_up_tokenization_spaces":true})";
  file["model"].as_object()["vocab"].as_object()["▁."] = 300;
  const TokenIds ids = {TokenId(263), TokenId(300)};
  CHECK(load(file).decode_for_display(ids) == "a .");
  CHECK(load(file, cleans).decode_for_display(ids) == "a.");
  CHECK(load(file, cleans).decode_for_display(TokenIds{TokenId(263)}) == "a");
}

TEST_CASE("vocab.json and merges.txt stand in for tokenizer.json") {
  const Folder folder;
  folder.write("vocab.json", R"({"a":0,"b":1,"Ġ":2,"ab":3,"Ġab":4})");
  folder.write("merges.txt", "#version: 0.2\na b\nĠ ab\n");
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  CHECK(written(tokenizer, "ab ab") == "ab Ġab ");
  CHECK(tokenizer.decode(tokenizer.encode("ab ab"), true) == "ab ab");
}

TEST_CASE("a folder without a tokenizer is told which files are missing") {
  const Folder folder;
  const std::string expected =
      str(folder.path().string(),
          ": has no tokenizer.json, nor vocab.json and merges.txt; get it with "
          "the model, or name a folder that has it by --tokenizer");
  CHECK_THROWS_WITH_AS(Tokenizer::load(folder.path()), expected.c_str(), Error);
}

TEST_CASE("kinds that are not supported are named with their place") {
  json::object unigram = llama_file(), pieces = llama_file(), precompiled = llama_file();
  unigram["model"].as_object()["type"] = "Unigram";
  CHECK(refusal_of(unigram) == "tokenizer.json: model is of type Unigram; only BPE is supported");
  pieces["pre_tokenizer"] = {{"type", "UnicodeScripts"}};
  CHECK(refusal_of(pieces).starts_with(
      "tokenizer.json: pre_tokenizer is of type UnicodeScripts, which is not supported"));
  precompiled["normalizer"] = {{"type", "Sequence"}, {"normalizers", {{{"type", "Precompiled"}}}}};
  CHECK(refusal_of(precompiled)
            .starts_with("tokenizer.json: normalizer.normalizers[0] is of type Precompiled"));
}

TEST_CASE("merges that do not fit are named with their place") {
  json::object file = llama_file();
  file["model"].as_object()["merges"] = json::array{"a b", "b c"};
  CHECK(refusal_of(file) ==
        "tokenizer.json: model.merges [1] needs \"bc\", which is not in the vocabulary");
  file["model"].as_object()["merges"] = json::array{json::array{"a"}};
  CHECK(refusal_of(file) ==
        "tokenizer.json: model.merges [0] is neither \"a b\" nor [\"a\", \"b\"]");
}

TEST_CASE("an expression that cannot be compiled is shown with the reason") {
  json::object file = llama_file();
  file["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"Regex", "a(b"}}}};
  CHECK(refusal_of(file) ==
        "tokenizer.json: pre_tokenizer.pattern cannot be used: the regular expression \"a(b\" is "
        "not understood: end pattern with unmatched parenthesis; mend it, or get the file again");
}

// Any byte may be wrong; the file either still loads or is refused, and what loads still works.
TEST_CASE("a damaged file is refused or works, but never crashes") {
  const std::string good = json::serialize(llama_file());
  std::mt19937 random(31);
  const Folder folder;
  int num_refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bad = good;
    for (size_t n = 1 + random() % 3; n > 0; --n)
      bad[random() % bad.size()] = static_cast<char>(random());
    if (round % 4 == 0) bad.resize(random() % bad.size());
    folder.write("tokenizer.json", bad);
    try {
      const Tokenizer tokenizer = Tokenizer::load(folder.path());
      tokenizer.decode(tokenizer.encode("ab ca é <s>"), true);
    } catch (const Error&) {
      ++num_refused;
    }
  }
  CHECK(num_refused > 200);
}

// Values of another kind in every place, one after another.
TEST_CASE("a file with a value of another kind anywhere is refused or works") {
  constexpr const char* kValues[] = {"null", "-1", "\"\"", "[]", "{}", "1e99", "true"};
  const std::string good = json::serialize(llama_file());
  const Folder folder;
  size_t round = 0;
  for (size_t at = good.find(':'); at != std::string::npos; at = good.find(':', at + 1)) {
    const char* value = kValues[round++ % std::size(kValues)];
    // The value that was there goes to a key that nobody reads.
    folder.write("tokenizer.json", str(good.substr(0, at + 1), value, ",\"x\"", good.substr(at)));
    try {
      Tokenizer::load(folder.path()).encode("ab <s>");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kCheckpoint);
    }
  }
}

}  // namespace
}  // namespace pagoda
