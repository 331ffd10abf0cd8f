#include "text/template/lookup.h"

#include <algorithm>
#include <string>

#include "base/str.h"
#include "base/utf8.h"
#include "text/template/natives.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

std::string attribute_owner(const TemplateValue& value) {
  return value.is_none() ? "None" : str(type_name(value), " object");
}

TemplateValue no_attribute(TemplateHeap& heap, const TemplateValue& value, std::string_view name) {
  return TemplateValue::undefined_because(
      heap.keep(str("'", attribute_owner(value), "' has no attribute '", name, "'")));
}

TemplateValue no_element(TemplateHeap& heap, const TemplateValue& value, const TemplateValue& key) {
  return TemplateValue::undefined_because(
      heap.keep(str(attribute_owner(value), " has no element ", repr_of(heap, key))));
}

std::optional<TemplateValue> method_or_member(TemplateHeap& heap, const TemplateValue& value,
                                              std::string_view name) {
  if (value.is(TemplateKind::kObject)) return value.as_object().attribute(heap, name);
  if (value.is(TemplateKind::kSequence) && value.as_sequence().type == SequenceType::kGroup) {
    if (name == "grouper") return value.as_sequence().items[0];
    if (name == "list") return value.as_sequence().items[1];
  }
  return find_method(heap, value, name);
}

size_t magnitude_of(int64_t index) {
  return index < 0 ? ~static_cast<size_t>(index) + 1 : static_cast<size_t>(index);
}

std::optional<TemplateValue> subscript(TemplateHeap& heap, const TemplateValue& value,
                                       const TemplateValue& key) {
  if (value.is(TemplateKind::kDict)) {
    const bool hashable = !key.is(TemplateKind::kDict) && type_name(key) != "list";
    const TemplateValue* found = hashable ? value.as_dict().find(heap, key) : nullptr;
    return found != nullptr ? std::optional(*found) : std::nullopt;
  }
  if (!key.is_integral()) return std::nullopt;
  if (value.is_text()) {
    heap.spend_letters(std::min(value.as_text().size(), magnitude_of(key.as_integer())));
    const std::optional<std::string_view> found = code_point_at(value.as_text(), key.as_integer());
    return found ? std::optional(as_safe_as(value, TemplateValue::text(*found))) : std::nullopt;
  }
  if (is_list_or_tuple(value) || type_name(value) == "range") {
    const TemplateValues& items = value.as_sequence().items;
    const auto size = static_cast<int64_t>(items.size());
    const int64_t index = key.as_integer() < 0 ? key.as_integer() + size : key.as_integer();
    if (index >= 0 && index < size) return items[static_cast<size_t>(index)];
  }
  return std::nullopt;
}

struct SliceBounds {
  int64_t start, stop, step;
};

// As Python's slice.indices(size).
SliceBounds bounds_of(const TemplateHeap& heap, const TemplateSlice& slice, int64_t size) {
  const int64_t step = slice.step.value_or(1);
  if (step == 0) heap.fail("slice step cannot be zero");
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  const auto clamped = [&](int64_t index) {
    return index < 0 ? std::max(index + size, low) : std::min(index, high);
  };
  return {slice.start ? clamped(*slice.start) : (step > 0 ? low : high),
          slice.stop ? clamped(*slice.stop) : (step > 0 ? high : low), step};
}

TemplateValue text_slice(TemplateHeap& heap, std::string_view text, const TemplateSlice& slice) {
  heap.spend_bytes(text.size());
  const SliceBounds bounds = bounds_of(heap, slice, static_cast<int64_t>(num_code_points(text)));
  if (bounds.step == 1) {
    if (bounds.start >= bounds.stop) return TemplateValue::text({});
    const size_t begin = code_point_offset(text, static_cast<size_t>(bounds.start));
    const std::string_view rest = text.substr(begin);
    return TemplateValue::text(
        rest.substr(0, code_point_offset(rest, static_cast<size_t>(bounds.stop - bounds.start))));
  }
  const TemplateValues letters = items_of(heap, TemplateValue::text(text));
  std::string result;
  const auto goes_on = [&](int64_t i) {
    return bounds.step > 0 ? i < bounds.stop : i > bounds.stop;
  };
  for (int64_t i = bounds.start; goes_on(i); i += bounds.step) {
    result += letters[static_cast<size_t>(i)].as_text();
    if (std::abs(bounds.step) > static_cast<int64_t>(letters.size())) break;
  }
  return make_text(heap, result);
}

}  // namespace

TemplateValue attribute_of(TemplateHeap& heap, const TemplateValue& value, std::string_view name) {
  require_defined(heap, value);
  if (const auto found = method_or_member(heap, value, name)) return *found;
  if (value.is(TemplateKind::kDict)) {
    if (const TemplateValue* found = value.as_dict().find(heap, name)) return *found;
  }
  return no_attribute(heap, value, name);
}

TemplateValue item_of(TemplateHeap& heap, const TemplateValue& value, const TemplateValue& key) {
  require_defined(heap, value);
  if (const auto found = subscript(heap, value, key)) return *found;
  if (!key.is_text()) return no_element(heap, value, key);
  if (const auto found = method_or_member(heap, value, key.as_text())) return *found;
  return no_attribute(heap, value, key.as_text());
}

TemplateValue slice_of(TemplateHeap& heap, const TemplateValue& value, const TemplateSlice& slice) {
  require_defined(heap, value);
  if (value.is_text()) return as_safe_as(value, text_slice(heap, value.as_text(), slice));
  const bool sliceable = is_list_or_tuple(value) || type_name(value) == "range";
  if (!sliceable) heap.fail(str("'", type_name(value), "' object is not subscriptable"));
  const TemplateValues& all = value.as_sequence().items;
  const SliceBounds bounds = bounds_of(heap, slice, static_cast<int64_t>(all.size()));
  TemplateValues items(heap.memory());
  if (bounds.step > 0) {
    for (int64_t i = bounds.start; i < bounds.stop;
         i += std::min<int64_t>(bounds.step, bounds.stop)) {
      items.push_back(all[static_cast<size_t>(i)]);
    }
  } else {
    const int64_t step = std::max(bounds.step, -static_cast<int64_t>(all.size()) - 1);
    for (int64_t i = bounds.start; i > bounds.stop; i += step) {
      items.push_back(all[static_cast<size_t>(i)]);
    }
  }
  heap.spend(static_cast<int64_t>(items.size() / 4));
  const bool tuple = type_name(value) == "tuple";
  return make_sequence(heap, tuple ? SequenceType::kTuple : SequenceType::kList, std::move(items));
}

TemplateValue call_value(TemplateHeap& heap, const TemplateValue& callee,
                         const TemplateArguments& arguments) {
  require_defined(heap, callee);
  if (!callee.is(TemplateKind::kObject)) {
    heap.fail(str("'", type_name(callee), "' object is not callable"));
  }
  return callee.as_object().call(heap, arguments);
}

}  // namespace pagoda
