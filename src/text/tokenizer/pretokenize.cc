#include "text/tokenizer/pretokenize.h"

#include <string>
#include <utility>
#include <vector>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizer/byte_alphabet.h"
#include "text/tokenizer/replacer.h"
#include "text/tokenizer/unicode.h"

namespace pagoda {
namespace {

// What becomes of the stretches that match and of those between them (tokenizers'
// SplitDelimiterBehavior).
enum class Behavior : uint8_t {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous,
};

Behavior behavior_of(const JsonReader& section, std::string_view name) {
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  section.refuse(str("has behavior ", name,
                     "; known are Removed, Isolated, MergedWithPrevious, MergedWithNext and "
                     "Contiguous"));
}

// Turns stretches (match or not, in order, together the whole piece) into pieces.
class Joiner {
 public:
  Joiner(Behavior behavior, const Piece& whole, PieceSink& sink)
      : behavior_(behavior), whole_(whole), sink_(sink) {}

  void add(Regex::Span span, bool is_match) {
    if (behavior_ == Behavior::kRemoved || behavior_ == Behavior::kIsolated) {
      if (behavior_ == Behavior::kIsolated || !is_match) send(span);
      return;
    }
    if (pending_.begin != pending_.end && joins(is_match)) {
      pending_.end = span.end;
    } else {
      finish();
      pending_ = span;
    }
    last_matched_ = is_match;
  }

  void finish() {
    send(pending_);
    pending_ = {0, 0};
  }

 private:
  // Whether this stretch continues the pending piece.
  bool joins(bool is_match) const {
    switch (behavior_) {
      case Behavior::kContiguous: return is_match == last_matched_;
      case Behavior::kMergedWithPrevious: return is_match && !last_matched_;
      case Behavior::kMergedWithNext: return last_matched_ && !is_match;
      default: return false;
    }
  }

  void send(Regex::Span span) {
    if (span.begin == span.end) return;
    sink_.take({whole_.text.substr(span.begin, span.end - span.begin),
                whole_.at_start && span.begin == 0});
  }

  const Behavior behavior_;
  const Piece whole_;
  PieceSink& sink_;
  Regex::Span pending_ = {0, 0};  // empty: none
  bool last_matched_ = false;
};

class RegexPreTokenizer final : public PreTokenizer {
 public:
  RegexPreTokenizer(Regex regex, Behavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  void split(const Piece& piece, Regex::Scratch& scratch, PieceSink& sink) const override {
    Joiner joiner(behavior_, piece, sink);
    regex_.split(piece.text, scratch,
                 [&](Regex::Span span, bool is_match) { joiner.add(span, is_match != invert_); });
    joiner.finish();
  }

 private:
  const Regex regex_;
  const Behavior behavior_;
  const bool invert_;
};

// Every code point with a property is a match of its own.
class PropertyPreTokenizer final : public PreTokenizer {
 public:
  PropertyPreTokenizer(bool (*matches)(uint32_t), Behavior behavior)
      : matches_(matches), behavior_(behavior) {}

  void split(const Piece& piece, Regex::Scratch& /*scratch*/, PieceSink& sink) const override {
    Joiner joiner(behavior_, piece, sink);
    size_t begin = 0;
    for (size_t i = 0; i < piece.text.size();) {
      const size_t at = i;
      if (!matches_(next_code_point(piece.text, i))) continue;
      if (begin < at) joiner.add({begin, at}, false);
      joiner.add({at, i}, true);
      begin = i;
    }
    if (begin < piece.text.size()) joiner.add({begin, piece.text.size()}, false);
    joiner.finish();
  }

 private:
  bool (*const matches_)(uint32_t);
  const Behavior behavior_;
};

// GPT-2's own expression (openai/gpt-2, src/encoder.py).
constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// \w+|[^\w\s]+ as Rust's regex crate understands it, where joiners are in words too.
constexpr std::string_view kRustWords = R"([\w\x{200C}\x{200D}]+|[^\w\x{200C}\x{200D}\s]+)";

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  struct Options {
    bool add_prefix_space, use_regex;
    bool maps_bytes;  // into the byte alphabet; not needed before a byte-level BPE
  };
  explicit ByteLevelPreTokenizer(const Options& options) : options_(options) {
    if (options.use_regex) {
      words_ = std::make_unique<RegexPreTokenizer>(Regex(kGpt2Words), Behavior::kIsolated, false);
    }
  }

  void split(const Piece& piece, Regex::Scratch& scratch, PieceSink& sink) const override {
    std::string with_space;
    Piece whole = piece;
    if (options_.add_prefix_space && !piece.text.starts_with(' ')) {
      with_space = str(" ", piece.text);
      whole.text = with_space;
    }
    Mapper mapper(sink);
    PieceSink& next = options_.maps_bytes ? mapper : sink;
    if (words_) {
      words_->split(whole, scratch, next);
    } else {
      next.take(whole);
    }
  }

 private:
  class Mapper final : public PieceSink {
   public:
    explicit Mapper(PieceSink& sink) : sink_(sink) {}
    void take(const Piece& piece) override {
      characters_.clear();
      append_byte_characters(characters_, piece.text);
      sink_.take({characters_, piece.at_start});
    }

   private:
    PieceSink& sink_;
    std::string characters_;
  };

  const Options options_;
  std::unique_ptr<const PreTokenizer> words_;
};

// SentencePiece's way with blanks: each becomes "▁", one is put before the text, words begin with
// it.
class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  enum class Prepend : uint8_t { kAlways, kFirst, kNever };

  MetaspacePreTokenizer(std::string_view mark, Prepend prepend, bool splits)
      : mark_(mark),
        prepend_(prepend),
        words_(Regex(escaped_for_regex(mark)), Behavior::kMergedWithNext, false),
        splits_(splits) {}

  void split(const Piece& piece, Regex::Scratch& scratch, PieceSink& sink) const override {
    std::string text;
    for (const char c : piece.text) {
      if (c == ' ') {
        text += mark_;
      } else {
        text += c;
      }
    }
    const bool may_prepend =
        prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && piece.at_start);
    if (may_prepend && !text.starts_with(mark_)) text.insert(0, mark_);
    if (splits_) {
      words_.split({text, piece.at_start}, scratch, sink);
    } else {
      sink.take({text, piece.at_start});
    }
  }

 private:
  const std::string mark_;
  const Prepend prepend_;
  const RegexPreTokenizer words_;
  const bool splits_;
};

class SequencePreTokenizer final : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<const PreTokenizer>> steps)
      : steps_(std::move(steps)) {}

  void split(const Piece& piece, Regex::Scratch& scratch, PieceSink& sink) const override {
    Next(*this, 0, scratch, sink).take(piece);
  }

 private:
  // Hands a piece to step `index_`, and the pieces that come out to the step behind it.
  class Next final : public PieceSink {
   public:
    Next(const SequencePreTokenizer& sequence, size_t index, Regex::Scratch& scratch,
         PieceSink& last)
        : sequence_(sequence), index_(index), scratch_(scratch), last_(last) {}

    void take(const Piece& piece) override {  // NOLINT(misc-no-recursion)
      if (index_ == sequence_.steps_.size()) {
        last_.take(piece);
        return;
      }
      Next next(sequence_, index_ + 1, scratch_, last_);
      sequence_.steps_[index_]->split(piece, scratch_, next);
    }

   private:
    const SequencePreTokenizer& sequence_;
    const size_t index_;
    Regex::Scratch& scratch_;
    PieceSink& last_;
  };

  const std::vector<std::unique_ptr<const PreTokenizer>> steps_;
};

std::unique_ptr<const PreTokenizer> sequence_of(
    std::vector<std::unique_ptr<const PreTokenizer>> steps) {
  return std::make_unique<SequencePreTokenizer>(std::move(steps));
}

std::unique_ptr<const PreTokenizer> make_metaspace(const JsonReader& section) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  // Files before tokenizers 0.15 say add_prefix_space instead of prepend_scheme.
  Prepend prepend = section.flag_or("add_prefix_space", true) ? Prepend::kAlways : Prepend::kNever;
  if (const auto scheme = section.find("prepend_scheme")) {
    if (scheme->text() == "always") {
      prepend = Prepend::kAlways;
    } else if (scheme->text() == "first") {
      prepend = Prepend::kFirst;
    } else if (scheme->text() == "never") {
      prepend = Prepend::kNever;
    } else {
      scheme->refuse(str("is \"", scheme->text(), "\"; known are always, first and never"));
    }
  }
  return std::make_unique<MetaspacePreTokenizer>(section.text_or("replacement", "\u2581"), prepend,
                                                 section.flag_or("split", true));
}

std::unique_ptr<const PreTokenizer> make_byte_level(const JsonReader& section, bool maps_bytes) {
  return std::make_unique<ByteLevelPreTokenizer>(
      ByteLevelPreTokenizer::Options{.add_prefix_space = section.flag_or("add_prefix_space", true),
                                     .use_regex = section.flag_or("use_regex", true),
                                     .maps_bytes = maps_bytes});
}

std::unique_ptr<const PreTokenizer> make_property(bool (*matches)(uint32_t), Behavior behavior) {
  return std::make_unique<PropertyPreTokenizer>(matches, behavior);
}

std::unique_ptr<const PreTokenizer> make_bert() {
  std::vector<std::unique_ptr<const PreTokenizer>> steps;
  steps.push_back(make_property(&is_white_space, Behavior::kRemoved));
  steps.push_back(make_property(&is_punctuation, Behavior::kIsolated));
  return sequence_of(std::move(steps));
}

std::unique_ptr<const PreTokenizer> make_step(
    const JsonReader& section) {  // NOLINT(misc-no-recursion)
  const std::string_view type = section.text("type");
  if (type == "Split") {
    return std::make_unique<RegexPreTokenizer>(
        regex_of_pattern(section.at("pattern")),
        behavior_of(section, section.text_or("behavior", "Isolated")),
        section.flag_or("invert", false));
  }
  if (type == "ByteLevel") return make_byte_level(section, true);
  if (type == "Metaspace") return make_metaspace(section);
  if (type == "Digits") {
    const bool alone = section.flag_or("individual_digits", false);
    return make_property(&is_number, alone ? Behavior::kIsolated : Behavior::kContiguous);
  }
  if (type == "Punctuation") {
    return make_property(&is_punctuation,
                         behavior_of(section, section.text_or("behavior", "Isolated")));
  }
  if (type == "Whitespace") {
    return std::make_unique<RegexPreTokenizer>(Regex(kRustWords), Behavior::kRemoved, true);
  }
  if (type == "WhitespaceSplit") return make_property(&is_white_space, Behavior::kRemoved);
  if (type == "BertPreTokenizer") return make_bert();
  if (type == "CharDelimiterSplit") {
    return std::make_unique<RegexPreTokenizer>(Regex(escaped_for_regex(section.text("delimiter"))),
                                               Behavior::kRemoved, false);
  }
  if (type == "Sequence") {
    std::vector<std::unique_ptr<const PreTokenizer>> steps;
    for (const JsonReader& step : section.at("pretokenizers").items()) {
      steps.push_back(make_step(step));
    }
    return sequence_of(std::move(steps));
  }
  section.refuse(str("is of type ", type,
                     ", which is not supported; supported are Sequence, Split, ByteLevel, "
                     "Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, "
                     "BertPreTokenizer and CharDelimiterSplit"));
}

}  // namespace

PreTokenizerSpec make_pre_tokenizer(const JsonReader& section, bool add_prefix_space) {
  const std::string_view type = section.text("type");
  if (type == "ByteLevel") {
    return {std::make_unique<ByteLevelPreTokenizer>(
                ByteLevelPreTokenizer::Options{.add_prefix_space = add_prefix_space,
                                               .use_regex = section.flag_or("use_regex", true),
                                               .maps_bytes = false}),
            true};
  }
  if (type != "Sequence") return {make_step(section), false};
  const std::vector<JsonReader> items = section.at("pretokenizers").items();
  const bool byte_level = !items.empty() && items.back().text("type") == "ByteLevel";
  std::vector<std::unique_ptr<const PreTokenizer>> steps;
  for (size_t i = 0; i < items.size(); ++i) {
    const bool last = i + 1 == items.size();
    steps.push_back(last && byte_level ? make_byte_level(items[i], false) : make_step(items[i]));
  }
  return {sequence_of(std::move(steps)), byte_level};
}

}  // namespace pagoda
