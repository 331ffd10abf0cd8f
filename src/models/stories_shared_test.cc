// stories260K of llama2.c, a trained model in its author's own format, converted as a user would.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/str.h"
#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "models/test_world.h"
#include "text/tokenizer/tokenizer.h"

namespace pagoda {
namespace {

// The converted checkpoint, as long as the test runs.
class Stories {
 public:
  Stories() : folder_(std::filesystem::temp_directory_path() / str("stories260k-", getpid())) {
    const std::string command =
        str("python3 '", PAGODA_SOURCE_DIR, "/tools/convert_stories260k.py' '", folder_.string(),
            "' --data '", data().string(), "'");
    REQUIRE(std::system(command.c_str()) == 0);
  }
  ~Stories() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Stories(const Stories&) = delete;
  Stories& operator=(const Stories&) = delete;

  static std::filesystem::path data() {
    return std::filesystem::path(PAGODA_SHARED_DIR) / "data" / "weights";
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  const std::filesystem::path folder_;
};

std::string story_of(const Stories& stories, const std::string& backend) {
  constexpr size_t kTokens = 200;  // as the expected text was made
  const ModelDefinition model = define_model(HfConfig::load(stories.folder()));
  const auto source = open_checkpoint(stories.folder());
  const Tokenizer tokenizer = Tokenizer::load(stories.folder());
  std::vector<int32_t> prompt;
  for (const TokenId id : tokenizer.encode("")) prompt.push_back(id.value());
  TokenIds story;
  run_ranks(backend, 1, [&](const TestRank& rank) {
    TestRunner runner(model, *source, rank, {});
    const auto continuations = runner.continue_greedily({prompt}, {kTokens});
    for (const int32_t id : continuations.front()) story.push_back(TokenId(id));
  });
  return tokenizer.decode(story, true);
}

}  // namespace

TEST_CASE("stories260K tells at temperature 0 the story that its author's program tells") {
  const Stories stories;
  std::string expected = read_text_file(Stories::data() / "stories260K.expected_stdout.txt");
  while (expected.ends_with('\n')) expected.pop_back();
  for (const std::string& backend : backends_here()) {
    CAPTURE(backend);
    CHECK(story_of(stories, backend) == expected);
  }
}

}  // namespace pagoda
