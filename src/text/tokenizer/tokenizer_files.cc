#include "text/tokenizer/tokenizer_files.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

namespace pagoda {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr JsonTerms kTerms = {.blame = ErrorKind::kCheckpoint,
                              .joint = ".",
                              .remedy = "download the file again",
                              .absent_remedy = "download the file again"};

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

json::value parse_file(const fs::path& path, const json::storage_ptr& storage) {
  const MappedFile file(path);
  const std::string_view text = text_of(file);
  json::error_code error;
  json::parse_options options;
  options.max_depth = 64;
  json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, storage, options);
  if (error) {
    throw Error(ErrorKind::kCheckpoint,
                str(path.string(), ": is not valid JSON: ", error.message(),
                    "; the file may be cut off or damaged: download it again"));
  }
  return value;
}

// Qwen2's words, for folders that hold only vocab.json and merges.txt (transformers'
// convert_slow_tokenizer.py, Qwen2Converter).
constexpr std::string_view kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

json::array read_merge_lines(const fs::path& path) {
  const MappedFile file(path);
  std::string_view text = text_of(file);
  json::array merges;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool is_version = merges.empty() && line.starts_with("#version");
    if (!line.empty() && !is_version)
      merges.emplace_back(json::string_view(line.data(), line.size()));
  }
  return merges;
}

// vocab.json and merges.txt as the tokenizer.json that they stand for.
json::value from_vocab_and_merges(const fs::path& folder, std::string_view tokenizer_class) {
  const json::object byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json::object file = {{"post_processor", byte_level}, {"decoder", byte_level}};
  if (tokenizer_class.starts_with("Qwen2")) {
    json::object split = {
        {"type", "Split"},
        {"pattern", {{"Regex", json::string_view(kQwen2Words.data(), kQwen2Words.size())}}},
        {"behavior", "Isolated"}};
    json::object bytes = byte_level;
    bytes["use_regex"] = false;
    file["normalizer"] = {{"type", "NFC"}};
    file["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", json::array{std::move(split), std::move(bytes)}}};
  } else {
    file["pre_tokenizer"] = byte_level;
  }
  file["model"] = {{"type", "BPE"},
                   {"vocab", parse_file(folder / "vocab.json", {})},
                   {"merges", read_merge_lines(folder / "merges.txt")}};
  return file;
}

json::value read_main_file(const fs::path& folder, std::string_view tokenizer_class,
                           const json::storage_ptr& storage) {
  if (fs::exists(folder / "tokenizer.json")) return parse_file(folder / "tokenizer.json", storage);
  if (fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt")) {
    return from_vocab_and_merges(folder, tokenizer_class);
  }
  const bool has_model = fs::exists(folder / "tokenizer.model");
  throw Error(ErrorKind::kCheckpoint,
              str(folder.string(), ": has no tokenizer.json",
                  has_model ? " (a tokenizer.model alone is not supported: make one with "
                              "transformers' AutoTokenizer and save_pretrained)"
                            : ", nor vocab.json and merges.txt",
                  "; get it with the model, or name a folder that has it by --tokenizer"));
}

Bpe read_bpe(const JsonReader& file, bool byte_level) {
  const JsonReader model = file.at("model");
  // Old files of BPE models have no type.
  const std::string_view type = model.text_or("type", model.find("merges") ? "BPE" : "(none)");
  if (type != "BPE") model.refuse(str("is of type ", type, "; only BPE is supported"));
  return {model, byte_level};
}

AddedToken read_added_token(const JsonReader& section, int64_t id) {
  if (id < 0 || id >= int64_t{1} << 24) section.refuse(str("has the impossible id ", id));
  const bool special = section.flag_or("special", false);
  return {.content = std::string(section.text("content")),
          .id = static_cast<int32_t>(id),
          .single_word = section.flag_or("single_word", false),
          .lstrip = section.flag_or("lstrip", false),
          .rstrip = section.flag_or("rstrip", false),
          .normalized = section.flag_or("normalized", !special),
          .special = special};
}

class Reader {
 public:
  Reader(const JsonReader& file, const JsonReader& config) : file_(file), config_(config) {}

  TokenizerParts read() {
    if (const auto normalizer = file_.find("normalizer")) {
      parts_.normalizer = make_normalizer(*normalizer);
    }
    if (const auto pre_tokenizer = file_.find("pre_tokenizer")) {
      const bool add_prefix_space = config_.flag_or("add_prefix_space", false);
      parts_.pre_tokenizer = make_pre_tokenizer(*pre_tokenizer, add_prefix_space);
    }
    parts_.bpe.emplace(read_bpe(file_, parts_.pre_tokenizer.byte_level));
    if (const auto decoder = file_.find("decoder")) parts_.decoder = TokenDecoder(*decoder);
    read_added_tokens();
    read_named_tokens();
    read_surroundings();
    parts_.added.finish(parts_.normalizer.get());
    parts_.cleans_up_spaces = config_.flag_or("clean_up_tokenization_spaces", false);
    return std::move(parts_);
  }

 private:
  void read_added_tokens() {
    if (const auto tokens = file_.find("added_tokens")) {
      for (const JsonReader& token : tokens->items()) {
        add(read_added_token(token, token.integer("id")));
      }
    }
    const auto decoder = config_.if_object("added_tokens_decoder");
    if (!decoder) return;
    for (const std::string_view key : decoder->keys()) {
      int64_t id = -1;
      std::from_chars(key.data(), key.data() + key.size(), id);
      add(read_added_token(decoder->at(key), id));
    }
  }

  // A token that the vocabulary has keeps its id there.
  void add(AddedToken token) {
    if (const auto id = parts_.bpe->names().find(token.content)) token.id = *id;
    parts_.added.add(std::move(token));
  }

  // bos_token and so on: each is a string or an object, and becomes a special added token.
  void read_named_tokens() {
    parts_.bos = read_named_token("bos_token");
    parts_.eos = read_named_token("eos_token");
    parts_.unk = read_named_token("unk_token");
    parts_.pad = read_named_token("pad_token");
    for (const char* name : {"sep_token", "cls_token", "mask_token"}) read_named_token(name);
    const auto more = config_.if_list("additional_special_tokens");
    if (!more) return;
    for (const JsonReader& token : more->items()) add_named_token(token);
  }

  std::optional<TokenId> read_named_token(std::string_view name) {
    const auto token = config_.find(name);
    if (!token) return std::nullopt;
    return add_named_token(*token);
  }

  TokenId add_named_token(const JsonReader& token) {
    const auto text = token.if_text();
    const int64_t next = std::max(parts_.bpe->names().size(), parts_.added.end_of_ids());
    AddedToken added;
    if (text) {
      added.content = *text;
      added.id = static_cast<int32_t>(next);
    } else {
      added = read_added_token(token, next);
    }
    added.special = true;
    const std::string content = added.content;
    if (content.empty()) token.refuse("is empty");
    add(std::move(added));
    return TokenId(parts_.added.find(content)->id);
  }

  // The classes of transformers that replace the file's post-processor by "bos text eos".
  bool replaces_post_processor() const {
    std::string_view type = config_.text_or("tokenizer_class", "");
    if (type.ends_with("Fast")) type.remove_suffix(4);
    return type == "LlamaTokenizer" || type == "CodeLlamaTokenizer" || type == "GemmaTokenizer" ||
           type == "CohereTokenizer";
  }

  void read_surroundings() {
    if (!replaces_post_processor()) {
      const auto post_processor = file_.find("post_processor");
      if (post_processor) parts_.surroundings = surroundings_of(*post_processor);
      return;
    }
    if (config_.flag_or("add_bos_token", true)) {
      if (!parts_.bos) config_.refuse("sets add_bos_token but no bos_token");
      parts_.surroundings.before.push_back(*parts_.bos);
    }
    if (config_.flag_or("add_eos_token", false)) {
      if (!parts_.eos) config_.refuse("sets add_eos_token but no eos_token");
      parts_.surroundings.after.push_back(*parts_.eos);
    }
  }

  const JsonReader file_, config_;
  TokenizerParts parts_;
};

}  // namespace

TokenizerParts read_tokenizer_files(const fs::path& folder) {
  // Everything that parsing allocates goes at once.
  json::monotonic_resource memory(size_t{1} << 22);
  const fs::path config_path = folder / "tokenizer_config.json";
  const json::value config_value =
      fs::exists(config_path) ? parse_file(config_path, &memory) : json::value(json::object());
  const JsonReader config(config_value, config_path.string() + ":", kTerms);
  const json::value file_value =
      read_main_file(folder, config.text_or("tokenizer_class", ""), &memory);
  const JsonReader file(file_value, (folder / "tokenizer.json").string() + ":", kTerms);
  return Reader(file, config).read();
}

}  // namespace pagoda
