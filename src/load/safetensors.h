// The header of a safetensors file: which tensor lies where.
//
//   u64 little-endian n | n bytes of JSON {"name": {"dtype", "shape", "data_offsets"}, ...} | data
//
// (huggingface/safetensors, README, "Format".) The header comes from the network, so nothing in it
// is believed: every fault is a kCheckpoint that names file, tensor, found, expected and remedy.
//
// Thread rule: pure functions.
// Invariant of what is returned: the tensors cover the data without gap or overlap, and each has as
// many bytes as its shape and dtype need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/matrix.h"

namespace pagoda {

struct SafetensorsEntry {
  std::string name;
  std::string_view dtype;  // as the file spells it: "BF16"
  std::vector<int64_t> shape;
  size_t offset = 0;  // in the file
  size_t bytes = 0;

  // None for a number format that weights cannot have (yet).
  std::optional<Encoding> encoding() const;
};

// Entries in the order of their data. `path` is for messages.
std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> file,
                                                const std::string& path);

// A name from a file, fit for one line of a log: no control characters, at most 200 bytes.
std::string printable_name(std::string_view name);

}  // namespace pagoda
