// Python's operators on template values.
//
// Thread rule: as TemplateValue.
#pragma once

#include <cstdint>

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
// left < right, for sorting; fails where Python does.
bool is_less(TemplateHeap& heap, const TemplateValue& left, const TemplateValue& right);
bool contains(TemplateHeap& heap, const TemplateValue& container, const TemplateValue& value);

}  // namespace pagoda
