// Post-processors of tokenizer files, for a single text: what is put before and behind its tokens.
//
// Thread rule: plain data.
#pragma once

#include <vector>

#include "base/ids.h"
#include "base/json_reader.h"

namespace pagoda {

struct Surroundings {
  std::vector<TokenId> before, after;
};

// Throws kCheckpoint naming the type if it is not supported.
Surroundings surroundings_of(const JsonReader& post_processor);

}  // namespace pagoda
