#include "api/requests/python_repr.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "base/json_writer.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

namespace json = boost::json;

void append_text(std::string& out, std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos;
  const char quote = single || text.find('"') != std::string_view::npos ? '\'' : '"';
  out += quote;
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += quote;
}

class Writer {
 public:
  explicit Writer(size_t max_bytes) : max_bytes_(max_bytes) {}

  void write(const json::value& value) {
    if (out_.size() > max_bytes_) return;
    switch (value.kind()) {
      case json::kind::null: out_ += "None"; break;
      case json::kind::bool_: out_ += value.get_bool() ? "True" : "False"; break;
      case json::kind::int64: out_ += fmt::format("{}", value.get_int64()); break;
      case json::kind::uint64: out_ += fmt::format("{}", value.get_uint64()); break;
      case json::kind::double_: out_ += python_repr_of_number(value.get_double()); break;
      case json::kind::string: append_text(out_, value.get_string()); break;
      case json::kind::array: write_list(value.get_array()); break;
      case json::kind::object: write_dict(value.get_object()); break;
    }
  }

  std::string take() {
    if (out_.size() <= max_bytes_) return std::move(out_);
    out_.resize(max_bytes_);
    out_.resize(out_.size() - incomplete_utf8_tail(out_));
    return out_ + "...";
  }

 private:
  void write_list(const json::array& list) {
    out_ += '[';
    for (size_t i = 0; i < list.size() && out_.size() <= max_bytes_; ++i) {
      if (i > 0) out_ += ", ";
      write(list[i]);
    }
    out_ += ']';
  }

  void write_dict(const json::object& dict) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : dict) {
      if (out_.size() > max_bytes_) break;
      if (!first) out_ += ", ";
      first = false;
      append_text(out_, key);
      out_ += ": ";
      write(value);
    }
    out_ += '}';
  }

  const size_t max_bytes_;
  std::string out_;
};

}  // namespace

std::string python_repr(const json::value& value, size_t max_bytes) {
  Writer writer(max_bytes);
  writer.write(value);
  return writer.take();
}

std::string python_repr_of_text(std::string_view text) {
  std::string out;
  append_text(out, text);
  return out;
}

std::string python_repr_of_number(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::string out;
  append_json_number(out, number);
  return out;
}

}  // namespace pagoda
