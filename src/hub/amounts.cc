#include "hub/amounts.h"

#include <fmt/format.h>

#include <array>

#include "base/str.h"

namespace pagoda {

std::string bytes_text(int64_t bytes) {
  if (bytes < 1024) return str(bytes, " B");
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double amount = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // From 1023.95 on, one decimal would print as 1024.0.
  while (amount >= 1023.95 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string duration_text(int64_t seconds) {
  if (seconds < 60) return str(seconds, " s");
  if (seconds < 3600) return str(seconds / 60, " min ", seconds % 60, " s");
  return str(seconds / 3600, " h ", seconds % 3600 / 60, " min");
}

}  // namespace pagoda
