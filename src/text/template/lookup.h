// What stands behind a value in a template: .name, [key], [start:stop:step], (arguments).
//
// Thread rule: as TemplateValue.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

// value.name: an attribute or method, then the item of that name, else undefined.
TemplateValue attribute_of(TemplateHeap& heap, const TemplateValue& value, std::string_view name);
// value[key]: the item, then (for text keys) the attribute of that name, else undefined.
TemplateValue item_of(TemplateHeap& heap, const TemplateValue& value, const TemplateValue& key);

struct TemplateSlice {
  std::optional<int64_t> start, stop, step;
};
TemplateValue slice_of(TemplateHeap& heap, const TemplateValue& value, const TemplateSlice& slice);

TemplateValue call_value(TemplateHeap& heap, const TemplateValue& callee,
                         const TemplateArguments& arguments);

}  // namespace pagoda
