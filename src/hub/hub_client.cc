#include "hub/hub_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/str.h"
#include "hub/amounts.h"

namespace pagoda {
namespace {

// A list of files is some megabytes at most; more is not a hub.
constexpr int64_t kMostBytesOfAnswer = 256 << 20;

bool is_later(int status) {
  return status == 408 || status == 429 || status >= 500;
}

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7), in seconds since 1970.
std::optional<int64_t> seconds_of_date(const std::string& text) {
  std::tm parts{};
  const char* rest = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return timegm(&parts);
}

// Retry-After in seconds, or as a date, which is compared with the server's own clock.
std::optional<int64_t> told_wait_ms(const FetchResponse& response) {
  const auto header = response.header("retry-after");
  if (!header) return std::nullopt;
  int64_t seconds = 0;
  const char* end = header->data() + header->size();
  const auto [stop, error] = std::from_chars(header->data(), end, seconds);
  if (error != std::errc() || stop != end) {
    const auto then = seconds_of_date(*header);
    if (!then) return std::nullopt;
    const auto now = seconds_of_date(response.header("date").value_or(""));
    seconds = std::max<int64_t>(*then - now.value_or(std::time(nullptr)), 0);
  }
  if (seconds < 0 || seconds > (1 << 30)) return std::nullopt;
  return seconds * 1000;
}

std::string failure_text(const FetchResponse& response) {
  if (response.failure != FetchFailure::kNone) return response.reason;
  if (response.status == 429) return "429 (too many requests)";
  return str("status ", response.status);
}

std::string remedy_of(FetchFailure failure, const HubRemedies& remedies) {
  const std::string elsewhere =
      str("check the network, name a proxy with https_proxy, a mirror with ", remedies.endpoint,
          ", or ", remedies.other);
  switch (failure) {
    case FetchFailure::kResolve: return str("its name cannot be resolved; ", elsewhere);
    case FetchFailure::kConnect:
    case FetchFailure::kTimeout: return str("it does not answer; ", elsewhere);
    case FetchFailure::kTls:
      return "a safe connection cannot be made; name the certificates of your proxy with "
             "SSL_CERT_FILE, and check the clock of this machine";
    case FetchFailure::kBadUrl: return str("this is not a URL; check ", remedies.endpoint);
    case FetchFailure::kCut:
      return "the connection breaks again and again; what is there is kept: start again to go on";
    default: return str("its answers are of no use; check ", remedies.endpoint, " and the proxy");
  }
}

}  // namespace

bool is_transient(const FetchResponse& response) {
  switch (response.failure) {
    case FetchFailure::kNone: return is_later(response.status);
    case FetchFailure::kResolve:
    case FetchFailure::kConnect:
    case FetchFailure::kTimeout:
    case FetchFailure::kCut:
    case FetchFailure::kOther: return true;
    default: return false;
  }
}

std::string url_encoded(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slashes);
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string host_of(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  return std::string(url.substr(0, url.find('/')));
}

std::string endpoint_of(std::string_view host_or_url, std::string_view otherwise) {
  if (host_or_url.empty()) host_or_url = otherwise;
  while (host_or_url.ends_with('/')) host_or_url.remove_suffix(1);
  const bool has_scheme = host_or_url.find("://") != std::string_view::npos;
  return str(has_scheme ? "" : "https://", host_or_url);
}

void wait_or_stop(const HubNetwork& network, int64_t ms) {
  if (network.wait) return network.wait(ms);
  constexpr int64_t kSliceMs = 100;  // soon enough for someone who pressed Ctrl-C
  while (ms > 0 && !(network.is_cancelled && network.is_cancelled())) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(ms, kSliceMs)));
    ms -= kSliceMs;
  }
}

void check_not_cancelled(const HubNetwork& network) {
  if (!network.is_cancelled || !network.is_cancelled()) return;
  throw Error(ErrorKind::kConfig, "the download was stopped; start again to go on");
}

bool Attempts::again(const FetchResponse& response) {
  if (++failures_ >= network_.attempts) return false;
  const int64_t ms = wait_ms(response);
  if (ms > network_.longest_told_wait_ms) return false;
  const std::string host = host_of(response.final_url);
  say_(str(host, ": ", failure_text(response), "; trying again in ",
           duration_text((ms + 999) / 1000), " (", failures_ + 1, " of ", network_.attempts, ")"));
  wait_or_stop(network_, ms);
  return true;
}

int64_t Attempts::wait_ms(const FetchResponse& response) const {
  if (const auto told = told_wait_ms(response)) return *told;
  const int doublings = std::min(failures_ - 1, 20);
  return std::min(network_.first_wait_ms << doublings, network_.longest_wait_ms);
}

HubClient::HubClient(const HubOptions& options, const HubRemedies& remedies,
                     std::vector<std::string> headers, Say say)
    : options_(options), remedies_(remedies), headers_(std::move(headers)), say_(std::move(say)) {}

FetchRequest HubClient::request(const std::string& url) const {
  return {.url = url,
          .headers = headers_,
          .environment_proxy = options_.network.environment_proxy,
          .ca_file = options_.ca_file,
          .is_cancelled = options_.network.is_cancelled};
}

template <class Request>
FetchResponse HubClient::tried(const std::string& url, const Request& perform) const {
  Attempts tries = attempts();
  for (;;) {
    FetchResponse response = perform();
    const bool answered = response.failure == FetchFailure::kNone && !is_transient(response);
    if (answered) return response;
    if (!is_transient(response) || !tries.again(response)) reject(response, url);
  }
}

FetchResponse HubClient::get(const std::string& url) const {
  FetchRequest what = request(url);
  what.max_bytes = kMostBytesOfAnswer;
  return tried(url, [&] { return http_get(what); });
}

FetchResponse HubClient::head(const std::string& url) const {
  return tried(url, [&] { return http_head(request(url)); });
}

void HubClient::reject(const FetchResponse& response, const std::string& url) const {
  // A redirect may lead to what has no host.
  const std::string last = host_of(response.final_url);
  const std::string where = last.empty() ? host_of(url) : last;
  check_not_cancelled(options_.network);
  if (response.failure != FetchFailure::kNone) {
    throw Error(ErrorKind::kDevice, str(where, ": ", remedy_of(response.failure, remedies_), " (",
                                        response.reason, ")"));
  }
  const auto told = told_wait_ms(response);
  const std::string when =
      told ? str("; it asks to come back after ", duration_text(*told / 1000)) : "";
  const std::string remedy =
      response.status == 429
          ? str("; a token (", remedies_.token, ") may raise the limit, and what is there is kept")
          : str("; try again later, or name a mirror with ", remedies_.endpoint);
  throw Error(ErrorKind::kDevice, str(where, ": answers ", failure_text(response), when, remedy));
}

}  // namespace pagoda
