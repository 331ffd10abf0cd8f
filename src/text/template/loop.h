// The `loop` of a for statement: where it is, what comes before and after.
//
// Thread rule: as TemplateValue.
#pragma once

#include <optional>
#include <string_view>

#include "text/template/ast.h"
#include "text/template/value.h"

namespace pagoda {

class TemplateLoop;

// What a loop needs of the evaluator.
class TemplateLoopRunner {
 public:
  // The loop's text for other items, one level deeper: loop(item.children).
  virtual TemplateValue recurse(TemplateLoop& loop, const TemplateValue& iterable) = 0;
  // The condition behind the "if" of the for tag.
  virtual bool accepts(TemplateLoop& loop, const TemplateValue& item) = 0;

 protected:
  ~TemplateLoopRunner() = default;
};

// Items pass the condition one by one, no earlier than the template can notice: a condition may
// read a namespace that the body changes.
class TemplateLoop final : public TemplateObject {
 public:
  TemplateLoop(TemplateLoopRunner& runner, TemplateHeap& heap, const ForStatement& statement,
               TemplateValues candidates);

  std::string_view type_name() const override { return "LoopContext"; }
  bool is_callable() const override { return true; }
  TemplateValue call(TemplateHeap& heap, const TemplateArguments& arguments) override;
  std::optional<TemplateValue> attribute(TemplateHeap& heap, std::string_view name) override;

  // The next item, nullptr behind the last one.
  const TemplateValue* advance(TemplateHeap& heap);
  bool has_begun() const { return num_begun_ != 0; }

  // The evaluator's scope around the loop, and how many calls of itself it is inside.
  void place(void* outer, int depth) {
    outer_ = outer;
    depth_ = depth;
  }
  void* outer() const { return outer_; }
  int depth() const { return depth_; }
  const ForStatement& statement() const { return statement_; }

  TemplateValue cycle(TemplateHeap& heap, const TemplateArguments& arguments) const;
  bool changed(TemplateHeap& heap, const TemplateArguments& arguments);

 private:
  size_t index() const { return num_begun_ - 1; }
  bool has_item(size_t i);
  size_t length();
  std::optional<TemplateValue> number_attribute(std::string_view name);

  TemplateLoopRunner& runner_;
  const ForStatement& statement_;
  TemplateValues candidates_, items_;  // items_: those that passed so far
  size_t num_tried_ = 0;               // of the candidates
  size_t num_begun_ = 0;
  void* outer_ = nullptr;
  int depth_ = 0;
  std::optional<TemplateValues> last_checked_;  // by changed()
};

}  // namespace pagoda
