#include "hub/obtain.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/str.h"
#include "hub/cached_models.h"
#include "hub/test_hub_server.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "Qwen/Qwen2.5-1B";
constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
constexpr int64_t kPieceBytes = 1000;

// Bytes that differ from place to place, so that a piece in the wrong place is seen.
std::string content_of(size_t bytes, int seed) {
  std::string text;
  for (size_t i = 0; i < bytes; ++i) {
    text += static_cast<char>((i * 31 + i / 251 + static_cast<size_t>(seed)) % 256);
  }
  return text;
}

ServedModel served_model() {
  return {.commit = kCommit,
          .files = {{"config.json", "{}"},
                    {"tokenizer.json", content_of(2500, 1)},
                    {"merges.txt", ""},
                    {"model-00001-of-00002.safetensors", content_of(5300, 2)},
                    {"model-00002-of-00002.safetensors", content_of(700, 3)},
                    {"model.safetensors.index.json",
                     R"({"weight_map":{"a":"model-00001-of-00002.safetensors",)"
                     R"("b":"model-00002-of-00002.safetensors"}})"},
                    {"README.md", "not needed"},
                    {"pytorch_model.bin", "not needed"},
                    {"original/model.safetensors", "not needed"},
                    {"../evil.json", "not needed"},
                    {"tokenizer\x1b[31m\nERROR.json", "not needed"}}};
}

constexpr const char* kFirstShard = "model-00001-of-00002.safetensors";
// What is downloaded of the model above.
constexpr int kNumNeeded = 6;

// Keeps what is reported, and checks that it adds up.
class RecordingProgress : public DownloadProgress {
 public:
  void begin(std::string_view what, std::vector<DownloadedFile> files) override {
    title = what;
    rows = std::move(files);
    first_done = 0;
    for (const DownloadedFile& row : rows) first_done += row.done;
  }
  void advance(size_t file, int64_t bytes) override { rows.at(file).done += bytes; }
  void finish(size_t file) override {
    ++num_finished;
    CHECK(rows.at(file).done == rows.at(file).bytes);
  }
  void end() override { ++num_ended; }
  void say(std::string_view notice) override {
    notices.emplace_back(notice);
    if (on_say) on_say(notice);
  }

  std::string title;
  std::vector<DownloadedFile> rows;
  std::vector<std::string> notices;
  int64_t first_done = 0;  // there at the beginning
  int num_finished = 0, num_ended = 0;
  std::function<void(std::string_view)> on_say;
};

// A home with caches, a server, and the options that lead to both.
class Fixture {
 public:
  Fixture() {
    std::string name = (fs::temp_directory_path() / "pagoda-hub-XXXXXX").string();
    root_ = mkdtemp(name.data());
    server.models[kName] = served_model();
    options.home = root_.string();
    options.hf_endpoint = server.url();
    options.modelscope_domain = server.url();
    options.network = {.connections = 3,
                       .piece_bytes = kPieceBytes,
                       .attempts = 3,
                       .wait =
                           [this](int64_t ms) {
                             const MutexLock lock(mutex_);
                             waits.push_back(ms);
                           },
                       .environment_proxy = false};
  }
  ~Fixture() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  fs::path path(const std::string& name) const { return root_ / name; }
  fs::path obtain(ModelNeed need = ModelNeed::kWeights) {
    return obtain_model(kName, options, progress, need);
  }
  std::string error(std::string_view name = kName) {
    try {
      obtain_model(name, options, progress);
    } catch (const Error& error) {
      kind = error.kind();
      return error.what();
    }
    return "no error";
  }
  // Whether a folder holds exactly the needed files of the model.
  bool is_whole(const fs::path& folder) const {
    int num_right = 0;
    for (const auto& [name, content] : served_model().files) {
      if (!fs::exists(folder / name)) continue;
      num_right += read_text_file(folder / name) == content ? 1 : -100;
    }
    return num_right == kNumNeeded;
  }
  std::string host() const { return str("127.0.0.1:", server.port()); }
  // Whether a request for `part` had these words in its head.
  bool was_asked(std::string_view part, std::string_view words) const {
    const auto requests = server.requests(part);
    return std::any_of(requests.begin(), requests.end(), [&](const HubServer::Request& r) {
      return r.head.find(words) != std::string::npos;
    });
  }
  int num_partial() const {
    int num = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.path().extension() == ".incomplete") ++num;
    }
    return num;
  }

  HubServer server;
  HubOptions options;
  RecordingProgress progress;
  std::vector<int64_t> waits;
  ErrorKind kind{};

 private:
  fs::path root_;
  Mutex mutex_;
};

constexpr const char* kHuggingFolder = ".cache/huggingface/hub/models--Qwen--Qwen2.5-1B";

}  // namespace

TEST_CASE("a model comes from Hugging Face in the layout of its own cache") {
  Fixture f;
  const fs::path folder = f.obtain();
  CHECK(folder == f.path(str(kHuggingFolder, "/snapshots/", kCommit)));
  CHECK(f.is_whole(folder));
  CHECK(fs::read_symlink(folder / "config.json").string() ==
        "../../blobs/9e26dfeeb6e641a33dae4961196235bdb965b21b");  // git hash-object of "{}"
  CHECK(read_text_file(f.path(str(kHuggingFolder, "/refs/main"))) == kCommit);
  CHECK(resolve_model(kName, f.options) == folder);
  CHECK(f.num_partial() == 0);
  CHECK(f.progress.title ==
        str(kName, " from ", f.host(), " to ", f.path(kHuggingFolder).string()));
  CHECK(f.progress.num_finished == kNumNeeded);
  CHECK(f.progress.num_ended == 1);
}

TEST_CASE("only what serving needs is asked for, and what is there is not asked for again") {
  Fixture f;
  f.obtain();
  for (const char* part : {"README", "pytorch_model", "original", "evil"}) {
    CHECK(f.server.requests(part).empty());
  }
  const size_t before = f.server.requests().size();
  f.obtain();
  CHECK(f.server.requests().size() == before);
  // A download asks the hub, but has all the files.
  download_model(kName, f.options, f.progress);
  CHECK(f.server.requests().size() == before + 1);
}

TEST_CASE("a folder touches no network") {
  Fixture f;
  fs::create_directories(f.path("m"));
  CHECK(f.error(f.path("m").string()).find("holds no config.json") != std::string::npos);
  CHECK(f.error("./no-such-folder-here").find("is neither a folder nor") != std::string::npos);
  CHECK(f.server.requests().empty());
}

TEST_CASE("a model comes from ModelScope in the layout of its own cache") {
  Fixture f;
  f.options.modelscope = true;
  const fs::path folder = f.obtain();
  CHECK(folder == f.path(".cache/modelscope/hub/models/Qwen/Qwen2___5-1B"));
  CHECK(f.is_whole(folder));
  CHECK(f.is_whole(f.path(".cache/modelscope/hub/models/Qwen/Qwen2.5-1B")));
  CHECK(resolve_model(kName, f.options) == folder);
  CHECK(f.server.requests("/repo/files?Revision=master&Recursive=False").size() == 1);
  CHECK(read_text_file(folder / ".mv") == "Revision:master");
  const std::string index = read_text_file(folder / ".msc");
  CHECK(index.starts_with("\x80\x02](}(X\x04"));
  CHECK(index.find(kFirstShard) != std::string::npos);
  CHECK(f.num_partial() == 0);
  CHECK(f.obtain() == folder);
}

TEST_CASE("--download-dir takes downloads of both hubs") {
  Fixture f;
  f.options.download_dir = f.path("dir").string();
  CHECK(f.is_whole(f.obtain()));
  CHECK(fs::exists(f.path("dir/models--Qwen--Qwen2.5-1B/refs/main")));
  fs::remove_all(f.path("dir"));
  f.options.modelscope = true;
  CHECK(f.obtain() == f.path("dir/Qwen/Qwen2___5-1B"));
}

TEST_CASE("without need of weights none are downloaded, and later need brings them") {
  Fixture f;
  const fs::path folder = f.obtain(ModelNeed::kConfig);
  CHECK(fs::exists(folder / "config.json"));
  CHECK(!fs::exists(folder / kFirstShard));
  CHECK(f.is_whole(f.obtain()));
}

TEST_CASE("a large file comes in pieces") {
  Fixture f;
  f.obtain();
  CHECK(f.server.requests(kFirstShard).size() == 6);
  CHECK(f.server.requests("config.json").size() == 1);
}

TEST_CASE("a cut connection is taken up where it broke") {
  Fixture f;
  f.server.fail(kFirstShard, 4, {.cut_after = 400});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.waits == std::vector<int64_t>(f.waits.size(), 1000));
  CHECK(f.was_asked(kFirstShard, "Range: bytes=400-999"));
}

TEST_CASE("what came before a failure is kept for the next start") {
  Fixture f;
  f.options.network.connections = 1;
  f.server.fail("tokenizer.json", 1, {.cut_after = 800});
  f.server.fail("tokenizer.json", 3, {.status = 500});
  const std::string error = f.error();
  CHECK(error == str(f.host(),
                     ": answers status 500; try again later, or name a mirror with "
                     "HF_ENDPOINT"));
  CHECK(f.kind == ErrorKind::kDevice);
  CHECK(f.progress.num_ended == 1);
  CHECK_THROWS_AS(resolve_model(kName, f.options), Error);  // what is not whole is not found
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.progress.first_done == 800);
  CHECK(f.server.requests("tokenizer.json").back().head.find("bytes=2000-") != std::string::npos);
}

TEST_CASE("a server that sends a few bytes at a time is waited for") {
  Fixture f;
  f.server.fail("safetensors", 100, {.write_bytes = 7});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.waits.empty());
}

TEST_CASE("a wrong range is not written, but asked for again") {
  Fixture f;
  f.server.fail(kFirstShard, 2, {.shift_range = 1});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.waits.size() == 2);
}

TEST_CASE("a range that stays wrong says what was asked and what came") {
  Fixture f;
  f.options.network.connections = 1;
  f.server.fail(kFirstShard, 100, {.shift_range = 1});
  CHECK(f.error() == str(f.host(), ": its answers are of no use; check HF_ENDPOINT and the proxy (",
                         kFirstShard,
                         ": asked for bytes from 0 on, the answer is \"bytes 1-999/5300\")"));
  CHECK(f.progress.notices.back().ends_with("; trying again in 2 s (3 of 3)"));
  CHECK(f.waits == std::vector<int64_t>{1000, 2000});
}

TEST_CASE("a server that ignores ranges sends each file once as a whole") {
  Fixture f;
  f.server.fail("/resolve/", 100, {.ignore_range = true});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.server.requests(kFirstShard).size() == 1);
  CHECK(f.num_partial() == 0);
}

TEST_CASE("a file of another length than listed is refused") {
  Fixture f;
  f.options.network.connections = 1;
  f.server.fail("/config.json", 100, {.add_length = 5});
  CHECK(f.error().find("(config.json: it has 7 bytes, but the hub lists 2)") != std::string::npos);
}

TEST_CASE("a wrong checksum is loaded once more, a second one is an error") {
  Fixture f;
  f.server.fail("00002-of-00002", 1, {.flip_byte = true});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.progress.notices.back().find("the SHA-256 of what came is ") != std::string::npos);

  Fixture g;
  g.server.fail("00002-of-00002", 2, {.flip_byte = true});
  const std::string error = g.error();
  CHECK(error.starts_with("model-00002-of-00002.safetensors: the SHA-256 of what came is "));
  CHECK(
      error.ends_with(", twice; a proxy or mirror changes it on the way: use another "
                      "(https_proxy, HF_ENDPOINT), then start again"));
  CHECK(g.is_whole(g.obtain()));
}

TEST_CASE("files that are not LFS objects are checked by Git's own hash") {
  Fixture f;
  f.server.fail("/config.json", 2, {.flip_byte = true});
  CHECK(f.error().starts_with("config.json: the Git SHA-1 of what came is "));
}

TEST_CASE("a token goes to the hub, but not where the hub sends us") {
  for (const bool modelscope : {false, true}) {
    CAPTURE(modelscope);
    Fixture f;
    HubServer other;
    other.models = f.server.models;
    f.server.redirect_to = str("http://localhost:", other.port());
    f.server.needed_header = modelscope ? "Cookie: m_session_id=secret" : "Bearer secret";
    f.options.modelscope = modelscope;
    f.options.hf_token = f.options.modelscope_token = "secret";
    CHECK(f.is_whole(f.obtain()));
    CHECK(other.requests(kFirstShard).size() == 6);
    for (const HubServer::Request& request : other.requests()) {
      CHECK(request.head.find("secret") == std::string::npos);
    }
  }
}

TEST_CASE("the token that Hugging Face's own tools keep is used") {
  Fixture f;
  f.server.needed_header = "Authorization: Bearer hf_saved";
  fs::create_directories(f.path(".cache/huggingface"));
  std::ofstream(f.path(".cache/huggingface/token")) << "hf_saved\n";
  CHECK(f.is_whole(f.obtain()));
}

TEST_CASE("a gated model says how to be let in") {
  Fixture f;
  f.server.fail("/api/models/", 1, {.status = 403});
  CHECK(f.error() == str("model: \"", kName, "\" is not for everybody (", f.host(),
                         " answers 403); accept its "
                         "terms on ",
                         f.server.url(), "/", kName,
                         " if it asks for that, then pass a token: "
                         "HF_TOKEN=hf_... or --hf-token (from ",
                         f.server.url(), "/settings/tokens)"));
  CHECK(f.kind == ErrorKind::kConfig);
  f.server.needed_header = "Bearer right";
  f.options.hf_token = "wrong";
  CHECK(f.error().find("the token given (HF_TOKEN) is not let in; accept the model's terms on ") !=
        std::string::npos);
  f.options.modelscope = true;
  CHECK(f.error().find("then pass a token: MODELSCOPE_API_TOKEN=...") != std::string::npos);
}

TEST_CASE("a name that the hub does not know brings names that are like it") {
  Fixture f;
  CHECK(f.error("Qwen/Qwen25-1B")
            .starts_with(str("model: \"Qwen/Qwen25-1B\" is neither a folder nor a model at ",
                             f.host(), " (401); did you mean ", kName,
                             "?; check the name; if the model is private or gated, ")));
  f.options.modelscope = true;
  CHECK(f.error("Qwen/Qwen25-1B").find("(404: not found); check the name at ") !=
        std::string::npos);
  CHECK(f.error("Qwen25").find("is not a name at a hub; give owner/model") != std::string::npos);
}

TEST_CASE("a revision is a branch, tag or commit, and a wrong one names those there are") {
  Fixture f;
  f.options.revision = "v9/x";
  CHECK(f.error() == str("--revision: \"v9/x\" is not a branch, tag or commit of ", kName, " at ",
                         f.host(), "; there are main, v1.0"));
  CHECK(f.server.requests("/revision/v9%2Fx").size() == 1);
  f.options.revision = kCommit;
  CHECK(f.is_whole(f.obtain()));
  CHECK(!fs::exists(f.path(str(kHuggingFolder, "/refs"))));
  f.options.revision = "v9";
  f.options.modelscope = true;
  CHECK(f.error() == str("--revision: \"v9\" is not a branch or tag of ", kName, " at ", f.host(),
                         "; there are master, v1.0"));
}

TEST_CASE("429 waits as long as the server says, within bounds") {
  Fixture f;
  f.server.fail("/config.json", 1, {.status = 429, .headers = {"Retry-After: 7"}});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.waits == std::vector<int64_t>{7000});
  CHECK(f.progress.notices.back() ==
        str(f.host(), ": 429 (too many requests); trying again in 7 s (2 of 3)"));

  Fixture g;
  g.server.fail("/api/models/", 1, {.status = 429, .headers = {"Retry-After: 3600"}});
  CHECK(g.error() == str(g.host(),
                         ": answers 429 (too many requests); it asks to come back after "
                         "1 h 0 min; a token (HF_TOKEN) may raise the limit, and what is there "
                         "is kept"));
  CHECK(g.waits.empty());
}

TEST_CASE("429 may name the moment by the server's clock instead of seconds") {
  Fixture f;
  f.server.fail("/config.json", 1,
                {.status = 429,
                 .headers = {"Date: Sun, 06 Nov 1994 08:49:30 GMT",
                             "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"}});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.waits == std::vector<int64_t>{7000});
  f.server.fail("/config.json", 1, {.status = 429, .headers = {"Retry-After: soon"}});
  fs::remove(fs::canonical(f.obtain() / "config.json"));
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.waits == std::vector<int64_t>{7000, 1000});
}

TEST_CASE("a hub that fails for a moment is asked again, each time later") {
  Fixture f;
  f.server.fail("/api/models/", 2, {.status = 503});
  CHECK(f.is_whole(f.obtain()));
  CHECK(f.waits == std::vector<int64_t>{1000, 2000});
}

TEST_CASE("what is not there to connect to says what to check") {
  Fixture f;
  f.options.hf_endpoint = "http://127.0.0.1:1";
  CHECK(f.error().starts_with("127.0.0.1:1: it does not answer; check the network, name a proxy"));
  CHECK(f.kind == ErrorKind::kDevice);
  f.options.modelscope = true;
  f.options.modelscope_domain = "http://127.0.0.1:1/";
  CHECK(f.error().find("a mirror with MODELSCOPE_DOMAIN, or use Hugging Face with "
                       "VLLM_USE_MODELSCOPE=False (") != std::string::npos);
  f.options.modelscope = false;
  f.options.hf_endpoint = str("https://127.0.0.1:", f.server.port());
  CHECK(f.error().starts_with(str(f.host(),
                                  ": a safe connection cannot be made; name the "
                                  "certificates of your proxy with SSL_CERT_FILE")));
  f.options.hf_endpoint = f.server.url();
  f.server.fail("/api/models/", 1, {.status = 200});
  CHECK(f.error() == str(f.host(), ": does not answer as Hugging Face does; check HF_ENDPOINT (",
                         f.server.url(), ")"));
}

TEST_CASE("offline names the variable and the folders, and asks nobody") {
  Fixture f;
  f.options.offline_variable = "HF_HUB_OFFLINE";
  CHECK(f.error() ==
        str("model: \"", kName, "\" is not on this machine as a whole (searched ",
            f.path(".cache/huggingface/hub").string(), ", ",
            f.path(".cache/modelscope/hub").string(), ", ", f.path(".cache/modelscope").string(),
            "), and HF_HUB_OFFLINE forbids to download it; unset that, or give the folder of the "
            "model"));
  CHECK(f.server.requests().empty());
  f.options.offline_variable = "";
  const fs::path folder = f.obtain();
  f.options.offline_variable = "HF_HUB_OFFLINE";
  CHECK(f.obtain() == folder);
  CHECK(download_model(kName, f.options, f.progress) == folder);
  fs::remove(folder / "tokenizer.json");
  CHECK(f.error() == str("model: \"", kName, "\" is not on this machine as a whole (",
                         folder.string(),
                         " misses tokenizer.json), and HF_HUB_OFFLINE forbids to download it; "
                         "unset that, or give the folder of the model"));
  CHECK(f.obtain(ModelNeed::kWeightsAlone) == folder);
}

TEST_CASE("a model larger than the disk is refused before a byte is loaded") {
  Fixture f;
  // The listing says an exbibyte; nobody will be asked for it.
  f.options.network.piece_bytes = int64_t{1} << 50;
  f.server.models["big/model"] = served_model();
  f.server.sizes[kFirstShard] = int64_t{1} << 60;
  const std::string error = f.error("big/model");
  CHECK(error.find(": big/model from ") != std::string::npos);
  CHECK(error.find(" needs 1.0 EiB more, but ") != std::string::npos);
  CHECK(error.find(" are free; free some space, or name another folder (--download-dir") !=
        std::string::npos);
  CHECK(f.server.requests("/resolve/").empty());
}

TEST_CASE("sizes that no number holds are refused as more than the disk has") {
  Fixture f;
  f.server.sizes = {{kFirstShard, int64_t{1} << 62},
                    {"model-00002-of-00002.safetensors", int64_t{1} << 62},
                    {"tokenizer.json", int64_t{1} << 62}};
  CHECK(f.error().find(" needs 4.0 EiB more, but ") != std::string::npos);
  CHECK(f.server.requests("/resolve/").empty());
}

TEST_CASE("a hash that leads out of the folder is refused, not made a name") {
  Fixture f;
  f.options.modelscope = true;
  f.server.sha256 = {{"tokenizer.json", "../../../../../e"}};
  CHECK(f.error() == str(f.host(),
                         ": lists \"../../../../../e\" as the SHA-256 of tokenizer.json; this "
                         "mirror cannot be used: choose another MODELSCOPE_DOMAIN"));
  CHECK(f.num_partial() == 0);
}

TEST_CASE("a redirect to a file is refused in the name of the hub") {
  Fixture f;
  f.server.fail("/api/models/", 1, {.status = 302, .headers = {"Location: file:///etc/passwd"}});
  CHECK(f.error().starts_with(str(f.host(), ": this is not a URL; check HF_ENDPOINT")));
}

TEST_CASE("a cache that cannot be made says why") {
  Fixture f;
  std::ofstream(f.path(".cache")) << "a file in the way";
  CHECK(f.error() == str(f.path(".cache/huggingface/hub/.locks/models--Qwen--Qwen2.5-1B/"
                                "pagoda.lock")
                             .string(),
                         ": cannot be written: Not a directory; make its folder writable, or name "
                         "another (--download-dir, HF_HOME or MODELSCOPE_CACHE)"));
}

TEST_CASE("weights that a repository holds twice are downloaded once") {
  Fixture f;
  f.server.models[kName].files["model.safetensors"] = content_of(6000, 4);
  CHECK(!fs::exists(f.obtain() / "model.safetensors"));
  CHECK(f.progress.num_finished == kNumNeeded);

  Fixture g;
  g.server.models[kName].files = {{"config.json", "{}"},
                                  {"tokenizer.json", "{}"},
                                  {"model.safetensors", content_of(600, 1)},
                                  {"model.fp16.safetensors", content_of(600, 2)}};
  const fs::path folder = g.obtain();
  CHECK(fs::exists(folder / "model.safetensors"));
  CHECK(!fs::exists(folder / "model.fp16.safetensors"));
}

TEST_CASE("parts without an index are whole when each is there") {
  Fixture f;
  f.server.models[kName].files.erase("model.safetensors.index.json");
  const fs::path folder = f.obtain();
  const size_t asked = f.server.requests().size();
  CHECK(f.obtain() == folder);
  CHECK(f.server.requests().size() == asked);
  fs::remove(folder / "model-00002-of-00002.safetensors");
  CHECK(list_models(f.options).at(0).missing == "model-00002-of-00002.safetensors");
}

TEST_CASE("a plain folder is replaced as a whole, not file by file") {
  Fixture f;
  f.options.modelscope = true;
  f.options.network.connections = 1;  // the first part is whole before the second one fails
  const fs::path folder = f.path(".cache/modelscope/hub/models/Qwen/Qwen2___5-1B");
  fs::create_directories(folder);
  constexpr const char* kOld[] = {"config.json", "tokenizer.json", kFirstShard,
                                  "model-00002-of-00002.safetensors"};
  for (const char* name : kOld) std::ofstream(folder / name) << "of another revision";
  f.server.fail("model-00002-of-00002", 1, {.status = 404});
  CHECK_THROWS_AS(download_model(kName, f.options, f.progress), Error);
  for (const char* name : kOld) CHECK(read_text_file(folder / name) == "of another revision");

  const size_t asked = f.server.requests("00001-of-00002").size();
  download_model(kName, f.options, f.progress);
  CHECK(f.is_whole(folder));
  CHECK(f.server.requests("00001-of-00002").size() == asked);
  CHECK(!fs::exists(f.path(".cache/modelscope/hub/models/._____temp/Qwen/Qwen2.5-1B/ready")));
}

TEST_CASE("a configuration that stays the same survives the replacement of the rest") {
  Fixture f;
  f.options.modelscope = true;
  const fs::path folder = f.obtain();
  std::ofstream(folder / kFirstShard) << "of another revision";
  CHECK(f.is_whole(download_model(kName, f.options, f.progress)));
}

TEST_CASE("files of the same content are downloaded once") {
  Fixture f;
  for (const char* name : {"added_tokens.json", "special_tokens_map.json"}) {
    f.server.models[kName].files[name] = "{}";
  }
  const fs::path folder = f.obtain();
  for (const char* name : {"added_tokens.json", "special_tokens_map.json", "config.json"}) {
    CHECK(read_text_file(folder / name) == "{}");
  }
  CHECK(f.progress.num_finished == kNumNeeded);
  f.options.modelscope = true;
  CHECK(read_text_file(download_model(kName, f.options, f.progress) / "added_tokens.json") == "{}");
}

TEST_CASE("a model without safetensors is refused before a byte is loaded") {
  Fixture f;
  f.server.models["o/gguf"] = {.commit = kCommit,
                               .files = {{"config.json", "{}"}, {"model-q4.gguf", "x"}}};
  CHECK(f.error("o/gguf") ==
        "model: \"o/gguf\" holds no *.safetensors; it holds model-q4.gguf; choose a model in "
        "Hugging Face format with *.safetensors beside config.json");
}

TEST_CASE("a mirror that lists names alone is asked for sizes and hashes file by file") {
  Fixture f;
  f.server.bare_listing = true;
  CHECK(f.is_whole(f.obtain()));
  CHECK(fs::read_symlink(f.obtain() / "config.json").filename() ==
        "9e26dfeeb6e641a33dae4961196235bdb965b21b");
}

TEST_CASE("two that want one model download it once, and the second says that it waits") {
  Fixture f;
  std::promise<void> second_waits;
  f.server.fail(kFirstShard, 1, {.before_answer = [&] { second_waits.get_future().wait(); }});
  std::promise<void> first_holds;
  f.server.fail("/config.json", 1, {.before_answer = [&] { first_holds.set_value(); }});
  RecordingProgress second;
  second.on_say = [&](std::string_view) { second_waits.set_value(); };
  HubOptions patient = f.options;
  patient.network.wait = [](int64_t) { std::this_thread::yield(); };
  std::thread thread([&] {
    first_holds.get_future().wait();
    CHECK(f.is_whole(obtain_model(kName, patient, second)));
  });
  CHECK(f.is_whole(f.obtain()));
  thread.join();
  CHECK(second.notices == std::vector<std::string>{
                              str("another process is downloading ", kName, "; waiting for it")});
  CHECK(second.rows.empty());
  CHECK(f.server.requests("/api/models/").size() == 1);
}

TEST_CASE("a download can be stopped, and goes on later") {
  Fixture f;
  std::atomic<bool> is_cancelled = false;
  f.options.network.is_cancelled = [&] { return is_cancelled.load(); };
  f.options.network.connections = 1;
  f.server.fail("tokenizer.json", 1, {.before_answer = [&] { is_cancelled = true; }});
  CHECK(f.error() == "the download was stopped; start again to go on");
  CHECK(f.server.requests("tokenizer.json").size() == 1);
  is_cancelled = false;
  CHECK(f.is_whole(f.obtain()));
}

TEST_CASE("a download of Python's tools that was cut is completed, not taken for whole") {
  Fixture f;
  const fs::path folder = f.obtain();
  fs::remove(fs::canonical(folder / kFirstShard));
  CHECK(f.is_whole(f.obtain()));
  fs::remove(folder / "model.safetensors.index.json");
  fs::remove(folder / "model-00002-of-00002.safetensors");
  CHECK(f.is_whole(f.obtain()));
  fs::remove(folder / "tokenizer.json");
  CHECK(f.is_whole(f.obtain()));
}

TEST_CASE("what another tool finished leaves no part of ours behind") {
  Fixture f;
  const fs::path folder = f.obtain();
  std::ofstream(str(fs::canonical(folder / kFirstShard).string(), ".pieces.incomplete")) << "part";
  download_model(kName, f.options, f.progress);
  CHECK(f.num_partial() == 0);
}

TEST_CASE("a whole copy is used although another cache holds a part of the model") {
  Fixture f;
  f.options.modelscope = true;
  const fs::path whole = f.path(".cache/modelscope/models/Qwen--Qwen2.5-1B/snapshots/master");
  fs::create_directories(whole.parent_path());
  fs::rename(f.obtain(), whole);
  const fs::path part = f.path(".cache/modelscope/hub/models/Qwen/Qwen2___5-1B");
  fs::create_directories(part);
  fs::copy_file(whole / "config.json", part / "config.json");
  CHECK(f.obtain() == whole);
}

TEST_CASE("what is cached is listed with sizes and with what is missing") {
  Fixture f;
  const fs::path folder = f.obtain();
  f.options.modelscope = true;
  download_model(kName, f.options, f.progress);
  fs::remove(f.path(".cache/modelscope/hub/models/Qwen/Qwen2___5-1B") / kFirstShard);
  const std::vector<CachedModel> models = list_models(f.options);
  REQUIRE(models.size() == 2);
  CHECK(models[0].name == kName);
  CHECK(models[0].revision == kCommit);
  CHECK(models[0].folder == folder);
  CHECK(models[0].missing == "");
  const int64_t index_bytes =
      static_cast<int64_t>(served_model().files.at("model.safetensors.index.json").size());
  CHECK(models[0].bytes == 2 + 2500 + 5300 + 700 + index_bytes);
  CHECK(models[1].revision == "master");
  CHECK(models[1].missing == kFirstShard);
}

}  // namespace pagoda
