#include "text/answer/reasoning_parser.h"

#include <algorithm>

#include "base/error.h"
#include "base/str.h"
#include "text/answer/partial_mark.h"

namespace pagoda {
namespace {

constexpr ReasoningMarks kThink = {"<think>", "</think>"};

// qwen3: thinking stands between both marks; without the first there is none.
// deepseek_r1: the prompt may have opened the thinking already, so everything up to the end mark is
// thinking, with or without the first mark.
class ThinkParser : public ReasoningParser {
 public:
  explicit ThinkParser(bool opened_by_prompt)
      : opened_by_prompt_(opened_by_prompt),
        place_(opened_by_prompt ? Place::kOpening : Place::kBefore) {}

  ReasonedText add(std::string_view text) override {
    held_ += text;
    ReasonedText out;
    while (advance(out)) {
    }
    return out;
  }

  ReasonedText finish() override {
    ReasonedText out;
    const bool thinking = place_ == Place::kOpening || place_ == Place::kThinking;
    (thinking ? out.reasoning : out.content) += held_;
    held_.clear();
    return out;
  }

  ReasonedText split(std::string_view whole) const override {
    const size_t begin = whole.find(kThink.begin), end = whole.find(kThink.end);
    if (opened_by_prompt_) {
      std::string text(begin == std::string_view::npos ? whole
                                                       : whole.substr(begin + kThink.begin.size()));
      const size_t cut = text.find(kThink.end);
      if (cut == std::string::npos) return {.reasoning = text, .content = {}};
      return {.reasoning = text.substr(0, cut), .content = text.substr(cut + kThink.end.size())};
    }
    if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
      return {.reasoning = {}, .content = std::string(whole)};
    }
    const size_t first = begin + kThink.begin.size();
    return {.reasoning = std::string(whole.substr(first, end - first)),
            .content = str(whole.substr(0, begin), whole.substr(end + kThink.end.size()))};
  }

 private:
  enum class Place { kBefore, kOpening, kThinking, kAfter };

  // Gives out what is certain of held_; true if a mark was passed and there may be more.
  bool advance(ReasonedText& out) {
    switch (place_) {
      case Place::kBefore: return pass(kThink.begin, out.content, Place::kThinking);
      case Place::kOpening: return drop_opening_mark();
      case Place::kThinking: return pass(kThink.end, out.reasoning, Place::kAfter);
      case Place::kAfter:
        out.content += held_;
        held_.clear();
        return false;
    }
    return false;
  }

  bool pass(std::string_view mark, std::string& side, Place next) {
    const size_t at = held_.find(mark);
    if (at == std::string::npos) {
      const size_t certain = held_.size() - longest_mark_start(held_, mark);
      side += held_.substr(0, certain);
      held_.erase(0, certain);
      return false;
    }
    side += held_.substr(0, at);
    held_.erase(0, at + mark.size());
    place_ = next;
    return true;
  }

  // A model whose prompt opened the thinking may still begin with the mark itself.
  bool drop_opening_mark() {
    if (held_.size() < kThink.begin.size() && kThink.begin.starts_with(held_)) return false;
    if (held_.starts_with(kThink.begin)) held_.erase(0, kThink.begin.size());
    place_ = Place::kThinking;
    return true;
  }

  const bool opened_by_prompt_;
  Place place_;
  std::string held_;
};

}  // namespace

ReasoningMarks reasoning_marks(std::string_view /*parser*/) {
  return kThink;
}

std::unique_ptr<ReasoningParser> make_reasoning_parser(std::string_view parser) {
  if (parser == "qwen3") return std::make_unique<ThinkParser>(false);
  if (parser == "deepseek_r1") return std::make_unique<ThinkParser>(true);
  throw Error(ErrorKind::kConfig, str("--reasoning-parser: \"", parser,
                                      "\" is not known; choose one of deepseek_r1, qwen3"));
}

}  // namespace pagoda
