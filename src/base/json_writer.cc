#include "base/json_writer.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

#include "base/utf8.h"

namespace pagoda {
namespace {

namespace json = boost::json;

void append_unicode_escape(std::string& out, uint32_t unit) {
  char text[16];
  std::snprintf(text, sizeof text, "\\u%04x", unit);
  out += text;
}

void append_code_point(std::string& out, uint32_t code_point) {
  if (code_point >= 0x10000) {
    const uint32_t offset = code_point - 0x10000;
    append_unicode_escape(out, 0xD800 + (offset >> 10));
    append_unicode_escape(out, 0xDC00 + (offset & 0x3FF));
  } else {
    append_unicode_escape(out, code_point);
  }
}

bool append_short_escape(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return true;
    case '\\': out += "\\\\"; return true;
    case '\n': out += "\\n"; return true;
    case '\r': out += "\\r"; return true;
    case '\t': out += "\\t"; return true;
    case '\b': out += "\\b"; return true;
    case '\f': out += "\\f"; return true;
    default: return false;
  }
}

void append_byte(std::string& out, char c) {
  if (append_short_escape(out, c)) return;
  if (static_cast<unsigned char>(c) < 0x20) {
    append_unicode_escape(out, static_cast<unsigned char>(c));
  } else {
    out += c;
  }
}

class Printer {
 public:
  Printer(std::string& out, const JsonStyle& style) : out_(out), style_(style) {}

  void print(const json::value& value, int depth) {
    switch (value.kind()) {
      case json::kind::null: out_ += "null"; break;
      case json::kind::bool_: out_ += value.get_bool() ? "true" : "false"; break;
      case json::kind::int64: out_ += std::to_string(value.get_int64()); break;
      case json::kind::uint64: out_ += std::to_string(value.get_uint64()); break;
      case json::kind::double_: append_json_number(out_, value.get_double()); break;
      case json::kind::string:
        append_json_string(out_, value.get_string(), style_.ensure_ascii);
        break;
      case json::kind::array: print_array(value.get_array(), depth); break;
      case json::kind::object: print_object(value.get_object(), depth); break;
    }
  }

 private:
  void print_array(const json::array& array, int depth) {
    out_ += '[';
    bool first = true;
    for (const json::value& item : array) {
      begin_item(first, depth);
      print(item, depth + 1);
    }
    end_items(array.empty(), depth);
    out_ += ']';
  }

  void print_object(const json::object& object, int depth) {
    std::vector<const json::key_value_pair*> pairs;
    pairs.reserve(object.size());
    for (const auto& pair : object) pairs.push_back(&pair);
    if (style_.sort_keys) {
      std::sort(pairs.begin(), pairs.end(),
                [](const auto* a, const auto* b) { return a->key() < b->key(); });
    }
    out_ += '{';
    bool first = true;
    for (const auto* pair : pairs) {
      begin_item(first, depth);
      append_json_string(out_, pair->key(), style_.ensure_ascii);
      out_ += style_.key_separator;
      print(pair->value(), depth + 1);
    }
    end_items(object.empty(), depth);
    out_ += '}';
  }

  void begin_item(bool& first, int depth) {
    if (!first) out_ += style_.item_separator;
    first = false;
    new_line(depth + 1);
  }

  void end_items(bool empty, int depth) {
    if (!empty) new_line(depth);
  }

  void new_line(int depth) {
    if (style_.indent < 0) return;
    while (!out_.empty() && out_.back() == ' ') out_.pop_back();  // Python drops it before a break
    out_ += '\n';
    out_.append(static_cast<size_t>(style_.indent) * static_cast<size_t>(depth), ' ');
  }

  std::string& out_;
  const JsonStyle& style_;
};

}  // namespace

void append_json_string(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80 && ensure_ascii) {
      append_code_point(out, next_code_point(text, i));
    } else {
      append_byte(out, text[i++]);
    }
  }
  out += '"';
}

void append_json_number(std::string& out, double number) {
  if (std::isnan(number)) {
    out += "NaN";
    return;
  }
  if (std::isinf(number)) {
    out += number > 0 ? "Infinity" : "-Infinity";
    return;
  }
  char text[40];
  const double magnitude = std::fabs(number);
  const bool exponent = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e16);
  const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(text, text + sizeof text, number, format).ptr;
  const std::string_view digits(text, static_cast<size_t>(end - text));
  out += digits;
  if (!exponent && digits.find('.') == std::string_view::npos) out += ".0";
}

void append_json(std::string& out, const json::value& value, const JsonStyle& style) {
  Printer(out, style).print(value, 0);
}

std::string to_json(const json::value& value, const JsonStyle& style) {
  std::string out;
  append_json(out, value, style);
  return out;
}

}  // namespace pagoda
