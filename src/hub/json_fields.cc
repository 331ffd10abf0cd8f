#include "hub/json_fields.h"

#include <boost/json.hpp>
#include <utility>

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

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

std::optional<int64_t> count_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
  return value->get_int64();
}

std::vector<std::string> texts_of(const json::value* array, std::string_view key) {
  std::vector<std::string> texts;
  if (array == nullptr || !array->is_array()) return texts;
  for (const json::value& item : array->get_array()) {
    const std::string text = item.is_object() ? text_of(item.get_object(), key) : "";
    if (!text.empty()) texts.push_back(printable(text));
  }
  return texts;
}

}  // namespace pagoda
