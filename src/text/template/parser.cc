#include "text/template/parser.h"

#include <algorithm>

#include "base/error.h"
#include "base/str.h"
#include "text/template/expression_parser.h"
#include "text/template/limits.h"

namespace pagoda {
namespace {

class Parser : private TemplateExpressionParser {
 public:
  using TemplateExpressionParser::TemplateExpressionParser;

  std::unique_ptr<const TemplateProgram> run() {
    auto program = std::make_unique<TemplateProgram>();
    program->loop = intern("loop");
    program->caller = intern("caller");
    program->varargs = intern("varargs");
    program->kwargs = intern("kwargs");
    program->body = parse_block({});
    if (!unknown_.empty()) fail_template_syntax(unknown_[0].line, unknown_[0].message);
    program->names = std::move(names_);
    return program;
  }

 private:
  // Statements.

  Block parse_block(Words ends);
  [[noreturn]] void fail_unclosed(Words ends) const;
  void parse_tag(Block& block);
  Block parse_body(Words ends);
  Block parse_whole_body(std::string_view end);
  IfStatement parse_if();
  ForStatement parse_for();
  void parse_set(Block& block, int tag_line);
  std::unique_ptr<MacroDefinition> parse_macro_body(std::string name, std::string_view end,
                                                    bool with_signature);
  void parse_signature(MacroDefinition& macro);
  MacroStatement parse_macro();
  CallStatement parse_call_block();
  FilterStatement parse_filter_block();
  WithStatement parse_with();
  void parse_print(Block& block);
  AssignmentTarget parse_target(Words ends, bool with_namespace);
  AssignmentTarget parse_target_part();
  std::string parse_target_name();

  std::vector<std::string_view> open_tags_;
};

Block Parser::parse_block(Words ends) {
  const Nesting nesting(*this);
  Block block;
  while (!is(TokenType::kEnd)) {
    const int first_line = line();
    if (is(TokenType::kText)) {
      block.push_back({first_line, TextStatement{take().text}});
      continue;
    }
    if (is(TokenType::kPrintBegin)) {
      take();
      ExpressionPtr value = parse_tuple(true);
      expect(TokenType::kPrintEnd, "end of print statement");
      block.push_back({first_line, PrintStatement{std::move(value)}});
      continue;
    }
    take();
    if (is_any_name(ends)) return block;
    parse_tag(block);
    expect(TokenType::kTagEnd, "end of statement block");
  }
  if (ends.size() != 0) fail_unclosed(ends);
  return block;
}

void Parser::fail_unclosed(Words ends) const {
  std::string wanted;
  for (const std::string_view end : ends) wanted += str(wanted.empty() ? "'" : " or '", end, "'");
  fail(str("Unexpected end of template. Jinja was looking for the following tags: ", wanted,
           ". The innermost block that needs to be closed is '", open_tags_.back(), "'."));
}

void Parser::parse_tag(Block& block) {
  constexpr std::string_view kInheritance[] = {"include", "import", "from",
                                               "extends", "block",  "autoescape"};
  if (!is(TokenType::kName)) fail("tag name expected");
  const int tag_line = line();
  const std::string& tag = current().text;
  open_tags_.push_back(tag);
  const auto add = [&](auto node) { block.push_back({tag_line, std::move(node)}); };
  if (tag == "if") {
    add(parse_if());
  } else if (tag == "for") {
    add(parse_for());
  } else if (tag == "set") {
    parse_set(block, tag_line);
  } else if (tag == "macro") {
    add(parse_macro());
  } else if (tag == "call") {
    add(parse_call_block());
  } else if (tag == "filter") {
    add(parse_filter_block());
  } else if (tag == "with") {
    add(parse_with());
  } else if (tag == "print") {
    parse_print(block);
  } else if (tag == "generation") {
    take();
    add(ScopeStatement{parse_whole_body("endgeneration")});
  } else if (take_name("break")) {
    add(BreakStatement{});
  } else if (take_name("continue")) {
    add(ContinueStatement{});
  } else if (std::find(std::begin(kInheritance), std::end(kInheritance), tag) !=
             std::end(kInheritance)) {
    fail(str("'", tag, "' is not supported: a chat template is one file, without parents"));
  } else {
    fail(str("Encountered unknown tag '", tag, "'."));
  }
  open_tags_.pop_back();
}

// From behind the tag's expressions to its end tag, which is not taken.
Block Parser::parse_body(Words ends) {
  take_operator(":");
  expect(TokenType::kTagEnd, "end of statement block");
  return parse_block(ends);
}

Block Parser::parse_whole_body(std::string_view end) {
  Block body = parse_body({end});
  take();
  return body;
}

IfStatement Parser::parse_if() {
  const size_t unknown_before = unknown_.size();
  IfStatement result;
  do {
    take();  // if, elif
    ExpressionPtr condition = parse_tuple(false);
    Block body = parse_body({"elif", "else", "endif"});
    result.branches.emplace_back(std::move(condition), std::move(body));
  } while (is_name("elif"));
  if (take_name("else")) result.otherwise = parse_body({"endif"});
  take();
  unknown_.resize(unknown_before);
  return result;
}

ForStatement Parser::parse_for() {
  take();
  ForStatement result{};
  result.target = parse_target({"in"}, false);
  if (!result.target.is_tuple && names_[result.target.name] == "loop") {
    fail("can't assign to special loop variable in for-loop");
  }
  expect_name("in");
  result.iterable = parse_tuple(false, {"recursive"});
  if (take_name("if")) result.condition = parse_expression();
  result.recursive = take_name("recursive");
  result.body = parse_body({"endfor", "else"});
  if (take_name("else")) {
    result.otherwise = parse_whole_body("endfor");
  } else {
    take();
  }
  return result;
}

void Parser::parse_set(Block& block, int tag_line) {
  take();
  AssignmentTarget target = parse_target({}, true);
  if (take_operator("=")) {
    ExpressionPtr value = parse_tuple(true);
    block.push_back({tag_line, SetStatement{std::move(target), std::move(value)}});
    return;
  }
  ExpressionPtr filter = parse_filter_chain(nullptr, false);
  Block body = parse_whole_body("endset");
  block.push_back(
      {tag_line, SetBlockStatement{std::move(target), std::move(filter), std::move(body)}});
}

void Parser::parse_signature(MacroDefinition& macro) {
  expect_operator("(");
  while (!is_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    const NameId name = intern(parse_target_name());
    ExpressionPtr fallback;
    if (take_operator("=")) {
      fallback = parse_expression();
    } else if (!macro.parameters.empty() && macro.parameters.back().second) {
      fail("non-default argument follows default argument");
    }
    macro.parameters.emplace_back(name, std::move(fallback));
  }
  expect_operator(")");
}

std::unique_ptr<MacroDefinition> Parser::parse_macro_body(std::string name, std::string_view end,
                                                          bool with_signature) {
  auto macro = std::make_unique<MacroDefinition>();
  macro->name = std::move(name);
  macro->line = line();
  if (with_signature) parse_signature(*macro);
  macros_.push_back(macro.get());
  macro->body = parse_whole_body(end);
  macros_.pop_back();
  return macro;
}

MacroStatement Parser::parse_macro() {
  take();
  const std::string name = parse_target_name();
  return {intern(name), parse_macro_body(name, "endmacro", true)};
}

CallStatement Parser::parse_call_block() {
  take();
  // The signature of the caller stands before the call, its body behind it.
  MacroDefinition signature;
  if (is_operator("(")) parse_signature(signature);
  ExpressionPtr call = parse_expression();
  if (!std::holds_alternative<CallExpression>(call->node)) fail("expected call");
  std::unique_ptr<MacroDefinition> caller = parse_macro_body("caller", "endcall", false);
  caller->parameters = std::move(signature.parameters);
  return {std::move(call), std::move(caller)};
}

FilterStatement Parser::parse_filter_block() {
  take();
  ExpressionPtr filter = parse_filter_chain(nullptr, true);
  return {std::move(filter), parse_whole_body("endfilter")};
}

WithStatement Parser::parse_with() {
  take();
  WithStatement result;
  while (!is(TokenType::kTagEnd)) {
    if (!result.values.empty()) expect_operator(",");
    AssignmentTarget target = parse_target({}, false);
    expect_operator("=");
    result.values.emplace_back(std::move(target), parse_expression());
  }
  result.body = parse_whole_body("endwith");
  return result;
}

void Parser::parse_print(Block& block) {
  take();
  bool first = true;
  while (!is(TokenType::kTagEnd)) {
    if (!first) expect_operator(",");
    first = false;
    const int value_line = line();
    block.push_back({value_line, PrintStatement{parse_expression()}});
  }
}

std::string Parser::parse_target_name() {
  std::string name = take_any_name();
  for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
    if (name == constant) fail(str("can't assign to '", name, "'"));
  }
  return name;
}

AssignmentTarget Parser::parse_target_part() {
  const Nesting nesting(*this);
  AssignmentTarget target;
  if (take_operator("(")) {
    target = parse_target({}, false);
    expect_operator(")");
    return target;
  }
  target.name = intern(parse_target_name());
  return target;
}

AssignmentTarget Parser::parse_target(Words ends, bool with_namespace) {
  if (with_namespace && matches(following(), TokenType::kOperator, ".")) {
    AssignmentTarget target;
    target.name = intern(take_any_name());
    take();
    target.attribute = take_any_name();
    return target;
  }
  AssignmentTarget target = parse_target_part();
  if (!is_operator(",")) return target;
  AssignmentTarget tuple;
  tuple.is_tuple = true;
  tuple.parts.push_back(std::move(target));
  while (take_operator(",") && !at_tuple_end(ends) && !is_operator("=")) {
    tuple.parts.push_back(parse_target_part());
  }
  return tuple;
}

}  // namespace

std::unique_ptr<const TemplateProgram> parse_template(std::string_view source) {
  if (source.size() > kMaxTemplateBytes) {
    throw Error(ErrorKind::kConfig,
                str("the chat template has ", source.size(), " bytes, more than the ",
                    kMaxTemplateBytes, " that one may have; make it shorter"));
  }
  return Parser(source).run();
}

}  // namespace pagoda
