// HTTP(S) GET through libcurl: pictures that requests name, files of a model hub.
//
// Blocks the calling thread. Thread rule: any thread; nothing is shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/address_policy.h"

namespace pagoda {

struct FetchResponse;

struct FetchRequest {
  std::string url;                   // http:// or https://
  std::vector<std::string> headers;  // "Name: value"; Authorization is not sent to another host
  std::optional<std::pair<int64_t, int64_t>> range = {};  // bytes [first, last]
  int64_t max_bytes = INT64_MAX;                          // of the body
  int64_t connect_timeout_ms = 10'000;
  int64_t total_timeout_ms = 0;  // 0: no limit
  int64_t stall_timeout_s = 30;  // less than 1 byte a second for so long; 0: no limit
  int max_redirects = 5;
  bool environment_proxy = false;  // http_proxy, https_proxy, no_proxy
  // Checked on the socket that is about to be connected, after names are resolved and at every
  // redirect, so that what was checked is what is talked to.
  AddressPolicy addresses = AddressPolicy::kAny;
  std::string ca_file = {};  // PEM certificates to trust; empty: those of the system
  // The server's certificate is not looked at: only for asking oneself whether one is alive.
  bool any_certificate = false;
  std::string client_certificate = {};  // PEM files to show a server that asks; empty: none
  std::string client_key = {};
  // Asked once, before the first byte of the body, with status and headers; false stops.
  std::function<bool(const FetchResponse&)> is_wanted = {};
  // Asked at least once a second; true stops.
  std::function<bool()> is_cancelled = {};
};

enum class FetchFailure : uint8_t {
  kNone,
  kBadUrl,
  kResolve,  // no such host
  kConnect,
  kTls,
  kTimeout,  // as a whole, or nothing came for too long
  kTooLarge,
  kTooManyRedirects,
  kAddressRefused,    // by the policy kPublic; kPrivateToo would allow it
  kAddressForbidden,  // by every policy but kAny
  kStopped,           // by the receiver, is_wanted or is_cancelled
  kCut,               // the other side ended before the body did
  kOther,
};

struct FetchResponse {
  FetchFailure failure = FetchFailure::kNone;
  std::string reason;     // of the failure, in words
  int status = 0;         // of the last answer, where there was one
  std::string final_url;  // after redirects
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case; last answer's
  std::string body;                                          // where no receiver was given

  // The last header of this name (lower case), or nothing.
  std::optional<std::string> header(std::string_view name) const;
};

// Given each piece of a body with its answer's status; false stops the transfer.
using FetchReceiver = std::function<bool(int status, std::span<const std::byte> piece)>;

// `receiver` may be empty: the body is kept in the response.
FetchResponse http_get(const FetchRequest& request, const FetchReceiver& receiver = {});
// HEAD, which follows no redirect to another place: the answer that names it is what is wanted.
FetchResponse http_head(const FetchRequest& request);

}  // namespace pagoda
