#include "text/template/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/str.h"
#include "base/utf8.h"
#include "text/template/lookup.h"
#include "text/template/text.h"
#include "text/template/text_search.h"

namespace pagoda {
namespace {

// Widths and precisions beyond this are attacks.
constexpr int64_t kMaxWidth = 100'000;
constexpr int64_t kMaxPrecision = 1'000;

struct Specification {
  std::string fill = " ";
  char align = '\0';  // < > = ^
  char sign = '-';    // - + space
  bool alternate = false;
  bool zero = false;
  int64_t width = 0;
  char grouping = '\0';  // , _
  int64_t precision = -1;
  char type = '\0';
};

int64_t read_number(TemplateHeap& heap, std::string_view& text, int64_t most) {
  int64_t value = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    value = value * 10 + (text[0] - '0');
    if (value > most) heap.fail(str("a format with a width or precision beyond ", most));
    text.remove_prefix(1);
  }
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

constexpr std::string_view kAligns = "<>=^";

void read_alignment(std::string_view& text, Specification& spec) {
  if (text.empty()) return;
  size_t fill = 0;
  next_code_point(text, fill);
  if (fill < text.size() && kAligns.find(text[fill]) != std::string_view::npos) {
    spec.fill = text.substr(0, fill);
    spec.align = text[fill];
    text.remove_prefix(fill + 1);
  } else if (kAligns.find(text[0]) != std::string_view::npos) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
}

Specification parse_specification(TemplateHeap& heap, std::string_view text) {
  Specification spec;
  read_alignment(text, spec);
  if (!text.empty() && std::string_view("+- ").find(text[0]) != std::string_view::npos) {
    spec.sign = text[0];
    text.remove_prefix(1);
  }
  spec.alternate = take(text, '#');
  spec.zero = take(text, '0');
  spec.width = read_number(heap, text, kMaxWidth);
  if (text.starts_with(',') || text.starts_with('_')) {
    spec.grouping = text[0];
    text.remove_prefix(1);
  }
  if (take(text, '.')) {
    if (text.empty() || text[0] < '0' || text[0] > '9')
      heap.fail("Format specifier missing precision");
    spec.precision = read_number(heap, text, kMaxPrecision);
  }
  if (text.size() > 1) heap.fail("Invalid format specifier");
  if (!text.empty()) spec.type = text[0];
  return spec;
}

// Pads a number (sign, digits) or a text (no sign).
std::string padded(const Specification& spec, std::string_view sign, std::string_view body,
                   char default_align) {
  const char align = spec.align != '\0' ? spec.align : default_align;
  const auto size = static_cast<int64_t>(sign.size() + num_code_points(body));
  const int64_t missing = std::max<int64_t>(spec.width - size, 0);
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string before, after;
  for (int64_t i = 0; i < missing; ++i) (i < left ? before : after) += spec.fill;
  return align == '=' ? str(sign, before, body) : str(before, sign, body, after);
}

std::string with_grouping(std::string digits, char separator, size_t group) {
  if (separator == '\0') return digits;
  size_t whole = digits.find_first_not_of("0123456789abcdefABCDEF");
  if (whole == std::string::npos) whole = digits.size();
  for (size_t i = whole; i > group; i -= group) digits.insert(i - group, 1, separator);
  return digits;
}

std::string integer_digits(uint64_t magnitude, int base, bool upper_case) {
  char buffer[80];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, magnitude, base);
  std::string digits(buffer, result.ptr);
  return upper_case ? upper(digits) : digits;
}

int base_of(char type) {
  switch (type) {
    case 'b': return 2;
    case 'o': return 8;
    case 'x':
    case 'X': return 16;
    default: return 10;
  }
}

std::string_view sign_text(const Specification& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
}

uint64_t magnitude_of(int64_t value) {
  return value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
}

std::string format_integer(const Specification& spec, int64_t value) {
  const int base = base_of(spec.type);
  std::string digits = integer_digits(magnitude_of(value), base, spec.type == 'X');
  digits = with_grouping(digits, spec.grouping, base == 10 ? 3 : 4);
  const std::string prefix = spec.alternate && base != 10 ? str('0', spec.type) : "";
  return padded(spec, str(sign_text(spec, value < 0), prefix), digits, '>');
}

std::string printed(const char* format, int64_t precision, double value) {
  const int size = std::snprintf(nullptr, 0, format, static_cast<int>(precision), value);
  std::string text(static_cast<size_t>(std::max(size, 0)) + 1, '\0');
  std::snprintf(text.data(), text.size(), format, static_cast<int>(precision), value);
  text.pop_back();
  return text;
}

// '{:.4}': as 'g', but a whole number gets ".0", and an exponent already when that would be a digit
// more than the precision allows.
std::string digits_without_type(double value, int precision) {
  std::string text = printed("%.*g", precision, value);
  if (text.find_first_not_of("0123456789") != std::string::npos) return text;
  if (static_cast<int>(text.size()) < precision) return text + ".0";
  text = printed("%.*e", precision - 1, value);
  const size_t exponent = text.find('e');
  const size_t point = text.find('.');
  if (point == std::string::npos) return text;
  const size_t last = text.find_last_not_of('0', exponent - 1);
  return text.erase(last == point ? point : last + 1,
                    exponent - (last == point ? point : last + 1));
}

// Of a magnitude, never negative.
std::string real_digits(TemplateHeap& heap, const Specification& spec, double value) {
  const int64_t precision = spec.precision < 0 ? 6 : spec.precision;
  switch (spec.type) {
    case 'e': return printed(spec.alternate ? "%#.*e" : "%.*e", precision, value);
    case 'E': return printed(spec.alternate ? "%#.*E" : "%.*E", precision, value);
    case 'f': return printed(spec.alternate ? "%#.*f" : "%.*f", precision, value);
    case 'F': return printed(spec.alternate ? "%#.*F" : "%.*F", precision, value);
    case 'g':
    case 'n': return printed(spec.alternate ? "%#.*g" : "%.*g", precision, value);
    case 'G': return printed(spec.alternate ? "%#.*G" : "%.*G", precision, value);
    case '%': return printed("%.*f", precision, value * 100) + "%";
    default: break;
  }
  if (spec.precision < 0) return repr_of(heap, TemplateValue::real(value));
  return digits_without_type(value, static_cast<int>(std::max<int64_t>(precision, 1)));
}

std::string format_real(TemplateHeap& heap, const Specification& spec, double value) {
  const bool negative = std::signbit(value) && !std::isnan(value);
  std::string digits = real_digits(heap, spec, std::abs(value));
  if (std::isfinite(value)) digits = with_grouping(digits, spec.grouping, 3);
  return padded(spec, sign_text(spec, negative), digits, '>');
}

std::string format_text(TemplateHeap& heap, const Specification& spec, std::string_view text) {
  if (spec.type != '\0' && spec.type != 's') {
    heap.fail(str("Unknown format code '", spec.type, "' for object of type 'str'"));
  }
  if (spec.align == '=') heap.fail("'=' alignment not allowed in string format specifier");
  heap.spend_bytes(text.size());
  if (spec.precision >= 0) {
    text = text.substr(0, code_point_offset(text, static_cast<size_t>(spec.precision)));
  }
  return padded(spec, "", text, '<');
}

std::string format_number(TemplateHeap& heap, Specification spec, const TemplateValue& value) {
  if (spec.zero && spec.align == '\0') {
    spec.align = '=';
    spec.fill.assign(1, '0');
  }
  const bool real =
      spec.type != '\0' && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  if (value.is(TemplateKind::kFloat) || real) {
    const bool fits = real || spec.type == '\0' || spec.type == 'n';
    if (!fits) heap.fail(str("Unknown format code '", spec.type, "' for object of type 'float'"));
    return format_real(heap, spec, value.number());
  }
  if (spec.type == 'c') {
    const int64_t c = value.as_integer();
    if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) heap.fail("%c arg not in range");
    std::string text;
    append_utf8(text, static_cast<uint32_t>(c));
    return padded(spec, "", text, '>');
  }
  const bool fits =
      spec.type == '\0' || std::string_view("dnboxX").find(spec.type) != std::string_view::npos;
  if (!fits) heap.fail(str("Unknown format code '", spec.type, "' for object of type 'int'"));
  if (spec.precision >= 0) heap.fail("Precision not allowed in integer format specifier");
  return format_integer(spec, value.as_integer());
}

// One "%..." of a percent format.
class PercentFormatter {
 public:
  PercentFormatter(TemplateHeap& heap, const TemplateValue& text, const TemplateValue& values)
      : heap_(heap), rest_(text.as_text()), values_(values), escape_(text.is_safe_text()) {
    is_tuple_ = type_name(values) == "tuple";
  }

  std::string run() {
    heap_.spend_bytes(rest_.size());
    while (!rest_.empty()) {
      const size_t at = rest_.find('%');
      out_ += rest_.substr(0, at);
      if (at == std::string_view::npos) break;
      rest_.remove_prefix(at + 1);
      convert();
      heap_.spend(1);
      heap_.check_text_size(out_.size());
    }
    const bool all_used = is_tuple_ ? next_ == values_.as_sequence().items.size() : next_ != 0;
    const bool may_be_left = values_.is(TemplateKind::kDict) || values_.is(TemplateKind::kSequence);
    if (!all_used && !named_ && (is_tuple_ || !may_be_left)) {
      heap_.fail("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  TemplateValue next_value() {
    if (is_tuple_ ? next_ >= values_.as_sequence().items.size() : next_ != 0) {
      heap_.fail("not enough arguments for format string");
    }
    const size_t at = next_++;
    return is_tuple_ ? values_.as_sequence().items[at] : values_;
  }

  TemplateValue named_value() {
    const size_t close = rest_.find(')');
    if (close == std::string_view::npos) heap_.fail("incomplete format key");
    if (!values_.is(TemplateKind::kDict)) heap_.fail("format requires a mapping");
    const std::string_view name = rest_.substr(0, close);
    rest_.remove_prefix(close + 1);
    named_ = true;
    const TemplateValue* found = values_.as_dict().find(heap_, name);
    if (found == nullptr) heap_.fail(str("the format names '", name, "', which is not given"));
    return *found;
  }

  int64_t number_or_star(int64_t most) {
    if (!take(rest_, '*')) return read_number(heap_, rest_, most);
    const TemplateValue value = next_value();
    if (!value.is_integral()) heap_.fail("* wants int");
    return std::clamp<int64_t>(value.as_integer(), -most, most);
  }

  void convert() {
    if (take(rest_, '%')) {
      out_ += '%';
      return;
    }
    std::optional<TemplateValue> value;
    if (take(rest_, '(')) value = named_value();
    Specification spec;
    bool left = false;
    for (; !rest_.empty(); rest_.remove_prefix(1)) {
      const char c = rest_[0];
      if (c == '-')
        left = true;
      else if (c == '+')
        spec.sign = '+';
      else if (c == ' ')
        spec.sign = spec.sign == '+' ? '+' : ' ';
      else if (c == '#')
        spec.alternate = true;
      else if (c == '0')
        spec.zero = true;
      else
        break;
    }
    spec.width = number_or_star(kMaxWidth);
    left = left || spec.width < 0;
    spec.width = std::abs(spec.width);
    if (take(rest_, '.')) spec.precision = std::max<int64_t>(number_or_star(kMaxPrecision), 0);
    while (!rest_.empty() && (rest_[0] == 'l' || rest_[0] == 'h' || rest_[0] == 'L'))
      rest_.remove_prefix(1);
    if (rest_.empty()) heap_.fail("incomplete format");
    spec.type = rest_[0];
    rest_.remove_prefix(1);
    spec.align = left ? '<' : spec.zero ? '=' : '>';
    if (spec.zero && !left) spec.fill.assign(1, '0');
    out_ += converted(spec, value ? *value : next_value());
  }

  std::string converted(Specification spec, const TemplateValue& value) {
    const char type = spec.type;
    if (type == 's' || type == 'r' || type == 'a') {
      spec.fill.assign(1, ' ');
      spec.align = spec.align == '=' ? '>' : spec.align;
      spec.type = 's';
      if (type == 's' && escape_) return format_text(heap_, spec, escaped(heap_, value).as_text());
      const std::string text = type == 's' ? str_of(heap_, value) : repr_of(heap_, value);
      return format_text(heap_, spec, escape_ ? html_of(heap_, text) : text);
    }
    if (std::string_view("diuoxXeEfFgGc").find(type) == std::string_view::npos) {
      heap_.fail(str("unsupported format character '", type, "'"));
    }
    require_defined(heap_, value);
    if (type == 'c' && value.is_text()) {
      spec.type = 's';
      spec.precision = 1;
      return format_text(heap_, spec, value.as_text());
    }
    if (!value.is_number()) {
      heap_.fail(str("%", type, " format: a real number is required, not ", type_name(value)));
    }
    if (std::string_view("eEfFgG").find(type) != std::string_view::npos) {
      return format_number(heap_, spec, value);
    }
    return converted_integer(spec, value);
  }

  std::string converted_integer(Specification spec, const TemplateValue& value) {
    int64_t integer = value.as_integer();
    if (value.is(TemplateKind::kFloat)) {
      const double real = std::trunc(value.as_real());
      if (!(std::abs(real) < 9.2e18)) heap_.fail("cannot convert this float to an integer");
      if (spec.type == 'x' || spec.type == 'X' || spec.type == 'o' || spec.type == 'c') {
        heap_.fail(str("%", spec.type, " format: an integer is required, not float"));
      }
      integer = static_cast<int64_t>(real);
    }
    if (spec.type == 'i' || spec.type == 'u') spec.type = 'd';
    if (spec.precision >= 0 && spec.type != 'c') return with_precision(spec, integer);
    return format_number(heap_, spec, TemplateValue::integer(integer));
  }

  // %.5d: at least so many digits.
  static std::string with_precision(const Specification& spec, int64_t value) {
    std::string digits = integer_digits(magnitude_of(value), base_of(spec.type), spec.type == 'X');
    const auto wanted = static_cast<size_t>(spec.precision);
    if (digits.size() < wanted) digits.insert(0, wanted - digits.size(), '0');
    return padded(spec, sign_text(spec, value < 0), digits, '>');
  }

  TemplateHeap& heap_;
  std::string_view rest_;
  const TemplateValue& values_;
  const bool escape_;
  std::string out_;
  bool is_tuple_ = false, named_ = false;
  size_t next_ = 0;
};

class BraceFormatter {
 public:
  BraceFormatter(TemplateHeap& heap, const TemplateArguments& arguments, bool escape)
      : heap_(heap), arguments_(arguments), escape_(escape) {}

  std::string run(std::string_view text, int depth) {
    if (depth > 1) heap_.fail("Max string recursion exceeded");
    heap_.spend_letters(text.size());
    std::string out;
    while (!text.empty()) {
      const size_t at = text.find_first_of("{}");
      out += text.substr(0, at);
      if (at == std::string_view::npos) break;
      const char brace = text[at];
      text.remove_prefix(at + 1);
      if (take(text, brace)) {
        out += brace;
        continue;
      }
      if (brace == '}') heap_.fail("Single '}' encountered in format string");
      const size_t end = end_of_field(text);
      out += field(text.substr(0, end), depth);
      text.remove_prefix(end + 1);
      heap_.spend(1);
      heap_.check_text_size(out.size());
    }
    return out;
  }

 private:
  size_t end_of_field(std::string_view text) const {
    int open = 1;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '{') ++open;
      if (text[i] == '}' && --open == 0) return i;
    }
    heap_.fail("expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    const size_t end = text.find_first_of("!:");
    TemplateValue value = named(text.substr(0, end));
    if (end == std::string_view::npos) {
      return escape_ ? std::string(escaped(heap_, value).as_text()) : str_of(heap_, value);
    }
    text.remove_prefix(end);
    if (take(text, '!')) {
      if (text.empty()) heap_.fail("unmatched '{' in format spec");
      const char conversion = text[0];
      text.remove_prefix(1);
      if (conversion != 's' && conversion != 'r' && conversion != 'a') {
        heap_.fail(str("Unknown conversion specifier '", conversion, "'"));
      }
      value = make_text(heap_, conversion == 's' ? str_of(heap_, value) : repr_of(heap_, value));
    }
    if (!take(text, ':') && !text.empty()) heap_.fail("expected ':' after conversion specifier");
    const std::string specification = run(text, depth + 1);
    const std::string formatted = format_value(heap_, value, specification);
    return escape_ && !value.is_safe_text() ? html_of(heap_, formatted) : formatted;
  }

  // "0", "name", "0.attribute", "name[key]"
  TemplateValue named(std::string_view path) {
    const size_t end = std::min(path.find_first_of(".["), path.size());
    TemplateValue value = argument(path.substr(0, end));
    path.remove_prefix(end);
    while (!path.empty()) {
      if (take(path, '.')) {
        const size_t size = std::min(path.find_first_of(".["), path.size());
        value = attribute_of(heap_, value, heap_.keep(path.substr(0, size)));
        path.remove_prefix(size);
        continue;
      }
      const size_t close = path.find(']');
      if (path[0] != '[' || close == std::string_view::npos)
        heap_.fail("Missing ']' in format string");
      const std::string_view key = path.substr(1, close - 1);
      const std::optional<int64_t> index = parse_integer(key, 10);
      value = item_of(heap_, value, index ? TemplateValue::integer(*index) : make_text(heap_, key));
      path.remove_prefix(close + 1);
    }
    return value;
  }

  TemplateValue argument(std::string_view name) {
    if (name.empty()) return positional(next_++);
    if (const std::optional<int64_t> index = parse_integer(name, 10); index && *index >= 0) {
      return positional(static_cast<size_t>(*index));
    }
    heap_.spend_items(arguments_.named.size());
    for (const NamedTemplateValue& argument : arguments_.named) {
      if (argument.name == name) return argument.value;
    }
    heap_.fail(str("the format names '", name, "', which is not given"));
  }

  TemplateValue positional(size_t index) const {
    if (index >= arguments_.positional.size()) {
      heap_.fail(str("Replacement index ", index, " out of range for positional args tuple"));
    }
    return arguments_.positional[index];
  }

  TemplateHeap& heap_;
  const TemplateArguments& arguments_;
  const bool escape_;
  size_t next_ = 0;
};

}  // namespace

std::string percent_format(TemplateHeap& heap, const TemplateValue& text,
                           const TemplateValue& values) {
  return PercentFormatter(heap, text, values).run();
}

std::string brace_format(TemplateHeap& heap, const TemplateValue& text,
                         const TemplateArguments& arguments) {
  return BraceFormatter(heap, arguments, text.is_safe_text()).run(text.as_text(), 0);
}

std::string format_value(TemplateHeap& heap, const TemplateValue& value,
                         std::string_view specification) {
  if (specification.empty()) return str_of(heap, value);
  const Specification spec = parse_specification(heap, specification);
  if (value.is_number() && !(value.is(TemplateKind::kBool) && spec.type == 's')) {
    return format_number(heap, spec, value);
  }
  if (value.is_text() || value.is_undefined()) {
    Specification text_spec = spec;
    if (text_spec.zero && text_spec.align == '\0') {
      text_spec.fill.assign(1, '0');
      text_spec.align = '<';
    }
    return format_text(heap, text_spec, text_of(heap, value));
  }
  heap.fail(str("unsupported format string passed to ", type_name(value), ".__format__"));
}

std::string bounded_replacement(TemplateHeap& heap, std::string_view text, std::string_view from,
                                std::string_view to, int64_t count) {
  heap.spend_bytes(text.size());
  if (from.empty()) heap.spend_letters(text.size());
  const size_t most = text.size() / std::max<size_t>(from.size(), 1) + 1;
  if (to.size() > from.size() && to.size() * most > (size_t{1} << 20)) {
    // It may become large: count before making it.
    size_t found = from.empty() ? num_code_points(text) + 1 : count_text(text, from);
    if (count >= 0) found = std::min(found, static_cast<size_t>(count));
    const size_t added = found * (to.size() - from.size());
    heap.check_text_size(text.size() + added);
    heap.spend_bytes(added);
  }
  return replaced(text, from, to, count);
}

}  // namespace pagoda
