#include "cli/option_value.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;

[[noreturn]] void refuse(std::string_view shown, std::string_view text, std::string_view expected) {
  throw Error(ErrorKind::kConfig, str(shown, ": \"", text, "\" ", expected));
}

std::string listed(std::string_view choices) {
  std::string text;
  for (const std::string_view choice : split_choices(choices)) {
    text += str(text.empty() ? "" : ", ", choice);
  }
  return text;
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number{};
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size() || text.empty()) return {};
  return number;
}

bool flag_of(std::string_view shown, std::string_view text) {
  for (const std::string_view yes : {"true", "True", "1", "yes"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "False", "0", "no"}) {
    if (text == no) return false;
  }
  refuse(shown, text, "is not a flag's value; write true or false, or no value at all");
}

// image=2,video=1: how vLLM wrote counts before it took JSON.
json::value counts_of(std::string_view shown, std::string_view text) {
  json::object counts;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const size_t equals = item.find('=');
    const auto count = equals == std::string_view::npos
                           ? std::nullopt
                           : whole_number<int64_t>(item.substr(equals + 1));
    if (!count) refuse(shown, text, R"(is not understood; write '{"image": 2}', or image=2)");
    counts[item.substr(0, equals)] = *count;
  }
  return counts;
}

json::value json_of(const OptionRow& row, std::string_view shown, std::string_view text) {
  // -O 3 is short for {"level": 3}.
  if (row.name == "compilation-config") {
    if (const auto level = whole_number<int64_t>(text)) return {{"level", *level}};
  }
  if (row.name == "limit-mm-per-prompt" && !text.starts_with('{')) return counts_of(shown, text);
  boost::system::error_code fault;
  json::value value = json::parse(text, fault);
  if (fault) {
    refuse(shown, text,
           str("is not JSON (", fault.message(), R"(); write '{"key": 1}', or )", shown, ".key 1"));
  }
  if (!value.is_object()) refuse(shown, text, R"(is not a JSON object such as '{"key": 1}')");
  return value;
}

json::value texts_of_json(std::string_view shown, std::string_view text) {
  if (!text.starts_with('[')) return json::array{text};
  boost::system::error_code fault;
  json::value value = json::parse(text, fault);
  const bool fits = !fault && std::all_of(value.as_array().begin(), value.as_array().end(),
                                          [](const json::value& v) { return v.is_string(); });
  if (!fits) refuse(shown, text, R"(is not a JSON list of texts such as '["a", "b"]')");
  return value;
}

void check_range(const OptionRow& row, std::string_view shown, std::string_view text,
                 double number) {
  if (number < row.least) refuse(shown, text, str("is too small; at least ", row.least));
  if (number > row.most || std::isnan(number)) {
    refuse(shown, text, str("is too large; at most ", row.most));
  }
}

json::value number_of(const OptionRow& row, std::string_view shown, std::string_view text) {
  if (row.type == ValueType::kNumber) {
    const auto number = whole_number<double>(text);
    if (!number || !std::isfinite(*number)) refuse(shown, text, "is not a number");
    check_range(row, shown, text, *number);
    return *number;
  }
  const bool human = row.type == ValueType::kHumanInteger;
  const auto number = human ? human_integer(text) : whole_number<int64_t>(text);
  if (!number) {
    refuse(shown, text,
           human ? "is not a whole number; write 4096, 4k (4000) or 4K (4096)"
                 : "is not a whole number");
  }
  check_range(row, shown, text, static_cast<double>(*number));
  return *number;
}

// Edits (insert, remove, replace, swap neighbours) that turn one text into the other.
size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1,
                          d[i - 1][j - 1] + static_cast<size_t>(a[i - 1] != b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::optional<int64_t> human_integer(std::string_view text) {
  if (text.empty()) return {};
  static constexpr std::string_view kSuffixes = "kmg";
  const char last = text.back();
  const bool is_binary = last >= 'A' && last <= 'Z';
  const size_t power = kSuffixes.find(is_binary ? static_cast<char>(last - 'A' + 'a') : last);
  if (power == std::string_view::npos) return whole_number<int64_t>(text);
  const double factor = std::pow(is_binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  const std::string_view digits = text.substr(0, text.size() - 1);
  if (digits.find_first_not_of("0123456789.") != std::string_view::npos) return {};
  // Half a kibi is likelier a slip of the shift key than a wish.
  if (is_binary && digits.find('.') != std::string_view::npos) return {};
  const auto number = whole_number<double>(digits);
  if (!number || *number * factor > 9e18) return {};
  return std::llround(*number * factor);
}

json::value option_value(const OptionRow& row, std::string_view shown, std::string_view text) {
  if (text == "None" && row.default_value.empty()) return nullptr;
  if (!row.choices.empty() && !is_among(row.choices, text)) {
    refuse(shown, text, str("is not possible; choose one of ", listed(row.choices)));
  }
  switch (row.type) {
    case ValueType::kFlag: return flag_of(shown, text);
    case ValueType::kText: return json::string(text);
    case ValueType::kTexts: return json::array{text};
    case ValueType::kJsonTexts: return texts_of_json(shown, text);
    case ValueType::kJson: return json_of(row, shown, text);
    case ValueType::kInteger:
    case ValueType::kHumanInteger:
    case ValueType::kNumber: return number_of(row, shown, text);
  }
  return nullptr;
}

json::value option_values(const OptionRow& row, std::span<const std::string> texts) {
  if (texts.size() == 1 && texts.front() == "None" && row.default_value.empty()) return nullptr;
  return json::value_from(std::vector<std::string>(texts.begin(), texts.end()));
}

json::value option_value_of_json(const OptionRow& row, std::string_view shown,
                                 const json::value& value) {
  if (value.is_null()) return nullptr;
  if (const auto* object = value.if_object()) {
    if (row.type == ValueType::kJson) return *object;
    if (row.type == ValueType::kText) return json::string(to_json(value));
    refuse(shown, to_json(value), "is an object; one value is expected");
  }
  if (const auto* list = value.if_array()) {
    if (row.type != ValueType::kTexts && row.type != ValueType::kJsonTexts) {
      refuse(shown, to_json(value), "is a list; one value is expected");
    }
    json::array texts;
    for (const json::value& item : *list) {
      texts.emplace_back(item.is_string() ? item.as_string() : json::string(to_json(item)));
    }
    return texts;
  }
  return option_value(row, shown,
                      value.is_string() ? std::string(value.as_string()) : to_json(value));
}

json::value default_of(const OptionRow& row) {
  if (row.default_value.empty()) return nullptr;
  return option_value(row, str("--", row.name), row.default_value);
}

void merge_json(json::value& target, const json::value& patch) {
  if (target.is_array() && patch.is_array()) {
    for (const json::value& item : patch.as_array()) target.as_array().push_back(item);
    return;
  }
  if (!target.is_object() || !patch.is_object()) {
    target = patch;
    return;
  }
  for (const auto& [key, item] : patch.as_object()) {
    if (target.as_object().contains(key)) {
      merge_json(target.as_object()[key], item);
    } else {
      target.as_object()[key] = item;
    }
  }
}

std::string_view closest_of(std::string_view typed, std::span<const std::string_view> names) {
  std::string_view best;
  size_t fewest = std::max<size_t>(2, typed.size() / 3) + 1;
  for (const std::string_view name : names) {
    const size_t edits = edits_between(typed, name);
    if (edits < fewest) fewest = edits, best = name;
  }
  return best;
}

}  // namespace pagoda
