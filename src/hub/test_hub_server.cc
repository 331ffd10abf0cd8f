#include "hub/test_hub_server.h"

#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "base/must.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace json = boost::json;

std::string hex_digest(const EVP_MD* algorithm, const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  MUST(EVP_Digest(text.data(), text.size(), digest, &size, algorithm, nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

std::string sha256_of(const std::string& text) {
  return hex_digest(EVP_sha256(), text);
}

std::string git_sha1(const std::string& text) {
  return hex_digest(EVP_sha1(), str("blob ", text.size(), '\0', text));
}

bool is_lfs(std::string_view path) {
  return path.ends_with(".safetensors") || path.ends_with(".bin");
}

std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 2 >= text.size()) {
      out += text[i];
      continue;
    }
    unsigned int code = 0;
    std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16);
    out += static_cast<char>(code);
    i += 2;
  }
  return out;
}

std::string parameter(std::string_view query, std::string_view name) {
  const std::string key = str(name, "=");
  size_t at = query.find(key);
  while (at != std::string_view::npos && at > 0 && query[at - 1] != '&')
    at = query.find(key, at + 1);
  if (at == std::string_view::npos) return "";
  const std::string_view value = query.substr(at + key.size());
  return decoded(value.substr(0, value.find('&')));
}

// "bytes=2-5" in the lines of a head.
bool asked_range(const std::string& head, int64_t& first, int64_t& last) {
  const size_t at = head.find("Range: bytes=");
  if (at == std::string::npos) return false;
  const char* from = head.data() + at + 13;
  const char* end = head.data() + head.size();
  const auto dash = std::from_chars(from, end, first);
  std::from_chars(dash.ptr + 1, end, last);
  return true;
}

std::string text_of_head(const HubServer::Request& request, int status,
                         const std::vector<std::string>& headers, int64_t length) {
  std::string head = str("HTTP/1.1 ", status, " -\r\n");
  for (const std::string& line : headers) head += str(line, "\r\n");
  const bool has_length = head.find("Content-Length") != std::string::npos;
  if (!has_length || request.method == "GET") head += str("Content-Length: ", length, "\r\n");
  return str(head, "Connection: close\r\n\r\n");
}

void send_all(int connection, std::string_view text, size_t write_bytes) {
  while (!text.empty()) {
    const size_t now = write_bytes == 0 ? text.size() : std::min(write_bytes, text.size());
    const ssize_t sent = send(connection, text.data(), now, MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace

HubServer::HubServer() : thread_([this] { listen_and_answer(); }) {}

HubServer::~HubServer() {
  listener_.stop();
  thread_.join();
  for (std::thread& connection : connections_) connection.join();
}

std::string HubServer::url() const {
  return str("http://127.0.0.1:", port());
}

void HubServer::fail(std::string part, int times, Fault fault) {
  const MutexLock lock(mutex_);
  plans_.push_back({std::move(part), times, std::move(fault)});
}

std::vector<HubServer::Request> HubServer::requests(std::string_view part) const {
  const MutexLock lock(mutex_);
  std::vector<Request> found;
  for (const Request& request : requests_) {
    if (request.target.find(part) != std::string::npos) found.push_back(request);
  }
  return found;
}

void HubServer::listen_and_answer() {
  for (;;) {
    const int connection = listener_.accept();
    if (connection < 0) return;
    connections_.emplace_back([this, connection] { serve(connection); });
  }
}

Fault HubServer::take_fault(const std::string& target) {
  const MutexLock lock(mutex_);
  for (Plan& plan : plans_) {
    if (plan.times == 0 || target.find(plan.part) == std::string::npos) continue;
    --plan.times;
    return plan.fault;
  }
  return {};
}

void HubServer::serve(int connection) {
  Request request;
  char buffer[4096];
  while (request.head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = read(connection, buffer, sizeof buffer);
    if (got <= 0) break;
    request.head.append(buffer, static_cast<size_t>(got));
    if (request.head[0] < 'A') break;  // someone who wants TLS
  }
  const size_t space = request.head.find(' ');
  request.method = request.head.substr(0, space);
  request.target = request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);
  {
    const MutexLock lock(mutex_);
    requests_.push_back(request);
  }
  const Fault fault = take_fault(request.target);
  if (fault.before_answer) fault.before_answer();
  Answer answer = answer_to(request);
  if (fault.status != 0) answer = {.status = fault.status, .headers = {}, .body = "{}"};
  int64_t first = 0, last = 0;
  if (answer.is_file && !fault.ignore_range && asked_range(request.head, first, last)) {
    const auto total = static_cast<int64_t>(answer.body.size());
    first += fault.shift_range;
    answer.status = 206;
    answer.body =
        answer.body.substr(static_cast<size_t>(first), static_cast<size_t>(last - first + 1));
    answer.headers.push_back(str("Content-Range: bytes ", first, "-", last, "/", total));
  }
  if (fault.flip_byte && !answer.body.empty()) answer.body[0] ^= 1;
  answer.body.append(static_cast<size_t>(fault.add_length), '+');
  answer.headers.insert(answer.headers.end(), fault.headers.begin(), fault.headers.end());
  const auto length = static_cast<int64_t>(answer.body.size());
  if (fault.cut_after >= 0)
    answer.body.resize(static_cast<size_t>(std::min(length, fault.cut_after)));
  if (request.method == "HEAD") answer.body.clear();
  send_all(connection, text_of_head(request, answer.status, answer.headers, length), 0);
  send_all(connection, answer.body, fault.write_bytes);
  close(connection);
}

HubServer::Answer HubServer::answer_to(const Request& request) const {
  std::string_view path = request.target, query;
  if (const size_t mark = path.find('?'); mark != std::string_view::npos) {
    query = path.substr(mark + 1);
    path = path.substr(0, mark);
  }
  constexpr std::string_view kHuggingFaceApi = "/api/models", kModelScopeApi = "/api/v1/models/";
  if (path.starts_with(kModelScopeApi)) {
    Answer answer = modelscope_api(path.substr(kModelScopeApi.size()), query);
    if (answer.status != 302) return answer;
    return file_of(answer.headers[0], answer.headers[1], request);
  }
  if (path.starts_with(kHuggingFaceApi)) {
    return hugging_face_api(path.substr(kHuggingFaceApi.size()));
  }
  const size_t resolve = path.find("/resolve/");
  if (resolve == std::string_view::npos) return {.status = 404, .headers = {}, .body = ""};
  const std::string_view rest = path.substr(resolve + 9);
  return file_of(std::string(path.substr(1, resolve - 1)), decoded(rest.substr(rest.find('/') + 1)),
                 request);
}

json::object HubServer::sibling(const std::string& path, const std::string& content) const {
  json::object file = {{"rfilename", path}};
  if (bare_listing) return file;
  const auto lie = sizes.find(path);
  const int64_t bytes = lie == sizes.end() ? static_cast<int64_t>(content.size()) : lie->second;
  file["size"] = bytes;
  file["blobId"] = git_sha1(is_lfs(path) ? "pointer" : content);
  if (is_lfs(path)) {
    file["lfs"] = {{"sha256", sha256_of(content)}, {"size", bytes}, {"pointerSize", 7}};
  }
  return file;
}

HubServer::Answer HubServer::hugging_face_api(std::string_view rest) const {
  if (rest.empty()) {  // a search
    json::array found;
    for (const auto& [name, model] : models) found.push_back(json::object{{"id", name}});
    return {.headers = {}, .body = json::serialize(found)};
  }
  if (rest.ends_with("/refs")) {
    return {.headers = {}, .body = R"({"branches":[{"name":"main"}],"tags":[{"name":"v1.0"}]})"};
  }
  const size_t cut = rest.find("/revision/");
  const auto found = models.find(std::string(rest.substr(1, cut - 1)));
  if (found == models.end()) {
    return {.status = 401, .headers = {"X-Error-Code: RepoNotFound"}, .body = "{}"};
  }
  const ServedModel& model = found->second;
  const std::string revision = decoded(rest.substr(cut + 10));
  if (revision != "main" && revision != model.commit) {
    return {.status = 404, .headers = {"X-Error-Code: RevisionNotFound"}, .body = "{}"};
  }
  json::array siblings;
  for (const auto& [path, content] : model.files) {
    siblings.push_back(sibling(path, content));
  }
  const json::object info = {{"id", found->first}, {"sha", model.commit}, {"siblings", siblings}};
  return {.headers = {}, .body = json::serialize(info)};
}

// Status 302 with model and path as headers: a file is asked for.
HubServer::Answer HubServer::modelscope_api(std::string_view rest, std::string_view query) const {
  const size_t cut = rest.find('/', rest.find('/') + 1);
  const std::string name(rest.substr(0, cut));
  const auto found = models.find(name);
  if (found == models.end()) {
    return {.status = 404, .headers = {}, .body = R"({"Code":10010205001,"Message":"not found"})"};
  }
  if (rest.substr(cut) == "/revisions") {
    return {.headers = {},
            .body = R"({"Code":200,"Data":{"RevisionMap":{"Branches":[{"Revision":"master"}],)"
                    R"("Tags":[{"Revision":"v1.0"}]}}})"};
  }
  if (parameter(query, "Revision") != "master") {
    return {
        .status = 404, .headers = {}, .body = R"({"Code":10010205002,"Message":"no revision"})"};
  }
  if (rest.substr(cut) == "/repo") {
    return {.status = 302, .headers = {name, parameter(query, "FilePath")}, .body = ""};
  }
  json::array files = {json::object{{"Path", "assets"}, {"Type", "tree"}, {"Size", 0}}};
  for (const auto& [path, content] : found->second.files) {
    const bool is_deeper = path.find('/') != std::string::npos;
    if (is_deeper && parameter(query, "Recursive") == "False") continue;
    const auto lie = sha256.find(path);
    const std::string listed = lie == sha256.end() ? sha256_of(content) : lie->second;
    files.push_back(json::object{{"Path", path},
                                 {"Name", path},
                                 {"Type", "blob"},
                                 {"Size", content.size()},
                                 {"Revision", found->second.commit},
                                 {"Sha256", listed}});
  }
  return {.headers = {},
          .body = json::serialize(
              json::object{{"Code", 200}, {"Success", true}, {"Data", {{"Files", files}}}})};
}

HubServer::Answer HubServer::file_of(const std::string& model, const std::string& path,
                                     const Request& request) const {
  if (!needed_header.empty() && request.head.find(needed_header) == std::string::npos) {
    return {.status = 401, .headers = {"X-Error-Code: GatedRepo"}, .body = "{}"};
  }
  const auto found = models.find(model);
  if (found == models.end() || !found->second.files.contains(path)) {
    return {.status = 404, .headers = {}, .body = ""};
  }
  const std::string& content = found->second.files.at(path);
  if (request.method == "HEAD") {
    const std::string hash = is_lfs(path) ? sha256_of(content) : git_sha1(content);
    return {
        .headers = {str("X-Linked-Etag: \"", hash, "\""), str("X-Linked-Size: ", content.size()),
                    str("X-Repo-Commit: ", found->second.commit)},
        .body = ""};
  }
  if (!redirect_to.empty() && is_lfs(path)) {
    return {.status = 302,
            .headers = {str("Location: ", redirect_to, "/", model, "/resolve/cdn/", path)},
            .body = ""};
  }
  return {.headers = {}, .body = content, .is_file = true};
}

}  // namespace pagoda
