#include "text/template/content_format.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace pagoda {
namespace {

using Key = std::optional<std::string_view>;

std::optional<NameId> name_of(const ExpressionPtr& expression) {
  const auto* node = std::get_if<NameExpression>(&expression->node);
  return node != nullptr ? std::optional(node->name) : std::nullopt;
}

bool is_literal(const ExpressionPtr& expression, std::string_view text) {
  const auto* literal = std::get_if<LiteralExpression>(&expression->node);
  const auto* value = literal != nullptr ? std::get_if<std::string>(&literal->value) : nullptr;
  return value != nullptr && *value == text;
}

// Of `name`, or with a key of name.key or name['key'], behind any filters, tests and slices: the
// name.
std::optional<NameId> subject_of(const ExpressionPtr& expression, const Key& key) {
  if (!expression) return std::nullopt;
  const auto& node = expression->node;
  if (const auto* filter = std::get_if<FilterExpression>(&node)) {
    return subject_of(filter->input, key);
  }
  if (const auto* test = std::get_if<TestExpression>(&node)) return subject_of(test->input, key);
  if (const auto* slice = std::get_if<SliceExpression>(&node)) {
    return subject_of(slice->object, key);
  }
  if (!key) return name_of(expression);
  if (const auto* attribute = std::get_if<AttributeExpression>(&node)) {
    return attribute->name == *key ? name_of(attribute->object) : std::nullopt;
  }
  const auto* item = std::get_if<ItemExpression>(&node);
  return item != nullptr && is_literal(item->key, *key) ? name_of(item->object) : std::nullopt;
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
std::optional<NameId> target_name(const AssignmentTarget& target) {
  if (target.is_tuple || target.attribute) return std::nullopt;
  return target.name;
}

using Names = std::vector<bool>;  // by NameId: whether it is among them

Names names_with(std::string_view name, const TemplateProgram& program) {
  Names names(program.names.size());
  for (size_t i = 0; i < names.size(); ++i) names[i] = program.names[i] == name;
  return names;
}

// "messages" and every variable that is set to it, to a part of it, or to such a variable.
std::optional<Names> names_of_messages(const Statements& statements,
                                       const TemplateProgram& program) {
  std::vector<std::vector<const SetStatement*>> sets_of(program.names.size());  // by subject
  for (const SetStatement* set : statements.sets) {
    if (const auto subject = subject_of(set->value, std::nullopt)) sets_of[*subject].push_back(set);
  }
  Names names = names_with("messages", program);
  std::vector<NameId> found;
  for (NameId name = 0; name < names.size(); ++name) {
    if (names[name]) found.push_back(name);
  }
  while (!found.empty()) {
    const NameId name = found.back();
    found.pop_back();
    for (const SetStatement* set : sets_of[name]) {
      const auto target = target_name(set->target);
      if (!target) return std::nullopt;
      if (!names[*target]) found.push_back(*target);
      names[*target] = true;
    }
  }
  return names;
}

// The targets of the loops over any of `names` (with `key`).
std::optional<Names> loop_targets(const Statements& statements, const Names& names,
                                  const Key& key) {
  Names targets(names.size());
  for (const ForStatement* loop : statements.loops) {
    const auto subject = subject_of(loop->iterable, key);
    if (!subject || !names[*subject]) continue;
    const auto target = target_name(loop->target);
    if (!target) return std::nullopt;
    targets[*target] = true;
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
  const auto message = loop_targets(statements, *messages, std::nullopt);
  if (!message) return false;
  const auto content = loop_targets(statements, *message, "content");
  return content && std::find(content->begin(), content->end(), true) != content->end();
}

}  // namespace pagoda
