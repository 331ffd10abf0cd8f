#include "api/answers/random_id.h"

#include <fmt/format.h>

#include <random>

namespace pagoda {

std::string random_hex_id() {
  std::random_device random;
  std::string out;
  for (int i = 0; i < 4; ++i) out += fmt::format("{:08x}", random());
  return out;
}

}  // namespace pagoda
