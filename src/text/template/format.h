// Python's ways to format: '%s' % x, '{}'.format(x), and the format specification inside braces.
//
// Thread rule: as TemplateValue.
#pragma once

#include <string>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

// text % values; values is a tuple, a dict (for %(name)s), or a single value. Safe text (Markup)
// escapes what it takes in.
std::string percent_format(TemplateHeap& heap, const TemplateValue& text,
                           const TemplateValue& values);
std::string brace_format(TemplateHeap& heap, const TemplateValue& text,
                         const TemplateArguments& arguments);
// format(value, specification): [[fill]align][sign][#][0][width][,][.precision][type]
std::string format_value(TemplateHeap& heap, const TemplateValue& value,
                         std::string_view specification);
// str.replace within the heap's limits. count below 0: all.
std::string bounded_replacement(TemplateHeap& heap, std::string_view text, std::string_view from,
                                std::string_view to, int64_t count);

}  // namespace pagoda
