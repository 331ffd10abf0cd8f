#include "api/requests/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "api/http/error_body.h"
#include "api/requests/python_repr.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// ('body', 'stop', 'str'): list positions are numbers in Python's tuple.
std::string location(const std::vector<std::string>& path) {
  std::string out = "('body',";
  for (size_t i = 0; i < path.size(); ++i) {
    const bool number =
        !path[i].empty() && path[i].find_first_not_of("0123456789") == std::string::npos;
    out += i == 0 ? " " : ", ";
    out += number ? path[i] : python_repr_of_text(path[i]);
  }
  return out + ")";
}

bool parse_integer(std::string_view text, int64_t& out) {
  text = trimmed(text);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  // "3.0" is an integer too.
  if (const size_t dot = text.find('.'); dot != std::string_view::npos && dot > 0) {
    if (text.find_first_not_of('0', dot + 1) != std::string_view::npos) return false;
    text = text.substr(0, dot);
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool parse_number(std::string_view text, double& out) {
  text = trimmed(text);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

constexpr LaxFailure kIntegerType = {"int_type", "Input should be a valid integer"};
constexpr LaxFailure kNumberType = {"float_type", "Input should be a valid number"};
constexpr LaxFailure kFlagType = {"bool_type", "Input should be a valid boolean"};
constexpr LaxFailure kFlagParsing = {"bool_parsing",
                                     "Input should be a valid boolean, unable to interpret input"};
constexpr LaxFailure kTextType = {"string_type", "Input should be a valid string"};
constexpr LaxFailure kListType = {"list_type", "Input should be a valid list"};
constexpr LaxFailure kDictType = {"dict_type", "Input should be a valid dictionary"};

}  // namespace

std::optional<LaxFailure> lax_integer(const json::value& value, int64_t& out) {
  if (value.is_int64()) {
    out = value.get_int64();
  } else if (value.is_uint64()) {
    return LaxFailure{"int_parsing_size",
                      "Unable to parse input string as an integer, exceeded "
                      "maximum size"};
  } else if (value.is_bool()) {
    out = value.get_bool() ? 1 : 0;
  } else if (value.is_double()) {
    const double number = value.get_double();
    if (number != std::floor(number)) {
      return LaxFailure{"int_from_float",
                        "Input should be a valid integer, got a number with a fractional part"};
    }
    if (std::abs(number) >= 0x1.0p63) {
      return LaxFailure{"int_parsing_size",
                        "Unable to parse input string as an integer, exceeded maximum size"};
    }
    out = static_cast<int64_t>(number);
  } else if (value.is_string()) {
    if (!parse_integer(value.get_string(), out)) {
      return LaxFailure{"int_parsing",
                        "Input should be a valid integer, unable to parse string as an integer"};
    }
  } else {
    return kIntegerType;
  }
  return std::nullopt;
}

std::optional<LaxFailure> lax_number(const json::value& value, double& out) {
  if (value.is_number()) {
    out = value.to_number<double>();
  } else if (value.is_bool()) {
    out = value.get_bool() ? 1.0 : 0.0;
  } else if (value.is_string()) {
    if (!parse_number(value.get_string(), out)) {
      return LaxFailure{"float_parsing",
                        "Input should be a valid number, unable to parse string as a number"};
    }
  } else {
    return kNumberType;
  }
  return std::nullopt;
}

std::optional<LaxFailure> lax_flag(const json::value& value, bool& out) {
  if (value.is_bool()) {
    out = value.get_bool();
    return std::nullopt;
  }
  if (value.is_number()) {
    const auto number = value.to_number<double>();
    if (number != 0.0 && number != 1.0) return kFlagParsing;
    out = number == 1.0;
    return std::nullopt;
  }
  if (!value.is_string()) return kFlagType;
  std::string word(value.get_string());
  std::transform(word.begin(), word.end(), word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  constexpr std::string_view kTrue[] = {"1", "on", "t", "true", "y", "yes"};
  constexpr std::string_view kFalse[] = {"0", "off", "f", "false", "n", "no"};
  out = std::find(std::begin(kTrue), std::end(kTrue), word) != std::end(kTrue);
  const bool known =
      out || std::find(std::begin(kFalse), std::end(kFalse), word) != std::end(kFalse);
  return known ? std::nullopt : std::optional(kFlagParsing);
}

bool is_lax_true(const json::value* value) {
  bool flag = false;
  return value != nullptr && !lax_flag(*value, flag) && flag;
}

std::string ValidationErrors::message() const {
  return fmt::format("[{}]", fmt::join(items_, ", "));
}

void ValidationErrors::refuse() const {
  throw Refusal(error_reply(400, "Bad Request", message()));
}

void ValidationErrors::add(const Field& field, const json::value& input) {
  std::string item =
      str("{'type': '", field.type, "', 'loc': ", location(field.path),
          ", 'msg': ", python_repr_of_text(field.message), ", 'input': ", python_repr(input));
  if (!field.context.empty()) item += str(", 'ctx': {", field.context, "}");
  items_.push_back(item + "}");
}

void ValidationErrors::add_missing(std::vector<std::string> path, const json::value& input) {
  add({.type = "missing", .path = std::move(path), .message = "Field required", .context = {}},
      input);
}

void ValidationErrors::add_value_error(std::string_view message, const json::value& body) {
  add({.type = "value_error",
       .path = {},
       .message = str("Value error, ", message),
       .context = str("'error': ValueError(", python_repr_of_text(message), ")")},
      body);
}

void FieldReader::refuse(std::string_view message) const {
  ValidationErrors errors;
  errors.add_value_error(message, object_);
  errors.refuse();
}

std::vector<std::string> FieldReader::path_to(std::string_view key) const {
  std::vector<std::string> path = path_;
  path.emplace_back(key);
  return path;
}

const json::value* FieldReader::find(std::string_view key) const {
  const json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<int64_t> FieldReader::integer(std::string_view key) {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  int64_t out = 0;
  if (const auto failure = lax_integer(*value, out)) {
    errors_.add({failure->type, path_to(key), failure->message, {}}, *value);
    return std::nullopt;
  }
  return out;
}

std::optional<int64_t> FieldReader::integer_from(std::string_view key, int64_t least) {
  const std::optional<int64_t> out = integer(key);
  if (!out || *out >= least) return out;
  errors_.add({"greater_than_equal", path_to(key),
               str("Input should be greater than or equal to ", least), str("'ge': ", least)},
              *find(key));
  return std::nullopt;
}

std::optional<double> FieldReader::number(std::string_view key) {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  double out = 0;
  if (const auto failure = lax_number(*value, out)) {
    errors_.add({failure->type, path_to(key), failure->message, {}}, *value);
    return std::nullopt;
  }
  return out;
}

std::optional<bool> FieldReader::flag(std::string_view key) {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  bool out = false;
  if (const auto failure = lax_flag(*value, out)) {
    errors_.add({failure->type, path_to(key), failure->message, {}}, *value);
    return std::nullopt;
  }
  return out;
}

std::optional<std::string> FieldReader::text(std::string_view key) {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::string(value->get_string());
  errors_.add({kTextType.type, path_to(key), kTextType.message, {}}, *value);
  return std::nullopt;
}

const json::object* FieldReader::dict(std::string_view key) {
  const json::value* value = find(key);
  if (value == nullptr || value->is_object()) {
    return value == nullptr ? nullptr : &value->get_object();
  }
  errors_.add({kDictType.type, path_to(key), kDictType.message, {}}, *value);
  return nullptr;
}

const json::array* FieldReader::list(std::string_view key) {
  const json::value* value = find(key);
  if (value == nullptr || value->is_array()) {
    return value == nullptr ? nullptr : &value->get_array();
  }
  errors_.add({kListType.type, path_to(key), kListType.message, {}}, *value);
  return nullptr;
}

std::optional<std::vector<int64_t>> FieldReader::integers(std::string_view key) {
  const json::array* values = list(key);
  if (values == nullptr) return std::nullopt;
  std::vector<int64_t> out(values->size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (const auto failure = lax_integer((*values)[i], out[i])) {
      std::vector<std::string> path = path_to(key);
      path.push_back(std::to_string(i));
      errors_.add({failure->type, path, failure->message, {}}, (*values)[i]);
      return std::nullopt;
    }
  }
  return out;
}

std::optional<std::vector<std::string>> FieldReader::texts(std::string_view key) {
  const json::array* values = list(key);
  if (values == nullptr) return std::nullopt;
  std::vector<std::string> out;
  for (size_t i = 0; i < values->size(); ++i) {
    if (const json::value& value = (*values)[i]; value.is_string()) {
      out.emplace_back(value.get_string());
      continue;
    }
    std::vector<std::string> path = path_to(key);
    path.push_back(std::to_string(i));
    errors_.add({kTextType.type, path, kTextType.message, {}}, (*values)[i]);
    return std::nullopt;
  }
  return out;
}

std::optional<std::vector<std::string>> FieldReader::text_or_texts(std::string_view key) {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return std::vector<std::string>{std::string(value->get_string())};
  if (value->is_array()) {
    const json::array& items = value->get_array();
    const auto wrong = std::find_if(items.begin(), items.end(),
                                    [](const json::value& item) { return !item.is_string(); });
    if (wrong == items.end()) return texts(key);
    std::vector<std::string> path = path_to(key);
    path.emplace_back("str");
    errors_.add({kTextType.type, path, kTextType.message, {}}, *value);
    path.back() = "list[str]";
    path.push_back(std::to_string(wrong - items.begin()));
    errors_.add({kTextType.type, path, kTextType.message, {}}, *wrong);
    return std::nullopt;
  }
  std::vector<std::string> path = path_to(key);
  path.emplace_back("str");
  errors_.add({kTextType.type, path, kTextType.message, {}}, *value);
  path.back() = "list[str]";
  errors_.add({kListType.type, path, kListType.message, {}}, *value);
  return std::nullopt;
}

}  // namespace pagoda
