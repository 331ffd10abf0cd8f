#include "text/template/objects.h"

#include "base/str.h"

namespace pagoda {
namespace {

// `self` is the cycler that the method was taken from.
TemplateCycler& cycler_of(const TemplateValue& self) {
  return static_cast<TemplateCycler&>(self.as_object());
}

TemplateValue next_of_cycler(TemplateHeap& /*heap*/, const TemplateValue& self,
                             const TemplateArguments& /*arguments*/) {
  return cycler_of(self).next();
}

TemplateValue reset_cycler(TemplateHeap& /*heap*/, const TemplateValue& self,
                           const TemplateArguments& /*arguments*/) {
  cycler_of(self).reset();
  return TemplateValue::none();
}

}  // namespace

std::optional<TemplateValue> TemplateNamespace::attribute(TemplateHeap& heap,
                                                          std::string_view name) {
  const TemplateValue* found = attributes_.find(heap, name);
  return found != nullptr ? std::optional(*found) : std::nullopt;
}

std::string TemplateNamespace::repr(TemplateHeap& heap) {
  return str("<Namespace ", repr_of(heap, TemplateValue::dict(&attributes_)), ">");
}

std::optional<TemplateValue> TemplateCycler::attribute(TemplateHeap& heap, std::string_view name) {
  const TemplateValue self = TemplateValue::object(this);
  if (name == "current") return items_[at_];
  if (name == "next") {
    return TemplateValue::object(heap.make<TemplateFunction>("next", &next_of_cycler, self));
  }
  if (name == "reset") {
    return TemplateValue::object(heap.make<TemplateFunction>("reset", &reset_cycler, self));
  }
  return std::nullopt;
}

TemplateValue TemplateCycler::next() {
  const TemplateValue item = items_[at_];
  at_ = (at_ + 1) % items_.size();
  return item;
}

TemplateValue TemplateJoiner::call(TemplateHeap& /*heap*/, const TemplateArguments& /*arguments*/) {
  const bool first = !used_;
  used_ = true;
  return first ? TemplateValue::text({}) : separator_;
}

}  // namespace pagoda
