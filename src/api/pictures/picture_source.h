// Where a request's picture comes from: data: and file:// URLs become bytes here, http(s):// ones
// are fetched from addresses that clients may name.
//
// Thread rule: pure functions, but for files and the network.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "api/server_config.h"

namespace pagoda {

struct PictureSource {
  std::string url;
  std::string place;  // in the request: messages[0].content[1]
};

enum class SourceKind : uint8_t { kHttp, kData, kFile };

// Throws kRequest where the URL is of none of them, or files are not allowed.
SourceKind kind_of(const PictureSource& source, const PictureConfig& config);

// The bytes of a file. All three throw kRequest naming place, URL, reason and remedy.
std::string bytes_of_data(const PictureSource& source, const PictureConfig& config);
std::string bytes_of_file(const PictureSource& source, const PictureConfig& config);

// How a fetch is bounded from outside.
struct FetchBounds {
  int64_t timeout_ms;
  std::function<bool()> is_cancelled;  // asked at least once a second
  // Asked for each piece before it is kept; false: no memory for it, which throws kOverloaded.
  std::function<bool(size_t bytes)> hold;
};
std::string bytes_of_http(const PictureSource& source, const PictureConfig& config,
                          const FetchBounds& bounds);

// messages[0].content[1]: "https://...": <reason>
[[noreturn]] void refuse_picture(const PictureSource& source, std::string_view reason);
// The URL as messages show it: its beginning, and of a data: URL no data.
std::string shown_url(std::string_view url);

}  // namespace pagoda
