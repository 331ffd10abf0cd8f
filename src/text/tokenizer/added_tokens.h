// Added tokens: strings that are tokens wherever they stand in a text, found before anything else
// is done to it.
//
// Thread rule: fixed after finish(); any thread may search.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/tokenizer/normalize.h"

namespace pagoda {

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool single_word = false;  // only between characters that are no part of a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = false;   // is looked for in the normalized text, in its normalized form
  bool special = false;      // is left out where special tokens are skipped
};

// Finds the leftmost of a set of strings, and of those that begin there the longest.
class StringFinder {
 public:
  struct Found {
    size_t begin, end, index;  // index: in order of add()
  };

  StringFinder();
  void add(std::string_view text, size_t index);
  std::optional<Found> find(std::string_view text, size_t from) const;

 private:
  struct Node {
    std::vector<std::pair<uint8_t, uint32_t>> children;
    std::optional<size_t> index;
  };
  std::optional<Found> longest_at(std::string_view text, size_t begin) const;
  uint32_t child_of(uint32_t node, uint8_t byte) const;  // 0: none

  std::vector<Node> nodes_;                   // a trie; [0] is its root
  std::array<uint32_t, 256> first_children_;  // of the root; 0: none
};

class AddedTokens {
 public:
  // A token that is there already is made special if `token` is, and else stays as it is.
  void add(AddedToken token);
  void finish(const Normalizer* normalizer);

  const AddedToken* find(std::string_view content) const;
  const AddedToken* find(int32_t id) const;
  bool contains(std::string_view content) const { return find(content) != nullptr; }
  int64_t end_of_ids() const;  // the largest id + 1, 0 if there is none

  // Calls take(text) for what is no added token and take(id) for what is, in order.
  template <class Take>
  void split(std::string_view text, bool normalized, Take&& take) const {
    size_t done = 0;
    for (size_t at = 0; const std::optional<Place> place = next(text, normalized, at, done);) {
      if (place->begin > done) take(text.substr(done, place->begin - done));
      take(place->id);
      done = place->end;
      at = place->search_from;
    }
    if (done < text.size()) take(text.substr(done));
  }

 private:
  struct Place {
    size_t begin, end;  // with the white space that the token takes
    size_t search_from;
    int32_t id;
  };
  std::optional<Place> next(std::string_view text, bool normalized, size_t at, size_t done) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, size_t> by_content_;
  std::unordered_map<int32_t, size_t> by_id_;
  StringFinder plain_, normalized_;
};

}  // namespace pagoda
