#include "text/template/lexer.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

// Every way to end a line becomes '\n', and one at the very end is dropped
// (keep_trailing_newline=False).
std::string with_plain_newlines(std::string_view source) {
  std::string result;
  result.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    const bool pair = source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n';
    if (pair) continue;
    result += source[i] == '\r' ? '\n' : source[i];
  }
  if (result.ends_with('\n')) result.pop_back();
  return result;
}

bool is_digit_of(char c, int base) {
  if (base == 16) return std::isxdigit(static_cast<unsigned char>(c)) != 0;
  return c >= '0' && c < '0' + base;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_newlines(source)) {}

  std::vector<TemplateToken> run() {
    while (at_ < source_.size()) read_text();
    add(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool looking_at(std::string_view text) const { return rest().starts_with(text); }

  void add(TokenType type, std::string text) { tokens_.push_back({type, std::move(text), line_}); }

  void advance(size_t bytes) {
    const auto begin = source_.begin() + static_cast<std::ptrdiff_t>(at_);
    line_ += static_cast<int>(std::count(begin, begin + static_cast<std::ptrdiff_t>(bytes), '\n'));
    at_ += bytes;
  }

  void skip_spaces() { advance(rest().size() - stripped(rest(), Side::kLeft).size()); }

  // Text up to the next tag, then that tag.
  void read_text() {
    size_t open = source_.find('{', at_);
    while (open != std::string::npos &&
           (open + 1 >= source_.size() ||
            (source_[open + 1] != '{' && source_[open + 1] != '%' && source_[open + 1] != '#'))) {
      open = source_.find('{', open + 1);
    }
    if (open == std::string::npos) {
      add_text(rest(), 0, false);
      return advance(rest().size());
    }
    const char kind = source_[open + 1];
    const char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
    const bool signed_tag = sign == '-' || sign == '+';
    const std::string_view text = rest().substr(0, open - at_);
    add_text(text, sign, kind != '{');
    advance(text.size());
    const size_t raw = kind == '%' ? size_of_raw_begin() : 0;
    if (raw != 0) return read_raw(raw);
    const int line = line_;
    advance(signed_tag ? 3 : 2);
    if (kind == '#') return read_comment(line);
    read_tag(kind == '{');
  }

  // `sign` is what follows the opening of the next tag; lstrip holds for blocks and comments.
  void add_text(std::string_view text, char sign, bool lstrip) {
    if (sign == '-') {
      text = stripped(text, Side::kRight);
    } else if (sign != '+' && lstrip) {
      const size_t line_begin = text.rfind('\n') + 1;  // npos + 1 is 0
      const std::string_view tail = text.substr(line_begin);
      const bool at_line_begin = line_begin > 0 || at_line_begin_;
      if (at_line_begin && stripped(tail).empty()) text = text.substr(0, line_begin);
    }
    if (!text.empty()) add(TokenType::kText, std::string(text));
  }

  // Bytes of "{% raw %}" here, or 0.
  size_t size_of_raw_begin() const {
    std::string_view text = rest().substr(2);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    text = stripped(text, Side::kLeft);
    if (!text.starts_with("raw")) return 0;
    text = stripped(text.substr(3), Side::kLeft);
    if (text.starts_with("-%}")) {
      text = stripped(text.substr(3), Side::kLeft);
    } else if (text.starts_with("%}")) {
      text.remove_prefix(2);
    } else {
      return 0;
    }
    return rest().size() - text.size();
  }

  void read_raw(size_t begin_bytes) {
    const int line = line_;
    advance(begin_bytes);
    at_line_begin_ = source_[at_ - 1] == '\n';
    for (size_t open = source_.find("{%", at_); open != std::string::npos;
         open = source_.find("{%", open + 1)) {
      std::string_view tag = std::string_view(source_).substr(open + 2);
      const char sign = tag.empty() ? '\0' : tag[0];
      if (sign == '-' || sign == '+') tag.remove_prefix(1);
      tag = stripped(tag, Side::kLeft);
      if (!tag.starts_with("endraw")) continue;
      tag = stripped(tag.substr(6), Side::kLeft);
      const std::optional<size_t> end = size_of_end(tag, "%}");
      if (!end) continue;
      const size_t close = source_.size() - tag.size() + *end;
      add_text(rest().substr(0, open - at_), sign, true);
      return finish_tag(close - at_);
    }
    fail_template_syntax(line, "Missing end of raw directive");
  }

  void read_comment(int line) {
    size_t begin = source_.find("#}", at_);
    if (begin == std::string::npos) fail_template_syntax(line, "Missing end of comment tag");
    if (begin > at_ && (source_[begin - 1] == '-' || source_[begin - 1] == '+')) --begin;
    const std::optional<size_t> end = size_of_end(std::string_view(source_).substr(begin), "#}");
    finish_tag(begin - at_ + end.value_or(0));
  }

  // Bytes of the end of a tag with what it takes off the text behind it: "-%}" all white space,
  // "%}" one newline (trim_blocks), "+%}" nothing. Variables have no trim_blocks and no '+'.
  std::optional<size_t> size_of_end(std::string_view text, std::string_view end) const {
    const bool print = end == "}}";
    if (text.starts_with('-') && text.substr(1).starts_with(end)) {
      return text.size() - stripped(text.substr(1 + end.size()), Side::kLeft).size();
    }
    if (!print && text.starts_with('+') && text.substr(1).starts_with(end)) return 1 + end.size();
    if (!text.starts_with(end)) return std::nullopt;
    const bool newline = !print && text.substr(end.size()).starts_with('\n');
    return end.size() + (newline ? 1 : 0);
  }

  void finish_tag(size_t bytes) {
    advance(bytes);
    at_line_begin_ = source_[at_ - 1] == '\n';
  }

  void read_tag(bool print) {
    const std::string_view end = print ? "}}" : "%}";
    add(print ? TokenType::kPrintBegin : TokenType::kTagBegin, "");
    brackets_.clear();
    while (true) {
      const std::optional<size_t> size =
          brackets_.empty() ? size_of_end(rest(), end) : std::nullopt;
      if (size) {
        add(print ? TokenType::kPrintEnd : TokenType::kTagEnd, "");
        return finish_tag(*size);
      }
      if (at_ >= source_.size()) return;
      read_token();
    }
  }

  void read_token() {
    const char c = source_[at_];
    size_t next = at_;
    const uint32_t code_point = next_code_point(source_, next);
    if (is_space(code_point)) return skip_spaces();
    if (c >= '0' && c <= '9') return read_number();
    if (c == '"' || c == '\'') return read_string(c);
    if (code_point >= 0x80 || c == '_' || std::isalpha(static_cast<unsigned char>(c)) != 0) {
      return read_name();
    }
    read_operator();
  }

  void read_name() {
    size_t end = at_;
    for (size_t next = at_; next < source_.size();) {
      if (!is_word(next_code_point(source_, next))) break;
      end = next;
    }
    const std::string name = source_.substr(at_, end - at_);
    if (name.empty()) fail_character();
    if (!is_identifier(name)) fail_template_syntax(line_, "Invalid character in identifier");
    add(TokenType::kName, name);
    advance(name.size());
  }

  // Digits with single '_' between them; how many bytes.
  size_t size_of_digits(size_t from, int base) const {
    size_t i = from;
    while (i < source_.size()) {
      const bool underscore = source_[i] == '_' && i > from && i + 1 < source_.size();
      if (!is_digit_of(source_[underscore ? i + 1 : i], base)) break;
      i += underscore ? 2 : 1;
    }
    return i - from;
  }

  void read_number() {
    const auto at = [&](size_t i) { return i < source_.size() ? source_[i] : '\0'; };
    size_t end = at_ + size_of_digits(at_, 10);
    bool real = false;
    const bool follows_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (!follows_dot) {
      if (at(end) == '.' && is_digit_of(at(end + 1), 10)) {
        real = true;
        end += 1 + size_of_digits(end + 1, 10);
      }
      const size_t sign = at(end + 1) == '+' || at(end + 1) == '-' ? 1 : 0;
      if ((at(end) | 0x20) == 'e' && is_digit_of(at(end + 1 + sign), 10)) {
        real = true;
        end += 1 + sign + size_of_digits(end + 1 + sign, 10);
      }
    }
    if (!real) end = end_of_integer(end);
    std::string digits = source_.substr(at_, end - at_);
    std::erase(digits, '_');
    add(real ? TokenType::kFloat : TokenType::kInteger, digits);
    advance(end - at_);
  }

  size_t end_of_integer(size_t decimal_end) const {
    if (source_[at_] != '0') return decimal_end;
    const char letter =
        at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
    const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (base != 0) {
      const size_t from = at_ + 2 + (at_ + 2 < source_.size() && source_[at_ + 2] == '_' ? 1 : 0);
      const size_t size = size_of_digits(from, base);
      if (size != 0) return from + size;
    }
    size_t end = at_ + 1;  // a decimal integer begins with 0 only if it is zero
    while (end < source_.size() && source_[end] == '0') ++end;
    return end;
  }

  void read_string(char quote) {
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_character();
    add(TokenType::kString, unescaped(std::string_view(source_).substr(at_ + 1, end - at_ - 1)));
    advance(end + 1 - at_);
  }

  // Python's unicode-escape.
  std::string unescaped(std::string_view text) const {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      ++i;
      i += append_escape(out, text.substr(i));
    }
    return out;
  }

  // What stands behind the backslash; returns how many bytes beyond the first one it took.
  size_t append_escape(std::string& out, std::string_view text) const {
    constexpr std::string_view kLetters = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
    const size_t known = kLetters.find(text[0]);
    if (known != std::string_view::npos) {
      out += kValues[known];
      return 0;
    }
    switch (text[0]) {
      case '\n': return 0;
      case 'x': return append_hex(out, text, 2);
      case 'u': return append_hex(out, text, 4);
      case 'U': return append_hex(out, text, 8);
      case 'N': fail_template_syntax(line_, "\\N{...} is not supported in a string; write \\u");
      default: break;
    }
    if (!is_digit_of(text[0], 8)) {
      out += '\\';
      out += text[0];
      return 0;
    }
    size_t digits = 0;
    uint32_t value = 0;
    while (digits < 3 && digits < text.size() && is_digit_of(text[digits], 8)) {
      value = value * 8 + static_cast<uint32_t>(text[digits++] - '0');
    }
    append_utf8(out, value);
    return digits - 1;
  }

  size_t append_hex(std::string& out, std::string_view text, size_t digits) const {
    const std::optional<int64_t> value = hex_value(text, digits);
    if (!value) fail_template_syntax(line_, str("truncated \\", text[0], " escape in a string"));
    size_t taken = digits;
    auto code_point = static_cast<uint32_t>(*value);
    const bool high = code_point >= 0xD800 && code_point < 0xDC00;
    const std::string_view behind = text.substr(1 + digits);
    const std::optional<int64_t> low =
        high && behind.starts_with("\\u") ? hex_value(behind.substr(1), 4) : std::nullopt;
    if (low && *low >= 0xDC00 && *low < 0xE000) {
      code_point = 0x10000 + ((code_point - 0xD800) << 10) + static_cast<uint32_t>(*low - 0xDC00);
      taken += 6;
    }
    const bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
    if (surrogate || code_point > 0x10FFFF) {
      fail_template_syntax(line_, "illegal Unicode character in a string");
    }
    append_utf8(out, code_point);
    return taken;
  }

  static std::optional<int64_t> hex_value(std::string_view text, size_t digits) {
    if (text.size() < 1 + digits) return std::nullopt;
    const std::string_view number = text.substr(1, digits);
    const bool all =
        std::all_of(number.begin(), number.end(), [](char c) { return is_digit_of(c, 16); });
    return all ? parse_integer(number, 16) : std::nullopt;
  }

  void read_operator() {
    constexpr std::string_view kOperators[] = {"**", "//", "==", "!=", ">=", "<=", "+", "-", "/",
                                               "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                               ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                     [this](std::string_view op) { return looking_at(op); });
    if (found == std::end(kOperators)) fail_character();
    balance(*found);
    add(TokenType::kOperator, std::string(*found));
    advance(found->size());
  }

  void balance(std::string_view op) {
    if (op == "(" || op == "[" || op == "{") {
      brackets_ += op == "(" ? ')' : op == "[" ? ']' : '}';
    } else if (op == ")" || op == "]" || op == "}") {
      if (brackets_.empty()) fail_template_syntax(line_, str("unexpected '", op, "'"));
      const char expected = brackets_.back();
      brackets_.pop_back();
      if (expected != op[0]) {
        fail_template_syntax(line_, str("unexpected '", op, "', expected '", expected, "'"));
      }
    }
  }

  [[noreturn]] void fail_character() const {
    size_t end = at_;
    next_code_point(source_, end);
    std::string character;
    append_python_quoted(character, std::string_view(source_).substr(at_, end - at_));
    fail_template_syntax(line_, str("unexpected char ", character));
  }

  std::string source_;
  std::vector<TemplateToken> tokens_;
  std::string brackets_;  // the closing ones that are due
  size_t at_ = 0;
  int line_ = 1;
  bool at_line_begin_ = true;  // the text that comes next begins a line
};

}  // namespace

std::vector<TemplateToken> tokenize_template(std::string_view source) {
  return Lexer(to_valid_utf8(source)).run();
}

void fail_template_syntax(int line, std::string_view reason) {
  throw Error(ErrorKind::kConfig,
              str("the chat template does not parse: ", reason, " (line ", line, ")"));
}

}  // namespace pagoda
