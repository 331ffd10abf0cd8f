#include "models/test_golden.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "load/hf_config.h"
#include "load/safetensors.h"
#include "models/preprocessor.h"
#include "vision/decode_image.h"

namespace pagoda {
namespace {

namespace json = boost::json;

std::vector<int32_t> ids_of(const json::value& list) {
  std::vector<int32_t> ids;
  for (const json::value& id : list.as_array()) ids.push_back(id.to_number<int32_t>());
  return ids;
}

template <class Number>
std::vector<float> numbers_at(const std::byte* data, size_t bytes) {
  std::vector<Number> numbers(bytes / sizeof(Number));
  std::memcpy(numbers.data(), data, bytes);
  std::vector<float> values;
  values.reserve(numbers.size());
  for (const Number number : numbers) values.push_back(static_cast<float>(number));
  return values;
}

std::map<std::string, std::vector<float>> read_tensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  std::map<std::string, std::vector<float>> tensors;
  for (const SafetensorsEntry& e : parse_safetensors(file.bytes(), path.string())) {
    const std::byte* data = file.bytes().data() + e.offset;
    if (e.dtype == "F32") tensors[e.name] = numbers_at<float>(data, e.bytes);
    if (e.dtype == "I64") tensors[e.name] = numbers_at<int64_t>(data, e.bytes);
  }
  return tensors;
}

// Whole numbers of which config.json does not tell.
bool is_described_elsewhere(const std::filesystem::path& folder) {
  const std::filesystem::directory_iterator files(folder);
  return std::any_of(begin(files), end(files), [](const auto& file) {
    return file.path().filename().string().starts_with("quant_model_description");
  });
}

bool is_ours(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / "expected.tensors")) return false;
  if (is_described_elsewhere(folder)) return false;
  try {
    define_model(HfConfig::load(folder));
    const json::value expected = json::parse(read_text_file(folder / "expected.json"));
    // Others hold embeddings or probabilities.
    const json::value* prompts = expected.as_object().if_contains("prompts");
    return prompts != nullptr && prompts->at(0).as_object().contains("greedy");
  } catch (const Error&) {
    return false;
  }
}

// The pictures of a prompt, whose tokens stand there already.
std::vector<GoldenPicture> pictures_of(const json::object& prompt, const Golden& golden,
                                       const std::filesystem::path& folder) {
  std::vector<GoldenPicture> pictures;
  const json::value* names = prompt.if_contains("images");
  if (names == nullptr) return pictures;
  const std::vector<int32_t> ids = ids_of(prompt.at("ids"));
  const int32_t image_token = golden.definition.facts.image_token.value().value();
  auto from = ids.begin();
  for (const json::value& name : names->as_array()) {
    const MappedFile file(folder / "images" / (std::string(name.as_string()) + ".png"));
    const Image resized = resized_for_patches(decode_image(file.bytes()), golden.patches);
    from = std::find(from, ids.end(), image_token);
    pictures.push_back({resized, from - ids.begin()});
    from += grid_of(resized, golden.patches).tokens(golden.patches.merge_size);
  }
  return pictures;
}

// Which of the reference's answers are ours: where its rotary frequencies depend on the length of
// the request, those with frequencies that do not.
std::string fixed_rotary(const json::object& prompt) {
  for (const char* which : {"_static", "_long"}) {
    if (prompt.contains(std::string("greedy") + which)) return which;
  }
  return "";
}

}  // namespace

Golden read_golden(const std::filesystem::path& folder) {
  const json::value expected = json::parse(read_text_file(folder / "expected.json"));
  const json::value& bf16 = expected.at("tolerance").at("bfloat16");
  Golden golden{.name = folder.filename().string(),
                .definition = define_model(HfConfig::load(folder)),
                .prompts = {},
                .patches = {},
                .bf16_max = bf16.at("max").to_number<double>(),
                .bf16_rms = bf16.at("rms").to_number<double>(),
                .tensors = read_tensors(folder / "expected.tensors")};
  if (golden.definition.facts.image_token) golden.patches = load_patch_config(folder);
  for (const json::value& prompt : expected.at("prompts").as_array()) {
    const std::string which = fixed_rotary(prompt.as_object());
    std::string logits = "logits" + which + "." + std::to_string(golden.prompts.size());
    // Of a quantized checkpoint: with the weights that its numbers stand for.
    if (const std::string wide = "logits_dequant." + std::to_string(golden.prompts.size());
        golden.tensors.contains(wide)) {
      logits = wide;
    }
    golden.prompts.push_back(
        {.ids = ids_of(prompt.at("ids")),
         .greedy = ids_of(prompt.at("greedy" + which)),
         .pictures = pictures_of(prompt.as_object(), golden, folder),
         .logits = golden.tensors.at(logits),
         .is_bf16_comparable = prompt.at("bf16_comparable").as_bool(),
         .bf16_safe_steps = which.empty() ? prompt.at("bf16_safe_steps").to_number<int64_t>() : 0});
  }
  return golden;
}

std::vector<std::filesystem::path> golden_folders(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.is_directory() && is_ours(entry.path())) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

Difference difference(const std::vector<float>& got, const std::vector<float>& expected) {
  if (got.size() != expected.size()) return {INFINITY, INFINITY};
  double largest = 0.0, squares = 0.0, expected_squares = 0.0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double d = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    if (!(d <= largest) && !std::isnan(largest)) largest = d;  // NaN comes and stays
    squares += d * d;
    expected_squares += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  const double rms = std::sqrt(expected_squares / static_cast<double>(got.size()));
  return {largest / rms, std::sqrt(squares / static_cast<double>(got.size())) / rms};
}

namespace {

TestPicture encoded(const GoldenPicture& picture, const Golden& golden, TestRunner& runner) {
  const PatchGrid grid = grid_of(picture.resized, golden.patches);
  const int64_t merge = golden.patches.merge_size;
  return {.first = picture.first,
          .rows = grid.h / merge,
          .columns = grid.w / merge,
          .embeddings = runner.encode(picture.resized, golden.patches, {})};
}

}  // namespace

TestSequence sequence_of(const Golden& golden, size_t prompt, TestRunner& runner) {
  TestSequence sequence = {.tokens = golden.prompts[prompt].ids};
  for (const GoldenPicture& picture : golden.prompts[prompt].pictures) {
    sequence.pictures.push_back(encoded(picture, golden, runner));
  }
  return sequence;
}

namespace {

// The prompts of a golden folder on their way through the cache.
class GoldenTraffic {
 public:
  GoldenTraffic(const Golden& golden, TestRunner& runner, uint64_t seed)
      : golden_(golden), seed_(seed) {
    for (size_t i = 0; i < golden.prompts.size(); ++i) {
      sequences_.push_back(sequence_of(golden, i, runner));
    }
    run_.logits.resize(golden.prompts.size());
    run_.greedy.resize(golden.prompts.size());
  }

  bool is_done() const {
    for (size_t i = 0; i < sequences_.size(); ++i) {
      if (wants_more(i)) return false;
    }
    return true;
  }

  // What the next step computes; perhaps nothing. `which` gets the prompt of each portion.
  std::vector<Portion> draw(std::vector<size_t>& which) {
    std::vector<Portion> portions;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      if (!wants_more(i)) continue;
      const auto most = static_cast<int64_t>(40.0 * uniform_from(seed_, draws_++));
      if (most == 0) continue;  // sits this step out
      portions.push_back({&sequences_[i], std::min(most, num_left(i))});
      which.push_back(i);
    }
    return portions;
  }

  // logits [rows, vocab] of the next tokens of prompt i.
  void take(size_t i, std::span<const float> logits, int64_t vocab) {
    const bool is_prompt = run_.greedy[i].empty();
    if (is_prompt) run_.logits[i].insert(run_.logits[i].end(), logits.begin(), logits.end());
    if (num_left(i) > 0) return;
    const int32_t next = most_likely(logits.last(static_cast<size_t>(vocab)));
    run_.greedy[i].push_back(next);
    sequences_[i].tokens.push_back(next);
  }

  GoldenRun take_run() { return std::move(run_); }

 private:
  bool wants_more(size_t i) const {
    return run_.greedy[i].size() < golden_.prompts[i].greedy.size();
  }
  int64_t num_left(size_t i) const {
    return static_cast<int64_t>(sequences_[i].tokens.size()) - sequences_[i].computed;
  }

  const Golden& golden_;
  const uint64_t seed_;
  uint64_t draws_ = 0;
  std::vector<TestSequence> sequences_;
  GoldenRun run_;
};

}  // namespace

GoldenRun run_golden(const Golden& golden, TestRunner& runner, uint64_t seed) {
  GoldenTraffic traffic(golden, runner, seed);
  while (!traffic.is_done()) {
    std::vector<size_t> which;
    const std::vector<Portion> portions = traffic.draw(which);
    if (portions.empty()) continue;
    const std::vector<float> logits = runner.step(portions);
    const float* row = logits.data();
    for (size_t p = 0; p < portions.size(); ++p) {
      const float* end = row + portions[p].tokens * runner.vocab();
      traffic.take(which[p], {row, end}, runner.vocab());
      row = end;
    }
  }
  return traffic.take_run();
}

}  // namespace pagoda
