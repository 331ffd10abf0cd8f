// Bytes and durations in words for people: "15.3 GiB", "2 min 5 s".
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>

namespace pagoda {

std::string bytes_text(int64_t bytes);
std::string duration_text(int64_t seconds);

}  // namespace pagoda
