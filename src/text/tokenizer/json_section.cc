#include "text/tokenizer/json_section.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

namespace json = boost::json;

std::optional<JsonSection> JsonSection::find(std::string_view key) const {
  const json::object* object = value_->if_object();
  if (object == nullptr) return std::nullopt;
  const json::value* member = object->if_contains(json::string_view(key.data(), key.size()));
  if (member == nullptr || member->is_null()) return std::nullopt;
  return JsonSection(*member, str(place_, place_.ends_with(':') ? " " : ".", key));
}

JsonSection JsonSection::at(std::string_view key) const {
  if (!value_->is_object()) refuse("is no object");
  std::optional<JsonSection> member = find(key);
  if (!member) refuse(str("has no \"", key, "\""));
  return *std::move(member);
}

std::vector<JsonSection> JsonSection::items() const {
  const json::array* array = value_->if_array();
  if (array == nullptr) refuse("is no array");
  std::vector<JsonSection> items;
  items.reserve(array->size());
  for (const json::value& item : *array)
    items.emplace_back(item, str(place_, "[", items.size(), "]"));
  return items;
}

std::string_view JsonSection::text() const {
  const json::string* string = value_->if_string();
  if (string == nullptr) refuse("is no string");
  return {string->data(), string->size()};
}

int64_t JsonSection::integer(std::string_view key) const {
  const JsonSection member = at(key);
  const int64_t* number = member.value_->if_int64();
  if (number == nullptr) member.refuse("is no integer");
  return *number;
}

int64_t JsonSection::integer_or(std::string_view key, int64_t otherwise) const {
  return find(key) ? integer(key) : otherwise;
}

bool JsonSection::flag_or(std::string_view key, bool otherwise) const {
  const std::optional<JsonSection> member = find(key);
  if (!member) return otherwise;
  const bool* flag = member->value_->if_bool();
  if (flag == nullptr) member->refuse("is neither true nor false");
  return *flag;
}

std::string_view JsonSection::text_or(std::string_view key, std::string_view otherwise) const {
  const std::optional<JsonSection> member = find(key);
  return member ? member->text() : otherwise;
}

void JsonSection::refuse(std::string_view what) const {
  throw Error(ErrorKind::kCheckpoint, str(place_, " ", what));
}

}  // namespace pagoda
