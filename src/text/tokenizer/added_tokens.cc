#include "text/tokenizer/added_tokens.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/unicode.h"

namespace pagoda {
namespace {

// The beginning of the code point that has text[at].
size_t begin_of_code_point(std::string_view text, size_t at) {
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// Where the white space at the end of text begins.
size_t begin_of_trailing_space(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    const size_t at = begin_of_code_point(text, begin - 1);
    size_t end = at;
    if (!is_white_space(next_code_point(text, end))) break;
    begin = at;
  }
  return begin;
}

size_t end_of_leading_space(std::string_view text) {
  size_t end = 0;
  for (size_t i = 0; i < text.size();) {
    if (!is_white_space(next_code_point(text, i))) break;
    end = i;
  }
  return end;
}

// Whether the code point that begins at text[at] is one of words, as Rust's regex crate sees it.
bool is_word(std::string_view text, size_t at) {
  static const Regex word(R"([\w\x{200C}\x{200D}])");
  Regex::Scratch scratch;
  size_t end = at;
  next_code_point(text, end);
  return word.find(text.substr(at, end - at), 0, scratch).has_value();
}

bool is_between_words(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word(text, begin_of_code_point(text, begin - 1))) return false;
  return end == text.size() || !is_word(text, end);
}

}  // namespace

StringFinder::StringFinder() : nodes_(1) {
  first_children_.fill(0);
}

void StringFinder::add(std::string_view text, size_t index) {
  if (text.empty()) return;
  uint32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (const uint32_t child = child_of(node, byte)) {
      node = child;
      continue;
    }
    const auto added = static_cast<uint32_t>(nodes_.size());
    nodes_[node].children.emplace_back(byte, added);
    if (node == 0) first_children_[byte] = added;
    node = added;
    nodes_.emplace_back();
  }
  nodes_[node].index = index;
}

std::optional<StringFinder::Found> StringFinder::find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (first_children_[static_cast<uint8_t>(text[begin])] == 0) continue;
    if (const std::optional<Found> longest = longest_at(text, begin)) return longest;
  }
  return std::nullopt;
}

std::optional<StringFinder::Found> StringFinder::longest_at(std::string_view text,
                                                            size_t begin) const {
  std::optional<Found> longest;
  uint32_t node = first_children_[static_cast<uint8_t>(text[begin])];
  for (size_t end = begin + 1; node != 0; ++end) {
    if (nodes_[node].index) longest = Found{begin, end, *nodes_[node].index};
    if (end == text.size()) break;
    node = child_of(node, static_cast<uint8_t>(text[end]));
  }
  return longest;
}

uint32_t StringFinder::child_of(uint32_t node, uint8_t byte) const {
  for (const auto& [first, child] : nodes_[node].children) {
    if (first == byte) return child;
  }
  return 0;
}

void AddedTokens::add(AddedToken token) {
  if (token.content.empty()) return;
  const auto known = by_content_.find(token.content);
  if (known != by_content_.end()) {
    tokens_[known->second].special |= token.special;
    return;
  }
  by_content_[token.content] = tokens_.size();
  by_id_[token.id] = tokens_.size();
  tokens_.push_back(std::move(token));
}

void AddedTokens::finish(const Normalizer* normalizer) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (!tokens_[i].normalized) {
      plain_.add(tokens_[i].content, i);
      continue;
    }
    std::string content = tokens_[i].content;
    if (normalizer != nullptr) normalizer->apply(content);
    normalized_.add(content, i);
  }
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(std::string(content));
  return found == by_content_.end() ? nullptr : &tokens_[found->second];
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &tokens_[found->second];
}

int64_t AddedTokens::end_of_ids() const {
  int64_t end = 0;
  for (const AddedToken& token : tokens_) end = std::max(end, int64_t{token.id} + 1);
  return end;
}

// The next token at `at` or behind; `done` is where the last one ended.
std::optional<AddedTokens::Place> AddedTokens::next(std::string_view text, bool normalized,
                                                    size_t at, size_t done) const {
  const StringFinder& finder = normalized ? normalized_ : plain_;
  for (auto found = finder.find(text, at); found; found = finder.find(text, found->end)) {
    const AddedToken& token = tokens_[found->index];
    // White space that the last token took cannot begin another one.
    if (found->begin < done) continue;
    if (token.single_word && !is_between_words(text, found->begin, found->end)) continue;
    size_t begin = found->begin, end = found->end;
    if (token.lstrip) begin = done + begin_of_trailing_space(text.substr(done, begin - done));
    if (token.rstrip) end += end_of_leading_space(text.substr(end));
    return Place{begin, end, found->end, token.id};
  }
  return std::nullopt;
}

}  // namespace pagoda
