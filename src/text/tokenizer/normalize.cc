#include "text/tokenizer/normalize.h"

#include <string_view>
#include <utility>
#include <vector>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/replacer.h"
#include "text/tokenizer/unicode.h"

namespace pagoda {
namespace {

class NormalFormNormalizer final : public Normalizer {
 public:
  explicit NormalFormNormalizer(NormalForm form) : form_(form) {}
  void apply(std::string& text) const override { normalize(text, form_); }

 private:
  const NormalForm form_;
};

class LowercaseNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    std::string lower;
    lower.reserve(text.size());
    for (size_t i = 0; i < text.size();) append_lower_case(lower, next_code_point(text, i));
    text = std::move(lower);
  }
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string_view prefix) : prefix_(prefix) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  const std::string prefix_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  explicit ReplaceNormalizer(const JsonReader& section) : replacer_(section) {}
  void apply(std::string& text) const override { replacer_.apply(text); }

 private:
  const Replacer replacer_;
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void apply(std::string& text) const override {
    size_t begin = 0, end = 0;  // of what is not white space
    bool found = false;
    for (size_t i = 0; i < text.size();) {
      const size_t at = i;
      if (is_white_space(next_code_point(text, i))) continue;
      if (!found) begin = at;
      found = true;
      end = i;
    }
    if (!found) begin = left_ ? text.size() : 0;
    if (right_) text.resize(found ? end : 0);
    if (left_) text.erase(0, begin);
  }

 private:
  const bool left_, right_;
};

// Drops the code points that a predicate names.
class DropNormalizer final : public Normalizer {
 public:
  explicit DropNormalizer(bool (*drops)(uint32_t)) : drops_(drops) {}
  void apply(std::string& text) const override {
    std::string kept;
    for (size_t i = 0; i < text.size();) {
      const size_t at = i;
      if (!drops_(next_code_point(text, i))) kept.append(text, at, i - at);
    }
    text = std::move(kept);
  }

 private:
  bool (*const drops_)(uint32_t);
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void apply(std::string& text) const override {
    std::string characters;
    append_byte_characters(characters, text);
    text = std::move(characters);
  }
};

class SequenceNormalizer final : public Normalizer {
 public:
  explicit SequenceNormalizer(const JsonReader& section) {  // NOLINT(misc-no-recursion)
    for (const JsonReader& step : section.at("normalizers").items()) {
      steps_.push_back(make_normalizer(step));
    }
  }
  void apply(std::string& text) const override {  // NOLINT(misc-no-recursion)
    for (const auto& step : steps_) step->apply(text);
  }

 private:
  std::vector<std::unique_ptr<const Normalizer>> steps_;
};

}  // namespace

std::unique_ptr<const Normalizer> make_normalizer(  // NOLINT(misc-no-recursion)
    const JsonReader& section) {
  const std::string_view type = section.text("type");
  if (type == "Sequence") return std::make_unique<SequenceNormalizer>(section);
  if (type == "NFC") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfc);
  if (type == "NFD") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfd);
  if (type == "NFKC") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfkc);
  if (type == "NFKD") return std::make_unique<NormalFormNormalizer>(NormalForm::kNfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "Prepend") return std::make_unique<PrependNormalizer>(section.text("prepend"));
  if (type == "Replace") return std::make_unique<ReplaceNormalizer>(section);
  if (type == "StripAccents") return std::make_unique<DropNormalizer>(&is_mark);
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "Strip") {
    return std::make_unique<StripNormalizer>(section.flag_or("strip_left", true),
                                             section.flag_or("strip_right", true));
  }
  section.refuse(str("is of type ", type,
                     ", which is not supported; supported are Sequence, NFC, NFD, NFKC, NFKD, "
                     "Lowercase, Prepend, Replace, Strip, StripAccents and ByteLevel"));
}

}  // namespace pagoda
