// The files of a tokenizer, read and made one: what tokenizer.json says, and what
// tokenizer_config.json changes about it, as transformers 4.53 does.
//
// Thread rule: plain data.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/normalize.h"
#include "text/tokenizer/post_process.h"
#include "text/tokenizer/pretokenize.h"
#include "text/tokenizer/token_decoder.h"

namespace pagoda {

struct TokenizerParts {
  std::unique_ptr<const Normalizer> normalizer;  // may be null
  PreTokenizerSpec pre_tokenizer;                // .steps may be null
  std::optional<Bpe> bpe;                        // always there after reading
  Surroundings surroundings;
  TokenDecoder decoder;
  AddedTokens added;
  std::optional<TokenId> bos, eos, pad, unk;
  bool cleans_up_spaces = false;
};

// Throws kCheckpoint naming the file and what is wrong.
TokenizerParts read_tokenizer_files(const std::filesystem::path& folder);

}  // namespace pagoda
