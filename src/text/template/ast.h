// The syntax tree of a template: plain data, made by the parser, read by the evaluator and by
// content_format().
//
// Thread rule: const after parsing; any thread may read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/template/operators.h"
#include "text/template/value.h"

namespace pagoda {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<const Expression>;
using Block = std::vector<Statement>;
using NameId = uint32_t;  // index of TemplateProgram::names

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, star_star;  // *list, **dict; may be null
};

struct LiteralExpression {
  std::variant<std::monostate, bool, int64_t, double, std::string> value;  // monostate: None
};
struct NameExpression {
  NameId name;
};
struct NotExpression {
  ExpressionPtr operand;
};
struct SignExpression {
  bool minus;
  ExpressionPtr operand;
};
struct BinaryExpression {
  BinaryOperator op;
  ExpressionPtr left, right;
};
struct LogicExpression {
  bool is_and;
  ExpressionPtr left, right;
};
struct CompareExpression {
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;  // a < b < c is two of them
};
struct ConcatExpression {
  std::vector<ExpressionPtr> parts;  // a ~ b ~ c
};
struct ConditionalExpression {
  ExpressionPtr condition, then, otherwise;  // otherwise may be null
};
struct SequenceExpression {
  bool tuple;
  std::vector<ExpressionPtr> items;
};
struct DictExpression {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
};
struct AttributeExpression {
  ExpressionPtr object;
  std::string name;
};
struct ItemExpression {
  ExpressionPtr object, key;
};
struct SliceExpression {
  ExpressionPtr object;
  ExpressionPtr start, stop, step;  // may be null
};
struct CallExpression {
  ExpressionPtr callee;
  CallArguments arguments;
};
struct FilterExpression {
  ExpressionPtr input;  // null: the text of a filter or set block
  std::string name;
  TemplateNative native;  // null: there is no such filter, which is an error when it is reached
  CallArguments arguments;
};
struct TestExpression {
  ExpressionPtr input;
  std::string name;
  TemplateNative native;
  CallArguments arguments;
};

struct Expression {
  int line;
  int depth;  // of this tree; at most kMaxTemplateNesting
  std::variant<LiteralExpression, NameExpression, NotExpression, SignExpression, BinaryExpression,
               LogicExpression, CompareExpression, ConcatExpression, ConditionalExpression,
               SequenceExpression, DictExpression, AttributeExpression, ItemExpression,
               SliceExpression, CallExpression, FilterExpression, TestExpression>
      node;
};

// Where a value goes: a name, (a, b), or namespace.attribute.
struct AssignmentTarget {
  NameId name = 0;
  std::optional<std::string> attribute;  // of the namespace `name`
  bool is_tuple = false;
  std::vector<AssignmentTarget> parts;  // of a tuple
};

struct TextStatement {
  std::string text;
};
struct PrintStatement {
  ExpressionPtr value;
};
struct IfStatement {
  std::vector<std::pair<ExpressionPtr, Block>> branches;  // if, elif ...
  Block otherwise;
};
struct ForStatement {
  AssignmentTarget target;
  ExpressionPtr iterable, condition;  // condition may be null
  bool recursive;
  Block body, otherwise;
};
struct SetStatement {
  AssignmentTarget target;
  ExpressionPtr value;
};
struct SetBlockStatement {
  AssignmentTarget target;
  ExpressionPtr filter;  // may be null
  Block body;
};
// What a macro and the body of a call block have in common.
struct MacroDefinition {
  std::string name;
  std::vector<std::pair<NameId, ExpressionPtr>> parameters;  // with default or null
  Block body;
  int line = 0;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};
struct MacroStatement {
  NameId name;
  std::unique_ptr<const MacroDefinition> macro;
};
struct CallStatement {
  ExpressionPtr call;  // a CallExpression
  std::unique_ptr<const MacroDefinition> caller;
};
struct FilterStatement {
  ExpressionPtr filter;
  Block body;
};
struct WithStatement {
  std::vector<std::pair<AssignmentTarget, ExpressionPtr>> values;
  Block body;
};
// generation blocks, which mark what the model itself has said: a scope of their own.
struct ScopeStatement {
  Block body;
};
struct BreakStatement {};
struct ContinueStatement {};

struct Statement {
  int line;
  std::variant<TextStatement, PrintStatement, IfStatement, ForStatement, SetStatement,
               SetBlockStatement, MacroStatement, CallStatement, FilterStatement, WithStatement,
               ScopeStatement, BreakStatement, ContinueStatement>
      node;
};

struct TemplateProgram {
  Block body;
  std::vector<std::string> names;  // every variable name of the template, once
  // Those that the evaluator itself binds; always among `names`.
  NameId loop = 0, caller = 0, varargs = 0, kwargs = 0;
};

}  // namespace pagoda
