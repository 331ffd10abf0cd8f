// The tests of Jinja2: what may stand behind "is".

#include <algorithm>

#include "base/str.h"
#include "text/template/arguments.h"
#include "text/template/natives.h"
#include "text/template/operators.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

// Tests of one value without arguments.
template <bool (*holds)(const TemplateValue&)>
TemplateValue plain(TemplateHeap& heap, const TemplateValue& self,
                    const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"the test", {}}, arguments);
  return TemplateValue::boolean(holds(self));
}

bool is_defined(const TemplateValue& v) {
  return !v.is_undefined();
}
bool is_undefined(const TemplateValue& v) {
  return v.is_undefined();
}
bool is_none(const TemplateValue& v) {
  return v.is_none();
}
bool is_boolean(const TemplateValue& v) {
  return v.is(TemplateKind::kBool);
}
bool is_literal_true(const TemplateValue& v) {
  return is_boolean(v) && v.as_bool();
}
bool is_literal_false(const TemplateValue& v) {
  return is_boolean(v) && !v.as_bool();
}
bool is_integer(const TemplateValue& v) {
  return v.is(TemplateKind::kInt);
}
bool is_float(const TemplateValue& v) {
  return v.is(TemplateKind::kFloat);
}
bool is_number(const TemplateValue& v) {
  return v.is_number();
}
bool is_string(const TemplateValue& v) {
  return v.is_text();
}
bool is_mapping(const TemplateValue& v) {
  return v.is(TemplateKind::kDict);
}
bool is_escaped(const TemplateValue& v) {
  return v.is_safe_text();
}

bool is_iterable(const TemplateValue& v) {
  if (v.is(TemplateKind::kObject)) return v.as_object().remaining_items() != nullptr;
  return v.is_undefined() || v.is_text() || v.is(TemplateKind::kSequence) || is_mapping(v);
}

// Python asks for len() and [], which a view of a dict does not have.
bool is_sequence(const TemplateValue& v) {
  return is_iterable(v) && !v.is(TemplateKind::kObject) && !type_name(v).starts_with("dict_");
}

// An undefined value can be called too (which fails then), so it counts, as in Jinja2.
bool is_callable(const TemplateValue& v) {
  return v.is_undefined() || (v.is(TemplateKind::kObject) && v.as_object().is_callable());
}

template <bool (*ask)(std::string_view)>
TemplateValue of_text(TemplateHeap& heap, const TemplateValue& self,
                      const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"the test", {}}, arguments);
  const std::string_view text = text_of(heap, self);
  heap.spend_letters(text.size());
  return TemplateValue::boolean(ask(text));
}

template <Comparison comparison>
TemplateValue compared(TemplateHeap& heap, const TemplateValue& self,
                       const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"the test", {"other"}, 1}, arguments);
  return TemplateValue::boolean(compare(heap, comparison, self, bound[0]));
}

TemplateValue is_same_as(TemplateHeap& heap, const TemplateValue& self,
                         const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"sameas", {"other"}, 1}, arguments);
  const TemplateValue& other = bound[0];
  if (self.kind() != other.kind()) return TemplateValue::boolean(false);
  const bool is_container = self.is(TemplateKind::kSequence) || self.is(TemplateKind::kDict) ||
                            self.is(TemplateKind::kObject);
  return TemplateValue::boolean(is_container ? self.address() == other.address()
                                             : is_equal(heap, self, other));
}

template <int64_t remainder>
TemplateValue has_parity(TemplateHeap& heap, const TemplateValue& self,
                         const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"the test", {}}, arguments);
  const TemplateValue rest = apply(heap, BinaryOperator::kModulo, self, TemplateValue::integer(2));
  return TemplateValue::boolean(is_equal(heap, rest, TemplateValue::integer(remainder)));
}

TemplateValue is_divisible(TemplateHeap& heap, const TemplateValue& self,
                           const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"divisibleby", {"num"}, 1}, arguments);
  const TemplateValue rest = apply(heap, BinaryOperator::kModulo, self, bound[0]);
  return TemplateValue::boolean(is_equal(heap, rest, TemplateValue::integer(0)));
}

template <TemplateNative (*find)(std::string_view)>
TemplateValue is_known(TemplateHeap& heap, const TemplateValue& self,
                       const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"the test", {}}, arguments);
  return TemplateValue::boolean(self.is_text() && find(self.as_text()) != nullptr);
}

struct Test {
  std::string_view name;
  TemplateNative native;
};

constexpr Test kTests[] = {
    {"defined", &plain<&is_defined>},
    {"undefined", &plain<&is_undefined>},
    {"none", &plain<&is_none>},
    {"boolean", &plain<&is_boolean>},
    {"true", &plain<&is_literal_true>},
    {"false", &plain<&is_literal_false>},
    {"integer", &plain<&is_integer>},
    {"float", &plain<&is_float>},
    {"number", &plain<&is_number>},
    {"string", &plain<&is_string>},
    {"mapping", &plain<&is_mapping>},
    {"iterable", &plain<&is_iterable>},
    {"sequence", &plain<&is_sequence>},
    {"callable", &plain<&is_callable>},
    {"escaped", &plain<&is_escaped>},
    {"lower", &of_text<&is_lower>},
    {"upper", &of_text<&is_upper>},
    {"odd", &has_parity<1>},
    {"even", &has_parity<0>},
    {"divisibleby", &is_divisible},
    {"sameas", &is_same_as},
    {"filter", &is_known<&find_filter>},
    {"test", &is_known<&find_test>},
    {"in", &compared<Comparison::kIn>},
    {"==", &compared<Comparison::kEqual>},
    {"eq", &compared<Comparison::kEqual>},
    {"equalto", &compared<Comparison::kEqual>},
    {"!=", &compared<Comparison::kNotEqual>},
    {"ne", &compared<Comparison::kNotEqual>},
    {">", &compared<Comparison::kGreater>},
    {"gt", &compared<Comparison::kGreater>},
    {"greaterthan", &compared<Comparison::kGreater>},
    {">=", &compared<Comparison::kGreaterEqual>},
    {"ge", &compared<Comparison::kGreaterEqual>},
    {"<", &compared<Comparison::kLess>},
    {"lt", &compared<Comparison::kLess>},
    {"lessthan", &compared<Comparison::kLess>},
    {"<=", &compared<Comparison::kLessEqual>},
    {"le", &compared<Comparison::kLessEqual>},
};

}  // namespace

TemplateNative find_test(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTests), std::end(kTests),
                                   [name](const Test& test) { return test.name == name; });
  return found != std::end(kTests) ? found->native : nullptr;
}

}  // namespace pagoda
