// Requests with pictures through a whole engine, over a golden checkpoint: answers are the
// reference's however the work is cut and shared, and the same bits in any company.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/test_engine.h"
#include "load/hf_config.h"
#include "models/preprocessor.h"
#include "vision/decode_image.h"
#include "vision/patches.h"

namespace pagoda {
namespace {

namespace json = boost::json;

const std::filesystem::path golden_folder =
    std::filesystem::path(PAGODA_SOURCE_DIR) / "testdata/models/qwen2.5-vl";
constexpr TokenId kImage(262);
constexpr int64_t kMergedPatch = int64_t{28} * 28;  // pixels

json::value read_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  return json::parse(json::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::vector<TokenId> token_ids(const json::value& list) {
  std::vector<TokenId> ids;
  for (const json::value& id : list.as_array()) ids.emplace_back(id.to_number<int32_t>());
  return ids;
}

// The prompts of the checkpoint with their pictures, and the greedy answers to them.
struct GoldenAlbum {
  struct Case {
    Request request;
    std::vector<TokenId> answer;
  };

  PictureStore store = {};
  std::map<std::string, PictureRef> pictures = {};
  std::vector<Case> cases = {};

  GoldenAlbum() {
    const json::value expected = read_json(golden_folder / "expected.json");
    for (const json::value& prompt : expected.at("prompts").as_array()) {
      Request request = {.id = RequestId(0), .prompt = token_ids(prompt.at("ids"))};
      if (const json::value* images = prompt.as_object().if_contains("images")) {
        for (const json::value& name : images->as_array()) {
          show_next(request, picture(json::value_to<std::string>(name)));
        }
      }
      std::vector<TokenId> answer = token_ids(prompt.at("greedy"));
      request.sampling = {
          .temperature = 0, .max_tokens = static_cast<int64_t>(answer.size()), .ignore_eos = true};
      cases.push_back({.request = std::move(request), .answer = std::move(answer)});
    }
    REQUIRE(cases.size() == 9);
  }

  PictureRef picture(const std::string& name) {
    const auto known = pictures.find(name);
    if (known != pictures.end()) return known->second;
    const MappedFile file(golden_folder / "images" / (name + ".png"));
    const Image image =
        resized_for_patches(decode_image(file.bytes()), load_patch_config(golden_folder));
    return pictures.emplace(name, store.keep(make_picture(image))).first->second;
  }

  // At the next image token behind the pictures that are there.
  static void show_next(Request& request, const PictureRef& picture) {
    const int64_t tokens = picture->image.width * picture->image.height / kMergedPatch;
    const int64_t from = request.pictures.empty() ? 0 : request.pictures.back().end();
    const auto first = std::find(request.prompt.begin() + from, request.prompt.end(), kImage);
    request.pictures.push_back(
        {.picture = picture, .first = first - request.prompt.begin(), .tokens = tokens});
  }
};

EngineConfig golden_config(const std::string& backend, DType dtype, int ranks) {
  EngineConfig config;
  config.backend = backend;
  config.model.folder = golden_folder;
  config.model.definition = define_model(HfConfig::load(golden_folder));
  config.model.dtype = dtype;
  config.model.pictures = load_patch_config(golden_folder);
  config.parallel.tensor_parallel_size = ranks;
  config.parallel.threads = 1;
  config.log_stats = false;
  return config;
}

// A step has hardly room for a picture's tokens, let alone for its encoding.
EngineConfig with_tiny_steps(EngineConfig config) {
  config.scheduler.max_sequences = 3;
  config.scheduler.max_step_tokens = 7;
  return config;
}

void check_one_by_one(const EngineConfig& config) {
  const GoldenAlbum album;
  TestEngine engine(config);
  for (const GoldenAlbum::Case& c : album.cases) {
    const Answer answer = engine.wait(engine.submit(c.request));
    CHECK(answer.error.empty());
    CHECK(answer.tokens == c.answer);
  }
}

// Twice, so that the second finds what the first has left.
void check_all_at_once(const EngineConfig& config) {
  const GoldenAlbum album;
  TestEngine engine(config);
  for (int round = 0; round < 2; ++round) {
    std::vector<RequestId> ids;
    for (const GoldenAlbum::Case& c : album.cases) ids.push_back(engine.submit(c.request));
    for (size_t i = 0; i < ids.size(); ++i) {
      CAPTURE(i);
      const Answer answer = engine.wait(ids[i]);
      CHECK(answer.error.empty());
      CHECK(answer.tokens == album.cases[i].answer);
    }
  }
}

TEST_CASE("requests with pictures are answered as by the reference, one by one") {
  check_one_by_one(golden_config("ref", DType::kF32, 1));
  check_one_by_one(golden_config(kTestBackend, DType::kF32, 1));
}

TEST_CASE("requests with pictures are answered as by the reference, all at once on any ranks") {
  for (const int ranks : {1, 2, 3}) {
    for (const bool caching : {true, false}) {
      CAPTURE(ranks);
      CAPTURE(caching);
      EngineConfig config = golden_config(kTestBackend, DType::kF32, ranks);
      config.scheduler.prefix_caching = caching;
      check_all_at_once(config);
    }
  }
}

TEST_CASE("requests with pictures are answered as by the reference, however small the steps") {
  for (const int ranks : {1, 2, 3}) {
    for (const bool caching : {true, false}) {
      CAPTURE(ranks);
      CAPTURE(caching);
      EngineConfig config = with_tiny_steps(golden_config(kTestBackend, DType::kF32, ranks));
      config.scheduler.prefix_caching = caching;
      check_one_by_one(config);
      check_all_at_once(config);
    }
  }
}

TEST_CASE("requests with pictures are answered as by the reference, prompts or pictures uncut") {
  EngineConfig config = golden_config(kTestBackend, DType::kF32, 1);
  config.scheduler.max_step_tokens = 256;
  config.scheduler.chunked_prefill = false;
  check_all_at_once(config);
  config.scheduler.chunked_prefill = true;
  config.scheduler.chunked_pictures = false;
  config.scheduler.max_step_tokens = 90;
  check_all_at_once(config);
}

TEST_CASE("the engine says how large a picture may be") {
  EngineConfig config = golden_config(kTestBackend, DType::kF32, 1);
  // Narrow ones may have more than max_pixels: sqrt(200 * 36) merged patches.
  CHECK(TestEngine(config).engine().facts().max_picture_tokens == 84);
  config.model.max_model_len = 60;
  CHECK(TestEngine(config).engine().facts().max_picture_tokens == 59);
  config.model.pictures.reset();
  CHECK(TestEngine(config).engine().facts().max_picture_tokens == 0);
}

TEST_CASE("a picture that the engine has not planned for ends its request alone") {
  GoldenAlbum album;
  EngineConfig config = golden_config(kTestBackend, DType::kF32, 1);
  config.model.max_model_len = 65;
  TestEngine engine(config);
  Request wrong = album.cases[1].request;
  wrong.pictures[0].tokens = 9;
  const RequestId refused = engine.submit(wrong), fine = engine.submit(album.cases[1].request);
  CHECK(engine.wait(refused).error ==
        "request 1: picture 1 (140 x 56) has 9 tokens in the prompt and makes 10; give it as many");
  CHECK(engine.wait(fine).tokens == album.cases[1].answer);
}

TEST_CASE("requests cancelled while their pictures are in the making do not disturb the others") {
  const GoldenAlbum album;
  EngineConfig config = with_tiny_steps(golden_config(kTestBackend, DType::kF32, 1));
  config.scheduler.prefix_caching = false;
  TestEngine engine(config);
  for (size_t i = 1; i < album.cases.size(); ++i) {
    const RequestId gone = engine.submit(album.cases[i].request);
    const RequestId text = engine.submit(album.cases[0].request);
    engine.wait(text, 1);
    engine.cancel(gone);
    const size_t other = i % 8 + 1;
    CHECK(engine.wait(engine.submit(album.cases[other].request)).tokens ==
          album.cases[other].answer);
  }
  engine.stop();
  CHECK(engine.engine().metrics().kv_cache_usage_perc == 0);
}

struct PictureDraw {
  std::mt19937 random;
  int64_t operator()(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  bool one_in(int64_t n) { return (*this)(1, n) == 1; }
};

struct InvarianceCase {
  Request request;
  Answer alone;
};

// One to three pictures between random texts; beginnings repeat.
Request random_request(GoldenAlbum& album, PictureDraw& draw) {
  constexpr std::array kNames = {"gradient", "shapes", "text", "rgba", "palette", "gray"};
  Request request = {.id = RequestId(0)};
  const auto append_text = [&](int64_t count, int64_t family) {
    for (int64_t i = 0; i < count; ++i) {
      request.prompt.emplace_back(static_cast<int32_t>((i * 7 + family * 31) % 256));
    }
  };
  append_text(draw(0, 20), draw(1, 2));
  for (int64_t left = draw(1, 3); left > 0; --left) {
    const PictureRef picture =
        album.picture(kNames[static_cast<size_t>(draw(0, 1000)) % kNames.size()]);
    const int64_t tokens = picture->image.width * picture->image.height / kMergedPatch;
    request.prompt.insert(request.prompt.end(), static_cast<size_t>(tokens), kImage);
    GoldenAlbum::show_next(request, picture);
    append_text(draw(0, 12), draw(1, 5));
  }
  request.sampling = {.seed = static_cast<uint64_t>(draw(0, 1000)),
                      .max_tokens = draw(1, 20),
                      .ignore_eos = true,
                      .logprobs = static_cast<int>(draw(0, 3))};
  if (draw.one_in(3)) request.sampling.temperature = 0;
  if (draw.one_in(5)) request.sampling.prompt_logprobs = 2;
  return request;
}

std::vector<InvarianceCase> random_cases(GoldenAlbum& album, const EngineConfig& config) {
  PictureDraw draw{std::mt19937(7)};
  std::vector<InvarianceCase> cases;
  for (int i = 0; i < 14; ++i) {
    InvarianceCase c = {.request = random_request(album, draw), .alone = {}};
    TestEngine fresh(config);
    c.alone = fresh.wait(fresh.submit(c.request));
    REQUIRE(c.alone.error.empty());
    cases.push_back(std::move(c));
  }
  return cases;
}

EngineConfig random_config(PictureDraw& draw, EngineConfig config) {
  SchedulerConfig& scheduler = config.scheduler;
  config.cache.block_size = int64_t{4} << draw(0, 2);
  const int64_t least = 256 / config.cache.block_size;
  config.cache.num_blocks_override = least + draw(0, 8);
  scheduler.max_sequences = draw(2, 8);
  scheduler.chunked_prefill = !draw.one_in(4);
  scheduler.chunked_pictures = !draw.one_in(4);
  scheduler.max_step_tokens =
      scheduler.chunked_prefill ? draw(scheduler.chunked_pictures ? 8 : 84, 120) : 256;
  scheduler.long_prefill_threshold = draw.one_in(3) ? draw(1, 40) : 0;
  scheduler.max_prompt_logprob_rows = draw(1, 64);
  scheduler.prefix_caching = !draw.one_in(4);
  config.parallel.threads = static_cast<int>(draw(1, 2));
  return config;
}

struct CompanyCounts {
  int64_t preemptions = 0, prefix_hits = 0;
};

void check_company(uint32_t seed, const EngineConfig& base,
                   const std::vector<InvarianceCase>& cases, CompanyCounts& counts) {
  CAPTURE(seed);
  PictureDraw draw{std::mt19937(seed)};
  TestEngine engine(random_config(draw, base), 1 + seed % 2);
  std::vector<std::pair<const InvarianceCase*, RequestId>> sent;
  std::vector<const InvarianceCase*> order;
  for (const InvarianceCase& c : cases) order.insert(order.end(), 2, &c);
  std::shuffle(order.begin(), order.end(), draw.random);
  for (const InvarianceCase* c : order) {
    const RequestId id = engine.submit(c->request);
    if (draw.one_in(5)) {
      engine.cancel(id);
      continue;
    }
    sent.emplace_back(c, id);
    if (draw.one_in(4)) engine.wait(id, 1);
  }
  for (const auto& [c, id] : sent) {
    const Answer answer = engine.wait(id);
    CHECK(answer.error.empty());
    CHECK(answer.tokens == c->alone.tokens);
    CHECK(same(answer.logprobs, c->alone.logprobs));
    CHECK(same(answer.prompt_logprobs, c->alone.prompt_logprobs));
  }
  engine.stop();
  const MetricsSnapshot metrics = engine.engine().metrics();
  CHECK(metrics.kv_cache_usage_perc == 0);
  counts.preemptions += metrics.num_preemptions;
  counts.prefix_hits += metrics.prefix_cache_hits;
}

TEST_CASE("a request with pictures is the same bits alone and in any company") {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    for (const int ranks : {1, 2}) {
      CAPTURE(ranks);
      const EngineConfig config = golden_config(kTestBackend, dtype, ranks);
      GoldenAlbum album;
      const std::vector<InvarianceCase> cases = random_cases(album, config);
      CompanyCounts counts;
      for (uint32_t seed = 1; seed <= 4; ++seed) check_company(seed, config, cases, counts);
      CHECK(counts.preemptions > 0);
      CHECK(counts.prefix_hits > 0);
    }
  }
}

}  // namespace
}  // namespace pagoda
