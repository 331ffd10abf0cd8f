// Objects with state that templates make by calling a global function.
//
// Thread rule: as TemplateValue.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/template/value.h"

namespace pagoda {

// namespace(a=1): the one thing whose attributes a template can set.
class TemplateNamespace final : public TemplateObject {
 public:
  explicit TemplateNamespace(TemplateHeap& heap) : attributes_(heap) {}
  std::string_view type_name() const override { return "Namespace"; }
  std::optional<TemplateValue> attribute(TemplateHeap& heap, std::string_view name) override;
  std::string repr(TemplateHeap& heap) override;
  void set(TemplateHeap& heap, const TemplateValue& name, const TemplateValue& value) {
    attributes_.set(heap, name, value);
  }

 private:
  TemplateDict attributes_;
};

// cycler(a, b, c): next() goes round.
class TemplateCycler final : public TemplateObject {
 public:
  TemplateCycler(TemplateHeap& heap, TemplateValues items)
      : items_(std::move(items), heap.memory()) {}
  std::string_view type_name() const override { return "Cycler"; }
  std::optional<TemplateValue> attribute(TemplateHeap& heap, std::string_view name) override;
  TemplateValue next();
  void reset() { at_ = 0; }

 private:
  TemplateValues items_;
  size_t at_ = 0;
};

// joiner(", "): nothing when called first, the separator from then on.
class TemplateJoiner final : public TemplateObject {
 public:
  explicit TemplateJoiner(TemplateValue separator) : separator_(separator) {}
  std::string_view type_name() const override { return "Joiner"; }
  bool is_callable() const override { return true; }
  TemplateValue call(TemplateHeap& heap, const TemplateArguments& arguments) override;

 private:
  TemplateValue separator_;
  bool used_ = false;
};

}  // namespace pagoda
