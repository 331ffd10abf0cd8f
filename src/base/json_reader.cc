#include "base/json_reader.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <cmath>
#include <utility>

#include "base/json_writer.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr std::string_view kInteger = "an integer", kNumber = "a number", kText = "a string";
constexpr std::string_view kList = "a list", kObject = "an object";
constexpr size_t kMostShown = 200;  // bytes of a value in a message

std::optional<int64_t> integer_of(const json::value& value) {
  if (const auto* whole = value.if_int64()) return *whole;
  const auto* real = value.if_double();
  const bool fits = real != nullptr && std::abs(*real) < 0x1p62 && std::trunc(*real) == *real;
  if (!fits) return std::nullopt;
  return static_cast<int64_t>(*real);
}

std::optional<double> number_of(const json::value& value) {
  if (!value.is_number()) return std::nullopt;
  return value.to_number<double>();
}

std::optional<std::string_view> text_of(const json::value& value) {
  const auto* text = value.if_string();
  if (text == nullptr) return std::nullopt;
  return std::string_view(text->data(), text->size());
}

// As it stands in the file, in ASCII; only the beginning of what is long.
std::string shown(const json::value& value) {
  std::string text = to_json(value, kPythonStyle);
  if (text.size() > kMostShown) text = text.substr(0, kMostShown) + "...";
  return text;
}

// Keys are ours nearly always; one that a file made up stays one line.
std::string shown_key(std::string_view key) {
  const bool is_plain =
      std::none_of(key.begin(), key.end(), [](unsigned char c) { return c < 0x20; });
  return is_plain && key.size() <= kMostShown ? std::string(key) : shown(json::value(key));
}

std::string behind_semicolon(std::string_view remedy) {
  return remedy.empty() ? std::string() : str("; ", remedy);
}

}  // namespace

JsonReader::JsonReader(const json::value& value, std::string origin, const JsonTerms& terms)
    : value_(&value), object_(value.if_object()), origin_(std::move(origin)), terms_(&terms) {}

JsonReader::JsonReader(const json::object& object, std::string origin, const JsonTerms& terms)
    : value_(nullptr), object_(&object), origin_(std::move(origin)), terms_(&terms) {}

const json::value* JsonReader::value_at(std::string_view key) const {
  const json::value* value = object_ == nullptr ? nullptr : object_->if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

JsonReader JsonReader::inside(std::string_view key, const json::value& value) const {
  return {value, place_of(key), *terms_};
}

std::string JsonReader::place_of(std::string_view key) const {
  return str(origin_, origin_.ends_with(':') ? " " : terms_->joint, shown_key(key));
}

bool JsonReader::has(std::string_view key) const {
  return value_at(key) != nullptr;
}

bool JsonReader::is_null(std::string_view key) const {
  return object_ != nullptr && object_->contains(key) && !has(key);
}

bool JsonReader::empty() const {
  return object_ == nullptr || object_->empty();
}

std::vector<std::string_view> JsonReader::keys() const {
  std::vector<std::string_view> keys;
  if (object_ == nullptr) return keys;
  for (const auto& item : *object_) keys.emplace_back(item.key().data(), item.key().size());
  return keys;
}

// Misfits.

std::string JsonReader::found_at(std::string_view key) const {
  if (const json::value* value = value_at(key)) return shown(*value);
  return is_null(key) ? "null" : "missing";
}

void JsonReader::reject(std::string_view key, std::string_view expected) const {
  const std::string_view remedy = has(key) ? terms_->remedy : terms_->absent_remedy;
  refuse(key, str("expected ", expected, behind_semicolon(remedy)));
}

void JsonReader::refuse(std::string_view key, std::string_view what) const {
  throw Error(terms_->blame, str(place_of(key), " is ", found_at(key), ", ", what));
}

void JsonReader::refuse(std::string_view what) const {
  throw Error(terms_->blame, str(origin_, " ", what));
}

void JsonReader::reject_this(std::string_view expected) const {
  refuse(str("is ", value_ == nullptr ? "an object" : shown(*value_), ", expected ", expected,
             behind_semicolon(terms_->remedy)));
}

const json::value& JsonReader::required(std::string_view key, std::string_view expected) const {
  const json::value* value = value_at(key);
  if (value == nullptr) reject(key, expected);
  return *value;
}

// What must be there.

int64_t JsonReader::integer(std::string_view key) const {
  if (const auto integer = integer_of(required(key, kInteger))) return *integer;
  reject(key, kInteger);
}

double JsonReader::number(std::string_view key) const {
  if (const auto number = number_of(required(key, kNumber))) return *number;
  reject(key, kNumber);
}

std::string_view JsonReader::text(std::string_view key) const {
  if (const auto text = text_of(required(key, kText))) return *text;
  reject(key, kText);
}

JsonReader JsonReader::at(std::string_view key) const {
  return inside(key, required(key, "a value"));
}

// What may be absent.

int64_t JsonReader::integer_or(std::string_view key, int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}

double JsonReader::number_or(std::string_view key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}

bool JsonReader::flag_or(std::string_view key, bool otherwise) const {
  if (!has(key)) return otherwise;
  if (const auto flag = if_flag(key)) return *flag;
  reject(key, "true or false");
}

std::string_view JsonReader::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : otherwise;
}

std::vector<int64_t> JsonReader::integers_or_empty(std::string_view key) const {
  if (!has(key)) return {};
  const auto list = if_list(key);
  if (!list) return {integer(key)};
  std::vector<int64_t> integers;
  for (const json::value& item : list->list()) {
    const auto integer = integer_of(item);
    if (!integer) reject(key, "a list of integers");
    integers.push_back(*integer);
  }
  return integers;
}

std::vector<double> JsonReader::numbers_or_empty(std::string_view key) const {
  if (!has(key)) return {};
  const auto list = if_list(key);
  if (!list) return {number(key)};
  std::vector<double> numbers;
  for (const json::value& item : list->list()) {
    const auto number = number_of(item);
    if (!number) reject(key, "a list of numbers");
    numbers.push_back(*number);
  }
  return numbers;
}

std::vector<std::string> JsonReader::texts_or_empty(std::string_view key) const {
  if (!has(key)) return {};
  const auto list = if_list(key);
  if (!list) return {std::string(text(key))};
  std::vector<std::string> texts;
  for (const json::value& item : list->list()) {
    const auto text = text_of(item);
    if (!text) reject(key, "a list of strings");
    texts.emplace_back(*text);
  }
  return texts;
}

JsonReader JsonReader::section(std::string_view key) const {
  if (const auto object = if_object(key)) return *object;
  if (has(key)) reject(key, kObject);
  JsonReader nothing = *this;
  nothing.value_ = nullptr;
  nothing.object_ = nullptr;
  nothing.origin_ = place_of(key);
  return nothing;
}

// What may be anything.

std::optional<int64_t> JsonReader::if_integer(std::string_view key) const {
  const json::value* value = value_at(key);
  return value == nullptr ? std::nullopt : integer_of(*value);
}

std::optional<double> JsonReader::if_number(std::string_view key) const {
  const json::value* value = value_at(key);
  return value == nullptr ? std::nullopt : number_of(*value);
}

std::optional<bool> JsonReader::if_flag(std::string_view key) const {
  const json::value* value = value_at(key);
  if (value == nullptr || !value->is_bool()) return std::nullopt;
  return value->get_bool();
}

std::optional<std::string_view> JsonReader::if_text(std::string_view key) const {
  const json::value* value = value_at(key);
  return value == nullptr ? std::nullopt : text_of(*value);
}

std::optional<JsonReader> JsonReader::if_object(std::string_view key) const {
  const json::value* value = value_at(key);
  if (value == nullptr || !value->is_object()) return std::nullopt;
  return inside(key, *value);
}

std::optional<JsonReader> JsonReader::if_list(std::string_view key) const {
  const json::value* value = value_at(key);
  if (value == nullptr || !value->is_array()) return std::nullopt;
  return inside(key, *value);
}

std::optional<JsonReader> JsonReader::find(std::string_view key) const {
  const json::value* value = value_at(key);
  if (value == nullptr) return std::nullopt;
  return inside(key, *value);
}

// This value.

std::string_view JsonReader::text() const {
  if (const auto text = if_text()) return *text;
  reject_this(kText);
}

const json::array& JsonReader::list() const {
  if (is_list()) return value_->get_array();
  reject_this(kList);
}

const json::object& JsonReader::object() const {
  if (object_ != nullptr) return *object_;
  reject_this(kObject);
}

std::vector<JsonReader> JsonReader::items() const {
  std::vector<JsonReader> items;
  items.reserve(list().size());
  for (const json::value& item : list()) {
    items.emplace_back(item, str(origin_, "[", items.size(), "]"), *terms_);
  }
  return items;
}

std::optional<int64_t> JsonReader::if_integer() const {
  return value_ == nullptr ? std::nullopt : integer_of(*value_);
}

std::optional<double> JsonReader::if_number() const {
  return value_ == nullptr ? std::nullopt : number_of(*value_);
}

std::optional<std::string_view> JsonReader::if_text() const {
  return value_ == nullptr ? std::nullopt : text_of(*value_);
}

bool JsonReader::is_list() const {
  return value_ != nullptr && value_->is_array();
}

}  // namespace pagoda
