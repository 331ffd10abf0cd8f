// Normalizers of tokenizer files: what happens to a text before it is cut into words.
//
// Thread rule: fixed after construction; apply() from any thread.
#pragma once

#include <memory>
#include <string>

#include "base/json_reader.h"

namespace pagoda {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(std::string& text) const = 0;  // valid UTF-8 stays valid
};

// Throws kCheckpoint naming the type if it is not supported.
std::unique_ptr<const Normalizer> make_normalizer(const JsonReader& section);

}  // namespace pagoda
