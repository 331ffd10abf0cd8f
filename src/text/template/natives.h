// The filters, tests, methods and global functions that a template can name. Each is found in the
// file of its kind; this header has no file of its own, since natives look up natives in turn
// (str.format reads attributes, map applies filters).
//
// Thread rule: pure functions over a rendering's heap.
#pragma once

#include <optional>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

// nullptr: no such filter, test, function.
TemplateNative find_filter(std::string_view name);
TemplateNative find_test(std::string_view name);
TemplateNative find_global(std::string_view name);

// value.name bound to value. Those that would change a list or dict are undefined with Jinja2's
// reason, as in its immutable sandbox. nullopt: the type has no such method.
std::optional<TemplateValue> find_method(TemplateHeap& heap, const TemplateValue& value,
                                         std::string_view name);

// A method of str; nullptr if there is none.
TemplateNative find_text_method(std::string_view name);

}  // namespace pagoda
