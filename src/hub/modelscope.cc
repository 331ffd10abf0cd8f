#include "hub/modelscope.h"

#include <boost/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/str.h"
#include "hub/cache_layout.h"
#include "hub/json_fields.h"
#include "hub/small_files.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::string_view kDomain = "www.modelscope.cn";
constexpr std::string_view kDefaultRevision = "master";
constexpr HubRemedies kRemedies = {.endpoint = "MODELSCOPE_DOMAIN",
                                   .token = "MODELSCOPE_API_TOKEN",
                                   .other = "use Hugging Face with VLLM_USE_MODELSCOPE=False"};

std::string endpoint(const HubOptions& options) {
  return endpoint_of(options.modelscope_domain, kDomain);
}

// "Data" of an answer; nothing if it is not one of ModelScope's or says that it failed.
std::optional<JsonReader> data_of(const json::value& answer) {
  const JsonReader fields = fields_of(answer);
  return fields.if_integer("Code") == 200 ? fields.if_object("Data") : std::nullopt;
}

// The branches and tags of a model; none if there is no such model.
std::vector<std::string> revisions_of(const HubClient& client, const std::string& name,
                                      const HubOptions& options) {
  const FetchResponse answer = http_get(client.request(
      str(endpoint(options), "/api/v1/models/", url_encoded(name, true), "/revisions")));
  std::vector<std::string> names;
  const json::value value = parsed_json(answer.body);
  const auto data = data_of(value);
  const auto map = data ? data->if_object("RevisionMap") : std::nullopt;
  if (!map) return names;
  for (const char* kind : {"Branches", "Tags"}) {
    for (std::string& revision : texts_of(map->find(kind), "Revision")) {
      names.push_back(std::move(revision));
    }
  }
  return names;
}

std::string access_remedy(const std::string& name, const HubOptions& options) {
  return options.modelscope_token.empty()
             ? str("ask for access on ", endpoint(options), "/models/", name,
                   ", then pass a token: MODELSCOPE_API_TOKEN=... (from ", endpoint(options),
                   "/my/myaccesstoken)")
             : str("the token given (MODELSCOPE_API_TOKEN) is not let in; ask for access on ",
                   endpoint(options), "/models/", name, " with the account of that token");
}

[[noreturn]] void reject_model(const HubClient& client, const std::string& name,
                               const HubOptions& options, const FetchResponse& answer) {
  const std::string host = host_of(endpoint(options));
  const std::vector<std::string> revisions = revisions_of(client, name, options);
  if (!revisions.empty() && !options.revision.empty()) {
    throw Error(ErrorKind::kConfig,
                str("--revision: \"", options.revision, "\" is not a branch or tag of ", name,
                    " at ", host, "; there are ", joined(revisions, ", ")));
  }
  if (answer.status == 401 || answer.status == 403) {
    throw Error(ErrorKind::kConfig,
                str("model: \"", name, "\" is not for everybody (", host, " answers ",
                    answer.status, "); ", access_remedy(name, options)));
  }
  const json::value value = parsed_json(answer.body);
  const std::string message = printable(text_of(fields_of(value), "Message"));
  if (answer.status == 404 || !message.empty()) {
    throw Error(ErrorKind::kConfig,
                str("model: \"", name, "\" is neither a folder nor a model at ", host, " (",
                    answer.status, message.empty() ? "" : str(": ", message), "); check the name ",
                    "at ", endpoint(options), "/models: owners there may differ from Hugging ",
                    "Face's; if the model is private, ", access_remedy(name, options)));
  }
  throw Error(ErrorKind::kDevice,
              str(host, ": does not answer as ModelScope does (status ", answer.status,
                  "); check MODELSCOPE_DOMAIN (", endpoint(options), ")"));
}

// The format of Python's pickle, protocol 2, as far as a list of dicts of strings needs it
// (pickletools.py of CPython names the codes).
void append_pickled(std::string& out, std::string_view text) {
  out += 'X';  // BINUNICODE, then the length in four bytes, the lowest first
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(text.size() >> shift & 0xFF);
  out += text;
}

std::string pickled(const std::vector<HubFile>& files) {
  std::string out = "\x80\x02](";  // PROTO 2, EMPTY_LIST, MARK
  for (const HubFile& file : files) {
    out += "}(";  // EMPTY_DICT, MARK
    append_pickled(out, "Path");
    append_pickled(out, file.path);
    append_pickled(out, "Revision");
    append_pickled(out, file.commit);
    out += 'u';  // SETITEMS
  }
  return out + "e.";  // APPENDS, STOP
}

}  // namespace

HubClient modelscope_client(const HubOptions& options, Say say) {
  std::string token = options.modelscope_token;
  // A line break would begin another header.
  std::erase_if(token, [](char c) { return c <= ' ' || c == ';'; });
  std::vector<std::string> headers;
  if (!token.empty()) headers.push_back(str("Cookie: m_session_id=", token));
  return {options, kRemedies, std::move(headers), std::move(say)};
}

HubListing list_modelscope(const HubClient& client, const std::string& name,
                           const HubOptions& options) {
  HubListing listing;
  listing.model = name;
  listing.commit = options.revision.empty() ? std::string(kDefaultRevision) : options.revision;
  listing.access_remedy = access_remedy(name, options);
  const std::string base =
      str(endpoint(options), "/api/v1/models/", url_encoded(name, true), "/repo");
  const std::string revision = str("?Revision=", url_encoded(listing.commit, false));
  // What lies deeper is not served, and ModelScope cuts lists off after 3000 files.
  const FetchResponse answer = client.get(str(base, "/files", revision, "&Recursive=False"));
  const json::value value = parsed_json(answer.body);
  const auto data = answer.status == 200 ? data_of(value) : std::nullopt;
  const auto files = data ? data->if_list("Files") : std::nullopt;
  if (!files) reject_model(client, name, options, answer);
  for (const JsonReader& entry : files->items()) {
    if (text_of(entry, "Type") == "tree") continue;
    HubFile file = {.path = text_of(entry, "Path"),
                    .bytes = count_of(entry, "Size").value_or(-1),
                    .sha256 = text_of(entry, "Sha256"),
                    .git_sha1 = "",
                    .commit = text_of(entry, "Revision"),
                    .url = ""};
    if (!is_safe_path(file.path) || file.bytes < 0) continue;
    // It becomes a part of a file's name.
    if (!file.sha256.empty() && !is_hash(file.sha256, 64)) {
      throw Error(ErrorKind::kDevice,
                  str(host_of(base), ": lists \"", printable(file.sha256), "\" as the SHA-256 of ",
                      file.path, "; this mirror cannot be used: choose another MODELSCOPE_DOMAIN"));
    }
    file.url = str(base, revision, "&FilePath=", url_encoded(file.path, false));
    listing.files.push_back(std::move(file));
  }
  return listing;
}

void note_modelscope(const fs::path& folder, const HubListing& listing) {
  write_small_file(folder / ".msc", pickled(listing.files));
  write_small_file(folder / ".mv", str("Revision:", listing.commit));
}

}  // namespace pagoda
