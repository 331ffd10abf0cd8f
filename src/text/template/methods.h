// The methods of text, lists and dicts that a template may call.
//
// Thread rule: as TemplateValue.
#pragma once

#include <optional>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

// value.name bound to value. Those that would change a list or dict are undefined with Jinja2's
// reason, as in its immutable sandbox. nullopt: the type has no such method.
std::optional<TemplateValue> find_method(TemplateHeap& heap, const TemplateValue& value,
                                         std::string_view name);

// A method of str; nullptr if there is none.
TemplateNative find_text_method(std::string_view name);

}  // namespace pagoda
