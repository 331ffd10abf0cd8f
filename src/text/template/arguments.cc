#include "text/template/arguments.h"

#include <algorithm>

#include "base/must.h"
#include "base/str.h"

namespace pagoda {

BoundArguments::BoundArguments(TemplateHeap& heap, const Signature& signature,
                               const TemplateArguments& arguments)
    : heap_(heap) {
  MUST(signature.names.size() <= kMost);
  const auto& names = signature.names;
  if (arguments.positional.size() > names.size()) {
    heap.fail(str(signature.function, "() takes at most ", names.size(), " argument(s), not ",
                  arguments.positional.size()));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = arguments.positional[i];
  if (signature.positional_only && !arguments.named.empty()) {
    heap.fail(str(signature.function, "() takes no keyword arguments"));
  }
  for (const NamedTemplateValue& argument : arguments.named) {
    const auto* found = std::find(names.begin(), names.end(), argument.name);
    if (found == names.end()) {
      heap.fail(
          str(signature.function, "() got an unexpected keyword argument '", argument.name, "'"));
    }
    std::optional<TemplateValue>& value = values_[static_cast<size_t>(found - names.begin())];
    if (value) {
      heap.fail(
          str(signature.function, "() got multiple values for argument '", argument.name, "'"));
    }
    value = argument.value;
  }
  for (size_t i = 0; i < signature.required; ++i) {
    if (!values_[i]) {
      heap.fail(
          str(signature.function, "() missing a required argument: '", names.begin()[i], "'"));
    }
  }
}

int64_t BoundArguments::integer(size_t i, int64_t fallback) const {
  if (!has(i)) return fallback;
  const TemplateValue& value = *values_[i];
  require_defined(heap_, value);
  if (!value.is_integral()) {
    heap_.fail(str("'", type_name(value), "' object cannot be interpreted as an integer"));
  }
  return value.as_integer();
}

std::string_view BoundArguments::text(size_t i, std::string_view fallback) const {
  if (!has(i)) return fallback;
  const TemplateValue& value = *values_[i];
  require_defined(heap_, value);
  if (!value.is_text()) heap_.fail(str("a text is expected, not ", type_name(value)));
  return value.as_text();
}

}  // namespace pagoda
