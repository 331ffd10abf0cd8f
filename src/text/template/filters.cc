// The table of filters, and those that fit no subject.

#include "text/template/filters.h"

#include <algorithm>

#include "base/str.h"
#include "text/template/arguments.h"
#include "text/template/json.h"
#include "text/template/lookup.h"
#include "text/template/natives.h"

namespace pagoda {
namespace {

TemplateValue default_filter(TemplateHeap& heap, const TemplateValue& value,
                             const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"default", {"default_value", "boolean"}}, arguments);
  const bool use_default = value.is_undefined() || (bound.flag(1, false) && !is_true(value));
  return use_default ? bound.value(0, TemplateValue::text({})) : value;
}

TemplateValue attr(TemplateHeap& heap, const TemplateValue& value,
                   const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"attr", {"name"}, 1}, arguments);
  const std::string_view name = bound.text(0, {});
  // An attribute, never an item: without the fallback of value.name.
  if (value.is(TemplateKind::kDict) &&
      attribute_of(heap, TemplateValue::dict(heap.make<TemplateDict>(heap)), name).is_undefined()) {
    return TemplateValue::undefined_because(
        heap.keep(str("'dict object' has no attribute '", name, "'")));
  }
  return attribute_of(heap, value, name);
}

TemplateValue length(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"length", {}}, arguments);
  if (value.is_text()) heap.spend_bytes(value.as_text().size());
  const std::optional<size_t> size = length_of(value);
  if (!size) heap.fail(str("object of type '", type_name(value), "' has no len()"));
  return TemplateValue::integer(static_cast<int64_t>(*size));
}

TemplateValue string(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"string", {}}, arguments);
  return value.is_text() ? value : TemplateValue::text(text_of(heap, value));
}

constexpr TemplateFilter kFilters[] = {
    {"default", &default_filter}, {"d", &default_filter}, {"attr", &attr},
    {"length", &length},          {"count", &length},     {"string", &string},
    {"tojson", &to_json_filter},
};

TemplateNative find_in(std::span<const TemplateFilter> filters, std::string_view name) {
  const auto found = std::find_if(filters.begin(), filters.end(),
                                  [name](const TemplateFilter& f) { return f.name == name; });
  return found != filters.end() ? found->native : nullptr;
}

}  // namespace

TemplateNative find_filter(std::string_view name) {
  for (const auto filters :
       {std::span(kFilters).subspan(0), text_filters(), sequence_filters(), number_filters()}) {
    if (const TemplateNative native = find_in(filters, name)) return native;
  }
  return nullptr;
}

}  // namespace pagoda
