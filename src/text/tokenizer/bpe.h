// Byte pair encoding: of all neighbors that may merge, those with the lowest rank merge first, the
// leftmost of equals, until none is left (Sennrich et al., arXiv:1508.07909, algorithm 1; details
// as in Hugging Face tokenizers 0.21, models/bpe).
//
// Thread rule: fixed after construction but for a memo of atomics; any thread may encode.
// Cost: O(n log n) for a piece of n bytes; a piece that is a token is one look-up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/json_reader.h"
#include "text/tokenizer/vocabulary.h"

namespace pagoda {

// The merges, by pair of tokens, in a flat hash table.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank = kNever;
    int32_t result = 0;
    static constexpr uint32_t kNever = UINT32_MAX;
  };

  explicit MergeTable(size_t num_merges);
  // Of a pair that comes twice the later merge counts.
  void add(int32_t left, int32_t right, Merge merge);
  Merge find(int32_t left, int32_t right) const;  // kNever if they do not merge

 private:
  struct Slot {
    uint64_t pair = kFree;
    Merge merge;
  };
  static constexpr uint64_t kFree = UINT64_MAX;
  size_t slot_of(uint64_t pair) const;

  std::vector<Slot> slots_;  // a power of two of them
  int shift_;
};

class Bpe {
 public:
  // Memory of one thread, to be used again.
  struct Scratch {
    struct Symbol {
      int32_t id, previous, next;
    };
    std::vector<int32_t> ids;
    std::vector<Symbol> symbols;
    std::vector<uint64_t> heap;
  };

  // `model` is "model" of a tokenizer.json. With `byte_level` the vocabulary is written in the byte
  // alphabet and pieces are plain bytes. Throws kCheckpoint.
  Bpe(const JsonReader& model, bool byte_level);

  // Appends the tokens of one piece of pre-tokenized text.
  void encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const;

  const Vocabulary& names() const { return names_; }

 private:
  struct Options {
    bool byte_level, byte_fallback, fuse_unk, ignore_merges;
    std::optional<int32_t> unk;
  };

  static Options options_of(const JsonReader& model, bool byte_level);
  static Vocabulary read_names(const JsonReader& model);
  static Vocabulary bytes_of_names(const Vocabulary& names);
  void read_merges(const JsonReader& merges);
  void read_merge(const JsonReader& merges, size_t rank);
  void find_byte_tokens();

  const Vocabulary& keys() const { return options_.byte_level ? bytes_ : names_; }
  void encode_word(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const;
  bool is_whole(std::string_view word, int32_t id, Scratch& scratch) const;
  void first_symbols(std::string_view word, std::vector<int32_t>& ids) const;
  bool append_byte_tokens(std::string_view character, std::vector<int32_t>& ids) const;
  void merge(Scratch& scratch) const;
  void merge_few(std::vector<int32_t>& ids) const;
  void merge_many(Scratch& scratch) const;
  void push_pair(Scratch& scratch, int32_t left) const;

  enum class Whole : uint8_t { kUnknown, kYes, kNo };

  Vocabulary names_;
  Options options_;
  Vocabulary bytes_{0};                     // byte level: tokens by the bytes they stand for
  std::array<int32_t, 256> byte_tokens_{};  // byte level: "Ġ", byte fallback: "<0x20>"; -1: none
  MergeTable merges_{0};
  bool words_begin_with_blanks_ = true;  // no token has "▁" behind another character
  // Whether the bytes of a token merge to that token, found out when first asked.
  std::unique_ptr<std::atomic<Whole>[]> whole_;
};

}  // namespace pagoda
