// Whose stand-in this is, and what it is.
#pragma once

#include <string_view>

namespace pagoda {

constexpr std::string_view kVllmVersion = "0.9.2";
constexpr std::string_view kPagodaVersion = PAGODA_VERSION;

}  // namespace pagoda
