// The expected pieces and texts are those of Hugging Face tokenizers 0.21.2.
#include "text/tokenizer/pretokenize.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "text/tokenizer/normalize.h"

namespace pagoda {
namespace {

namespace json = boost::json;
using Pieces = std::vector<std::string>;

constexpr JsonTerms kTerms = {.blame = ErrorKind::kCheckpoint, .joint = "."};

class Collector final : public PieceSink {
 public:
  void take(const Piece& piece) override { pieces.emplace_back(piece.text); }
  Pieces pieces;
};

Pieces pieces_of(const json::value& section, std::string_view text) {
  const PreTokenizerSpec spec = make_pre_tokenizer(JsonReader(section, "test:", kTerms), false);
  Collector collector;
  Regex::Scratch scratch;
  spec.steps->split({text, true}, scratch, collector);
  return collector.pieces;
}

Pieces digits_split(const char* behavior, bool invert) {
  return pieces_of({{"type", "Split"},
                    {"pattern", {{"Regex", "\\d"}}},
                    {"behavior", behavior},
                    {"invert", invert}},
                   "a12b3");
}

TEST_CASE("what matches is removed, kept or merged as the behavior says") {
  CHECK(digits_split("Removed", false) == Pieces{"a", "b"});
  CHECK(digits_split("Isolated", false) == Pieces{"a", "1", "2", "b", "3"});
  CHECK(digits_split("MergedWithPrevious", false) == Pieces{"a1", "2", "b3"});
  CHECK(digits_split("MergedWithNext", false) == Pieces{"a", "1", "2b", "3"});
  CHECK(digits_split("Contiguous", false) == Pieces{"a", "12", "b", "3"});
}

TEST_CASE("inverted, what does not match is treated as the match") {
  CHECK(digits_split("Removed", true) == Pieces{"1", "2", "3"});
  CHECK(digits_split("Isolated", true) == Pieces{"a", "1", "2", "b", "3"});
  CHECK(digits_split("MergedWithPrevious", true) == Pieces{"a", "1", "2b", "3"});
  CHECK(digits_split("MergedWithNext", true) == Pieces{"a1", "2", "b3"});
  CHECK(digits_split("Contiguous", true) == Pieces{"a", "12", "b", "3"});
}

TEST_CASE("digits and punctuation are pieces of their own") {
  const std::string_view text = "ab12 c3,½!? d-e";
  CHECK(pieces_of({{"type", "Digits"}}, text) == Pieces{"ab", "12", " c", "3", ",", "½", "!? d-e"});
  CHECK(pieces_of({{"type", "Digits"}, {"individual_digits", true}}, text) ==
        Pieces{"ab", "1", "2", " c", "3", ",", "½", "!? d-e"});
  CHECK(pieces_of({{"type", "Punctuation"}}, text) ==
        Pieces{"ab12 c3", ",", "½", "!", "?", " d", "-", "e"});
  CHECK(pieces_of({{"type", "Punctuation"}, {"behavior", "Contiguous"}}, text) ==
        Pieces{"ab12 c3", ",", "½", "!?", " d", "-", "e"});
}

TEST_CASE("white space and delimiters separate pieces") {
  CHECK(pieces_of({{"type", "Whitespace"}}, "ab  c,d\u200de!") ==
        Pieces{"ab", "c", ",", "d\u200de", "!"});
  CHECK(pieces_of({{"type", "WhitespaceSplit"}}, "ab  c\u3000d") == Pieces{"ab", "c", "d"});
  CHECK(pieces_of({{"type", "BertPreTokenizer"}}, "ab c,d") == Pieces{"ab", "c", ",", "d"});
  CHECK(pieces_of({{"type", "CharDelimiterSplit"}, {"delimiter", "-"}}, "a-b--c") ==
        Pieces{"a", "b", "c"});
}

TEST_CASE("bytes are written in the byte alphabet unless a byte-level vocabulary follows") {
  const json::value byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  const json::value digits = {{"type", "Digits"}};
  CHECK(pieces_of(byte_level, "it's é") == Pieces{"it", "'s", " é"});
  CHECK(pieces_of({{"type", "Sequence"}, {"pretokenizers", {digits, byte_level}}}, "it's é") ==
        Pieces{" it", "'s", " é"});
  CHECK(pieces_of({{"type", "Sequence"}, {"pretokenizers", {byte_level, digits}}}, "it's é") ==
        Pieces{"Ġit", "'s", "ĠÃ©"});
}

json::value metaspace(const char* scheme, bool splits) {
  return {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", splits}};
}

TEST_CASE("Metaspace marks blanks and puts one before the text") {
  CHECK(pieces_of(metaspace("always", true), "a b  c") == Pieces{"▁a", "▁b", "▁", "▁c"});
  CHECK(pieces_of(metaspace("always", false), "a b  c") == Pieces{"▁a▁b▁▁c"});
  CHECK(pieces_of(metaspace("never", true), "a b  c") == Pieces{"a", "▁b", "▁", "▁c"});
}

TEST_CASE("behind another step Metaspace puts a mark before every piece, the first or none") {
  const auto pieces = [](const char* scheme) {
    const json::value punctuation = {{"type", "Punctuation"}};
    return pieces_of(
        {{"type", "Sequence"}, {"pretokenizers", {punctuation, metaspace(scheme, true)}}}, "a,b c");
  };
  CHECK(pieces("always") == Pieces{"▁a", "▁,", "▁b", "▁c"});
  CHECK(pieces("first") == Pieces{"▁a", ",", "b", "▁c"});
  CHECK(pieces("never") == Pieces{"a", ",", "b", "▁c"});
}

std::string normalized(const json::value& section, std::string text) {
  make_normalizer(JsonReader(section, "test:", kTerms))->apply(text);
  return text;
}

TEST_CASE("normalizers change a text as their type says") {
  CHECK(normalized({{"type", "Strip"}}, "  a b\u3000") == "a b");
  CHECK(normalized({{"type", "Strip"}, {"strip_right", false}}, " a ") == "a ");
  CHECK(normalized({{"type", "Lowercase"}}, "ÀİΣ") == "ài\u0307σ");
  CHECK(normalized({{"type", "Prepend"}, {"prepend", "x"}}, "").empty());
  CHECK(normalized({{"type", "ByteLevel"}}, "é a") == "Ã©Ġa");
  CHECK(normalized({{"type", "Replace"}, {"pattern", {{"Regex", " +"}}}, {"content", "_"}},
                   "a  b c") == "a_b_c");
  const json::value nfd = {{"type", "NFD"}}, accents = {{"type", "StripAccents"}};
  CHECK(normalized({{"type", "Sequence"}, {"normalizers", {nfd, accents}}}, "éa") == "ea");
}

// Unicode 15, UAX 15: examples of its figures 3 to 6, and Hangul.
TEST_CASE("normal forms compose, decompose and order marks") {
  CHECK(normalized({{"type", "NFC"}}, "e\u0301") == "\u00E9");
  CHECK(normalized({{"type", "NFD"}}, "\u1E69") == "s\u0323\u0307");
  CHECK(normalized({{"type", "NFC"}}, "s\u0307\u0323") == "\u1E69");
  CHECK(normalized({{"type", "NFKC"}}, "\uFB01\u2075") == "fi5");
  CHECK(normalized({{"type", "NFKD"}}, "\u1E9B\u0323") == "s\u0323\u0307");
  CHECK(normalized({{"type", "NFC"}}, "\u1100\u1161\u11A8") == "\uAC01");
}

TEST_CASE("a Hangul syllable before U+11A7, which is no consonant, leaves it there") {
  CHECK(normalized({{"type", "NFC"}}, "\uAC54\u11A7") == "\uAC54\u11A7");
}

}  // namespace
}  // namespace pagoda
