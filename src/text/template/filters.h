// The filters of Jinja2, by subject. filters.cc holds the table.
//
// Thread rule: as TemplateValue.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

struct TemplateFilter {
  std::string_view name;
  TemplateNative native;
};

std::span<const TemplateFilter> text_filters();
std::span<const TemplateFilter> sequence_filters();
std::span<const TemplateFilter> number_filters();

// textwrap.wrap, as the wordwrap filter calls it.
struct WrapStyle {
  int64_t width = 79;
  bool break_long_words = true;
  bool break_on_hyphens = true;
  std::string_view separator = "\n";  // of lines
};
// Adds `line` to `out`, wrapped into several.
void append_wrapped(TemplateHeap& heap, std::string& out, std::string_view line,
                    const WrapStyle& style);

}  // namespace pagoda
