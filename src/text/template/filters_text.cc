// Filters that make text.

#include <algorithm>

#include "base/str.h"
#include "base/utf8.h"
#include "text/template/arguments.h"
#include "text/template/filters.h"
#include "text/template/format.h"
#include "text/template/lookup.h"
#include "text/template/operators.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

template <std::string (*map)(std::string_view)>
TemplateValue mapped(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"the filter", {}}, arguments);
  const std::string_view text = text_of(heap, value);
  heap.spend_letters(text.size());
  return make_text(heap, map(text));
}

// Of safe text they make safe text.
template <std::string (*map)(std::string_view)>
TemplateValue mapped_as_safe(TemplateHeap& heap, const TemplateValue& value,
                             const TemplateArguments& arguments) {
  return as_safe_as(value, mapped<map>(heap, value, arguments));
}

TemplateValue trim(TemplateHeap& heap, const TemplateValue& value,
                   const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"trim", {"chars"}}, arguments);
  const std::string_view text = text_of(heap, value);
  heap.spend_bytes(text.size());
  if (!bound.is_set(0)) return as_safe_as(value, TemplateValue::text(stripped(text)));
  const std::string_view letters = bound.text(0, {});
  heap.spend_letters(letters.size());
  return as_safe_as(value, TemplateValue::text(stripped(text, letters, Side::kBoth)));
}

TemplateValue replace(TemplateHeap& heap, const TemplateValue& value,
                      const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"replace", {"old", "new", "count"}, 2}, arguments);
  const int64_t count = bound.is_set(2) ? bound.integer(2, -1) : -1;
  return make_text(heap, bounded_replacement(heap, text_of(heap, value), text_of(heap, bound[0]),
                                             text_of(heap, bound[1]), count));
}

TemplateValue center(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"center", {"width"}}, arguments);
  const TemplateValue text = as_safe_as(value, TemplateValue::text(text_of(heap, value)));
  const TemplateValue width = TemplateValue::integer(bound.integer(0, 80));
  return call_value(heap, attribute_of(heap, text, "center"), {std::span(&width, 1), {}});
}

std::string_view require_text(TemplateHeap& heap, const TemplateValue& value,
                              std::string_view filter) {
  require_defined(heap, value);
  if (!value.is_text()) heap.fail(str(filter, ": a text is expected, not ", type_name(value)));
  return value.as_text();
}

TemplateValue indent(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  constexpr int64_t kMaxWidth = 10'000;
  const BoundArguments bound(heap, {"indent", {"width", "first", "blank"}}, arguments);
  const std::string indention =
      bound.has(0) && bound[0].is_text()
          ? std::string(bound[0].as_text())
          : std::string(static_cast<size_t>(std::clamp<int64_t>(bound.integer(0, 4), 0, kMaxWidth)),
                        ' ');
  const bool blank = bound.flag(2, false);
  heap.spend_letters(require_text(heap, value, "indent").size());
  const std::string text = str(require_text(heap, value, "indent"), '\n');
  std::string out = bound.flag(1, false) ? indention : "";
  TextParts lines(heap.scratch());
  split_lines(lines, text, false);
  bool first = true;
  for (const std::string_view line : lines) {
    heap.spend_bytes(indention.size() + line.size());
    heap.check_text_size(out.size() + indention.size() + line.size());
    if (!first) out += '\n';
    if (!first && (blank || !line.empty())) out += indention;
    first = false;
    out += line;
  }
  return as_safe_as(value, make_text(heap, out));
}

TemplateValue truncate(TemplateHeap& heap, const TemplateValue& value,
                       const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"truncate", {"length", "killwords", "end", "leeway"}},
                             arguments);
  const int64_t length = bound.integer(0, 255);
  const std::string_view end = bound.text(2, "...");
  const int64_t leeway = bound.is_set(3) ? bound.integer(3, 5) : 5;
  const auto end_size = static_cast<int64_t>(num_code_points(end));
  if (length < end_size) heap.fail(str("expected length >= ", end_size, ", got ", length));
  if (leeway < 0) heap.fail(str("expected leeway >= 0, got ", leeway));
  const std::string_view text = require_text(heap, value, "truncate");
  heap.spend_bytes(text.size() + end.size());
  const auto size = static_cast<int64_t>(num_code_points(text));
  if (size - length <= leeway) return value;
  std::string_view kept =
      text.substr(0, code_point_offset(text, static_cast<size_t>(length - end_size)));
  if (!bound.flag(1, false)) kept = kept.substr(0, kept.rfind(' '));  // npos: all of it
  const TemplateValue result = as_safe_as(value, TemplateValue::text(kept));
  return apply(heap, BinaryOperator::kAdd, result, TemplateValue::text(end));
}

TemplateValue wordwrap(TemplateHeap& heap, const TemplateValue& value,
                       const TemplateArguments& arguments) {
  const BoundArguments bound(
      heap, {"wordwrap", {"width", "break_long_words", "wrapstring", "break_on_hyphens"}},
      arguments);
  WrapStyle style;
  style.width = bound.integer(0, 79);
  style.break_long_words = bound.flag(1, true);
  style.break_on_hyphens = bound.flag(3, true);
  if (style.width <= 0) heap.fail(str("invalid width ", style.width, " (must be > 0)"));
  if (bound.is_set(2)) style.separator = bound.text(2, "\n");
  const std::string_view text = require_text(heap, value, "wordwrap");
  heap.spend_letters(text.size());
  TextParts paragraphs(heap.scratch());
  split_lines(paragraphs, text, false);
  std::string out;
  bool first_paragraph = true;
  for (const std::string_view paragraph : paragraphs) {
    heap.spend_bytes(style.separator.size());
    heap.check_text_size(out.size() + style.separator.size());
    if (!first_paragraph) out += style.separator;
    first_paragraph = false;
    append_wrapped(heap, out, paragraph, style);
  }
  return make_text(heap, out);
}

TemplateValue wordcount(TemplateHeap& heap, const TemplateValue& value,
                        const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"wordcount", {}}, arguments);
  const std::string_view text = text_of(heap, value);
  heap.spend_letters(text.size());
  int64_t count = 0;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const bool word = is_word(next_code_point(text, i));
    count += word && !inside ? 1 : 0;
    inside = word;
  }
  return TemplateValue::integer(count);
}

TemplateValue format(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    heap.fail("can't handle positional and keyword arguments at the same time");
  }
  const TemplateValue text = as_safe_as(value, TemplateValue::text(text_of(heap, value)));
  auto* dict = heap.make<TemplateDict>(heap);
  for (const NamedTemplateValue& argument : arguments.named) {
    dict->set(heap, TemplateValue::text(argument.name), argument.value);
  }
  const TemplateValue values =
      arguments.named.empty()
          ? make_sequence(heap, SequenceType::kTuple,
                          TemplateValues(arguments.positional.begin(), arguments.positional.end(),
                                         heap.memory()))
          : TemplateValue::dict(dict);
  return as_safe_as(value, make_text(heap, percent_format(heap, text, values)));
}

TemplateValue escape(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"escape", {}}, arguments);
  return escaped(heap, value);
}

TemplateValue force_escape(TemplateHeap& heap, const TemplateValue& value,
                           const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"forceescape", {}}, arguments);
  return make_text(heap, html_of(heap, text_of(heap, value))).marked_safe();
}

TemplateValue safe(TemplateHeap& heap, const TemplateValue& value,
                   const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"safe", {}}, arguments);
  return TemplateValue::text(text_of(heap, value)).marked_safe();
}

// Three times as many bytes at most.
std::string url_of(TemplateHeap& heap, std::string_view text, bool for_query) {
  constexpr int64_t kMostGrowth = 3;
  heap.spend_letters(heap.size_of_copies(text.size(), kMostGrowth));
  return url_quoted(text, for_query);
}

TemplateValue urlencode(TemplateHeap& heap, const TemplateValue& value,
                        const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"urlencode", {}}, arguments);
  const bool pairs = value.is(TemplateKind::kDict) || value.is(TemplateKind::kSequence);
  if (!pairs) return make_text(heap, url_of(heap, text_of(heap, value), false));
  std::string out;
  const TemplateValue all = value.is(TemplateKind::kDict)
                                ? call_value(heap, attribute_of(heap, value, "items"), {})
                                : value;
  for (const TemplateValue& item : items_of(heap, all)) {
    const TemplateValues pair = items_of(heap, item);
    if (pair.size() != 2) heap.fail("urlencode: pairs of key and value are expected");
    if (!out.empty()) out += '&';
    out += str(url_of(heap, text_of(heap, pair[0]), true), '=',
               url_of(heap, text_of(heap, pair[1]), true));
    heap.check_text_size(out.size());
  }
  return make_text(heap, out);
}

TemplateValue xmlattr(TemplateHeap& heap, const TemplateValue& value,
                      const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"xmlattr", {"autospace"}}, arguments);
  require_defined(heap, value);
  if (!value.is(TemplateKind::kDict)) heap.fail("xmlattr: a dict is expected");
  std::string out;
  for (const auto& [key, item] : value.as_dict().entries()) {
    if (item.is_none() || item.is_undefined()) continue;
    const std::string_view name = text_of(heap, key);
    heap.spend_letters(name.size());
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string_view::npos) {
      heap.fail(str("Invalid character in attribute name: ", repr_of(heap, key)));
    }
    if (!out.empty()) out += ' ';
    const std::string_view text = text_of(heap, item);
    out += str(html_of(heap, name), "=\"",
               item.is_safe_text() ? str_of(heap, item) : html_of(heap, text), '"');
    heap.check_text_size(out.size());
  }
  if (bound.flag(0, true) && !out.empty()) out.insert(0, 1, ' ');
  return make_text(heap, out);
}

// pprint.pformat for what fits on one line: dicts are sorted by key.
std::string pretty(TemplateHeap& heap, const TemplateValue& value) {
  const TemplateHeap::Level level(heap);
  heap.spend(1);
  if (value.is(TemplateKind::kDict)) {
    std::vector<TemplateDict::Entry> entries(value.as_dict().entries().begin(),
                                             value.as_dict().entries().end());
    std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
      return a.first.kind() == b.first.kind() && is_less(heap, a.first, b.first);
    });
    std::string out = "{";
    for (const auto& [key, item] : entries) {
      if (out.size() > 1) out += ", ";
      const std::string text = pretty(heap, item);
      heap.spend_bytes(text.size());
      out += str(repr_of(heap, key), ": ", text);
      heap.check_text_size(out.size());
    }
    return out + "}";
  }
  const bool list = type_name(value) == "list", tuple = type_name(value) == "tuple";
  if (!list && !tuple) return repr_of(heap, value);
  std::string out(1, list ? '[' : '(');
  for (const TemplateValue& item : value.as_sequence().items) {
    if (out.size() > 1) out += ", ";
    const std::string text = pretty(heap, item);
    heap.spend_bytes(text.size());
    out += text;
    heap.check_text_size(out.size());
  }
  if (tuple && value.as_sequence().items.size() == 1) out += ',';
  return out + (list ? ']' : ')');
}

TemplateValue pprint(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  constexpr size_t kLineWidth = 80;
  const BoundArguments none(heap, {"pprint", {}}, arguments);
  const std::string text = pretty(heap, value);
  if (num_code_points(text) > kLineWidth) {
    heap.fail("pprint: values longer than 80 characters are not supported; use tojson(indent=2)");
  }
  return make_text(heap, text);
}

constexpr TemplateFilter kTextFilters[] = {
    {"upper", &mapped_as_safe<&upper>},
    {"lower", &mapped_as_safe<&lower>},
    {"title", &mapped<&title_words>},
    {"capitalize", &mapped_as_safe<&capitalized>},
    {"trim", &trim},
    {"replace", &replace},
    {"center", &center},
    {"indent", &indent},
    {"truncate", &truncate},
    {"wordwrap", &wordwrap},
    {"wordcount", &wordcount},
    {"format", &format},
    {"escape", &escape},
    {"e", &escape},
    {"forceescape", &force_escape},
    {"safe", &safe},
    {"urlencode", &urlencode},
    {"xmlattr", &xmlattr},
    {"pprint", &pprint},
};

}  // namespace

std::span<const TemplateFilter> text_filters() {
  return kTextFilters;
}

}  // namespace pagoda
