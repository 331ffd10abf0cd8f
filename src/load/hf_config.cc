#include "load/hf_config.h"

#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "load/json_file.h"

namespace pagoda {
namespace {

namespace json = boost::json;

[[noreturn]] void reject(const std::string& origin, std::string_view key, const json::value& found,
                         std::string_view expected) {
  throw Error(ErrorKind::kConfig,
              str(origin, ": ", key, " is ", to_json(found, kPythonStyle), ", expected ", expected,
                  "; correct the file or --hf-overrides"));
}

// A JSON number that is whole, however it is written: 4096 or 4096.0.
std::optional<int64_t> whole_number(const json::value& value) {
  if (const auto* whole = value.if_int64()) return *whole;
  const auto* real = value.if_double();
  const bool fits = real != nullptr && std::abs(*real) < 0x1p62 && std::trunc(*real) == *real;
  if (!fits) return std::nullopt;
  return static_cast<int64_t>(*real);
}

void merge(json::object& into, const json::object& overrides) {
  for (const auto& [key, value] : overrides) {
    json::value& old = into[key];
    if (old.is_object() && value.is_object()) {
      merge(old.get_object(), value.get_object());
    } else {
      old = value;
    }
  }
}

// transformers since 4.52 writes the decoder of a model that also sees or hears into a section of
// its own. What stands outside, --hf-overrides for one, goes before it.
void lift_text_config(json::object& values) {
  const json::value* section = values.if_contains("text_config");
  if (section == nullptr || !section->is_object()) return;
  const json::object text = section->get_object();
  for (const auto& [key, value] : text) {
    json::value& outside = values[key];
    if (outside.is_null()) outside = value;
  }
}

}  // namespace

HfConfig::HfConfig(json::object values, std::string origin)
    : values_(std::move(values)), origin_(std::move(origin)) {}

HfConfig HfConfig::load(const std::filesystem::path& folder, const json::object& overrides) {
  const std::filesystem::path path = folder / "config.json";
  json::object values = read_json_object(path);
  merge(values, overrides);
  lift_text_config(values);
  return {std::move(values), path.string()};
}

const json::value& HfConfig::required(std::string_view key, std::string_view expected) const {
  const json::value* value = values_.if_contains(key);
  if (value != nullptr && !value->is_null()) return *value;
  throw Error(ErrorKind::kConfig,
              str(origin_, ": ", key, " is ", value == nullptr ? "missing" : "null", ", expected ",
                  expected,
                  "; take the file from the model's page or add the key with "
                  "--hf-overrides"));
}

bool HfConfig::has(std::string_view key) const {
  const json::value* value = values_.if_contains(key);
  return value != nullptr && !value->is_null();
}

int64_t HfConfig::integer(std::string_view key) const {
  const json::value& value = required(key, "an integer");
  if (const auto whole = whole_number(value)) return *whole;
  reject(origin_, key, value, "an integer");
}

double HfConfig::number(std::string_view key) const {
  const json::value& value = required(key, "a number");
  if (value.is_number()) return value.to_number<double>();
  reject(origin_, key, value, "a number");
}

std::string HfConfig::text(std::string_view key) const {
  const json::value& value = required(key, "a string");
  if (const auto* text = value.if_string()) return {text->data(), text->size()};
  reject(origin_, key, value, "a string");
}

int64_t HfConfig::integer_or(std::string_view key, int64_t documented_default) const {
  return has(key) ? integer(key) : documented_default;
}

double HfConfig::number_or(std::string_view key, double documented_default) const {
  return has(key) ? number(key) : documented_default;
}

bool HfConfig::flag_or(std::string_view key, bool documented_default) const {
  if (!has(key)) return documented_default;
  const json::value& value = values_.at(key);
  if (const auto* flag = value.if_bool()) return *flag;
  reject(origin_, key, value, "true or false");
}

std::string HfConfig::text_or(std::string_view key, std::string_view documented_default) const {
  return has(key) ? text(key) : std::string(documented_default);
}

std::vector<int64_t> HfConfig::integers_or_empty(std::string_view key) const {
  if (!has(key)) return {};
  const json::value& value = values_.at(key);
  if (!value.is_array()) return {integer(key)};
  std::vector<int64_t> numbers;
  for (const json::value& item : value.get_array()) {
    const auto whole = whole_number(item);
    if (!whole) reject(origin_, key, value, "a list of integers");
    numbers.push_back(*whole);
  }
  return numbers;
}

std::vector<double> HfConfig::numbers_or_empty(std::string_view key) const {
  if (!has(key)) return {};
  const json::value& value = values_.at(key);
  if (!value.is_array()) reject(origin_, key, value, "a list of numbers");
  std::vector<double> numbers;
  for (const json::value& item : value.get_array()) {
    if (!item.is_number()) reject(origin_, key, value, "a list of numbers");
    numbers.push_back(item.to_number<double>());
  }
  return numbers;
}

std::vector<std::string> HfConfig::texts_or_empty(std::string_view key) const {
  if (!has(key)) return {};
  const json::value& value = values_.at(key);
  if (!value.is_array()) return {text(key)};
  std::vector<std::string> texts;
  for (const json::value& item : value.get_array()) {
    const auto* text = item.if_string();
    if (text == nullptr) reject(origin_, key, value, "a list of strings");
    texts.emplace_back(text->data(), text->size());
  }
  return texts;
}

HfConfig HfConfig::section(std::string_view key) const {
  const std::string origin = str(origin_, ": ", key);
  if (!has(key)) return {{}, origin};
  const json::value& value = values_.at(key);
  if (const auto* object = value.if_object()) return {*object, origin};
  reject(origin_, key, value, "an object");
}

std::string HfConfig::architecture() const {
  const std::vector<std::string> names = texts_or_empty("architectures");
  if (names.empty()) required("architectures", R"(a list such as ["Qwen3ForCausalLM"])");
  if (names.empty()) reject(origin_, "architectures", values_.at("architectures"), "a name in it");
  return names.front();
}

}  // namespace pagoda
