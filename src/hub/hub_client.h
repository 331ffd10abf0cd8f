// Requests to a hub: who we are, how often we try again, and what to say when it stays in vain.
//
// Thread rule: any thread, as far as `say` may be called from any.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_client.h"
#include "hub/resolve.h"

namespace pagoda {

using Say = std::function<void(std::string_view notice)>;

// An answer that says "later": the network failed in a way that passes, 408, 429 or 5xx.
bool is_transient(const FetchResponse& response);
// "/" stays where it parts a path.
std::string url_encoded(std::string_view text, bool keep_slashes);
// The host, and the port where there is one, of a URL.
std::string host_of(std::string_view url);
// What HF_ENDPOINT and MODELSCOPE_DOMAIN mean: a URL without a slash at its end.
std::string endpoint_of(std::string_view host_or_url, std::string_view otherwise);

// Waits as `network` says; not to the end if it is cancelled.
void wait_or_stop(const HubNetwork& network, int64_t ms);

// Throws kConfig if it is cancelled.
void check_not_cancelled(const HubNetwork& network);

// One thing that is tried until it works or there is no hope.
class Attempts {
 public:
  Attempts(const HubNetwork& network, Say say) : network_(network), say_(std::move(say)) {}
  // After a transient failure: waits and answers true, or false if this was the last attempt or
  // the server asks for a longer wait than we grant.
  [[nodiscard]] bool again(const FetchResponse& response);
  // Bytes came: what fails from now on is a new failure.
  void note_success() { failures_ = 0; }

 private:
  int64_t wait_ms(const FetchResponse& response) const;

  const HubNetwork& network_;
  Say say_;
  int failures_ = 0;
};

// What people set to reach a hub in another way; for messages.
struct HubRemedies {
  const char* endpoint;  // the variable that says where the hub is
  const char* token;     // the variable with the token for it
  const char* other;     // how to use the other hub
};

class HubClient {
 public:
  HubClient(const HubOptions& options, const HubRemedies& remedies,
            std::vector<std::string> headers, Say say);

  // The last answer, whatever its status, unless it is a transient one. Throws kDevice if there is
  // none but transient ones.
  FetchResponse get(const std::string& url) const;
  // HEAD, which follows no redirect.
  FetchResponse head(const std::string& url) const;

  // A request as this client would make it, for those who want to stream or to try by themselves.
  FetchRequest request(const std::string& url) const;
  Attempts attempts() const { return {options_.network, say_}; }
  const HubNetwork& network() const { return options_.network; }
  const HubRemedies& remedies() const { return remedies_; }
  // Throws kDevice (kConfig if it was cancelled) with what can be done about it.
  [[noreturn]] void reject(const FetchResponse& response, const std::string& url) const;
  void say(std::string_view notice) const { say_(notice); }

 private:
  template <class Request>
  FetchResponse tried(const std::string& url, const Request& perform) const;

  const HubOptions& options_;
  const HubRemedies remedies_;
  std::vector<std::string> headers_;
  Say say_;
};

}  // namespace pagoda
