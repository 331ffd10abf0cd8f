// "Replace" of tokenizer files, which normalizers and decoders have: every match of a string or a
// regular expression becomes another string.
//
// Thread rule: fixed after construction.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "text/tokenizer/regex.h"

namespace pagoda {

class Replacer {
 public:
  explicit Replacer(const JsonReader& section);  // throws kCheckpoint
  void apply(std::string& text) const;

 private:
  std::string with_matches_replaced(const std::string& text) const;
  std::string with_literals_replaced(const std::string& text) const;

  std::string literal_;
  std::optional<Regex> regex_;  // instead of literal_
  std::string content_;
};

// The regular expression of a "pattern" member: {"Regex": "..."} or {"String": "..."}.
Regex regex_of_pattern(const JsonReader& pattern);
// The same, for all characters of `literal` standing for themselves.
std::string escaped_for_regex(std::string_view literal);

}  // namespace pagoda
