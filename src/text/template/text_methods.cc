// The methods of Python's str.

#include <algorithm>
#include <functional>

#include "base/str.h"
#include "base/utf8.h"
#include "text/template/arguments.h"
#include "text/template/format.h"
#include "text/template/natives.h"
#include "text/template/text.h"
#include "text/template/text_search.h"

namespace pagoda {
namespace {

// Methods without arguments that map the text to another one, or answer yes or no.
template <std::string (*map)(std::string_view)>
TemplateValue mapped(TemplateHeap& heap, const TemplateValue& self,
                     const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"the method", {}}, arguments);
  heap.spend_letters(self.as_text().size());
  return make_text(heap, map(self.as_text()));
}

template <bool (*ask)(std::string_view)>
TemplateValue asked(TemplateHeap& heap, const TemplateValue& self,
                    const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"the method", {}}, arguments);
  heap.spend_letters(self.as_text().size());
  return TemplateValue::boolean(ask(self.as_text()));
}

template <TextClass text_class>
bool all_are(std::string_view text) {
  return is_all(text, text_class);
}

template <Side side>
TemplateValue strip(TemplateHeap& heap, const TemplateValue& self,
                    const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"strip", {"chars"}, 0, true}, arguments);
  heap.spend_bytes(self.as_text().size());
  if (!bound.is_set(0)) return TemplateValue::text(stripped(self.as_text(), side));
  heap.spend_letters(bound.text(0, {}).size());
  return TemplateValue::text(stripped(self.as_text(), bound.text(0, {}), side));
}

// text[start:stop] by code points, as the optional arguments i and i + 1 say. nullopt: start is
// behind the end, where not even an empty text is found.
struct Window {
  std::string_view text;
  int64_t start;  // in code points
};
std::optional<Window> window_of(TemplateHeap& heap, const TemplateValue& self,
                                const BoundArguments& bound, size_t i) {
  const std::string_view text = self.as_text();
  if (!bound.is_set(i) && !bound.is_set(i + 1)) return Window{text, 0};
  heap.spend_letters(text.size());
  const auto size = static_cast<int64_t>(num_code_points(text));
  const auto clamped = [&](int64_t at) { return std::max<int64_t>(at < 0 ? at + size : at, 0); };
  const int64_t start = bound.is_set(i) ? clamped(bound.integer(i, 0)) : 0;
  const int64_t stop =
      std::min(bound.is_set(i + 1) ? clamped(bound.integer(i + 1, size)) : size, size);
  if (start > size || start > stop) return std::nullopt;
  const std::string_view rest = text.substr(code_point_offset(text, static_cast<size_t>(start)));
  const size_t size_in_bytes = code_point_offset(rest, static_cast<size_t>(stop - start));
  return Window{rest.substr(0, size_in_bytes), start};
}

bool any_of_texts(TemplateHeap& heap, const TemplateValue& given, std::string_view method,
                  const std::function<bool(std::string_view)>& matches) {
  require_defined(heap, given);
  if (given.is_text()) {
    heap.spend_bytes(given.as_text().size());
    return matches(given.as_text());
  }
  if (type_name(given) != "tuple") {
    heap.fail(str(method, " first arg must be str or a tuple of str, not ", type_name(given)));
  }
  const TemplateValues& items = given.as_sequence().items;
  return std::any_of(items.begin(), items.end(), [&](const TemplateValue& item) {
    heap.spend_bytes(item.is_text() ? item.as_text().size() : 0);
    return item.is_text() && matches(item.as_text());
  });
}

TemplateValue starts_with(TemplateHeap& heap, const TemplateValue& self,
                          const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"startswith", {"prefix", "start", "end"}, 1, true}, arguments);
  const std::optional<Window> window = window_of(heap, self, bound, 1);
  return TemplateValue::boolean(any_of_texts(heap, bound[0], "startswith", [&](auto prefix) {
    return window && window->text.starts_with(prefix);
  }));
}

TemplateValue ends_with(TemplateHeap& heap, const TemplateValue& self,
                        const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"endswith", {"suffix", "start", "end"}, 1, true}, arguments);
  const std::optional<Window> window = window_of(heap, self, bound, 1);
  return TemplateValue::boolean(any_of_texts(heap, bound[0], "endswith", [&](auto suffix) {
    return window && window->text.ends_with(suffix);
  }));
}

int64_t position_of(TemplateHeap& heap, const TemplateValue& self,
                    const TemplateArguments& arguments, bool from_right) {
  const BoundArguments bound(heap, {"find", {"sub", "start", "end"}, 1, true}, arguments);
  heap.spend_bytes(self.as_text().size());
  const std::optional<Window> window = window_of(heap, self, bound, 1);
  const std::string_view wanted = bound.text(0, {});
  if (!window) return -1;
  const size_t at =
      from_right ? find_last_text(window->text, wanted) : find_text(window->text, wanted);
  if (at == std::string_view::npos) return -1;
  return window->start + static_cast<int64_t>(num_code_points(window->text.substr(0, at)));
}

template <bool from_right>
TemplateValue find(TemplateHeap& heap, const TemplateValue& self,
                   const TemplateArguments& arguments) {
  return TemplateValue::integer(position_of(heap, self, arguments, from_right));
}

template <bool from_right>
TemplateValue index(TemplateHeap& heap, const TemplateValue& self,
                    const TemplateArguments& arguments) {
  const int64_t position = position_of(heap, self, arguments, from_right);
  if (position < 0) heap.fail("substring not found");
  return TemplateValue::integer(position);
}

TemplateValue count(TemplateHeap& heap, const TemplateValue& self,
                    const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"count", {"sub", "start", "end"}, 1, true}, arguments);
  heap.spend_bytes(self.as_text().size());
  const std::optional<Window> window = window_of(heap, self, bound, 1);
  const std::string_view wanted = bound.text(0, {});
  if (!window) return TemplateValue::integer(0);
  if (wanted.empty()) {
    return TemplateValue::integer(static_cast<int64_t>(num_code_points(window->text)) + 1);
  }
  return TemplateValue::integer(static_cast<int64_t>(count_text(window->text, wanted)));
}

TemplateValue list_of(TemplateHeap& heap, const TextParts& parts) {
  heap.spend(static_cast<int64_t>(parts.size()));
  TemplateValues items(heap.memory());
  items.reserve(parts.size());
  for (const std::string_view part : parts) items.push_back(TemplateValue::text(part));
  return make_list(heap, std::move(items));
}

template <bool from_right>
TemplateValue split_method(TemplateHeap& heap, const TemplateValue& self,
                           const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"split", {"sep", "maxsplit"}}, arguments);
  heap.spend_bytes(self.as_text().size());
  const int64_t most = bound.integer(1, -1);
  const std::string_view text = self.as_text();
  TextParts parts(heap.scratch());
  if (!bound.is_set(0)) {
    (from_right ? &split_spaces_from_right : &split_spaces)(parts, text, most);
    return list_of(heap, parts);
  }
  const std::string_view by = bound.text(0, {});
  if (by.empty()) heap.fail("empty separator");
  (from_right ? &split_from_right : &split)(parts, text, by, most);
  return list_of(heap, parts);
}

TemplateValue splitlines(TemplateHeap& heap, const TemplateValue& self,
                         const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"splitlines", {"keepends"}}, arguments);
  heap.spend_bytes(self.as_text().size());
  TextParts parts(heap.scratch());
  split_lines(parts, self.as_text(), bound.flag(0, false));
  return list_of(heap, parts);
}

template <bool from_right>
TemplateValue partition(TemplateHeap& heap, const TemplateValue& self,
                        const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"partition", {"sep"}, 1, true}, arguments);
  heap.spend_bytes(self.as_text().size());
  const std::string_view text = self.as_text(), by = bound.text(0, {});
  if (by.empty()) heap.fail("empty separator");
  const size_t at = from_right ? find_last_text(text, by) : find_text(text, by);
  const TemplateValue empty = TemplateValue::text({});
  if (at == std::string_view::npos) {
    return from_right ? make_tuple(heap, {empty, empty, self})
                      : make_tuple(heap, {self, empty, empty});
  }
  return make_tuple(heap, {TemplateValue::text(text.substr(0, at)),
                           TemplateValue::text(text.substr(at, by.size())),
                           TemplateValue::text(text.substr(at + by.size()))});
}

TemplateValue join(TemplateHeap& heap, const TemplateValue& self,
                   const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"join", {"iterable"}, 1, true}, arguments);
  std::string text;
  const TemplateValues items = items_of(heap, bound[0]);
  for (size_t i = 0; i < items.size(); ++i) {
    require_defined(heap, items[i]);
    if (!items[i].is_text()) {
      heap.fail(
          str("sequence item ", i, ": expected str instance, ", type_name(items[i]), " found"));
    }
    const std::string_view item =
        self.is_safe_text() ? escaped(heap, items[i]).as_text() : items[i].as_text();
    const std::string_view separator = i != 0 ? self.as_text() : std::string_view();
    heap.spend_bytes(separator.size() + item.size());
    heap.check_text_size(text.size() + separator.size() + item.size());
    text.append(separator).append(item);
  }
  return make_text(heap, text);
}

TemplateValue replace(TemplateHeap& heap, const TemplateValue& self,
                      const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"replace", {"old", "new", "count"}, 2, true}, arguments);
  return make_text(heap, bounded_replacement(heap, self.as_text(), bound.text(0, {}),
                                             bound.text(1, {}), bound.integer(2, -1)));
}

// ljust, rjust, center: shares of the padding that stand on the left.
enum class Padding : uint8_t { kRight, kLeft, kBoth };
template <Padding padding>
TemplateValue padded(TemplateHeap& heap, const TemplateValue& self,
                     const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"center", {"width", "fillchar"}, 1, true}, arguments);
  constexpr size_t kMostBytes = 4;  // of a code point
  const std::string_view fill = bound.text(1, " ");
  if (fill.size() > kMostBytes || num_code_points(fill) != 1) {
    heap.fail("The fill character must be exactly one character long");
  }
  const int64_t width = std::max<int64_t>(bound.integer(0, 0), 0);
  heap.spend_bytes(self.as_text().size());
  const auto size = static_cast<int64_t>(num_code_points(self.as_text()));
  const int64_t missing = std::max<int64_t>(width - size, 0);
  // CPython puts the odd one on the left if the width is odd.
  const int64_t half = missing / 2 + (missing & width & 1);
  const int64_t left = padding == Padding::kLeft ? missing : padding == Padding::kRight ? 0 : half;
  heap.spend_letters(heap.size_of_copies(fill.size(), missing));
  std::string text;
  for (int64_t i = 0; i < left; ++i) text += fill;
  text += self.as_text();
  for (int64_t i = left; i < missing; ++i) text += fill;
  return make_text(heap, text);
}

TemplateValue zero_filled(TemplateHeap& heap, const TemplateValue& self,
                          const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"zfill", {"width"}, 1, true}, arguments);
  const std::string_view text = self.as_text();
  heap.spend_bytes(text.size());
  const auto size = static_cast<int64_t>(num_code_points(text));
  const int64_t width = std::max<int64_t>(bound.integer(0, 0), 0);
  const size_t missing = heap.size_of_copies(1, std::max<int64_t>(width - size, 0));
  heap.spend_bytes(missing);
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return make_text(heap, str(text.substr(0, sign), std::string(missing, '0'), text.substr(sign)));
}

TemplateValue remove_prefix(TemplateHeap& heap, const TemplateValue& self,
                            const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"removeprefix", {"prefix"}, 1, true}, arguments);
  const std::string_view text = self.as_text(), prefix = bound.text(0, {});
  heap.spend_bytes(prefix.size());
  return TemplateValue::text(text.starts_with(prefix) ? text.substr(prefix.size()) : text);
}

TemplateValue remove_suffix(TemplateHeap& heap, const TemplateValue& self,
                            const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"removesuffix", {"suffix"}, 1, true}, arguments);
  const std::string_view text = self.as_text(), suffix = bound.text(0, {});
  heap.spend_bytes(suffix.size());
  const size_t keep = text.ends_with(suffix) ? text.size() - suffix.size() : text.size();
  return TemplateValue::text(text.substr(0, keep));
}

TemplateValue expand_tabs(TemplateHeap& heap, const TemplateValue& self,
                          const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"expandtabs", {"tabsize"}}, arguments);
  const int64_t tab = bound.integer(0, 8);
  const std::string_view all = self.as_text();
  heap.spend_letters(all.size());
  std::string text;
  int64_t column = 0;
  for (size_t i = 0; i < all.size();) {
    const size_t begin = i;
    const uint32_t c = next_code_point(all, i);
    if (c == '\t') {
      const int64_t spaces = tab > 0 ? tab - column % tab : 0;
      heap.check_text_size(text.size() + static_cast<size_t>(spaces));
      heap.spend(spaces / 16);
      text.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
      continue;
    }
    text += all.substr(begin, i - begin);
    column = c == '\n' || c == '\r' ? 0 : column + 1;
  }
  return make_text(heap, text);
}

TemplateValue format(TemplateHeap& heap, const TemplateValue& self,
                     const TemplateArguments& arguments) {
  return make_text(heap, brace_format(heap, self, arguments));
}

struct TextMethod {
  std::string_view name;
  TemplateNative native;
};

constexpr TextMethod kTextMethods[] = {
    {"strip", &strip<Side::kBoth>},
    {"lstrip", &strip<Side::kLeft>},
    {"rstrip", &strip<Side::kRight>},
    {"startswith", &starts_with},
    {"endswith", &ends_with},
    {"split", &split_method<false>},
    {"rsplit", &split_method<true>},
    {"splitlines", &splitlines},
    {"partition", &partition<false>},
    {"rpartition", &partition<true>},
    {"join", &join},
    {"replace", &replace},
    {"find", &find<false>},
    {"rfind", &find<true>},
    {"index", &index<false>},
    {"rindex", &index<true>},
    {"count", &count},
    {"upper", &mapped<&upper>},
    {"lower", &mapped<&lower>},
    {"title", &mapped<&title>},
    {"capitalize", &mapped<&capitalized>},
    {"swapcase", &mapped<&swapped_case>},
    {"casefold", &mapped<&case_folded>},
    {"isalpha", &asked<&all_are<TextClass::kAlpha>>},
    {"isdecimal", &asked<&all_are<TextClass::kDecimal>>},
    {"isdigit", &asked<&all_are<TextClass::kDigit>>},
    {"isnumeric", &asked<&all_are<TextClass::kNumeric>>},
    {"isalnum", &asked<&all_are<TextClass::kAlphanumeric>>},
    {"isspace", &asked<&all_are<TextClass::kSpace>>},
    {"isprintable", &asked<&all_are<TextClass::kPrintable>>},
    {"isascii", &asked<&all_are<TextClass::kAscii>>},
    {"isupper", &asked<&is_upper>},
    {"islower", &asked<&is_lower>},
    {"istitle", &asked<&is_title>},
    {"isidentifier", &asked<&is_identifier>},
    {"ljust", &padded<Padding::kRight>},
    {"rjust", &padded<Padding::kLeft>},
    {"center", &padded<Padding::kBoth>},
    {"zfill", &zero_filled},
    {"removeprefix", &remove_prefix},
    {"removesuffix", &remove_suffix},
    {"expandtabs", &expand_tabs},
    {"format", &format},
};

}  // namespace

TemplateNative find_text_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTextMethods), std::end(kTextMethods),
                                   [name](const TextMethod& m) { return m.name == name; });
  return found != std::end(kTextMethods) ? found->native : nullptr;
}

}  // namespace pagoda
