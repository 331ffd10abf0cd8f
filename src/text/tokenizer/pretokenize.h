// Pre-tokenizers of tokenizer files: they cut a normalized text into the pieces within which BPE
// merges.
//
// Pieces stream through the steps of a sequence one by one; nothing is collected.
//
// Thread rule: fixed after construction; any thread may split with a scratch of its own.
#pragma once

#include <memory>
#include <string_view>

#include "base/json_reader.h"
#include "text/tokenizer/regex.h"

namespace pagoda {

struct Piece {
  std::string_view text;  // never empty
  bool at_start;          // of the whole text: Metaspace looks at it
};

class PieceSink {
 public:
  virtual ~PieceSink() = default;
  virtual void take(const Piece& piece) = 0;  // the piece's text is only lent
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void split(const Piece& piece, Regex::Scratch& scratch, PieceSink& sink) const = 0;
};

struct PreTokenizerSpec {
  std::unique_ptr<const PreTokenizer> steps;
  // The last step is ByteLevel: pieces are bytes, and the vocabulary writes them in the byte
  // alphabet. (The step itself leaves them as they are.)
  bool byte_level = false;
};

// `add_prefix_space` is that of tokenizer_config.json, which overrides a ByteLevel that stands
// alone (as transformers does). Throws kCheckpoint naming the type if it is not supported.
PreTokenizerSpec make_pre_tokenizer(const JsonReader& section, bool add_prefix_space);

}  // namespace pagoda
