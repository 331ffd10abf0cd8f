// Text to tokens and back, exactly as Hugging Face `tokenizers` does it with the same files.
//
// Thread rule: fixed after load(); every method may be called from any thread.
// Invariant: encode() accepts any bytes (what is not UTF-8 counts as U+FFFD) and takes
// O(n log n) time; decode() returns valid UTF-8.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace pagoda {

using TokenIds = std::vector<TokenId>;
class TokenDecoder;

class Tokenizer {
 public:
  // Reads tokenizer.json, or vocab.json and merges.txt where it is missing, and
  // tokenizer_config.json where there is one. Throws kCheckpoint naming the file and what is wrong.
  static Tokenizer load(const std::filesystem::path& folder);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Added tokens are found first, in the text as it is; with `add_special_tokens` the
  // post-processor adds what the model wants around a prompt (Llama: <s>).
  TokenIds encode(std::string_view text, bool add_special_tokens = true) const;

  // tokenizer.decode(ids, skip_special_tokens, clean_up_tokenization_spaces=False). Ids that stand
  // for nothing are skipped; bytes that are not UTF-8 become U+FFFD.
  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens) const;
  // tokenizer.decode(ids): special tokens are kept, and blanks before punctuation are dropped where
  // tokenizer_config.json sets clean_up_tokenization_spaces. Answers /detokenize.
  std::string decode_for_display(std::span<const TokenId> ids) const;

  // The largest id + 1. A model's embedding may have more rows.
  int64_t vocab_size() const;
  // Of a token as the vocabulary writes it, or of an added token.
  std::optional<TokenId> id_of(std::string_view token) const;
  // As the vocabulary writes it ("Ġthe"), "" if the id stands for nothing.
  std::string token(TokenId id) const;
  // The bytes that the token adds to the text, maybe a part of a code point; "" for a special one.
  std::string bytes_of(TokenId id) const;
  // Special tokens are those that skip_special_tokens skips.
  bool is_special(TokenId id) const;
  bool is_added(TokenId id) const;

  // From tokenizer_config.json.
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  std::optional<TokenId> pad() const;
  std::optional<TokenId> unk() const;
  bool adds_bos() const;  // encode(text, true) begins with bos()

  const TokenDecoder& decoder() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace pagoda
