#include "base/http_client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

struct Transfer {
  const FetchRequest& request;
  const FetchReceiver& receiver;
  FetchResponse response;
  CURL* handle = nullptr;
  int64_t received = 0;
  FetchFailure stopped_because = FetchFailure::kNone;  // by one of our callbacks
};

int status_of(const Transfer& transfer) {
  long status = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
  return static_cast<int>(status);
}

size_t on_body(char* data, size_t, size_t bytes, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (transfer.received == 0 && transfer.request.is_wanted) {
    transfer.response.status = status_of(transfer);
    if (!transfer.request.is_wanted(transfer.response)) {
      transfer.stopped_because = FetchFailure::kStopped;
      return 0;
    }
  }
  transfer.received += static_cast<int64_t>(bytes);
  if (transfer.received > transfer.request.max_bytes) {
    transfer.stopped_because = FetchFailure::kTooLarge;
    return 0;
  }
  if (!transfer.receiver) {
    transfer.response.body.append(data, bytes);
    return bytes;
  }
  if (transfer.receiver(status_of(transfer), std::as_bytes(std::span(data, bytes)))) return bytes;
  transfer.stopped_because = FetchFailure::kStopped;
  return 0;
}

size_t on_header(char* data, size_t, size_t bytes, void* context) {
  auto& headers = static_cast<Transfer*>(context)->response.headers;
  const std::string_view line(data, bytes);
  if (line.starts_with("HTTP/")) headers.clear();  // another answer: a redirect was followed
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bytes;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string_view rest = line.substr(colon + 1);
  const size_t first = rest.find_first_not_of(" \t\r\n"), last = rest.find_last_not_of(" \t\r\n");
  headers.emplace_back(std::move(name), first == std::string_view::npos
                                            ? ""
                                            : std::string(rest.substr(first, last - first + 1)));
  return bytes;
}

int on_progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (!transfer.request.is_cancelled()) return 0;
  transfer.stopped_because = FetchFailure::kStopped;
  return 1;
}

FetchFailure refusal_of(const sockaddr& address, AddressPolicy policy) {
  if (policy == AddressPolicy::kAny) return FetchFailure::kNone;
  switch (kind_of(address)) {
    case AddressKind::kPublic: return FetchFailure::kNone;
    case AddressKind::kPrivate: break;
    case AddressKind::kNever: return FetchFailure::kAddressForbidden;
  }
  return policy == AddressPolicy::kPrivateToo ? FetchFailure::kNone : FetchFailure::kAddressRefused;
}

curl_socket_t on_open_socket(void* context, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(context);
  transfer.stopped_because = refusal_of(address->addr, transfer.request.addresses);
  if (transfer.stopped_because != FetchFailure::kNone) return CURL_SOCKET_BAD;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

FetchFailure failure_of(CURLcode code) {
  switch (code) {
    case CURLE_OK: return FetchFailure::kNone;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return FetchFailure::kBadUrl;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return FetchFailure::kResolve;
    case CURLE_COULDNT_CONNECT: return FetchFailure::kConnect;
    case CURLE_OPERATION_TIMEDOUT: return FetchFailure::kTimeout;
    case CURLE_TOO_MANY_REDIRECTS: return FetchFailure::kTooManyRedirects;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM: return FetchFailure::kTls;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return FetchFailure::kCut;
    default: return FetchFailure::kOther;
  }
}

using HeaderList = std::unique_ptr<curl_slist, void (*)(curl_slist*)>;

HeaderList header_list(const std::vector<std::string>& headers) {
  curl_slist* list = nullptr;
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  return {list, curl_slist_free_all};
}

void set_limits(const Transfer& transfer) {
  const FetchRequest& request = transfer.request;
  curl_easy_setopt(transfer.handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connect_timeout_ms));
  curl_easy_setopt(transfer.handle, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(request.total_timeout_ms));
  curl_easy_setopt(transfer.handle, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(request.stall_timeout_s));
  curl_easy_setopt(transfer.handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(transfer.handle, CURLOPT_MAXREDIRS, static_cast<long>(request.max_redirects));
  curl_easy_setopt(transfer.handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(transfer.handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(transfer.handle, CURLOPT_NOSIGNAL, 1L);
  // Without it the end of a transfer waits for the resolver of its name, 10 s and more where the
  // name's server says nothing, whatever the time limit.
  curl_easy_setopt(transfer.handle, CURLOPT_QUICK_EXIT, 1L);
  if (!request.environment_proxy) curl_easy_setopt(transfer.handle, CURLOPT_NOPROXY, "*");
}

void set_certificates(const Transfer& transfer) {
  const FetchRequest& request = transfer.request;
  if (!request.ca_file.empty()) {
    curl_easy_setopt(transfer.handle, CURLOPT_CAINFO, request.ca_file.c_str());
  }
  if (request.any_certificate) {
    curl_easy_setopt(transfer.handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(transfer.handle, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (request.client_certificate.empty()) return;
  curl_easy_setopt(transfer.handle, CURLOPT_SSLCERT, request.client_certificate.c_str());
  if (request.client_key.empty()) return;
  curl_easy_setopt(transfer.handle, CURLOPT_SSLKEY, request.client_key.c_str());
}

void set_callbacks(Transfer& transfer) {
  curl_easy_setopt(transfer.handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(transfer.handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(transfer.handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(transfer.handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(transfer.handle, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  curl_easy_setopt(transfer.handle, CURLOPT_OPENSOCKETDATA, &transfer);
  if (!transfer.request.is_cancelled) return;
  curl_easy_setopt(transfer.handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(transfer.handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(transfer.handle, CURLOPT_XFERINFODATA, &transfer);
}

FetchResponse perform(const FetchRequest& request, const FetchReceiver& receiver, bool head) {
  const std::unique_ptr<CURL, void (*)(CURL*)> owner(curl_easy_init(), curl_easy_cleanup);
  MUST(owner != nullptr);
  Transfer transfer{
      .request = request, .receiver = receiver, .response = {}, .handle = owner.get()};
  const HeaderList headers = header_list(request.headers);
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(transfer.handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(transfer.handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(transfer.handle, CURLOPT_USERAGENT, "pagoda");
  curl_easy_setopt(transfer.handle, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(transfer.handle, CURLOPT_NOBODY, head ? 1L : 0L);
  curl_easy_setopt(transfer.handle, CURLOPT_FOLLOWLOCATION, head ? 0L : 1L);
  const std::string range =
      request.range ? str(request.range->first, "-", request.range->second) : std::string();
  if (request.range) curl_easy_setopt(transfer.handle, CURLOPT_RANGE, range.c_str());
  set_limits(transfer);
  set_certificates(transfer);
  set_callbacks(transfer);

  const CURLcode code = curl_easy_perform(transfer.handle);
  FetchResponse& response = transfer.response;
  response.status = status_of(transfer);
  const char* final_url = nullptr;
  curl_easy_getinfo(transfer.handle, CURLINFO_EFFECTIVE_URL, &final_url);
  response.final_url = final_url == nullptr ? request.url : final_url;
  response.failure = failure_of(code);
  if (response.failure != FetchFailure::kNone && transfer.stopped_because != FetchFailure::kNone) {
    response.failure = transfer.stopped_because;
  }
  response.reason = reason[0] != '\0' ? reason : curl_easy_strerror(code);
  if (response.failure == FetchFailure::kAddressRefused) {
    response.reason = "its address is a loopback, private or reserved one";
  } else if (response.failure == FetchFailure::kAddressForbidden) {
    response.reason = "its address is link-local or that of a cloud's metadata service";
  } else if (response.failure == FetchFailure::kTooLarge) {
    response.reason = str("it is larger than ", request.max_bytes, " bytes");
  }
  return std::move(response);
}

}  // namespace

std::optional<std::string> FetchResponse::header(std::string_view name) const {
  for (auto i = headers.rbegin(); i != headers.rend(); ++i) {
    if (i->first == name) return i->second;
  }
  return std::nullopt;
}

FetchResponse http_get(const FetchRequest& request, const FetchReceiver& receiver) {
  return perform(request, receiver, /*head=*/false);
}

FetchResponse http_head(const FetchRequest& request) {
  return perform(request, {}, /*head=*/true);
}

}  // namespace pagoda
