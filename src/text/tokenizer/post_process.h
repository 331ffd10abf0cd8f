// Post-processors of tokenizer files, for a single text: what is put before and behind its tokens.
//
// Thread rule: plain data.
#pragma once

#include "text/tokenizer/json_section.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {

struct Surroundings {
  TokenIds before, after;
};

// Throws kCheckpoint naming the type if it is not supported.
Surroundings surroundings_of(const JsonSection& post_processor);

}  // namespace pagoda
