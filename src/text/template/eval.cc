#include "text/template/eval.h"

#include <algorithm>
#include <map>

#include "base/str.h"
#include "text/template/lookup.h"
#include "text/template/loop.h"
#include "text/template/natives.h"
#include "text/template/objects.h"
#include "text/template/operators.h"

namespace pagoda {
namespace {

// Variables are looked up from the innermost scope outwards. As in Jinja2, macros, loops, with,
// call and set blocks open one; if does not.
struct Scope {
  Scope(TemplateHeap& heap, Scope* outer) : parent(outer), variables(heap.memory()) {}

  Scope* parent;
  std::pmr::vector<std::pair<NameId, TemplateValue>> variables;
  bool captured = false;  // a macro defined inside may still look into it
};

enum class Flow : uint8_t { kNormal, kBreak, kContinue };

class Evaluator;

// A macro, or the body of a call block, with the scope that it was defined in.
class Macro final : public TemplateObject {
 public:
  Macro(Evaluator& evaluator, const MacroDefinition& written, Scope* around)
      : definition(written), scope(around), evaluator_(evaluator) {}
  std::string_view type_name() const override { return "Macro"; }
  bool is_callable() const override { return true; }
  TemplateValue call(TemplateHeap& heap, const TemplateArguments& arguments) override;
  std::optional<TemplateValue> attribute(TemplateHeap& heap, std::string_view name) override;
  std::string repr(TemplateHeap& heap) override;

  const MacroDefinition& definition;
  Scope* scope;

 private:
  Evaluator& evaluator_;
};

struct EvaluatedArguments {
  std::vector<TemplateValue> positional;
  std::vector<NamedTemplateValue> named;
  TemplateArguments view() const { return {positional, named}; }
};

class Evaluator final : public TemplateLoopRunner {
 public:
  Evaluator(const TemplateProgram& program, TemplateHeap& heap,
            std::span<const NamedTemplateValue> variables)
      : program_(program), heap_(heap), context_(program.names.size()) {
    std::map<std::string_view, TemplateValue> given;
    for (const NamedTemplateValue& variable : variables) {
      given.insert_or_assign(variable.name, variable.value);
    }
    for (size_t i = 0; i < context_.size(); ++i) {
      const std::string_view name = program.names[i];
      if (const auto found = given.find(name); found != given.end()) {
        context_[i] = found->second;
      } else if (const TemplateNative native = find_global(name)) {
        context_[i] =
            TemplateValue::object(heap.make<TemplateFunction>(name, native, TemplateValue()));
      }
    }
  }

  std::string run() {
    std::string text;
    out_ = &text;
    scope_ = heap_.make<Scope>(heap_, nullptr);
    run_block(program_.body);
    return text;
  }

  TemplateValue call_macro(const Macro& macro, const TemplateArguments& arguments);
  const std::string& name_of(NameId id) const { return program_.names[id]; }

  // The loop that calls itself: loop(children).
  TemplateValue recurse(TemplateLoop& loop, const TemplateValue& iterable) override;
  bool accepts(TemplateLoop& loop, const TemplateValue& item) override;

 private:
  // Opens a scope inside `outer` for its own lifetime.
  class ScopeGuard {
   public:
    ScopeGuard(Evaluator& evaluator, Scope* outer)
        : evaluator_(evaluator), saved_(evaluator.scope_) {
      evaluator_.scope_ = evaluator_.heap_.make<Scope>(evaluator_.heap_, outer);
    }
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;
    ~ScopeGuard() { evaluator_.scope_ = saved_; }

   private:
    Evaluator& evaluator_;
    Scope* saved_;
  };

  void write(std::string_view text) {
    written_bytes_ += static_cast<int64_t>(text.size());
    heap_.spend_bytes(text.size());
    if (written_bytes_ > heap_.limits().max_output_bytes) {
      heap_.fail(
          str("the template writes more than ", heap_.limits().max_output_bytes >> 20, " MiB"));
    }
    out_->append(text);
  }

  // What `work` writes, as a text of its own. (If it throws, the whole rendering ends.)
  template <class Work>
  TemplateValue captured(const Work& work) {
    std::string text;
    std::string* saved = std::exchange(out_, &text);
    work();
    out_ = saved;
    return make_text(heap_, text);
  }

  // Statements.

  Flow run_block(const Block& block);
  Flow run_scoped(const Block& block) {
    const ScopeGuard guard(*this, scope_);
    return run_block(block);
  }
  Flow run(const TextStatement& s) { return write(s.text), Flow::kNormal; }
  Flow run(const PrintStatement& s) {
    return write(text_of(heap_, evaluate(*s.value))), Flow::kNormal;
  }
  Flow run(const IfStatement& s);
  Flow run(const ForStatement& s) {
    return run_loop(s, evaluate(*s.iterable), {scope_, 0}), Flow::kNormal;
  }
  Flow run(const SetStatement& s) { return assign(s.target, evaluate(*s.value)), Flow::kNormal; }
  Flow run(const SetBlockStatement& s);
  Flow run(const MacroStatement& s) { return bind(s.name, make_macro(*s.macro)), Flow::kNormal; }
  Flow run(const CallStatement& s);
  Flow run(const FilterStatement& s);
  Flow run(const WithStatement& s);
  Flow run(const ScopeStatement& s) { return run_scoped(s.body); }
  Flow run(const BreakStatement& /*s*/) { return Flow::kBreak; }
  Flow run(const ContinueStatement& /*s*/) { return Flow::kContinue; }

  struct LoopPlace {
    Scope* outer;
    int depth;
  };
  void run_loop(const ForStatement& s, const TemplateValue& iterable, LoopPlace place);

  // Variables.

  TemplateValue look_up(NameId name) const;
  // A scope or a call with many names is walked over in search of one.
  void spend_names(size_t names) const {
    constexpr size_t kFew = 16;
    if (names >= kFew) heap_.spend_items(names);
  }
  void bind(NameId name, const TemplateValue& value);
  void assign(const AssignmentTarget& target, const TemplateValue& value);
  TemplateValue make_macro(const MacroDefinition& definition);
  void bind_macro_arguments(const Macro& macro, const TemplateArguments& arguments);
  void bind_extra_arguments(const Macro& macro, const TemplateArguments& arguments,
                            TemplateDict& left_over);

  // Expressions.

  TemplateValue evaluate(const Expression& expression);
  TemplateValue value_of(const LiteralExpression& e);
  TemplateValue value_of(const NameExpression& e) { return look_up(e.name); }
  TemplateValue value_of(const NotExpression& e) {
    return TemplateValue::boolean(!is_true(evaluate(*e.operand)));
  }
  TemplateValue value_of(const SignExpression& e) {
    const TemplateValue operand = evaluate(*e.operand);
    return e.minus ? negated(heap_, operand) : unary_plus(heap_, operand);
  }
  TemplateValue value_of(const BinaryExpression& e) {
    const TemplateValue left = evaluate(*e.left);
    return apply(heap_, e.op, left, evaluate(*e.right));
  }
  TemplateValue value_of(const LogicExpression& e) {
    const TemplateValue left = evaluate(*e.left);
    return is_true(left) == e.is_and ? evaluate(*e.right) : left;
  }
  TemplateValue value_of(const CompareExpression& e);
  TemplateValue value_of(const ConcatExpression& e);
  TemplateValue value_of(const ConditionalExpression& e);
  TemplateValue value_of(const SequenceExpression& e);
  TemplateValue value_of(const DictExpression& e);
  TemplateValue value_of(const AttributeExpression& e) {
    return attribute_of(heap_, evaluate(*e.object), e.name);
  }
  TemplateValue value_of(const ItemExpression& e) {
    const TemplateValue object = evaluate(*e.object);
    return item_of(heap_, object, evaluate(*e.key));
  }
  TemplateValue value_of(const SliceExpression& e);
  TemplateValue value_of(const CallExpression& e) {
    const TemplateValue callee = evaluate(*e.callee);
    const EvaluatedArguments arguments = evaluate(e.arguments);
    return call_value(heap_, callee, arguments.view());
  }
  TemplateValue value_of(const FilterExpression& e);
  TemplateValue value_of(const TestExpression& e);

  EvaluatedArguments evaluate(const CallArguments& arguments);
  void add_starred(const CallArguments& arguments, EvaluatedArguments& result);
  std::optional<int64_t> slice_bound(const ExpressionPtr& bound);

  const TemplateProgram& program_;
  TemplateHeap& heap_;
  std::vector<std::optional<TemplateValue>> context_;  // by NameId
  Scope* scope_ = nullptr;
  std::string* out_ = nullptr;
  TemplateValue block_text_;  // what the filter of a filter or set block begins with
  int64_t written_bytes_ = 0;
};

TemplateValue Macro::call(TemplateHeap& /*heap*/, const TemplateArguments& arguments) {
  return evaluator_.call_macro(*this, arguments);
}

std::optional<TemplateValue> Macro::attribute(TemplateHeap& heap, std::string_view name) {
  if (name == "name") return TemplateValue::text(definition.name);
  if (name == "catch_varargs") return TemplateValue::boolean(definition.uses_varargs);
  if (name == "catch_kwargs") return TemplateValue::boolean(definition.uses_kwargs);
  if (name == "caller") return TemplateValue::boolean(definition.uses_caller);
  if (name != "arguments") return std::nullopt;
  TemplateValues names(heap.memory());
  for (const auto& parameter : definition.parameters) {
    names.push_back(TemplateValue::text(evaluator_.name_of(parameter.first)));
  }
  return make_sequence(heap, SequenceType::kTuple, std::move(names));
}

std::string Macro::repr(TemplateHeap& /*heap*/) {
  return str("<Macro '", definition.name, "'>");
}

Flow Evaluator::run_block(const Block& block) {
  for (const Statement& statement : block) {
    const TemplateHeap::Level level(heap_);
    heap_.spend(1);
    heap_.set_line(statement.line);
    const Flow flow = std::visit([this](const auto& node) { return run(node); }, statement.node);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Flow Evaluator::run(const IfStatement& s) {
  for (const auto& [condition, body] : s.branches) {
    if (is_true(evaluate(*condition))) return run_block(body);
  }
  return run_block(s.otherwise);
}

Flow Evaluator::run(const SetBlockStatement& s) {
  TemplateValue text = captured([&] { run_scoped(s.body); });
  if (s.filter) {
    block_text_ = text;
    text = evaluate(*s.filter);
  }
  assign(s.target, text);
  return Flow::kNormal;
}

Flow Evaluator::run(const CallStatement& s) {
  const auto& call = std::get<CallExpression>(s.call->node);
  const TemplateValue callee = evaluate(*call.callee);
  EvaluatedArguments arguments = evaluate(call.arguments);
  arguments.named.push_back({"caller", make_macro(*s.caller)});
  write(text_of(heap_, call_value(heap_, callee, arguments.view())));
  return Flow::kNormal;
}

Flow Evaluator::run(const FilterStatement& s) {
  block_text_ = captured([&] { run_scoped(s.body); });
  write(text_of(heap_, evaluate(*s.filter)));
  return Flow::kNormal;
}

Flow Evaluator::run(const WithStatement& s) {
  std::vector<TemplateValue> values;  // seen from outside the block
  values.reserve(s.values.size());
  for (const auto& value : s.values) values.push_back(evaluate(*value.second));
  const ScopeGuard guard(*this, scope_);
  for (size_t i = 0; i < values.size(); ++i) assign(s.values[i].first, values[i]);
  return run_block(s.body);
}

void Evaluator::run_loop(const ForStatement& s, const TemplateValue& iterable, LoopPlace place) {
  auto* loop = heap_.make<TemplateLoop>(*this, heap_, s, items_of(heap_, iterable));
  loop->place(place.outer, place.depth);
  const ScopeGuard guard(*this, place.outer);
  while (const TemplateValue* item = loop->advance(heap_)) {
    heap_.spend(1);
    if (scope_->captured) {
      scope_ = heap_.make<Scope>(heap_, place.outer);
    } else {
      scope_->variables.clear();
    }
    bind(program_.loop, TemplateValue::object(loop));
    assign(s.target, *item);
    if (run_block(s.body) == Flow::kBreak) return;
  }
  if (!loop->has_begun()) {
    const ScopeGuard else_guard(*this, place.outer);
    run_block(s.otherwise);
  }
}

TemplateValue Evaluator::recurse(TemplateLoop& loop, const TemplateValue& iterable) {
  const TemplateHeap::Level level(heap_);
  const int line = heap_.line();
  const TemplateValue text = captured([&] {
    run_loop(loop.statement(), iterable, {static_cast<Scope*>(loop.outer()), loop.depth() + 1});
  });
  heap_.set_line(line);
  return text;
}

bool Evaluator::accepts(TemplateLoop& loop, const TemplateValue& item) {
  const ScopeGuard guard(*this, static_cast<Scope*>(loop.outer()));
  assign(loop.statement().target, item);
  return is_true(evaluate(*loop.statement().condition));
}

TemplateValue Evaluator::look_up(NameId name) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    spend_names(scope->variables.size());
    for (const auto& [id, value] : scope->variables) {
      if (id == name) return value;
    }
  }
  if (context_[name]) return *context_[name];
  return TemplateValue::undefined_name(program_.names[name]);
}

void Evaluator::bind(NameId name, const TemplateValue& value) {
  spend_names(scope_->variables.size());
  for (auto& variable : scope_->variables) {
    if (variable.first == name) {
      variable.second = value;
      return;
    }
  }
  scope_->variables.emplace_back(name, value);
}

void Evaluator::assign(const AssignmentTarget& target, const TemplateValue& value) {
  if (target.attribute) {
    const TemplateValue object = look_up(target.name);
    auto* space = object.is(TemplateKind::kObject)
                      ? dynamic_cast<TemplateNamespace*>(&object.as_object())
                      : nullptr;
    if (space == nullptr) heap_.fail("cannot assign attribute on non-namespace object");
    return space->set(heap_, TemplateValue::text(*target.attribute), value);
  }
  if (!target.is_tuple) return bind(target.name, value);
  require_defined(heap_, value);
  const TemplateValues items = items_of(heap_, value);
  const size_t wanted = target.parts.size();
  if (items.size() > wanted) {
    heap_.fail(str("too many values to unpack (expected ", wanted, ")"));
  }
  if (items.size() < wanted) {
    heap_.fail(str("not enough values to unpack (expected ", wanted, ", got ", items.size(), ")"));
  }
  for (size_t i = 0; i < wanted; ++i) assign(target.parts[i], items[i]);
}

TemplateValue Evaluator::make_macro(const MacroDefinition& definition) {
  for (Scope* scope = scope_; scope != nullptr; scope = scope->parent) scope->captured = true;
  return TemplateValue::object(heap_.make<Macro>(*this, definition, scope_));
}

TemplateValue Evaluator::call_macro(const Macro& macro, const TemplateArguments& arguments) {
  const TemplateHeap::Level level(heap_);
  const int line = heap_.line();
  const ScopeGuard guard(*this, macro.scope);
  bind_macro_arguments(macro, arguments);
  const TemplateValue text = captured([&] { run_block(macro.definition.body); });
  heap_.set_line(line);
  return text;
}

const TemplateValue* find_named(const TemplateArguments& arguments, std::string_view name) {
  const auto found =
      std::find_if(arguments.named.begin(), arguments.named.end(),
                   [name](const NamedTemplateValue& argument) { return argument.name == name; });
  return found != arguments.named.end() ? &found->value : nullptr;
}

void Evaluator::bind_macro_arguments(const Macro& macro, const TemplateArguments& arguments) {
  const auto& parameters = macro.definition.parameters;
  const size_t num_positional = std::min(parameters.size(), arguments.positional.size());
  std::vector<std::string_view> taken;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const NameId name = parameters[i].first;
    const std::string& text = program_.names[name];
    spend_names(arguments.named.size());
    const TemplateValue* named = find_named(arguments, text);
    if (i < num_positional) {
      bind(name, arguments.positional[i]);
    } else if (named != nullptr) {
      taken.push_back(text);
      bind(name, *named);
    } else if (parameters[i].second) {
      bind(name, evaluate(*parameters[i].second));
    } else {
      bind(name, TemplateValue::undefined_because(
                     heap_.keep(str("parameter '", text, "' was not provided"))));
    }
  }
  TemplateDict left_over(heap_);
  for (const NamedTemplateValue& argument : arguments.named) {
    spend_names(taken.size());
    const bool is_taken = std::find(taken.begin(), taken.end(), argument.name) != taken.end();
    if (!is_taken) left_over.set(heap_, TemplateValue::text(argument.name), argument.value);
  }
  bind_extra_arguments(macro, arguments, left_over);
}

void Evaluator::bind_extra_arguments(const Macro& macro, const TemplateArguments& arguments,
                                     TemplateDict& left_over) {
  const MacroDefinition& definition = macro.definition;
  const bool own_caller = std::any_of(definition.parameters.begin(), definition.parameters.end(),
                                      [&](const auto& p) { return p.first == program_.caller; });
  const TemplateValue* caller = left_over.find(heap_, "caller");
  auto* named = heap_.make<TemplateDict>(heap_);
  for (const auto& [name, value] : left_over.entries()) {
    const bool is_caller = definition.uses_caller && !own_caller && name.as_text() == "caller";
    if (!is_caller) named->set(heap_, name, value);
  }
  if (definition.uses_caller && !own_caller) {
    bind(program_.caller,
         caller != nullptr ? *caller : TemplateValue::undefined_because("No caller defined"));
  }
  if (definition.uses_kwargs) {
    bind(program_.kwargs, TemplateValue::dict(named));
  } else if (named->size() != 0) {
    heap_.fail(str("macro '", definition.name, "' takes no keyword argument '",
                   named->entries()[0].first.as_text(), "'"));
  }
  const size_t wanted = definition.parameters.size(), given = arguments.positional.size();
  if (definition.uses_varargs) {
    TemplateValues extra(heap_.memory());
    for (size_t i = wanted; i < given; ++i) extra.push_back(arguments.positional[i]);
    bind(program_.varargs, make_sequence(heap_, SequenceType::kTuple, std::move(extra)));
  } else if (given > wanted) {
    heap_.fail(str("macro '", definition.name, "' takes not more than ", wanted, " argument(s)"));
  }
}

TemplateValue Evaluator::evaluate(const Expression& expression) {
  const TemplateHeap::Level level(heap_);
  heap_.spend(1);
  heap_.set_line(expression.line);
  return std::visit([this](const auto& node) { return value_of(node); }, expression.node);
}

TemplateValue Evaluator::value_of(const LiteralExpression& e) {
  switch (e.value.index()) {
    case 1: return TemplateValue::boolean(std::get<bool>(e.value));
    case 2: return TemplateValue::integer(std::get<int64_t>(e.value));
    case 3: return TemplateValue::real(std::get<double>(e.value));
    case 4: return TemplateValue::text(std::get<std::string>(e.value));
    default: return TemplateValue::none();
  }
}

TemplateValue Evaluator::value_of(const CompareExpression& e) {
  TemplateValue left = evaluate(*e.first);
  for (const auto& [op, expression] : e.rest) {
    const TemplateValue right = evaluate(*expression);
    if (!compare(heap_, op, left, right)) return TemplateValue::boolean(false);
    left = right;
  }
  return TemplateValue::boolean(true);
}

TemplateValue Evaluator::value_of(const ConcatExpression& e) {
  std::string_view text;
  for (const ExpressionPtr& part : e.parts) {
    text = heap_.join(text, text_of(heap_, evaluate(*part)));
  }
  return TemplateValue::text(text);
}

TemplateValue Evaluator::value_of(const ConditionalExpression& e) {
  if (is_true(evaluate(*e.condition))) return evaluate(*e.then);
  if (e.otherwise) return evaluate(*e.otherwise);
  return TemplateValue::undefined_because(
      "the inline if-expression evaluated to false and no else section was defined.");
}

TemplateValue Evaluator::value_of(const SequenceExpression& e) {
  TemplateValues items(heap_.memory());
  items.reserve(e.items.size());
  for (const ExpressionPtr& item : e.items) items.push_back(evaluate(*item));
  return make_sequence(heap_, e.tuple ? SequenceType::kTuple : SequenceType::kList,
                       std::move(items));
}

TemplateValue Evaluator::value_of(const DictExpression& e) {
  auto* dict = heap_.make<TemplateDict>(heap_);
  for (const auto& [key, value] : e.items) {
    const TemplateValue evaluated_key = evaluate(*key);
    dict->set(heap_, evaluated_key, evaluate(*value));
  }
  return TemplateValue::dict(dict);
}

std::optional<int64_t> Evaluator::slice_bound(const ExpressionPtr& bound) {
  if (!bound) return std::nullopt;
  const TemplateValue value = evaluate(*bound);
  if (value.is_none()) return std::nullopt;
  require_defined(heap_, value);
  if (!value.is_integral()) heap_.fail("slice indices must be integers or None");
  return value.as_integer();
}

TemplateValue Evaluator::value_of(const SliceExpression& e) {
  const TemplateValue object = evaluate(*e.object);
  TemplateSlice slice;
  slice.start = slice_bound(e.start);
  slice.stop = slice_bound(e.stop);
  slice.step = slice_bound(e.step);
  return slice_of(heap_, object, slice);
}

TemplateValue Evaluator::value_of(const FilterExpression& e) {
  const TemplateValue input = e.input ? evaluate(*e.input) : block_text_;
  if (e.native == nullptr) heap_.fail(str("No filter named '", e.name, "' found."));
  const EvaluatedArguments arguments = evaluate(e.arguments);
  return e.native(heap_, input, arguments.view());
}

TemplateValue Evaluator::value_of(const TestExpression& e) {
  const TemplateValue input = evaluate(*e.input);
  if (e.native == nullptr) heap_.fail(str("No test named '", e.name, "' found."));
  const EvaluatedArguments arguments = evaluate(e.arguments);
  return e.native(heap_, input, arguments.view());
}

EvaluatedArguments Evaluator::evaluate(const CallArguments& arguments) {
  EvaluatedArguments result;
  result.positional.reserve(arguments.positional.size());
  for (const ExpressionPtr& argument : arguments.positional) {
    result.positional.push_back(evaluate(*argument));
  }
  for (const auto& [name, value] : arguments.named) {
    result.named.push_back({name, evaluate(*value)});
  }
  add_starred(arguments, result);
  return result;
}

void Evaluator::add_starred(const CallArguments& arguments, EvaluatedArguments& result) {
  if (arguments.star) {
    const TemplateValues items = items_of(heap_, evaluate(*arguments.star));
    result.positional.insert(result.positional.end(), items.begin(), items.end());
  }
  if (!arguments.star_star) return;
  const TemplateValue named = evaluate(*arguments.star_star);
  require_defined(heap_, named);
  if (!named.is(TemplateKind::kDict)) heap_.fail("argument after ** must be a mapping");
  heap_.spend_items(named.as_dict().size());
  for (const auto& [name, value] : named.as_dict().entries()) {
    if (!name.is_text()) heap_.fail("keywords must be strings");
    result.named.push_back({name.as_text(), value});
  }
}

}  // namespace

std::string render_template(const TemplateProgram& program, TemplateHeap& heap,
                            std::span<const NamedTemplateValue> variables) {
  return Evaluator(program, heap, variables).run();
}

}  // namespace pagoda
