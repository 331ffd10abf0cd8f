// Filters that make numbers.

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/str.h"
#include "text/template/arguments.h"
#include "text/template/filters.h"
#include "text/template/operators.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

constexpr double kIntegerLimit = 9223372036854775808.0;  // 2^63

std::optional<double> real_of(TemplateHeap& heap, const TemplateValue& value) {
  if (value.is_number()) return value.number();
  if (!value.is_text()) return std::nullopt;
  heap.spend_letters(value.as_text().size());
  return parse_real(value.as_text());
}

TemplateValue int_filter(TemplateHeap& heap, const TemplateValue& value,
                         const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"int", {"default", "base"}}, arguments);
  require_defined(heap, value);
  if (value.is_integral()) return TemplateValue::integer(value.as_integer());
  if (value.is_text()) {
    heap.spend_letters(value.as_text().size());
    const int64_t base = bound.integer(1, 10);
    const bool known = base == 0 || (base >= 2 && base <= 36);
    const auto parsed =
        known ? parse_integer(value.as_text(), static_cast<int>(base)) : std::nullopt;
    if (parsed) return TemplateValue::integer(*parsed);
  }
  const std::optional<double> real = real_of(heap, value);
  if (!real || std::isnan(*real)) return bound.value(0, TemplateValue::integer(0));
  if (std::isinf(*real)) heap.fail("cannot convert float infinity to integer");
  if (std::abs(*real) >= kIntegerLimit) {
    heap.fail("an integer beyond 64 bits, which templates here do not have");
  }
  return TemplateValue::integer(static_cast<int64_t>(*real));
}

TemplateValue float_filter(TemplateHeap& heap, const TemplateValue& value,
                           const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"float", {"default"}}, arguments);
  require_defined(heap, value);
  const std::optional<double> real = real_of(heap, value);
  return real ? TemplateValue::real(*real) : bound.value(0, TemplateValue::real(0));
}

TemplateValue absolute(TemplateHeap& heap, const TemplateValue& value,
                       const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"abs", {}}, arguments);
  require_defined(heap, value);
  if (value.is(TemplateKind::kFloat)) return TemplateValue::real(std::abs(value.as_real()));
  if (!value.is_integral()) {
    heap.fail(str("bad operand type for abs(): '", type_name(value), "'"));
  }
  return value.as_integer() < 0 ? negated(heap, value) : TemplateValue::integer(value.as_integer());
}

// As Python's round(x, digits): half to even on the exact decimal value, which is how printf
// rounds.
double rounded(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 300) return value;
  if (digits < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-digits));
    return std::isinf(scale) ? std::copysign(0.0, value) : std::nearbyint(value / scale) * scale;
  }
  char text[720];
  std::snprintf(text, sizeof text, "%.*f", static_cast<int>(digits), value);
  return std::strtod(text, nullptr);
}

TemplateValue round_filter(TemplateHeap& heap, const TemplateValue& value,
                           const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"round", {"precision", "method"}}, arguments);
  const int64_t precision = bound.integer(0, 0);
  const std::string_view method = bound.text(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") {
    heap.fail("method must be common, ceil or floor");
  }
  require_defined(heap, value);
  if (!value.is_number()) {
    heap.fail(str("type ", type_name(value), " doesn't define __round__ method"));
  }
  if (method == "common") {
    if (value.is_integral() && precision >= 0) return TemplateValue::integer(value.as_integer());
    const double real = rounded(value.number(), precision);
    return value.is_integral() ? TemplateValue::integer(static_cast<int64_t>(real))
                               : TemplateValue::real(real);
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.number() * scale;
  // math.ceil and math.floor give integers, which have no negative zero: + 0.0 makes it positive.
  const double whole = (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) + 0.0;
  return TemplateValue::real(whole / scale);
}

TemplateValue filesizeformat(TemplateHeap& heap, const TemplateValue& value,
                             const TemplateArguments& arguments) {
  constexpr std::string_view kDecimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  constexpr std::string_view kBinary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  const BoundArguments bound(heap, {"filesizeformat", {"binary"}}, arguments);
  const bool binary = bound.flag(0, false);
  const std::optional<double> bytes = real_of(heap, value);
  if (!bytes) heap.fail(str("filesizeformat: not a number: ", repr_of(heap, value)));
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return TemplateValue::text("1 Byte");
  char text[64];
  if (*bytes < base) {
    std::snprintf(text, sizeof text, "%.0f Bytes", std::trunc(*bytes) + 0.0);  // no "-0"
    return make_text(heap, text);
  }
  size_t i = 0;
  double unit = base * base;
  while (i + 1 < std::size(kDecimal) && *bytes >= unit) {
    unit *= base;
    ++i;
  }
  std::snprintf(text, sizeof text, "%.1f ", base * *bytes / unit);
  return make_text(heap, str(text, binary ? kBinary[i] : kDecimal[i]));
}

constexpr TemplateFilter kNumberFilters[] = {
    {"int", &int_filter},
    {"float", &float_filter},
    {"abs", &absolute},
    {"round", &round_filter},
    {"filesizeformat", &filesizeformat},
};

}  // namespace

std::span<const TemplateFilter> number_filters() {
  return kNumberFilters;
}

}  // namespace pagoda
