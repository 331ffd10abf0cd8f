// The tokens of a template and its expressions: the half of the parser that statements build on.
//
// Thread rule: one parse, on one thread.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/template/ast.h"
#include "text/template/lexer.h"
#include "text/template/limits.h"

namespace pagoda {

class TemplateExpressionParser {
 public:
  explicit TemplateExpressionParser(std::string_view source) : tokens_(tokenize_template(source)) {}

 protected:
  using Words = std::initializer_list<std::string_view>;

  struct Unknown {
    int line;
    std::string message;
  };

  // One level of brackets, prefix operators or blocks.
  class Nesting {
   public:
    explicit Nesting(TemplateExpressionParser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxTemplateNesting) parser_.fail_nesting();
    }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --parser_.nesting_; }

   private:
    TemplateExpressionParser& parser_;
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
  bool is_any_name(Words texts) const {
    return std::any_of(texts.begin(), texts.end(),
                       [this](std::string_view text) { return is_name(text); });
  }
  bool take_name(std::string_view text) { return is_name(text) && (take(), true); }
  bool take_operator(std::string_view text) { return is_operator(text) && (take(), true); }

  [[noreturn]] void fail(std::string_view reason) const { fail_template_syntax(line(), reason); }
  [[noreturn]] void fail_nesting() const;
  [[noreturn]] void fail_expected(std::string_view what) const;
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
  std::vector<MacroDefinition*> macros_;  // being parsed, outermost first
  // Filters and tests that do not exist. Inside an if they may stand: Jinja2 compiles them too, so
  // that a template can ask "if 'x' is filter".
  std::vector<Unknown> unknown_;
};

}  // namespace pagoda
