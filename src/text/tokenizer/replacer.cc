#include "text/tokenizer/replacer.h"

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

Regex compile(const JsonReader& where, std::string_view pattern) {
  try {
    return Regex(pattern);
  } catch (const Error& e) {
    where.refuse(str("cannot be used: ", e.what()));
  }
}

}  // namespace

std::string escaped_for_regex(std::string_view literal) {
  std::string escaped;
  for (const char c : literal) {
    if (std::string_view("\\^$.[]|()?*+{}#&-~").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

Regex regex_of_pattern(const JsonReader& pattern) {
  if (const auto expression = pattern.find("Regex")) return compile(pattern, expression->text());
  return compile(pattern, escaped_for_regex(pattern.text("String")));
}

Replacer::Replacer(const JsonReader& section) : content_(section.text("content")) {
  const JsonReader pattern = section.at("pattern");
  literal_ = pattern.text_or("String", "");
  if (literal_.empty()) regex_ = regex_of_pattern(pattern);
}

void Replacer::apply(std::string& text) const {
  text = regex_ ? with_matches_replaced(text) : with_literals_replaced(text);
}

std::string Replacer::with_matches_replaced(const std::string& text) const {
  std::string replaced;
  Regex::Scratch scratch;
  regex_->split(text, scratch, [&](Regex::Span span, bool is_match) {
    if (is_match) {
      replaced += content_;
    } else {
      replaced.append(text, span.begin, span.end - span.begin);
    }
  });
  return replaced;
}

std::string Replacer::with_literals_replaced(const std::string& text) const {
  std::string replaced;
  size_t begin = 0;
  for (size_t at = text.find(literal_); at != std::string::npos; at = text.find(literal_, begin)) {
    replaced.append(text, begin, at - begin);
    replaced += content_;
    begin = at + literal_.size();
  }
  replaced.append(text, begin);
  return replaced;
}

}  // namespace pagoda
