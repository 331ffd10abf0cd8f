#include "text/template/operators.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "base/str.h"
#include "text/template/format.h"
#include "text/template/text_search.h"

namespace pagoda {
namespace {

std::string_view symbol_of(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::kAdd: return "+";
    case BinaryOperator::kSubtract: return "-";
    case BinaryOperator::kMultiply: return "*";
    case BinaryOperator::kDivide: return "/";
    case BinaryOperator::kFloorDivide: return "//";
    case BinaryOperator::kModulo: return "%";
    case BinaryOperator::kPower: return "** or pow()";
  }
  return "";
}

[[noreturn]] void fail_too_large(const TemplateHeap& heap) {
  heap.fail("an integer beyond 64 bits, which templates here do not have");
}

int64_t integer_power(const TemplateHeap& heap, int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_too_large(heap);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_too_large(heap);
  }
  return result;
}

int64_t floor_quotient(const TemplateHeap& heap, int64_t left, int64_t right) {
  if (right == 0) heap.fail("integer division or modulo by zero");
  if (right == -1) {
    if (left == std::numeric_limits<int64_t>::min()) fail_too_large(heap);
    return -left;
  }
  const int64_t quotient = left / right;
  const bool inexact = left % right != 0;
  return inexact && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

int64_t floor_remainder(const TemplateHeap& heap, int64_t left, int64_t right) {
  if (right == 0) heap.fail("integer modulo by zero");
  if (right == -1) return 0;
  const int64_t remainder = left % right;
  return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
}

TemplateValue of_integers(const TemplateHeap& heap, BinaryOperator op, int64_t left,
                          int64_t right) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case BinaryOperator::kAdd: overflow = __builtin_add_overflow(left, right, &result); break;
    case BinaryOperator::kSubtract: overflow = __builtin_sub_overflow(left, right, &result); break;
    case BinaryOperator::kMultiply: overflow = __builtin_mul_overflow(left, right, &result); break;
    case BinaryOperator::kDivide:
      if (right == 0) heap.fail("division by zero");
      return TemplateValue::real(static_cast<double>(left) / static_cast<double>(right));
    case BinaryOperator::kFloorDivide: result = floor_quotient(heap, left, right); break;
    case BinaryOperator::kModulo: result = floor_remainder(heap, left, right); break;
    case BinaryOperator::kPower:
      if (right < 0 && left == 0) heap.fail("0.0 cannot be raised to a negative power");
      if (right < 0) return TemplateValue::real(std::pow(left, right));
      result = integer_power(heap, left, right);
      break;
  }
  if (overflow) fail_too_large(heap);
  return TemplateValue::integer(result);
}

double real_remainder(double left, double right) {
  const double remainder = std::fmod(left, right);
  if (remainder != 0 && (remainder < 0) != (right < 0)) return remainder + right;
  return remainder == 0 ? std::copysign(0.0, right) : remainder;
}

// As CPython's float_divmod: the quotient of what is left without the remainder, a whole number up
// to rounding; a zero has the sign of the true quotient.
double real_floor_quotient(double left, double right) {
  const double quotient = (left - real_remainder(left, right)) / right;
  if (quotient == 0) return std::copysign(0.0, left / right);
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

TemplateValue of_reals(const TemplateHeap& heap, BinaryOperator op, double left, double right) {
  const bool division = op == BinaryOperator::kDivide || op == BinaryOperator::kFloorDivide ||
                        op == BinaryOperator::kModulo;
  if (division && right == 0) {
    heap.fail(op == BinaryOperator::kModulo   ? "float modulo"
              : op == BinaryOperator::kDivide ? "float division by zero"
                                              : "float floor division by zero");
  }
  switch (op) {
    case BinaryOperator::kAdd: return TemplateValue::real(left + right);
    case BinaryOperator::kSubtract: return TemplateValue::real(left - right);
    case BinaryOperator::kMultiply: return TemplateValue::real(left * right);
    case BinaryOperator::kDivide: return TemplateValue::real(left / right);
    case BinaryOperator::kFloorDivide: return TemplateValue::real(real_floor_quotient(left, right));
    case BinaryOperator::kModulo: return TemplateValue::real(real_remainder(left, right));
    case BinaryOperator::kPower: break;
  }
  if (left == 0 && right < 0) heap.fail("0.0 cannot be raised to a negative power");
  if (left < 0 && right != std::floor(right))
    heap.fail("a complex number, which templates here do not have");
  return TemplateValue::real(std::pow(left, right));
}

// Safe text (Markup) stays safe, so what is added to it is escaped.
TemplateValue joined_texts(TemplateHeap& heap, const TemplateValue& left,
                           const TemplateValue& right) {
  if (!left.is_safe_text() && !right.is_safe_text()) {
    return TemplateValue::text(heap.join(left.as_text(), right.as_text()));
  }
  const TemplateValue a = escaped(heap, left), b = escaped(heap, right);
  return TemplateValue::text(heap.join(a.as_text(), b.as_text())).marked_safe();
}

TemplateValue joined(TemplateHeap& heap, const TemplateValue& left, const TemplateValue& right) {
  const TemplateValues& more = right.as_sequence().items;
  TemplateValues items(heap.memory());
  heap.spend_items(left.as_sequence().items.size() + more.size());
  items.reserve(left.as_sequence().items.size() + more.size());
  items = left.as_sequence().items;
  items.insert(items.end(), more.begin(), more.end());
  const bool list = left.as_sequence().type == SequenceType::kList;
  return make_sequence(heap, list ? SequenceType::kList : SequenceType::kTuple, std::move(items));
}

TemplateValue repeated_text(TemplateHeap& heap, std::string_view piece, int64_t times) {
  const size_t size = heap.size_of_copies(piece.size(), times);
  if (size == 0) return TemplateValue::text({});
  const std::span<char> text = heap.room_for_text(size);
  std::memcpy(text.data(), piece.data(), piece.size());
  for (size_t done = piece.size(); done < size;) {  // what is there already, again
    const size_t more = std::min(done, size - done);
    std::memcpy(text.data() + done, text.data(), more);
    done += more;
  }
  return TemplateValue::text({text.data(), text.size()});
}

TemplateValue repeated(TemplateHeap& heap, const TemplateValue& value, int64_t times) {
  if (value.is_text()) {
    return as_safe_as(value, repeated_text(heap, value.as_text(), times));
  }
  TemplateValues items(heap.memory());
  const TemplateValues& piece = value.as_sequence().items;
  for (int64_t i = 0; i < times && !piece.empty(); ++i) {
    heap.spend(1 + static_cast<int64_t>(piece.size() / 4));
    items.insert(items.end(), piece.begin(), piece.end());
  }
  const bool list = value.as_sequence().type == SequenceType::kList;
  return make_sequence(heap, list ? SequenceType::kList : SequenceType::kTuple, std::move(items));
}

[[noreturn]] void fail_operands(const TemplateHeap& heap, BinaryOperator op,
                                const TemplateValue& left, const TemplateValue& right) {
  require_defined(heap, left);
  require_defined(heap, right);
  if (op == BinaryOperator::kAdd && (left.is_text() || is_list_or_tuple(left))) {
    heap.fail(str("can only concatenate ", type_name(left), " (not \"", type_name(right), "\") to ",
                  type_name(left)));
  }
  heap.fail(str("unsupported operand type(s) for ", symbol_of(op), ": '", type_name(left),
                "' and '", type_name(right), "'"));
}

std::optional<TemplateValue> of_texts_and_lists(TemplateHeap& heap, BinaryOperator op,
                                                const TemplateValue& left,
                                                const TemplateValue& right) {
  if (op == BinaryOperator::kAdd) {
    if (left.is_text() && right.is_text()) return joined_texts(heap, left, right);
    const bool lists = is_list_or_tuple(left) && is_list_or_tuple(right);
    if (lists && type_name(left) == type_name(right)) return joined(heap, left, right);
  }
  if (op == BinaryOperator::kMultiply) {
    if ((left.is_text() || is_list_or_tuple(left)) && right.is_integral()) {
      return repeated(heap, left, right.as_integer());
    }
    if ((right.is_text() || is_list_or_tuple(right)) && left.is_integral()) {
      return repeated(heap, right, left.as_integer());
    }
  }
  if (op == BinaryOperator::kModulo && left.is_text() && !right.is_undefined()) {
    return as_safe_as(left, make_text(heap, percent_format(heap, left, right)));
  }
  return std::nullopt;
}

// -1, 0 or 1. Comparing unordered floats (nan) gives 2.
int order_of(TemplateHeap& heap, Comparison op, const TemplateValue& left,
             const TemplateValue& right);

int order_of_sequences(TemplateHeap& heap, Comparison op, const TemplateSequence& left,
                       const TemplateSequence& right) {
  const size_t common = std::min(left.items.size(), right.items.size());
  for (size_t i = 0; i < common; ++i) {
    if (is_equal(heap, left.items[i], right.items[i])) continue;
    return order_of(heap, op, left.items[i], right.items[i]);
  }
  if (left.items.size() == right.items.size()) return 0;
  return left.items.size() < right.items.size() ? -1 : 1;
}

int order_of(TemplateHeap& heap, Comparison op, const TemplateValue& left,
             const TemplateValue& right) {
  const TemplateHeap::Level level(heap);
  heap.spend(1);
  if (left.is_integral() && right.is_integral()) {
    return left.as_integer() < right.as_integer() ? -1 : left.as_integer() > right.as_integer();
  }
  if (left.is_number() && right.is_number()) {
    const double a = left.number(), b = right.number();
    return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
  }
  if (left.is_text() && right.is_text()) {
    // Bytes of UTF-8 are ordered as code points are.
    heap.spend_bytes(std::min(left.as_text().size(), right.as_text().size()));
    const int order = left.as_text().compare(right.as_text());
    return order < 0 ? -1 : order > 0;
  }
  if (is_list_or_tuple(left) && is_list_or_tuple(right) && type_name(left) == type_name(right)) {
    return order_of_sequences(heap, op, left.as_sequence(), right.as_sequence());
  }
  require_defined(heap, left);
  require_defined(heap, right);
  constexpr std::string_view kSymbols[] = {"==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  heap.fail(str("'", kSymbols[static_cast<size_t>(op)], "' not supported between instances of '",
                type_name(left), "' and '", type_name(right), "'"));
}

}  // namespace

TemplateValue apply(TemplateHeap& heap, BinaryOperator op, const TemplateValue& left,
                    const TemplateValue& right) {
  if (left.is_integral() && right.is_integral()) {
    return of_integers(heap, op, left.as_integer(), right.as_integer());
  }
  if (left.is_number() && right.is_number()) {
    return of_reals(heap, op, left.number(), right.number());
  }
  if (const auto result = of_texts_and_lists(heap, op, left, right)) return *result;
  fail_operands(heap, op, left, right);
}

TemplateValue negated(TemplateHeap& heap, const TemplateValue& value) {
  if (value.is(TemplateKind::kFloat)) return TemplateValue::real(-value.as_real());
  if (value.is_integral()) {
    return of_integers(heap, BinaryOperator::kSubtract, 0, value.as_integer());
  }
  require_defined(heap, value);
  heap.fail(str("bad operand type for unary -: '", type_name(value), "'"));
}

TemplateValue unary_plus(TemplateHeap& heap, const TemplateValue& value) {
  if (value.is(TemplateKind::kFloat)) return value;
  if (value.is_integral()) return TemplateValue::integer(value.as_integer());
  require_defined(heap, value);
  heap.fail(str("bad operand type for unary +: '", type_name(value), "'"));
}

bool is_less(TemplateHeap& heap, const TemplateValue& left, const TemplateValue& right) {
  return order_of(heap, Comparison::kLess, left, right) == -1;
}

bool contains(TemplateHeap& heap, const TemplateValue& container, const TemplateValue& value) {
  if (container.is_text()) {
    require_defined(heap, value);
    if (!value.is_text()) {
      heap.fail(str("'in <string>' requires string as left operand, not ", type_name(value)));
    }
    heap.spend_bytes(container.as_text().size());
    return find_text(container.as_text(), value.as_text()) != std::string_view::npos;
  }
  if (container.is(TemplateKind::kDict)) return container.as_dict().find(heap, value) != nullptr;
  if (container.is_undefined()) return false;
  if (container.is(TemplateKind::kSequence)) {
    for (const TemplateValue& item : container.as_sequence().items) {
      if (is_equal(heap, item, value)) return true;
    }
    return false;
  }
  if (!container.is(TemplateKind::kObject) || container.as_object().remaining_items() == nullptr) {
    heap.fail(str("argument of type '", type_name(container), "' is not iterable"));
  }
  for (const TemplateValue& item : items_of(heap, container)) {
    if (is_equal(heap, item, value)) return true;
  }
  return false;
}

bool compare(TemplateHeap& heap, Comparison op, const TemplateValue& left,
             const TemplateValue& right) {
  switch (op) {
    case Comparison::kEqual: return is_equal(heap, left, right);
    case Comparison::kNotEqual: return !is_equal(heap, left, right);
    case Comparison::kIn: return contains(heap, right, left);
    case Comparison::kNotIn: return !contains(heap, right, left);
    default: break;
  }
  const int order = order_of(heap, op, left, right);
  switch (op) {
    case Comparison::kLess: return order == -1;
    case Comparison::kLessEqual: return order == -1 || order == 0;
    case Comparison::kGreater: return order == 1;
    default: return order == 1 || order == 0;
  }
}

}  // namespace pagoda
