#include "text/template/expression_parser.h"

#include "base/str.h"
#include "text/template/natives.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

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

}  // namespace

void TemplateExpressionParser::fail_nesting() const {
  fail(str("brackets, operators or blocks nest deeper than ", kMaxTemplateNesting, " levels"));
}

void TemplateExpressionParser::fail_expected(std::string_view what) const {
  fail(str("expected token '", what, "', got '", described(current()), "'"));
}

bool TemplateExpressionParser::at_tuple_end(Words ends) const {
  if (is(TokenType::kPrintEnd) || is(TokenType::kTagEnd) || is_operator(")")) return true;
  return is_any_name(ends);
}

ExpressionPtr TemplateExpressionParser::parse_tuple(bool with_conditional, Words ends,
                                                    bool in_brackets) {
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

ExpressionPtr TemplateExpressionParser::parse_expression(bool with_conditional) {
  const Nesting nesting(*this);
  return with_conditional ? parse_conditional() : parse_or();
}

ExpressionPtr TemplateExpressionParser::parse_conditional() {
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

ExpressionPtr TemplateExpressionParser::parse_or() {
  ExpressionPtr left = parse_and();
  while (is_name("or")) {
    const int operator_line = take().line;
    ExpressionPtr right = parse_and();
    const int depth = deeper(0, left, right);
    left = make(operator_line, LogicExpression{false, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr TemplateExpressionParser::parse_and() {
  ExpressionPtr left = parse_not();
  while (is_name("and")) {
    const int operator_line = take().line;
    ExpressionPtr right = parse_not();
    const int depth = deeper(0, left, right);
    left = make(operator_line, LogicExpression{true, std::move(left), std::move(right)}, depth);
  }
  return left;
}

ExpressionPtr TemplateExpressionParser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Nesting nesting(*this);
  const int operator_line = take().line;
  ExpressionPtr operand = parse_not();
  const int depth = deeper(0, operand);
  return make(operator_line, NotExpression{std::move(operand)}, depth);
}

std::optional<Comparison> TemplateExpressionParser::take_comparison() {
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

ExpressionPtr TemplateExpressionParser::parse_compare() {
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

ExpressionPtr TemplateExpressionParser::binary(int operator_line, BinaryOperator op,
                                               ExpressionPtr left, ExpressionPtr right) {
  const int depth = deeper(0, left, right);
  return make(operator_line, BinaryExpression{op, std::move(left), std::move(right)}, depth);
}

ExpressionPtr TemplateExpressionParser::parse_sum() {
  ExpressionPtr left = parse_concat();
  while (is_operator("+") || is_operator("-")) {
    const bool add = is_operator("+");
    const int operator_line = take().line;
    left = binary(operator_line, add ? BinaryOperator::kAdd : BinaryOperator::kSubtract,
                  std::move(left), parse_concat());
  }
  return left;
}

ExpressionPtr TemplateExpressionParser::parse_concat() {
  const int first_line = line();
  ConcatExpression concat;
  concat.parts.push_back(parse_product());
  while (take_operator("~")) concat.parts.push_back(parse_product());
  if (concat.parts.size() == 1) return std::move(concat.parts[0]);
  const int depth = depth_of(concat.parts);
  return make(first_line, std::move(concat), depth);
}

ExpressionPtr TemplateExpressionParser::parse_product() {
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

ExpressionPtr TemplateExpressionParser::parse_power() {
  ExpressionPtr left = parse_unary(true);
  while (is_operator("**")) {
    const int operator_line = take().line;
    left = binary(operator_line, BinaryOperator::kPower, std::move(left), parse_unary(true));
  }
  return left;
}

ExpressionPtr TemplateExpressionParser::parse_unary(bool with_filters) {
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

ExpressionPtr TemplateExpressionParser::parse_primary() {
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

ExpressionPtr TemplateExpressionParser::parse_name() {
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

ExpressionPtr TemplateExpressionParser::parse_string() {
  const int first_line = line();
  std::string text;
  while (is(TokenType::kString)) text += take().text;
  return make(first_line, LiteralExpression{std::move(text)}, 0);
}

ExpressionPtr TemplateExpressionParser::parse_number() {
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

ExpressionPtr TemplateExpressionParser::parse_list() {
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

ExpressionPtr TemplateExpressionParser::parse_dict() {
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

ExpressionPtr TemplateExpressionParser::parse_postfix(ExpressionPtr value) {
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

ExpressionPtr TemplateExpressionParser::parse_filters_and_tests(ExpressionPtr value) {
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

ExpressionPtr TemplateExpressionParser::parse_after_dot(ExpressionPtr value) {
  const int dot_line = take().line;
  const int depth = deeper(0, value);
  if (is(TokenType::kInteger)) {
    ExpressionPtr key = parse_number();
    return make(dot_line, ItemExpression{std::move(value), std::move(key)}, depth);
  }
  if (!is(TokenType::kName)) fail("expected name or number");
  return make(dot_line, AttributeExpression{std::move(value), take().text}, depth);
}

ExpressionPtr TemplateExpressionParser::parse_subscript(ExpressionPtr value) {
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

ExpressionPtr TemplateExpressionParser::parse_call(ExpressionPtr callee) {
  const int first_line = line();
  CallArguments arguments = parse_call_arguments();
  const int depth = deeper(depth_of(arguments), callee);
  return make(first_line, CallExpression{std::move(callee), std::move(arguments)}, depth);
}

CallArguments TemplateExpressionParser::parse_call_arguments() {
  expect_operator("(");
  CallArguments arguments;
  while (!is_operator(")")) {
    parse_call_argument(arguments);
    if (!is_operator(")")) expect_operator(",");
  }
  take();
  return arguments;
}

void TemplateExpressionParser::parse_call_argument(CallArguments& arguments) {
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

std::string TemplateExpressionParser::parse_dotted_name() {
  std::string name = take_any_name();
  while (take_operator(".")) name += str('.', take_any_name());
  return name;
}

// Behind the bar.
ExpressionPtr TemplateExpressionParser::parse_filter(ExpressionPtr input) {
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

ExpressionPtr TemplateExpressionParser::parse_filter_chain(ExpressionPtr input, bool bar_taken) {
  while (bar_taken || take_operator("|")) {
    bar_taken = false;
    input = parse_filter(std::move(input));
  }
  return input;
}

ExpressionPtr TemplateExpressionParser::parse_test(ExpressionPtr input) {
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

}  // namespace pagoda
