#include "text/template_parser.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include "base/str.h"
#include "text/template_lexer.h"
#include "text/template_natives.h"
#include "text/template_text.h"

namespace pagoda {
namespace {

using Words = std::initializer_list<std::string_view>;

std::string described(const TemplateToken& token) {
  switch (token.type) {
    case TokenType::kText: return "template data";
    case TokenType::kPrintBegin: return "begin of print statement";
    case TokenType::kPrintEnd: return "end of print statement";
    case TokenType::kTagBegin: return "begin of statement block";
    case TokenType::kTagEnd: return "end of statement block";
    case TokenType::kEnd: return "end of template";
    default: return token.text;
  }
}

int deeper(int depth) {
  return depth;
}

template <class... More>
int deeper(int depth, const ExpressionPtr& expression, const More&... more) {
  return deeper(expression ? std::max(depth, expression->depth) : depth, more...);
}

int depth_of(const std::vector<ExpressionPtr>& expressions) {
  int depth = 0;
  for (const ExpressionPtr& expression : expressions) depth = deeper(depth, expression);
  return depth;
}

int depth_of(const CallArguments& arguments) {
  int depth = deeper(depth_of(arguments.positional), arguments.star, arguments.star_star);
  for (const auto& [name, value] : arguments.named) depth = deeper(depth, value);
  return depth;
}

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(tokenize_template(source)) {}

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
  struct Unknown {
    int line;
    std::string message;
  };

  // One level of brackets, prefix operators or blocks.
  class Nesting {
   public:
    explicit Nesting(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxTemplateNesting) parser_.fail_nesting();
    }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --parser_.nesting_; }

   private:
    Parser& parser_;
  };

  // Tokens.

  const TemplateToken& current() const { return tokens_[at_]; }
  const TemplateToken& following() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const { return current().line; }

  TemplateToken take() {
    TemplateToken token = current();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool is(TokenType type) const { return current().type == type; }
  static bool matches(const TemplateToken& token, TokenType type, std::string_view text) {
    return token.type == type && token.text == text;
  }
  bool is_name(std::string_view text) const { return matches(current(), TokenType::kName, text); }
  bool is_operator(std::string_view text) const {
    return matches(current(), TokenType::kOperator, text);
  }
  bool take_name(std::string_view text) { return is_name(text) && (take(), true); }
  bool take_operator(std::string_view text) { return is_operator(text) && (take(), true); }

  [[noreturn]] void fail(std::string_view reason) const { fail_template_syntax(line(), reason); }
  [[noreturn]] void fail_nesting() const {
    fail(str("brackets, operators or blocks nest deeper than ", kMaxTemplateNesting, " levels"));
  }
  [[noreturn]] void fail_expected(std::string_view what) const {
    fail(str("expected token '", what, "', got '", described(current()), "'"));
  }
  void expect_operator(std::string_view text) {
    if (!take_operator(text)) fail_expected(text);
  }
  void expect_name(std::string_view text) {
    if (!take_name(text)) fail_expected(text);
  }
  void expect(TokenType type, std::string_view what) {
    if (!is(type)) fail_expected(what);
    take();
  }
  std::string take_any_name() {
    if (!is(TokenType::kName)) fail_expected("name");
    return take().text;
  }

  NameId intern(const std::string& name) {
    const auto [found, is_new] = ids_.try_emplace(name, static_cast<NameId>(names_.size()));
    if (is_new) names_.push_back(name);
    return found->second;
  }

  template <class Node>
  ExpressionPtr make(int line, Node node, int depth_below) const {
    if (depth_below >= kMaxTemplateNesting) fail_nesting();
    return std::make_unique<const Expression>(Expression{line, depth_below + 1, std::move(node)});
  }

  // Statements.

  Block parse_block(Words ends);
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

  // Expressions, loosest first.

  ExpressionPtr parse_tuple(bool with_conditional, Words ends = {}, bool in_brackets = false);
  bool at_tuple_end(Words ends) const;
  ExpressionPtr parse_expression(bool with_conditional = true);
  ExpressionPtr parse_conditional();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_compare();
  std::optional<Comparison> take_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filters);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_name();
  ExpressionPtr parse_string();
  ExpressionPtr parse_number();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  ExpressionPtr parse_postfix(ExpressionPtr value);
  ExpressionPtr parse_filters_and_tests(ExpressionPtr value);
  ExpressionPtr parse_after_dot(ExpressionPtr value);
  ExpressionPtr parse_subscript(ExpressionPtr value);
  ExpressionPtr parse_call(ExpressionPtr callee);
  CallArguments parse_call_arguments();
  void parse_call_argument(CallArguments& arguments);
  ExpressionPtr parse_filter(ExpressionPtr input);
  ExpressionPtr parse_filter_chain(ExpressionPtr input, bool bar_taken);
  ExpressionPtr parse_test(ExpressionPtr input);
  std::string parse_dotted_name();
  ExpressionPtr binary(int line, BinaryOperator op, ExpressionPtr left, ExpressionPtr right);

  std::vector<TemplateToken> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  std::vector<std::string> names_;
  std::map<std::string, NameId, std::less<>> ids_;
  std::vector<std::string_view> open_tags_;
  std::vector<MacroDefinition*> macros_;  // being parsed, outermost first
  // Filters and tests that do not exist. Inside an if they may stand: Jinja2 compiles them too, so
  // that a template can ask "if 'x' is filter".
  std::vector<Unknown> unknown_;
};

Block Parser::parse_block(Words ends) {
  const Nesting nesting(*this);
  Block block;
  while (!is(TokenType::kEnd)) {
    const int first_line = line();
    if (is(TokenType::kText)) {
      block.push_back({first_line, TextStatement{take().text}});
    } else if (is(TokenType::kPrintBegin)) {
      take();
      ExpressionPtr value = parse_tuple(true);
      expect(TokenType::kPrintEnd, "end of print statement");
      block.push_back({first_line, PrintStatement{std::move(value)}});
    } else {
      take();
      const bool at_end = std::any_of(ends.begin(), ends.end(),
                                      [this](std::string_view end) { return is_name(end); });
      if (at_end) return block;
      parse_tag(block);
      expect(TokenType::kTagEnd, "end of statement block");
    }
  }
  if (ends.size() != 0) {
    std::string wanted;
    for (const std::string_view end : ends) wanted += str(wanted.empty() ? "'" : " or '", end, "'");
    fail(str("Unexpected end of template. Jinja was looking for the following tags: ", wanted,
             ". The innermost block that needs to be closed is '", open_tags_.back(), "'."));
  }
  return block;
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

bool Parser::at_tuple_end(Words ends) const {
  if (is(TokenType::kPrintEnd) || is(TokenType::kTagEnd) || is_operator(")")) return true;
  return std::any_of(ends.begin(), ends.end(),
                     [this](std::string_view end) { return is_name(end); });
}

ExpressionPtr Parser::parse_tuple(bool with_conditional, Words ends, bool in_brackets) {
  const int first_line = line();
  SequenceExpression tuple{true, {}};
  bool comma = false;
  while (!at_tuple_end(ends)) {
    tuple.items.push_back(parse_expression(with_conditional));
    if (!take_operator(",")) break;
    comma = true;
  }
  if (!comma && !tuple.items.empty()) return std::move(tuple.items[0]);
  if (!comma && !in_brackets) {
    fail(str("Expected an expression, got '", described(current()), "'"));
  }
  const int depth = depth_of(tuple.items);
  return make(first_line, std::move(tuple), depth);
}

ExpressionPtr Parser::parse_expression(bool with_conditional) {
  const Nesting nesting(*this);
  return with_conditional ? parse_conditional() : parse_or();
}

ExpressionPtr Parser::parse_conditional() {
  const Nesting nesting(*this);
  const size_t unknown_before = unknown_.size();
  const int first_line = line();
  ExpressionPtr value = parse_or();
  while (take_name("if")) {
    ExpressionPtr condition = parse_or();
    ExpressionPtr otherwise = take_name("else") ? parse_conditional() : nullptr;
    const int depth = deeper(0, value, condition, otherwise);
    value = make(
        first_line,
        ConditionalExpression{std::move(condition), std::move(value), std::move(otherwise)}, depth);
    unknown_.resize(unknown_before);
  }
  return value;
}

ExpressionPtr Parser::parse_or() {
  ExpressionPtr left = parse_and();
  while (is_name("or")) {
    const int operator_line = take().line;
    ExpressionPtr right = parse_and();
    const int depth = deeper(0, left, right);
    left = make(operator_line, LogicExpression{false, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr Parser::parse_and() {
  ExpressionPtr left = parse_not();
  while (is_name("and")) {
    const int operator_line = take().line;
    ExpressionPtr right = parse_not();
    const int depth = deeper(0, left, right);
    left = make(operator_line, LogicExpression{true, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr Parser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Nesting nesting(*this);
  const int operator_line = take().line;
  ExpressionPtr operand = parse_not();
  const int depth = deeper(0, operand);
  return make(operator_line, NotExpression{std::move(operand)}, depth);
}

std::optional<Comparison> Parser::take_comparison() {
  constexpr std::pair<std::string_view, Comparison> kOperators[] = {
      {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual}};
  for (const auto& [text, comparison] : kOperators) {
    if (take_operator(text)) return comparison;
  }
  if (take_name("in")) return Comparison::kIn;
  if (is_name("not") && matches(following(), TokenType::kName, "in")) {
    take();
    take();
    return Comparison::kNotIn;
  }
  return std::nullopt;
}

ExpressionPtr Parser::parse_compare() {
  const int first_line = line();
  ExpressionPtr first = parse_sum();
  CompareExpression compare;
  int depth = deeper(0, first);
  while (const std::optional<Comparison> comparison = take_comparison()) {
    compare.rest.emplace_back(*comparison, parse_sum());
    depth = deeper(depth, compare.rest.back().second);
  }
  if (compare.rest.empty()) return first;
  compare.first = std::move(first);
  return make(first_line, std::move(compare), depth);
}

ExpressionPtr Parser::binary(int operator_line, BinaryOperator op, ExpressionPtr left,
                             ExpressionPtr right) {
  const int depth = deeper(0, left, right);
  return make(operator_line, BinaryExpression{op, std::move(left), std::move(right)}, depth);
}

ExpressionPtr Parser::parse_sum() {
  ExpressionPtr left = parse_concat();
  while (is_operator("+") || is_operator("-")) {
    const bool add = is_operator("+");
    const int operator_line = take().line;
    left = binary(operator_line, add ? BinaryOperator::kAdd : BinaryOperator::kSubtract,
                  std::move(left), parse_concat());
  }
  return left;
}

ExpressionPtr Parser::parse_concat() {
  const int first_line = line();
  ConcatExpression concat;
  concat.parts.push_back(parse_product());
  while (take_operator("~")) concat.parts.push_back(parse_product());
  if (concat.parts.size() == 1) return std::move(concat.parts[0]);
  const int depth = depth_of(concat.parts);
  return make(first_line, std::move(concat), depth);
}

ExpressionPtr Parser::parse_product() {
  constexpr std::pair<std::string_view, BinaryOperator> kOperators[] = {
      {"*", BinaryOperator::kMultiply},
      {"/", BinaryOperator::kDivide},
      {"//", BinaryOperator::kFloorDivide},
      {"%", BinaryOperator::kModulo}};
  ExpressionPtr left = parse_power();
  while (true) {
    const auto* found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                     [this](const auto& row) { return is_operator(row.first); });
    if (found == std::end(kOperators)) return left;
    const int operator_line = take().line;
    left = binary(operator_line, found->second, std::move(left), parse_power());
  }
}

ExpressionPtr Parser::parse_power() {
  ExpressionPtr left = parse_unary(true);
  while (is_operator("**")) {
    const int operator_line = take().line;
    left = binary(operator_line, BinaryOperator::kPower, std::move(left), parse_unary(true));
  }
  return left;
}

ExpressionPtr Parser::parse_unary(bool with_filters) {
  const Nesting nesting(*this);
  ExpressionPtr value;
  if (is_operator("-") || is_operator("+")) {
    const bool minus = is_operator("-");
    const int operator_line = take().line;
    ExpressionPtr operand = parse_unary(false);
    const int depth = deeper(0, operand);
    value = make(operator_line, SignExpression{minus, std::move(operand)}, depth);
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPtr Parser::parse_primary() {
  switch (current().type) {
    case TokenType::kName: return parse_name();
    case TokenType::kString: return parse_string();
    case TokenType::kInteger:
    case TokenType::kFloat: return parse_number();
    default: break;
  }
  if (take_operator("(")) {
    ExpressionPtr value = parse_tuple(true, {}, true);
    expect_operator(")");
    return value;
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  fail(str("unexpected '", described(current()), "'"));
}

ExpressionPtr Parser::parse_name() {
  const TemplateToken token = take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return make(token.line, LiteralExpression{true}, 0);
  if (name == "false" || name == "False") return make(token.line, LiteralExpression{false}, 0);
  if (name == "none" || name == "None") return make(token.line, LiteralExpression{}, 0);
  for (MacroDefinition* macro : macros_) {
    macro->uses_varargs |= name == "varargs";
    macro->uses_kwargs |= name == "kwargs";
    macro->uses_caller |= name == "caller";
  }
  return make(token.line, NameExpression{intern(name)}, 0);
}

ExpressionPtr Parser::parse_string() {
  const int first_line = line();
  std::string text;
  while (is(TokenType::kString)) text += take().text;
  return make(first_line, LiteralExpression{std::move(text)}, 0);
}

ExpressionPtr Parser::parse_number() {
  const TemplateToken token = take();
  if (token.type == TokenType::kFloat) {
    return make(token.line, LiteralExpression{parse_real(token.text).value_or(0)}, 0);
  }
  const std::optional<int64_t> value = parse_integer(token.text, 0);
  if (!value) {
    fail_template_syntax(token.line, str("the integer ", token.text, " does not fit into 64 bits"));
  }
  return make(token.line, LiteralExpression{*value}, 0);
}

ExpressionPtr Parser::parse_list() {
  const int first_line = take().line;
  SequenceExpression list{false, {}};
  while (!is_operator("]")) {
    list.items.push_back(parse_expression());
    if (!is_operator("]")) expect_operator(",");
  }
  take();
  const int depth = depth_of(list.items);
  return make(first_line, std::move(list), depth);
}

ExpressionPtr Parser::parse_dict() {
  const int first_line = take().line;
  DictExpression dict;
  int depth = 0;
  while (!is_operator("}")) {
    ExpressionPtr key = parse_expression();
    expect_operator(":");
    ExpressionPtr value = parse_expression();
    depth = deeper(depth, key, value);
    dict.items.emplace_back(std::move(key), std::move(value));
    if (!is_operator("}")) expect_operator(",");
  }
  take();
  return make(first_line, std::move(dict), depth);
}

ExpressionPtr Parser::parse_postfix(ExpressionPtr value) {
  while (true) {
    if (is_operator(".")) {
      value = parse_after_dot(std::move(value));
    } else if (is_operator("[")) {
      value = parse_subscript(std::move(value));
    } else if (is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr Parser::parse_filters_and_tests(ExpressionPtr value) {
  while (true) {
    if (take_operator("|")) {
      value = parse_filter(std::move(value));
    } else if (is_name("is")) {
      value = parse_test(std::move(value));
    } else if (is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr Parser::parse_after_dot(ExpressionPtr value) {
  const int dot_line = take().line;
  const int depth = deeper(0, value);
  if (is(TokenType::kInteger)) {
    ExpressionPtr key = parse_number();
    return make(dot_line, ItemExpression{std::move(value), std::move(key)}, depth);
  }
  if (!is(TokenType::kName)) fail("expected name or number");
  return make(dot_line, AttributeExpression{std::move(value), take().text}, depth);
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr value) {
  const int first_line = take().line;
  const auto at_end = [this] { return is_operator(":") || is_operator("]"); };
  const auto bound = [&]() { return at_end() ? nullptr : parse_expression(); };
  ExpressionPtr key = bound();
  if (is_operator(",")) {
    SequenceExpression tuple{true, {}};
    tuple.items.push_back(std::move(key));
    while (take_operator(",")) tuple.items.push_back(parse_expression());
    const int tuple_depth = depth_of(tuple.items);
    key = make(first_line, std::move(tuple), tuple_depth);
  }
  if (!is_operator(":")) {
    if (!key) fail("Expected an expression, got ']'");
    expect_operator("]");
    const int depth = deeper(0, value, key);
    return make(first_line, ItemExpression{std::move(value), std::move(key)}, depth);
  }
  take();
  ExpressionPtr stop = bound();
  ExpressionPtr step = take_operator(":") ? bound() : nullptr;
  expect_operator("]");
  const int depth = deeper(0, value, key, stop, step);
  return make(first_line,
              SliceExpression{std::move(value), std::move(key), std::move(stop), std::move(step)},
              depth);
}

ExpressionPtr Parser::parse_call(ExpressionPtr callee) {
  const int first_line = line();
  CallArguments arguments = parse_call_arguments();
  const int depth = deeper(depth_of(arguments), callee);
  return make(first_line, CallExpression{std::move(callee), std::move(arguments)}, depth);
}

CallArguments Parser::parse_call_arguments() {
  expect_operator("(");
  CallArguments arguments;
  while (!is_operator(")")) {
    parse_call_argument(arguments);
    if (!is_operator(")")) expect_operator(",");
  }
  take();
  return arguments;
}

void Parser::parse_call_argument(CallArguments& arguments) {
  const auto ensure = [this](bool in_order) {
    if (!in_order) fail("invalid syntax for function call expression");
  };
  if (take_operator("*")) {
    ensure(!arguments.star && !arguments.star_star);
    arguments.star = parse_expression();
  } else if (take_operator("**")) {
    ensure(!arguments.star_star);
    arguments.star_star = parse_expression();
  } else if (is(TokenType::kName) && matches(following(), TokenType::kOperator, "=")) {
    ensure(!arguments.star_star);
    std::string name = take().text;
    take();
    for (const auto& argument : arguments.named) {
      if (argument.first == name) fail(str("keyword argument repeated: ", name));
    }
    arguments.named.emplace_back(std::move(name), parse_expression());
  } else {
    ensure(!arguments.star && !arguments.star_star && arguments.named.empty());
    arguments.positional.push_back(parse_expression());
  }
}

std::string Parser::parse_dotted_name() {
  std::string name = take_any_name();
  while (take_operator(".")) name += str('.', take_any_name());
  return name;
}

// Behind the bar.
ExpressionPtr Parser::parse_filter(ExpressionPtr input) {
  const int first_line = line();
  FilterExpression filter{std::move(input), parse_dotted_name(), nullptr, {}};
  filter.native = find_filter(filter.name);
  if (filter.native == nullptr) {
    unknown_.push_back({first_line, str("No filter named '", filter.name, "'.")});
  }
  if (is_operator("(")) filter.arguments = parse_call_arguments();
  const int depth = deeper(depth_of(filter.arguments), filter.input);
  return make(first_line, std::move(filter), depth);
}

ExpressionPtr Parser::parse_filter_chain(ExpressionPtr input, bool bar_taken) {
  while (bar_taken || take_operator("|")) {
    bar_taken = false;
    input = parse_filter(std::move(input));
  }
  return input;
}

ExpressionPtr Parser::parse_test(ExpressionPtr input) {
  take();
  const bool negated = take_name("not");
  const int first_line = line();
  TestExpression test{std::move(input), parse_dotted_name(), nullptr, {}};
  test.native = find_test(test.name);
  if (test.native == nullptr) {
    unknown_.push_back({first_line, str("No test named '", test.name, "'.")});
  }
  const bool literal = is(TokenType::kString) || is(TokenType::kInteger) || is(TokenType::kFloat);
  const bool name = is(TokenType::kName) && !is_name("else") && !is_name("or") && !is_name("and");
  if (is_operator("(")) {
    test.arguments = parse_call_arguments();
  } else if (literal || name || is_operator("[") || is_operator("{")) {
    if (is_name("is")) fail("You cannot chain multiple tests with is");
    test.arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  const int depth = deeper(depth_of(test.arguments), test.input);
  ExpressionPtr result = make(first_line, std::move(test), depth);
  if (!negated) return result;
  return make(first_line, NotExpression{std::move(result)}, depth + 1);
}

}  // namespace

std::unique_ptr<const TemplateProgram> parse_template(std::string_view source) {
  return Parser(source).run();
}

}  // namespace pagoda
