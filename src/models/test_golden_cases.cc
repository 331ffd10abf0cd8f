#include "models/test_golden_cases.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "base/str.h"
#include "load/checkpoint.h"
#include "load/hf_config.h"
#include "load/weights.h"
#include "models/test_golden.h"
#include "models/test_recording_ops.h"
#include "models/test_world.h"
#include "nn/rotary_positions.h"

namespace pagoda {
namespace {

// Of the root mean square of a prompt's logits. Another order of sums changes 1e-5 (golden/README,
// "Tolerances"); every mistake that was tried changes 0.2 or more.
constexpr double kFloat32Tolerance = 1e-4;

void check_prompt(const GoldenPrompt& prompt, const std::vector<float>& logits,
                  const std::vector<int32_t>& greedy, const Difference& allowed) {
  const Difference d = difference(logits, prompt.logits);
  CHECK(d.max < allowed.max);
  CHECK(d.rms < allowed.rms);
  const bool is_exact = allowed.max == kFloat32Tolerance;
  const auto safe = is_exact ? static_cast<int64_t>(prompt.greedy.size()) : prompt.bf16_safe_steps;
  CHECK(std::equal(prompt.greedy.begin(), prompt.greedy.begin() + safe, greedy.begin()));
}

Difference allowed_for(const Golden& golden, const GoldenPrompt& prompt, DType dtype) {
  if (dtype == DType::kF32) return {kFloat32Tolerance, kFloat32Tolerance};
  // Finite all the same.
  if (!prompt.is_bf16_comparable) return {INFINITY, INFINITY};
  return {golden.bf16_max, golden.bf16_rms};
}

void check_run(const Golden& golden, const GoldenRun& run, DType dtype) {
  for (size_t i = 0; i < golden.prompts.size(); ++i) {
    CAPTURE(i);
    const GoldenPrompt& prompt = golden.prompts[i];
    check_prompt(prompt, run.logits[i], run.greedy[i], allowed_for(golden, prompt, dtype));
  }
}

enum class Experts : uint8_t { kShared, kWhole };  // how ranks divide them

// On `ranks` ranks; every rank must have the same bits.
void check_golden(const std::filesystem::path& folder, const std::string& backend, DType dtype,
                  int ranks, Experts experts = Experts::kShared) {
  CAPTURE(folder.string());
  CAPTURE(backend);
  CAPTURE(name_of(dtype));
  CAPTURE(ranks);
  const Golden golden = read_golden(folder);
  const auto source = open_checkpoint(folder);
  std::vector<GoldenRun> runs(static_cast<size_t>(ranks));
  run_ranks(backend, ranks, [&](const TestRank& rank) {
    TestRunner runner(golden.definition, *source, rank,
                      {.dtype = dtype, .expert_parallel = experts == Experts::kWhole});
    runs[static_cast<size_t>(rank.communicator->rank())] = run_golden(golden, runner, 1);
  });
  check_run(golden, runs.front(), dtype);
  for (const GoldenRun& run : runs) CHECK(run.logits == runs.front().logits);
}

}  // namespace

TEST_CASE("there are golden checkpoints to compare with") {
  CHECK(!golden_folders(golden_root()).empty());
}

TEST_CASE("logits and greedy tokens in float32 are those of the reference") {
  for (const std::string& backend : backends_here()) {
    for (const auto& folder : golden_folders(golden_root())) {
      check_golden(folder, backend, DType::kF32, 1);
    }
  }
}

TEST_CASE("logits in bfloat16 are as near to the reference as its own bfloat16") {
  for (const std::string& backend : backends_here()) {
    for (const auto& folder : golden_folders(golden_root())) {
      check_golden(folder, backend, DType::kBF16, 1);
    }
  }
}

TEST_CASE("logits in float16 are as near to the reference as bfloat16 must be") {
  for (const std::string& backend : backends_here()) {
    for (const auto& folder : golden_folders(golden_root())) {
      if (folder.filename() == "llama-bias-f16") check_golden(folder, backend, DType::kF16, 1);
    }
  }
}

TEST_CASE("any number of ranks gives the logits of the reference, the same bits on each") {
  for (const int ranks : {2, 3, 4, 8}) {
    for (const auto& folder : golden_folders(golden_root())) {
      check_golden(folder, backends_here().back(), DType::kF32, ranks);
      check_golden(folder, "ref:apart", DType::kF32, ranks);
    }
  }
}

TEST_CASE("ranks that hold whole experts give the logits of the reference") {
  for (const auto& folder : golden_folders(golden_root())) {
    if (define_model(HfConfig::load(folder)).facts.expert_ffn.empty()) continue;
    for (const int ranks : {2, 5, 8}) {  // 5 divides no number of experts; some have none of 6
      check_golden(folder, backends_here().back(), DType::kF32, ranks, Experts::kWhole);
      check_golden(folder, "ref:apart", DType::kF32, ranks, Experts::kWhole);
    }
  }
}

TEST_CASE("the residual stream after every layer is that of the reference") {
  for (const auto& folder : golden_folders(golden_root())) {
    CAPTURE(folder.string());
    const Golden golden = read_golden(folder);
    // The reference's frequencies depend on the length of the request here, ours do not.
    if (golden.tensors.contains("logits_static.0")) continue;
    if (golden.tensors.contains("logits_long.0")) continue;
    const auto source = open_checkpoint(folder);
    const TestRank rank = {open_device("ref", {}), std::make_unique<SoloCommunicator>()};
    RecordingOps recording(*rank.device);
    TestRunner runner(golden.definition, *source, rank, {.ops = &recording});
    // Of a model that sees pictures the states of the first prompt with one are known.
    const size_t prompt = golden.tensors.contains("hidden.0.norm") ? 0 : 1;
    TestSequence sequence = sequence_of(golden, prompt, runner);
    recording.streams.clear();
    runner.step({{&sequence, static_cast<int64_t>(sequence.tokens.size())}});

    const auto expected = [&](const std::string& name) {
      return golden.tensors.at("hidden." + std::to_string(prompt) + "." + name);
    };
    if (sequence.pictures.empty()) {  // else the reference's is that before rows are given
      CHECK(difference(recording.streams.front(), expected("embedding")).max < kFloat32Tolerance);
    }
    CHECK(difference(recording.norms.back(), expected("norm")).max < kFloat32Tolerance);
    // Two norms a layer; the sum of the next layer's first norm is the output of this layer.
    for (size_t layer = 0; 2 * layer + 2 < recording.streams.size(); ++layer) {
      CAPTURE(layer);
      const auto& stream = recording.streams[2 * layer + 2];
      CHECK(difference(stream, expected(std::to_string(layer))).max < kFloat32Tolerance);
    }
  }
}

TEST_CASE("a longest context within the original one has the short factors of LongRoPE") {
  constexpr int64_t kOriginal = 64;
  for (const auto& folder : golden_folders(golden_root())) {
    const Golden golden = read_golden(folder);
    if (!golden.tensors.contains("logits_long.0")) continue;
    const auto source = open_checkpoint(folder);
    const TestRank rank = {open_device("ref", {}), std::make_unique<SoloCommunicator>()};
    TestRunner runner(golden.definition, *source, rank, {.max_positions = kOriginal});
    for (size_t i = 0; i < golden.prompts.size(); ++i) {
      if (std::ssize(golden.prompts[i].ids) > kOriginal) continue;
      TestSequence sequence = {.tokens = golden.prompts[i].ids};
      const auto logits = runner.step({{&sequence, std::ssize(sequence.tokens)}});
      const auto& expected = golden.tensors.at("logits." + std::to_string(i));
      CHECK(difference(logits, expected).max < kFloat32Tolerance);
    }
  }
}

namespace {

// Where a model of so many layers is cut into stages, as evenly as it goes.
std::vector<LayerRange> cut_into(int64_t stages, int64_t layers) {
  std::vector<LayerRange> ranges;
  for (int64_t i = 0; i < stages; ++i) {
    ranges.push_back({.first = i * layers / stages, .last = (i + 1) * layers / stages});
  }
  return ranges;
}

// One stage with its own weights and its own state of the sequence.
struct Stage {
  std::unique_ptr<TestRunner> runner;
  TestSequence sequence;
};

std::vector<Stage> make_stages(const Golden& golden, const WeightSource& source,
                               const TestRank& rank, DType dtype,
                               const std::vector<LayerRange>& ranges) {
  std::vector<Stage> stages;
  stages.reserve(ranges.size());
  for (const LayerRange& range : ranges) {
    stages.push_back(
        {std::make_unique<TestRunner>(golden.definition, source, rank,
                                      TestRunnerOptions{.dtype = dtype, .layers = range}),
         {}});
  }
  const auto longest = std::max_element(
      golden.prompts.begin(), golden.prompts.end(),
      [](const GoldenPrompt& a, const GoldenPrompt& b) { return a.ids.size() < b.ids.size(); });
  const auto prompt = static_cast<size_t>(longest - golden.prompts.begin());
  const TestSequence sequence = sequence_of(golden, prompt, *stages.front().runner);
  for (Stage& stage : stages) stage.sequence = sequence;
  return stages;
}

// The longest prompt, a part first and then the rest, through one stage after the other.
std::vector<float> logits_through(std::vector<Stage> stages) {
  const int64_t tokens = std::ssize(stages.front().sequence.tokens);
  std::vector<float> logits;
  for (const int64_t count : {tokens / 3, tokens - tokens / 3}) {
    std::vector<float> stream;
    for (Stage& stage : stages) {
      stream = stage.runner->step({{&stage.sequence, count}}, std::exchange(stream, {}));
    }
    logits.insert(logits.end(), stream.begin(), stream.end());
  }
  return logits;
}

// NOLINTNEXTLINE(readability-function-size): CHECK opens blocks that are no nesting of ours
void check_stages(const std::filesystem::path& folder, const std::string& backend, DType dtype) {
  CAPTURE(folder.string());
  CAPTURE(backend);
  const Golden golden = read_golden(folder);
  const auto source = open_checkpoint(folder);
  const TestRank rank = {open_device(backend, {}), std::make_unique<SoloCommunicator>()};
  const auto logits_of = [&](const std::vector<LayerRange>& ranges) {
    return logits_through(make_stages(golden, *source, rank, dtype, ranges));
  };
  const std::vector<float> whole = logits_of({LayerRange{}});
  for (const int64_t stages : {2, 3}) {
    if (stages > golden.definition.facts.layers) continue;
    CAPTURE(stages);
    CHECK(logits_of(cut_into(stages, golden.definition.facts.layers)) == whole);
  }
}

}  // namespace

TEST_CASE("a model cut into stages, each with its own layers, gives the same bits") {
  for (const auto& folder : golden_folders(golden_root())) {
    check_stages(folder, "ref", DType::kF32);
    check_stages(folder, backends_here().back(), DType::kBF16);
  }
}

namespace {

// What a stage reads of a checkpoint, and what it does not miss.
class WatchedCheckpoint final : public WeightSource {
 public:
  explicit WatchedCheckpoint(const WeightSource& source) : source_(source) {}

  bool has(std::string_view name) const override { return source_.has(name); }
  std::unique_ptr<StoredTensor> open(const std::string& name, std::span<const int64_t> shape,
                                     Numbers numbers) const override {
    opened.push_back(name);
    return source_.open(name, shape, numbers);
  }
  std::vector<std::string> names() const override { return source_.names(); }
  int64_t total_bytes() const override { return source_.total_bytes(); }
  std::optional<Encoding> first_encoding() const override { return source_.first_encoding(); }
  std::string description() const override { return source_.description(); }

  mutable std::vector<std::string> opened;

 private:
  const WeightSource& source_;
};

}  // namespace

// NOLINTNEXTLINE(readability-function-size): likewise
TEST_CASE("a stage reads the weights of its layers only, and counts no others as unused") {
  for (const auto& folder : golden_folders(golden_root())) {
    CAPTURE(folder.string());
    const ModelDefinition model = define_model(HfConfig::load(folder));
    const auto source = open_checkpoint(folder);
    const WatchedCheckpoint watched(*source);
    const auto device = open_device("ref", {});
    const WeightSchemes schemes = model.schemes();
    for (int64_t layer = 0; layer < model.facts.layers; ++layer) {
      CAPTURE(layer);
      watched.opened.clear();
      WeightStore store(watched, *device, {.schemes = &schemes});
      model.make(store.root(), {.max_positions = 16, .layers = {layer, layer + 1}});
      CHECK(store.unused().empty());
      for (const std::string& name : watched.opened) {
        CAPTURE(name);
        const bool is_of_a_layer = name.find(".layers.") != std::string::npos;
        CHECK(is_of_a_layer == (name.find(str(".layers.", layer, ".")) != std::string::npos));
      }
    }
  }
}

namespace {

// The checkpoint under the names that newer tools give its tensors.
class RenamedCheckpoint final : public WeightSource {
 public:
  explicit RenamedCheckpoint(const WeightSource& source) : source_(source) {}

  bool has(std::string_view name) const override {
    const std::vector<std::string> all = names();
    return std::find(all.begin(), all.end(), name) != all.end();
  }
  std::unique_ptr<StoredTensor> open(const std::string& name, std::span<const int64_t> shape,
                                     Numbers numbers) const override {
    REQUIRE(has(name));
    for (const std::string& old : source_.names()) {
      if (new_name(old) == name) return source_.open(old, shape, numbers);
    }
    return nullptr;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const std::string& old : source_.names()) names.push_back(new_name(old));
    return names;
  }
  int64_t total_bytes() const override { return source_.total_bytes(); }
  std::optional<Encoding> first_encoding() const override { return source_.first_encoding(); }
  std::string description() const override { return source_.description(); }

 private:
  static std::string new_name(const std::string& old) {
    if (old.starts_with("model.")) return "model.language_model." + old.substr(6);
    return old.starts_with("visual.") ? "model." + old : old;
  }

  const WeightSource& source_;
};

std::filesystem::path golden_with_pictures() {
  for (const auto& folder : golden_folders(golden_root())) {
    if (define_model(HfConfig::load(folder)).facts.image_token) return folder;
  }
  return {};
}

// Positions of a prompt's tokens, axis by axis.
std::vector<float> positions_of(const Golden& golden, const GoldenPrompt& prompt) {
  RotaryPositions positions;
  for (const GoldenPicture& picture : prompt.pictures) {
    const PatchGrid grid = grid_of(picture.resized, golden.patches);
    const int64_t merge = golden.patches.merge_size;
    positions.add_picture(picture.first, grid.h / merge, grid.w / merge);
  }
  std::vector<float> all;
  for (size_t axis = 0; axis < 3; ++axis) {
    for (int64_t i = 0; i < std::ssize(prompt.ids); ++i) {
      all.push_back(static_cast<float>(positions.at(i)[axis]));
    }
  }
  return all;
}

}  // namespace

TEST_CASE("tokens of prompts with pictures have the positions of the reference") {
  const Golden golden = read_golden(golden_with_pictures());
  for (size_t i = 0; i < golden.prompts.size(); ++i) {
    CAPTURE(i);
    const auto& expected = golden.tensors.at("position_ids." + std::to_string(i));
    CHECK(positions_of(golden, golden.prompts[i]) == expected);
  }
}

TEST_CASE("a checkpoint that names its tensors as newer tools do is the same model") {
  const Golden golden = read_golden(golden_with_pictures());
  const auto source = open_checkpoint(golden_with_pictures());
  const RenamedCheckpoint renamed(*source);
  const TestRank rank = {open_device("ref", {}), std::make_unique<SoloCommunicator>()};
  const auto logits_from = [&](const WeightSource& weights) {
    TestRunner runner(golden.definition, weights, rank, {});
    TestSequence sequence = sequence_of(golden, 1, runner);
    return runner.step({{&sequence, std::ssize(sequence.tokens)}});
  };
  CHECK(logits_from(renamed) == logits_from(*source));
}

namespace {

// The streams after `every` stages and at the end, and the finished rows.
struct Encoded {
  std::vector<std::vector<float>> streams;
  std::vector<float> rows;
};
Encoded encode(const Golden& golden, const GoldenPicture& picture, TestRunner& runner,
               int64_t every) {
  Encoded out;
  std::vector<int64_t> cuts;
  for (int64_t i = every; i < runner.image_encoder()->stages(); i += every) cuts.push_back(i);
  out.rows = runner.encode(picture.resized, golden.patches, cuts,
                           [&](const auto& stream) { out.streams.push_back(stream); });
  return out;
}

// What is kept between stages is the stream and a second half; only a finished block changes the
// stream.
std::vector<std::vector<float>> streams_of_blocks(const std::vector<std::vector<float>>& kept) {
  std::vector<std::vector<float>> blocks;
  for (const std::vector<float>& k : kept) {
    std::vector<float> stream(k.begin(), k.begin() + std::ssize(k) / 2);
    if (blocks.empty() || stream != blocks.back()) blocks.push_back(std::move(stream));
  }
  return blocks;
}

void check_near(const Golden& golden, const std::string& name, const std::vector<float>& got) {
  CAPTURE(name);
  CHECK(difference(got, golden.tensors.at(name)).max < kFloat32Tolerance);
}

void check_rows(const Golden& golden, TestRunner& runner) {
  for (size_t i = 0; i < golden.prompts.size(); ++i) {
    std::vector<float> rows;
    for (const GoldenPicture& picture : golden.prompts[i].pictures) {
      const std::vector<float> of_picture = encode(golden, picture, runner, 1000).rows;
      rows.insert(rows.end(), of_picture.begin(), of_picture.end());
    }
    if (!rows.empty()) check_near(golden, "vision." + std::to_string(i), rows);
  }
}

void check_blocks(const Golden& golden, TestRunner& runner) {
  const Encoded first = encode(golden, golden.prompts[1].pictures[0], runner, 1);
  const auto blocks = streams_of_blocks(first.streams);
  CHECK(blocks.size() == 4);
  for (size_t block = 0; block < blocks.size(); ++block) {
    check_near(golden, "vision.1." + std::to_string(block), blocks[block]);
  }
}

void check_cuts(const Golden& golden, const GoldenPicture& picture, TestRunner& runner) {
  const std::vector<float> rows = encode(golden, picture, runner, 1000).rows;
  CHECK(encode(golden, picture, runner, 3).rows == rows);
  CHECK(encode(golden, picture, runner, 1).rows == rows);
}

void check_all_cuts(const Golden& golden, TestRunner& runner) {
  for (const GoldenPrompt& prompt : golden.prompts) {
    for (const GoldenPicture& picture : prompt.pictures) check_cuts(golden, picture, runner);
  }
}

// With the tower of a golden checkpoint on every backend.
void for_towers(DType dtype, const std::function<void(const Golden&, TestRunner&)>& check) {
  const Golden golden = read_golden(golden_with_pictures());
  const auto source = open_checkpoint(golden_with_pictures());
  for (const std::string& backend : backends_here()) {
    CAPTURE(backend);
    const TestRank rank = {open_device(backend, {}), std::make_unique<SoloCommunicator>()};
    TestRunner runner(golden.definition, *source, rank, {.dtype = dtype});
    check(golden, runner);
  }
}

}  // namespace

TEST_CASE("a vision tower gives the rows of the reference, and the stream behind every block") {
  for_towers(DType::kF32, [](const Golden& golden, TestRunner& runner) {
    check_rows(golden, runner);
    check_blocks(golden, runner);
  });
}

TEST_CASE("a vision tower gives the same bits wherever it is cut") {
  for_towers(DType::kF32, check_all_cuts);
  for_towers(DType::kBF16, check_all_cuts);
}

}  // namespace pagoda
