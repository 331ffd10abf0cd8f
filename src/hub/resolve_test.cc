#include "hub/resolve.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "base/error.h"
#include "base/str.h"
#include "hub/cache_layout.h"
#include "hub/cached_models.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// A home with caches, removed at the end.
class Fixture {
 public:
  Fixture() {
    std::string name = (fs::temp_directory_path() / "pagoda-hub-XXXXXX").string();
    root_ = mkdtemp(name.data());
    options.home = root_.string();
  }
  ~Fixture() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  std::string path(const std::string& name) const { return (root_ / name).string(); }
  void write(const std::string& name, std::string_view content) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << content;
  }
  void make_model(const std::string& folder) const {
    write(folder + "/config.json", "{}");
    write(folder + "/model.safetensors", "");
  }
  // The folder found, relative to the home.
  std::string find(std::string_view name, ModelNeed need = ModelNeed::kWeights) const {
    return fs::relative(resolve_model(name, options, need), root_).string();
  }
  std::string error(std::string_view name) const {
    try {
      resolve_model(name, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  HubOptions options;

 private:
  fs::path root_;
};

constexpr const char* kHugging = ".cache/huggingface/hub/models--Qwen--Qwen3-0.6B";

}  // namespace

TEST_CASE("a folder is itself") {
  Fixture f;
  f.make_model("m");
  CHECK(f.find(f.path("m")) == "m");
}

TEST_CASE("Hugging Face's cache is searched by reference, by commit, else the newest snapshot") {
  Fixture f;
  f.make_model(str(kHugging, "/snapshots/abc"));
  f.make_model(str(kHugging, "/snapshots/def"));
  f.write(str(kHugging, "/refs/main"), "def");
  f.write(str(kHugging, "/refs/v1"), "abc\n");
  CHECK(f.find("Qwen/Qwen3-0.6B") == str(kHugging, "/snapshots/def"));
  f.options.revision = "v1";
  CHECK(f.find("Qwen/Qwen3-0.6B") == str(kHugging, "/snapshots/abc"));
  f.options.revision = "abc";
  CHECK(f.find("Qwen/Qwen3-0.6B") == str(kHugging, "/snapshots/abc"));
  f.options.revision = "v2";
  CHECK(f.error("Qwen/Qwen3-0.6B")
            .starts_with("model: \"Qwen/Qwen3-0.6B\" (revision v2) is neither a folder nor a "
                         "downloaded model"));
  f.options.revision = "";
  fs::remove(f.path(str(kHugging, "/refs/main")));
  fs::last_write_time(f.path(str(kHugging, "/snapshots/abc")),
                      fs::file_time_type::clock::now() + std::chrono::hours(1));
  CHECK(f.find("Qwen/Qwen3-0.6B") == str(kHugging, "/snapshots/abc"));
}

TEST_CASE("HF_HOME, HF_HUB_CACHE and --download-dir move the cache") {
  Fixture f;
  f.make_model("home/hub/models--o--m/snapshots/1");
  f.make_model("cache/models--o--m/snapshots/2");
  f.make_model("dir/models--o--m/snapshots/3");
  f.options.hf_home = f.path("home");
  CHECK(f.find("o/m") == "home/hub/models--o--m/snapshots/1");
  f.options.hf_hub_cache = f.path("cache");
  CHECK(f.find("o/m") == "cache/models--o--m/snapshots/2");
  f.options.download_dir = f.path("dir");
  CHECK(f.find("o/m") == "dir/models--o--m/snapshots/3");
}

TEST_CASE("ModelScope's caches of all ages are searched") {
  for (const std::string folder :
       {".cache/modelscope/hub/models/Qwen/Qwen2___5-7B", ".cache/modelscope/hub/Qwen/Qwen2___5-7B",
        ".cache/modelscope/hub/Qwen/Qwen2.5-7B",
        ".cache/modelscope/hub/models/models--Qwen--Qwen2.5-7B/snapshots/master",
        ".cache/modelscope/models/Qwen--Qwen2.5-7B/snapshots/master"}) {
    CAPTURE(folder);
    Fixture f;
    f.make_model(folder);
    CHECK(f.find("Qwen/Qwen2.5-7B") == folder);
    const std::vector<CachedModel> listed = list_models(f.options);
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].name == "Qwen/Qwen2.5-7B");
    CHECK(listed[0].folder == f.path(folder));
  }
  Fixture f;
  f.make_model("ms/models/Qwen/Qwen3-8B");
  f.options.modelscope_cache = f.path("ms");
  CHECK(f.find("Qwen/Qwen3-8B") == "ms/models/Qwen/Qwen3-8B");
}

TEST_CASE("the newer layout of ModelScope holds several revisions") {
  Fixture f;
  f.make_model(".cache/modelscope/models/o--m/snapshots/master");
  f.make_model(".cache/modelscope/models/o--m/snapshots/v1");
  CHECK(f.find("o/m") == ".cache/modelscope/models/o--m/snapshots/master");
  f.options.revision = "v1";
  CHECK(f.find("o/m") == ".cache/modelscope/models/o--m/snapshots/v1");
  f.options.revision = "v2";
  CHECK(f.error("o/m").starts_with("model: \"o/m\" (revision v2) is neither a folder nor"));
}

TEST_CASE("of weights in parts without an index, all that the names count must be there") {
  Fixture f;
  const auto missing = [&](const std::string& name) {
    const std::string folder = f.path(name);
    return missing_in(folder, ModelNeed::kWeightsAlone);
  };
  const auto add = [&](const std::string& folder, const std::string& name) {
    f.write(folder + "/config.json", "{}");
    f.write(folder + "/" + name, "");
  };
  add("a", "model-00002-of-00002.safetensors");
  CHECK(missing("a") == "model-00001-of-00002.safetensors");
  add("a", "model-00001-of-00002.safetensors");
  CHECK(missing("a") == "");
  for (const char* odd : {"-of-.safetensors", "-of-2.safetensors", "a-of-b.safetensors",
                          "1-of-2.safetensors", "model-1-of-99999999999.safetensors"}) {
    CAPTURE(odd);
    add(odd, odd);
    CHECK(missing(odd) == "");
  }
  add("lie", "model-1-of-999999999.safetensors");
  CHECK(missing("lie") == "model-2-of-999999999.safetensors");
}

TEST_CASE("~ at the beginning of a cache's folder is the home") {
  Fixture f;
  f.make_model("a/hub/models--o--m/snapshots/1");
  f.make_model("b/models--o--m/snapshots/1");
  f.make_model("c/models/p/m");
  f.options.hf_home = "~/a";
  CHECK(f.find("o/m") == "a/hub/models--o--m/snapshots/1");
  f.options.hf_hub_cache = "~/b";
  CHECK(f.find("o/m") == "b/models--o--m/snapshots/1");
  f.options.modelscope_cache = "~/c";
  CHECK(f.find("p/m") == "c/models/p/m");
}

TEST_CASE("a plain folder of ModelScope is not taken for another revision than it says") {
  Fixture f;
  f.make_model(".cache/modelscope/hub/models/o/m");
  f.options.revision = "v2";
  CHECK(f.find("o/m") == ".cache/modelscope/hub/models/o/m");
  f.write(".cache/modelscope/hub/models/o/m/.mv", "Revision:v1,CreatedAt:1720000000");
  CHECK(f.error("o/m").find("neither a folder nor a downloaded model") != std::string::npos);
  f.options.revision = "v1";
  CHECK(f.find("o/m") == ".cache/modelscope/hub/models/o/m");
}

TEST_CASE("VLLM_USE_MODELSCOPE decides which cache comes first") {
  Fixture f;
  f.make_model(".cache/modelscope/hub/models/o/m");
  f.make_model(".cache/huggingface/hub/models--o--m/snapshots/1");
  CHECK(f.find("o/m") == ".cache/huggingface/hub/models--o--m/snapshots/1");
  f.options.modelscope = true;
  CHECK(f.find("o/m") == ".cache/modelscope/hub/models/o/m");
}

TEST_CASE("a redirect file sends names to folders, written either way") {
  Fixture f;
  f.make_model("m");
  f.options.redirect_path = f.path("redirect");
  f.write("redirect", str("other /x\nQwen/Qwen3-8B\t", f.path("m"), "\n"));
  CHECK(f.find("Qwen/Qwen3-8B") == "m");
  f.write("redirect", str(R"({"Qwen/Qwen3-8B": ")", f.path("m"), R"("})"));
  CHECK(f.find("Qwen/Qwen3-8B") == "m");
  f.write("redirect", R"({"Qwen/Qwen3-8B": 7})");
  CHECK(f.error("Qwen/Qwen3-8B") == str("VLLM_MODEL_REDIRECT_PATH: ", f.path("redirect"),
                                        ": Qwen/Qwen3-8B is 7, expected a string; correct the "
                                        "file"));
}

TEST_CASE("what is nowhere names the folders searched and the names that are like it") {
  Fixture f;
  f.make_model(str(kHugging, "/snapshots/abc"));
  f.make_model(".cache/modelscope/hub/models/Qwen/Qwen2___5-7B");
  CHECK(f.error("Qwen/Qwen3-0.6b") ==
        str("model: \"Qwen/Qwen3-0.6b\" is neither a folder nor a downloaded model; searched ",
            f.path(".cache/huggingface/hub"), ", ", f.path(".cache/modelscope/hub"), ", ",
            f.path(".cache/modelscope"),
            "; did you mean Qwen/Qwen3-0.6B?; download it (pagoda download, huggingface-cli "
            "download, modelscope download) or give its folder"));
  CHECK(f.error("Qwen2.5-7B").find("did you mean Qwen/Qwen2.5-7B?") != std::string::npos);
  CHECK(f.error("meta/llama").find("did you mean") == std::string::npos);
}

TEST_CASE("a name cannot lead out of the caches") {
  Fixture f;
  f.make_model("secret");
  f.make_model(".cache/modelscope/hub/secret");
  for (const std::string_view name : {"../secret", "..", ".", "", "a/b/c", "/../secret"}) {
    CAPTURE(name);
    CHECK(f.error(name) != "no error");
  }
}

TEST_CASE("a folder without config or safetensors says what it holds instead") {
  Fixture f;
  f.write("gguf/model.gguf", "");
  CHECK(f.error(f.path("gguf")) ==
        str(f.path("gguf"),
            ": holds no config.json; found model.gguf, but safetensors are needed; "
            "give the folder of a model in Hugging Face format, or download it "
            "again"));
  f.write("bin/config.json", "{}");
  f.write("bin/pytorch_model.bin", "");
  CHECK(f.error(f.path("bin")) ==
        str(f.path("bin"),
            ": holds no *.safetensors; found pytorch_model.bin, but safetensors are "
            "needed; get the model as safetensors, or use --load-format dummy"));
  CHECK(f.find(f.path("bin"), ModelNeed::kConfig) == "bin");
  CHECK(f.find(f.path("gguf"), ModelNeed::kAny) == "gguf");
  CHECK(f.error(f.path("gguf/model.gguf")) == str("model: \"", f.path("gguf/model.gguf"),
                                                  "\" is a file, expected the folder of a model "
                                                  "with config.json and *.safetensors"));
}

}  // namespace pagoda
