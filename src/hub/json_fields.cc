#include "hub/json_fields.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace pagoda {

namespace json = boost::json;

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F) c = '?';
  }
  return out;
}

json::value parsed_json(std::string_view text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value() : value;
}

JsonReader fields_of(const json::value& answer) {
  // Nothing below refuses: what a hub leaves out or writes in another way is done without.
  static constexpr JsonTerms kTerms = {.blame = ErrorKind::kDevice};
  return {answer, "", kTerms};
}

std::string text_of(const JsonReader& fields, std::string_view key) {
  return std::string(fields.if_text(key).value_or(""));
}

std::optional<int64_t> count_of(const JsonReader& fields, std::string_view key) {
  const auto count = fields.if_integer(key);
  return count && *count >= 0 ? count : std::nullopt;
}

std::vector<std::string> texts_of(const std::optional<JsonReader>& list, std::string_view key) {
  std::vector<std::string> texts;
  if (!list || !list->is_list()) return texts;
  for (const JsonReader& item : list->items()) {
    const std::string text = text_of(item, key);
    if (!text.empty()) texts.push_back(printable(text));
  }
  return texts;
}

}  // namespace pagoda
