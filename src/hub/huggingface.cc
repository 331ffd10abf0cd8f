#include "hub/huggingface.h"

#include <boost/json.hpp>
#include <charconv>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "hub/cache_layout.h"
#include "hub/json_fields.h"
#include "hub/small_files.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::string_view kEndpoint = "https://huggingface.co";
constexpr std::string_view kDefaultRevision = "main";
constexpr size_t kMostRevisions = 20;  // in a message
constexpr HubRemedies kRemedies = {.endpoint = "HF_ENDPOINT",
                                   .token = "HF_TOKEN",
                                   .other = "use ModelScope with VLLM_USE_MODELSCOPE=True"};

std::string endpoint(const HubOptions& options) {
  return endpoint_of(options.hf_endpoint, kEndpoint);
}

// Where Hugging Face's own tools leave the token after a login.
fs::path token_file(const HubOptions& o) {
  return hugging_face_home(o) / "token";
}

std::string token_of(const HubOptions& options) {
  std::string token = options.hf_token;
  if (token.empty() && is_file(token_file(options))) token = read_text_file(token_file(options));
  // A line break would begin another header.
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  std::erase_if(token, is_space);
  return token;
}

// Names that the typed one may have meant: of its owner's models, else what the hub's search finds.
std::vector<std::string> near_names(const HubClient& client, const std::string& name,
                                    const HubOptions& options) {
  const size_t slash = name.find('/');
  std::vector<std::string> queries;
  if (slash != std::string::npos) queries.push_back(str("author=", name.substr(0, slash)));
  queries.push_back(str("search=", name.substr(slash == std::string::npos ? 0 : slash + 1)));
  for (const std::string& query : queries) {
    const FetchResponse answer = http_get(
        client.request(str(endpoint(options), "/api/models?", query, "&limit=500&sort=downloads")));
    const json::value list = parsed_json(answer.body);
    const std::vector<std::string> ids = texts_of(fields_of(list), "id");
    const std::set<std::string> names(ids.begin(), ids.end());
    std::vector<std::string> near = names_like(name, names);
    if (!near.empty()) return near;
  }
  return {};
}

// "main, v1.0": the branches and tags of a model.
std::string revisions_of(const HubClient& client, const std::string& name,
                         const HubOptions& options) {
  const FetchResponse answer =
      http_get(client.request(str(endpoint(options), "/api/models/", name, "/refs")));
  const json::value refs = parsed_json(answer.body);
  std::vector<std::string> names;
  for (const char* kind : {"branches", "tags"}) {
    for (std::string& name_of_one : texts_of(fields_of(refs).find(kind), "name")) {
      if (names.size() < kMostRevisions) names.push_back(std::move(name_of_one));
    }
  }
  return joined(names, ", ");
}

std::string access_remedy(const std::string& name, const HubOptions& options) {
  const std::string page = str(endpoint(options), "/", name);
  return token_of(options).empty()
             ? str("accept its terms on ", page,
                   " if it asks for that, then pass a token: HF_TOKEN=hf_... or --hf-token (from ",
                   endpoint(options), "/settings/tokens)")
             : str("the token given (HF_TOKEN) is not let in; accept the model's terms on ", page,
                   " with the account of that token, and let the token read it");
}

// What a model that cannot be listed is told: not there, not for us, or another revision is meant.
[[noreturn]] void reject_model(const HubClient& client, const std::string& name,
                               const HubOptions& options, const FetchResponse& answer) {
  const std::string host = host_of(endpoint(options));
  const std::string code = answer.header("x-error-code").value_or("");
  if (code == "RevisionNotFound") {
    const std::string there = revisions_of(client, name, options);
    throw Error(ErrorKind::kConfig,
                str("--revision: \"", options.revision, "\" is not a branch, tag or commit of ",
                    name, " at ", host, there.empty() ? "" : str("; there are ", there)));
  }
  const std::string message = answer.header("x-error-message").value_or("");
  if (answer.status == 401 && message.find("Invalid credentials") != std::string::npos) {
    throw Error(ErrorKind::kConfig,
                str("HF_TOKEN: ", host, " does not know this token; make a new one at ",
                    endpoint(options), "/settings/tokens, or unset it for public models"));
  }
  if (answer.status == 403 || code == "GatedRepo") {
    throw Error(ErrorKind::kConfig,
                str("model: \"", name, "\" is not for everybody (", host, " answers ",
                    answer.status, "); ", access_remedy(name, options)));
  }
  if (answer.status == 401 || answer.status == 404) {
    // 401 is also the answer for what does not exist: private names are not given away.
    const std::vector<std::string> near = near_names(client, name, options);
    throw Error(
        ErrorKind::kConfig,
        str("model: \"", name, "\" is neither a folder nor a model at ", host, " (", answer.status,
            ")", near.empty() ? "" : str("; did you mean ", joined(near, " or "), "?"),
            "; check the name; if the model is private or gated, ", access_remedy(name, options)));
  }
  throw Error(ErrorKind::kDevice, str(host, ": answers status ", answer.status, " for ", name,
                                      "; check HF_ENDPOINT (", endpoint(options), ")"));
}

// Some mirrors list names alone; the headers of a file say the rest.
void complete_by_headers(const HubClient& client, HubFile& file) {
  const FetchResponse head = client.head(file.url);
  std::string etag = head.header("x-linked-etag").value_or(head.header("etag").value_or(""));
  if (etag.starts_with("W/")) etag.erase(0, 2);
  std::erase(etag, '"');
  if (is_hash(etag, 64)) file.sha256 = etag;
  if (is_hash(etag, 40)) file.git_sha1 = etag;
  const std::string size =
      head.header("x-linked-size").value_or(head.header("content-length").value_or(""));
  const auto [stop, error] = std::from_chars(size.data(), size.data() + size.size(), file.bytes);
  const bool is_known =
      error == std::errc() && file.bytes >= 0 && !(file.sha256.empty() && file.git_sha1.empty());
  if (is_known) return;
  throw Error(ErrorKind::kDevice,
              str(host_of(file.url), ": does not say the size and hash of ", file.path,
                  "; this mirror cannot be used: choose another HF_ENDPOINT"));
}

HubFile file_of(const JsonReader& sibling) {
  HubFile file;
  file.path = text_of(sibling, "rfilename");
  file.bytes = count_of(sibling, "size").value_or(-1);
  if (const auto lfs = sibling.if_object("lfs")) {
    file.sha256 = text_of(*lfs, "sha256");
    file.bytes = count_of(*lfs, "size").value_or(file.bytes);
  } else {
    file.git_sha1 = text_of(sibling, "blobId");
  }
  // They become names of files.
  if (!is_hash(file.sha256, 64)) file.sha256.clear();
  if (!is_hash(file.git_sha1, 40)) file.git_sha1.clear();
  return file;
}

}  // namespace

HubClient hugging_face_client(const HubOptions& options, Say say) {
  const std::string token = token_of(options);
  std::vector<std::string> headers;
  if (!token.empty()) headers.push_back(str("Authorization: Bearer ", token));
  return {options, kRemedies, std::move(headers), std::move(say)};
}

HubListing list_hugging_face(const HubClient& client, const std::string& name,
                             const HubOptions& options) {
  const std::string revision =
      options.revision.empty() ? std::string(kDefaultRevision) : options.revision;
  const std::string url = str(endpoint(options), "/api/models/", url_encoded(name, true),
                              "/revision/", url_encoded(revision, false), "?blobs=true");
  const FetchResponse answer = client.get(url);
  if (answer.status != 200) reject_model(client, name, options, answer);
  const json::value parsed = parsed_json(answer.body);
  const JsonReader info = fields_of(parsed);
  const auto siblings = info.if_list("siblings");
  if (!siblings || !is_safe_path(text_of(info, "sha"))) {
    throw Error(ErrorKind::kDevice, str(host_of(url),
                                        ": does not answer as Hugging Face does; "
                                        "check HF_ENDPOINT (",
                                        endpoint(options), ")"));
  }
  HubListing listing;
  listing.commit = text_of(info, "sha");
  listing.model = name;
  listing.access_remedy = access_remedy(name, options);
  for (const JsonReader& sibling : siblings->items()) {
    HubFile file = file_of(sibling);
    if (!is_safe_path(file.path)) continue;
    file.url = str(endpoint(options), "/", url_encoded(name, true), "/resolve/",
                   url_encoded(listing.commit, false), "/", url_encoded(file.path, true));
    listing.files.push_back(std::move(file));
  }
  return listing;
}

void complete_hugging_face(const HubClient& client, std::vector<HubFile>& files) {
  for (HubFile& file : files) {
    const bool has_hash = !file.sha256.empty() || !file.git_sha1.empty();
    if (file.bytes < 0 || !has_hash) complete_by_headers(client, file);
  }
}

fs::path hugging_face_blob(const fs::path& folder, const HubFile& file) {
  return folder / "blobs" / (file.sha256.empty() ? file.git_sha1 : file.sha256);
}

fs::path link_snapshot(const fs::path& folder, const HubListing& listing,
                       const std::string& revision) {
  fs::path snapshot = folder / "snapshots" / listing.commit;
  for (const HubFile& file : listing.files) {
    link_or_move(hugging_face_blob(folder, file), snapshot / file.path);
  }
  const std::string reference = revision.empty() ? std::string(kDefaultRevision) : revision;
  if (reference != listing.commit && is_safe_path(reference)) {
    write_small_file(folder / "refs" / reference, listing.commit);
  }
  return snapshot;
}

}  // namespace pagoda
