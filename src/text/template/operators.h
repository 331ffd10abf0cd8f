// Python's operators and look-ups on template values.
//
// Thread rule: as TemplateValue.
#pragma once

#include <optional>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

enum class BinaryOperator : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower
};
enum class Comparison : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

TemplateValue apply(TemplateHeap& heap, BinaryOperator op, const TemplateValue& left,
                    const TemplateValue& right);
TemplateValue negated(TemplateHeap& heap, const TemplateValue& value);
TemplateValue unary_plus(TemplateHeap& heap, const TemplateValue& value);

bool compare(TemplateHeap& heap, Comparison op, const TemplateValue& left,
             const TemplateValue& right);
bool is_equal(TemplateHeap& heap, const TemplateValue& left, const TemplateValue& right);
// left < right, for sorting; fails where Python does.
bool is_less(TemplateHeap& heap, const TemplateValue& left, const TemplateValue& right);
bool contains(TemplateHeap& heap, const TemplateValue& container, const TemplateValue& value);

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

// Safe text as it is; anything else as text with its HTML escaped, which makes it safe.
TemplateValue escaped(TemplateHeap& heap, const TemplateValue& value);
// `text`, marked safe if `source` is: most of what is made of safe text is safe.
TemplateValue as_safe_as(const TemplateValue& source, const TemplateValue& text);

// Fails with Python's words for an undefined value that is used.
void require_defined(const TemplateHeap& heap, const TemplateValue& value);

}  // namespace pagoda
