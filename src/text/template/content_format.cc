#include "text/template/content_format.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace pagoda {
namespace {

using Key = std::optional<std::string_view>;

bool is_name(const ExpressionPtr& expression, const std::string& name,
             const TemplateProgram& program) {
  const auto* node = std::get_if<NameExpression>(&expression->node);
  return node != nullptr && program.names[node->name] == name;
}

bool is_literal(const ExpressionPtr& expression, std::string_view text) {
  const auto* literal = std::get_if<LiteralExpression>(&expression->node);
  const auto* value = literal != nullptr ? std::get_if<std::string>(&literal->value) : nullptr;
  return value != nullptr && *value == text;
}

// `name`, or with a key name.key or name['key'], behind any filters, tests and slices.
bool refers_to(const ExpressionPtr& expression, const std::string& name, const Key& key,
               const TemplateProgram& program) {
  if (!expression) return false;
  const auto& node = expression->node;
  if (const auto* filter = std::get_if<FilterExpression>(&node)) {
    return refers_to(filter->input, name, key, program);
  }
  if (const auto* test = std::get_if<TestExpression>(&node)) {
    return refers_to(test->input, name, key, program);
  }
  if (const auto* slice = std::get_if<SliceExpression>(&node)) {
    return refers_to(slice->object, name, key, program);
  }
  if (!key) return is_name(expression, name, program);
  if (const auto* attribute = std::get_if<AttributeExpression>(&node)) {
    return attribute->name == *key && is_name(attribute->object, name, program);
  }
  const auto* item = std::get_if<ItemExpression>(&node);
  return item != nullptr && is_literal(item->key, *key) && is_name(item->object, name, program);
}

// Every for and set statement, wherever it stands.
struct Statements {
  std::vector<const ForStatement*> loops;
  std::vector<const SetStatement*> sets;
};

class Collector {
 public:
  void visit(const Block& block) {
    for (const Statement& statement : block) {
      std::visit([this](const auto& node) { visit(node); }, statement.node);
    }
  }
  const Statements& found() const { return found_; }

 private:
  void visit(const IfStatement& s) {
    for (const auto& branch : s.branches) visit(branch.second);
    visit(s.otherwise);
  }
  void visit(const ForStatement& s) {
    found_.loops.push_back(&s);
    visit(s.body);
    visit(s.otherwise);
  }
  void visit(const SetStatement& s) { found_.sets.push_back(&s); }
  void visit(const SetBlockStatement& s) { visit(s.body); }
  void visit(const MacroStatement& s) { visit(s.macro->body); }
  void visit(const CallStatement& s) { visit(s.caller->body); }
  void visit(const FilterStatement& s) { visit(s.body); }
  void visit(const WithStatement& s) { visit(s.body); }
  void visit(const ScopeStatement& s) { visit(s.body); }
  void visit(const TextStatement& /*s*/) {}
  void visit(const PrintStatement& /*s*/) {}
  void visit(const BreakStatement& /*s*/) {}
  void visit(const ContinueStatement& /*s*/) {}

  Statements found_;
};

// nullopt: the target is no plain name, at which vLLM gives up and takes the content for text.
std::optional<std::string> target_name(const AssignmentTarget& target,
                                       const TemplateProgram& program) {
  if (target.is_tuple || target.attribute) return std::nullopt;
  return program.names[target.name];
}

using Names = std::vector<std::string>;

// "messages" and every variable that is set to it, to a part of it, or to such a variable.
std::optional<Names> names_of_messages(const Statements& statements,
                                       const TemplateProgram& program) {
  Names names = {"messages"};
  for (size_t i = 0; i < names.size(); ++i) {
    for (const SetStatement* set : statements.sets) {
      if (!refers_to(set->value, names[i], std::nullopt, program)) continue;
      const auto name = target_name(set->target, program);
      if (!name) return std::nullopt;
      if (std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(*name);
    }
  }
  return names;
}

// The targets of the loops over any of `names` (with `key`).
std::optional<Names> loop_targets(const Statements& statements, const Names& names, const Key& key,
                                  const TemplateProgram& program) {
  Names targets;
  for (const ForStatement* loop : statements.loops) {
    const bool matches = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return refers_to(loop->iterable, name, key, program);
    });
    if (!matches) continue;
    const auto target = target_name(loop->target, program);
    if (!target) return std::nullopt;
    targets.push_back(*target);
    if (key) break;  // one loop over content is enough
  }
  return targets;
}

}  // namespace

bool loops_over_content(const TemplateProgram& program) {
  Collector collector;
  collector.visit(program.body);
  const Statements& statements = collector.found();
  const auto messages = names_of_messages(statements, program);
  if (!messages) return false;
  const auto message = loop_targets(statements, *messages, std::nullopt, program);
  if (!message) return false;
  const auto content = loop_targets(statements, *message, "content", program);
  return content && !content->empty();
}

}  // namespace pagoda
