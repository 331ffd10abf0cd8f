// Gives the arguments of a call to the parameters of a function, as Python does.
//
// Thread rule: as TemplateValue.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

class BoundArguments {
 public:
  struct Signature {
    std::string_view function;
    std::initializer_list<std::string_view> names;  // at most kMost
    size_t required = 0;                            // the first so many
    bool positional_only = false;                   // as those of most methods of str
  };

  // Fails with Python's words for too many, unknown or missing ones.
  BoundArguments(TemplateHeap& heap, const Signature& signature,
                 const TemplateArguments& arguments);

  bool has(size_t i) const { return values_[i].has_value(); }
  // Given, and not None.
  bool is_set(size_t i) const { return has(i) && !values_[i]->is_none(); }
  const TemplateValue& operator[](size_t i) const { return *values_[i]; }
  TemplateValue value(size_t i, const TemplateValue& fallback) const {
    return has(i) ? *values_[i] : fallback;
  }
  bool flag(size_t i, bool fallback) const { return has(i) ? is_true(*values_[i]) : fallback; }
  // Fail unless the argument is an integer, a text.
  int64_t integer(size_t i, int64_t fallback) const;
  std::string_view text(size_t i, std::string_view fallback) const;

 private:
  static constexpr size_t kMost = 5;

  TemplateHeap& heap_;
  std::array<std::optional<TemplateValue>, kMost> values_;
};

}  // namespace pagoda
