#include "text/tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "base/str.h"
#include "base/utf8.h"
#include "text/tokenizer/byte_alphabet.h"

namespace pagoda {

namespace json = boost::json;

namespace {

constexpr std::string_view kBlankMark = "\u2581";

std::string_view view(const json::string& string) {
  return {string.data(), string.size()};
}

bool has_blank_inside(std::string_view token) {
  size_t at = token.find(kBlankMark);
  bool only_blanks = at == 0;
  while (at != std::string_view::npos) {
    if (!only_blanks) return true;
    const size_t end = at + kBlankMark.size();
    at = token.find(kBlankMark, end);
    only_blanks = at == end;
  }
  return false;
}

}  // namespace

MergeTable::MergeTable(size_t num_merges)
    : slots_(std::bit_ceil(num_merges + num_merges / 2 + 16)),
      shift_(64 - std::countr_zero(slots_.size())) {}

size_t MergeTable::slot_of(uint64_t pair) const {
  constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;
  size_t i = (pair * kGoldenRatio) >> shift_;
  while (slots_[i].pair != pair && slots_[i].pair != kFree) i = (i + 1) & (slots_.size() - 1);
  return i;
}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  const uint64_t pair = uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  slots_[slot_of(pair)] = {pair, merge};
}

MergeTable::Merge MergeTable::find(int32_t left, int32_t right) const {
  const uint64_t pair = uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  return slots_[slot_of(pair)].merge;
}

Bpe::Bpe(const JsonReader& model, bool byte_level)
    : names_(read_names(model)), options_(options_of(model, byte_level)) {
  if (byte_level) bytes_ = bytes_of_names(names_);
  if (const auto unk = model.find("unk_token")) {
    options_.unk = names_.find(unk->text());
    if (!options_.unk) unk->refuse(str("\"", unk->text(), "\" is not in the vocabulary"));
  }
  find_byte_tokens();
  read_merges(model.at("merges"));
  const auto size = static_cast<size_t>(names_.size());
  whole_ = std::make_unique<std::atomic<Whole>[]>(size);
}

Bpe::Options Bpe::options_of(const JsonReader& model, bool byte_level) {
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::string_view affix = model.text_or(key, "");
    if (!affix.empty()) {
      model.at(key).refuse(str("is \"", affix, "\": BPE with marks inside words is not supported"));
    }
  }
  const auto dropout = model.find("dropout");
  if (dropout && dropout->if_number() != 0.0) {
    dropout->refuse("is set: encoding at random is not supported; remove it");
  }
  return {.byte_level = byte_level,
          .byte_fallback = model.flag_or("byte_fallback", false),
          .fuse_unk = model.flag_or("fuse_unk", false),
          .ignore_merges = model.flag_or("ignore_merges", false),
          .unk = {}};
}

Vocabulary Bpe::read_names(const JsonReader& model) {
  const JsonReader vocab = model.at("vocab");
  const json::object& object = vocab.object();
  Vocabulary names(object.size());
  for (const auto& [key, value] : object) {
    const std::string_view name(key.data(), key.size());
    const int64_t* id = value.if_int64();
    if (id == nullptr || !names.add(name, *id))
      vocab.refuse(str("gives \"", name, "\" no usable id"));
  }
  return names;
}

// Tokens that are not written in the byte alphabet cannot come from text and are left out.
Vocabulary Bpe::bytes_of_names(const Vocabulary& names) {
  Vocabulary keys(static_cast<size_t>(names.size()));
  std::string bytes;
  for (int64_t id = 0; id < names.size(); ++id) {
    if (!names.contains(id) || !bytes_from_characters(names.name(id), bytes)) continue;
    if (!keys.add(bytes, id)) break;  // cannot be: the names have the same ids
  }
  return keys;
}

void Bpe::find_byte_tokens() {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte) {
    const char character = static_cast<char>(byte);
    const std::string key = options_.byte_level
                                ? std::string(1, character)
                                : str("<0x", kHexDigits[byte >> 4], kHexDigits[byte & 15], ">");
    byte_tokens_[byte] = keys().find(key).value_or(-1);
  }
}

void Bpe::read_merges(const JsonReader& merges) {
  const size_t size = merges.list().size();
  merges_ = MergeTable(size);
  words_begin_with_blanks_ = !options_.byte_level && keys().find(kBlankMark).has_value();
  for (size_t rank = 0; rank < size; ++rank) read_merge(merges, rank);
}

// ["a", "b"], or in older files "a b".
void Bpe::read_merge(const JsonReader& merges, size_t rank) {
  const auto refuse = [&](std::string_view what) { merges.refuse(str("[", rank, "] ", what)); };
  const json::value& merge = merges.list()[rank];
  std::string_view left, right;
  if (const json::string* line = merge.if_string()) {
    const std::string_view text = view(*line);
    const size_t blank = text.find(' ');
    if (blank == std::string_view::npos || text.find(' ', blank + 1) != std::string_view::npos) {
      refuse(str("is \"", text, "\": not two tokens with a blank between them"));
    }
    left = text.substr(0, blank);
    right = text.substr(blank + 1);
  } else {
    const json::array* pair = merge.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() ||
        !(*pair)[1].is_string()) {
      refuse("is neither \"a b\" nor [\"a\", \"b\"]");
    }
    left = view((*pair)[0].get_string());
    right = view((*pair)[1].get_string());
  }
  const auto left_id = names_.find(left), right_id = names_.find(right);
  const std::string both = str(left, right);
  const auto result = names_.find(both);
  if (!left_id || !right_id || !result) {
    refuse(str("needs \"",
               !left_id    ? left
               : !right_id ? right
                           : both,
               "\", which is not in the vocabulary"));
  }
  if (words_begin_with_blanks_ && has_blank_inside(both)) words_begin_with_blanks_ = false;
  merges_.add(*left_id, *right_id, {static_cast<uint32_t>(rank), *result});
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& out) const {
  if (!words_begin_with_blanks_) {
    encode_word(piece, scratch, out);
    return;
  }
  // Nothing merges across the beginning of a run of blank marks, so what begins there is a word
  // of its own, whether or not a pre-tokenizer has cut it off.
  size_t begin = 0;
  for (size_t at = piece.find(kBlankMark); at != std::string_view::npos;
       at = piece.find(kBlankMark, at)) {
    if (at > begin) encode_word(piece.substr(begin, at - begin), scratch, out);
    begin = at;
    while (piece.substr(at).starts_with(kBlankMark)) at += kBlankMark.size();
  }
  encode_word(piece.substr(begin), scratch, out);
}

void Bpe::encode_word(std::string_view word, Scratch& scratch, std::vector<TokenId>& out) const {
  if (word.empty()) return;
  const std::optional<int32_t> id = keys().find(word);
  if (id && (options_.ignore_merges || is_whole(word, *id, scratch))) {
    out.emplace_back(*id);
    return;
  }
  first_symbols(word, scratch.ids);
  merge(scratch);
  for (const int32_t token : scratch.ids) out.emplace_back(token);
}

bool Bpe::is_whole(std::string_view word, int32_t id, Scratch& scratch) const {
  std::atomic<Whole>& whole = whole_[static_cast<size_t>(id)];
  const Whole known = whole.load(std::memory_order_relaxed);
  if (known != Whole::kUnknown) return known == Whole::kYes;
  first_symbols(word, scratch.ids);
  merge(scratch);
  const bool yes = scratch.ids.size() == 1 && scratch.ids[0] == id;
  // Every thread finds the same, so it does not matter whose store is last.
  whole.store(yes ? Whole::kYes : Whole::kNo, std::memory_order_relaxed);
  return yes;
}

void Bpe::first_symbols(std::string_view word, std::vector<int32_t>& ids) const {
  ids.clear();
  if (options_.byte_level) {
    for (const char byte : word) {
      const int32_t id = byte_tokens_[static_cast<uint8_t>(byte)];
      const int32_t known = id >= 0 ? id : options_.unk.value_or(-1);
      if (known < 0) continue;  // as the reference: what has no token and no unk is dropped
      if (id < 0 && options_.fuse_unk && !ids.empty() && ids.back() == known) continue;
      ids.push_back(known);
    }
    return;
  }
  bool unk_pending = false;
  const auto flush_unk = [&] {
    if (unk_pending) ids.push_back(*options_.unk);
    unk_pending = false;
  };
  for (size_t i = 0; i < word.size();) {
    const size_t begin = i;
    next_code_point(word, i);
    const std::string_view character = word.substr(begin, i - begin);
    if (const auto id = names_.find(character)) {
      flush_unk();
      ids.push_back(*id);
    } else if (append_byte_tokens(character, ids)) {
      continue;  // a pending unk stays pending, as in the reference
    } else if (options_.unk) {
      if (!options_.fuse_unk) flush_unk();
      unk_pending = true;
    }
  }
  flush_unk();
}

bool Bpe::append_byte_tokens(std::string_view character, std::vector<int32_t>& ids) const {
  if (!options_.byte_fallback) return false;
  for (const char byte : character) {
    if (byte_tokens_[static_cast<uint8_t>(byte)] < 0) return false;
  }
  for (const char byte : character) ids.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
  return true;
}

void Bpe::merge(Scratch& scratch) const {
  // Up to here, looking through all pairs for the best is faster than a heap.
  constexpr size_t kFew = 40;
  if (scratch.ids.size() <= kFew) {
    merge_few(scratch.ids);
  } else {
    merge_many(scratch);
  }
}

void Bpe::merge_few(std::vector<int32_t>& ids) const {
  std::array<MergeTable::Merge, 40> pairs;  // pairs[i]: how ids[i] and ids[i + 1] merge
  size_t n = ids.size();
  for (size_t i = 0; i + 1 < n; ++i) pairs[i] = merges_.find(ids[i], ids[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::Merge::kNever) break;
    ids[best] = pairs[best].result;
    --n;
    for (size_t i = best + 1; i < n; ++i) {
      ids[i] = ids[i + 1];
      pairs[i - 1] = pairs[i];
    }
    if (best + 1 < n) pairs[best] = merges_.find(ids[best], ids[best + 1]);
    if (best > 0) pairs[best - 1] = merges_.find(ids[best - 1], ids[best]);
  }
  ids.resize(n);
}

// The symbols are a doubly linked list; the heap holds (rank, left symbol) of every pair that
// merges, and of pairs that are gone, which no longer have that rank.
void Bpe::merge_many(Scratch& scratch) const {
  auto& [ids, symbols, heap] = scratch;
  const auto n = static_cast<int32_t>(ids.size());
  symbols.resize(ids.size());
  heap.clear();
  for (int32_t i = 0; i < n; ++i) {
    symbols[static_cast<size_t>(i)] = {ids[static_cast<size_t>(i)], i - 1, i + 1 < n ? i + 1 : -1};
  }
  for (int32_t i = 0; i + 1 < n; ++i) push_pair(scratch, i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto rank = static_cast<uint32_t>(heap.back() >> 32);
    const auto at = static_cast<int32_t>(heap.back() & UINT32_MAX);
    heap.pop_back();
    auto& left = symbols[static_cast<size_t>(at)];
    if (left.id < 0 || left.next < 0) continue;
    auto& right = symbols[static_cast<size_t>(left.next)];
    const MergeTable::Merge found = merges_.find(left.id, right.id);
    if (found.rank != rank) continue;
    left.id = found.result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) {
      symbols[static_cast<size_t>(left.next)].previous = at;
      push_pair(scratch, at);
    }
    if (left.previous >= 0) push_pair(scratch, left.previous);
  }
  ids.clear();
  for (int32_t i = 0; i >= 0 && n > 0; i = symbols[static_cast<size_t>(i)].next) {
    ids.push_back(symbols[static_cast<size_t>(i)].id);
  }
}

void Bpe::push_pair(Scratch& scratch, int32_t left) const {
  const auto& symbol = scratch.symbols[static_cast<size_t>(left)];
  const uint32_t rank =
      merges_.find(symbol.id, scratch.symbols[static_cast<size_t>(symbol.next)].id).rank;
  if (rank == MergeTable::Merge::kNever) return;
  scratch.heap.push_back(uint64_t{rank} << 32 | static_cast<uint32_t>(left));
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), std::greater<>());
}

}  // namespace pagoda
