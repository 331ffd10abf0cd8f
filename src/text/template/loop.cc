#include "text/template/loop.h"

#include "base/str.h"

namespace pagoda {
namespace {

// `self` is the loop that the method was taken from.
TemplateLoop& loop_of(const TemplateValue& self) {
  return static_cast<TemplateLoop&>(self.as_object());
}

TemplateValue cycle_method(TemplateHeap& heap, const TemplateValue& self,
                           const TemplateArguments& arguments) {
  return loop_of(self).cycle(heap, arguments);
}

TemplateValue changed_method(TemplateHeap& heap, const TemplateValue& self,
                             const TemplateArguments& arguments) {
  return TemplateValue::boolean(loop_of(self).changed(heap, arguments));
}

}  // namespace

TemplateLoop::TemplateLoop(TemplateLoopRunner& runner, TemplateHeap& heap,
                           const ForStatement& statement, TemplateValues candidates)
    : runner_(runner),
      statement_(statement),
      candidates_(std::move(candidates)),
      items_(heap.memory()) {
  if (!statement.condition) {
    items_.swap(candidates_);
  }
}

bool TemplateLoop::has_item(size_t i) {
  while (i >= items_.size() && num_tried_ < candidates_.size()) {
    const TemplateValue candidate = candidates_[num_tried_++];
    if (runner_.accepts(*this, candidate)) items_.push_back(candidate);
  }
  return i < items_.size();
}

size_t TemplateLoop::length() {
  has_item(items_.size() + candidates_.size());
  return items_.size();
}

const TemplateValue* TemplateLoop::advance(TemplateHeap& /*heap*/) {
  if (!has_item(num_begun_)) return nullptr;
  return &items_[num_begun_++];
}

TemplateValue TemplateLoop::call(TemplateHeap& heap, const TemplateArguments& arguments) {
  if (!statement_.recursive) {
    heap.fail("The loop must have the 'recursive' marker to be called recursively.");
  }
  if (arguments.positional.size() != 1 || !arguments.named.empty()) {
    heap.fail("loop() takes one argument, what to loop over");
  }
  return runner_.recurse(*this, arguments.positional[0]);
}

std::optional<TemplateValue> TemplateLoop::number_attribute(std::string_view name) {
  const auto at = static_cast<int64_t>(index());
  if (name == "index") return TemplateValue::integer(at + 1);
  if (name == "index0") return TemplateValue::integer(at);
  if (name == "depth") return TemplateValue::integer(depth_ + 1);
  if (name == "depth0") return TemplateValue::integer(depth_);
  const bool counts = name == "length" || name == "revindex" || name == "revindex0";
  if (!counts) return std::nullopt;
  const auto size = static_cast<int64_t>(length());
  if (name == "length") return TemplateValue::integer(size);
  return TemplateValue::integer(size - at - (name == "revindex" ? 0 : 1));
}

std::optional<TemplateValue> TemplateLoop::attribute(TemplateHeap& heap, std::string_view name) {
  if (const auto number = number_attribute(name)) return number;
  if (name == "first") return TemplateValue::boolean(index() == 0);
  if (name == "last") return TemplateValue::boolean(!has_item(num_begun_));
  if (name == "previtem") {
    return index() > 0 ? items_[index() - 1]
                       : TemplateValue::undefined_because("there is no previous item");
  }
  if (name == "nextitem") {
    return has_item(num_begun_) ? items_[num_begun_]
                                : TemplateValue::undefined_because("there is no next item");
  }
  const TemplateValue self = TemplateValue::object(this);
  if (name == "cycle") {
    return TemplateValue::object(heap.make<TemplateFunction>("cycle", &cycle_method, self));
  }
  if (name == "changed") {
    return TemplateValue::object(heap.make<TemplateFunction>("changed", &changed_method, self));
  }
  return std::nullopt;
}

TemplateValue TemplateLoop::cycle(TemplateHeap& heap, const TemplateArguments& arguments) const {
  if (arguments.positional.empty()) heap.fail("no items for cycling given");
  return arguments.positional[index() % arguments.positional.size()];
}

bool TemplateLoop::changed(TemplateHeap& heap, const TemplateArguments& arguments) {
  TemplateValues values(arguments.positional.begin(), arguments.positional.end(), heap.memory());
  bool same = last_checked_ && last_checked_->size() == values.size();
  for (size_t i = 0; same && i < values.size(); ++i) {
    same = is_equal(heap, values[i], (*last_checked_)[i]);
  }
  last_checked_.emplace(std::move(values));
  return !same;
}

}  // namespace pagoda
