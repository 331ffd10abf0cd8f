// How near is a vision tower to what this machine can do?
//
// Blocks of Qwen2.5-VL at full width over one picture, one whose attention stays in windows and one
// that sees the whole picture, and the merger; multiply-adds a second beside the peak of the same
// instruction set and threads. The attention's own arithmetic is in float32, which has half of the
// peak of bfloat16.

#include <algorithm>

#include "backends/cpu/cpu_device.h"
#include "base/str.h"
#include "base/usable_cores.h"
#include "comm/solo.h"
#include "cpu_rig.h"
#include "load/random_weights.h"
#include "load/weight_store.h"
#include "load/weights.h"
#include "models/window_encoder.h"
#include "tensor/workspace.h"

namespace pagoda {
namespace {

constexpr DType kDType = DType::kBF16;

WindowEncoderConfig config_of(bool smoke) {
  WindowEncoderConfig c = {.block = {.hidden = 1280, .heads = 16, .ffn = 3420},
                           .channels = 3,
                           .frames = 2,
                           .patch = 14,
                           .merge_size = 2,
                           .window = 4,
                           .sees_all = {false, false, true},  // stage 0 is not run
                           .out = 3584,
                           .multiplies_of_token = 1.0};
  if (smoke) {
    c.block = {.hidden = 64, .heads = 4, .ffn = 84};
    c.out = 64;
  }
  return c;
}

struct PictureCase {
  const char* name;
  int64_t side;  // patches
};
constexpr PictureCase kPictures[] = {{"1 megapixel", 72}, {"0.2 megapixels", 32}};
constexpr PictureCase kSmokePictures[] = {{"28 pixels", 2}};

// A tower with random weights, and room for one picture.
class Tower {
 public:
  Tower(cpu::CpuDevice& device, const WindowEncoderConfig& config)
      : device_(device),
        source_(make_random_weights(1, kDType)),
        store_(*source_, device, {.dtype = kDType}),
        encoder_(store_.root(), config),
        memory_(device.allocate(int64_t{1} << 30), kDType) {}

  void load(int64_t side) {
    memory_.reset();
    const PatchLayout layout = encoder_.layout({1, side, side});
    std::vector<int32_t> positions = layout.rows;
    positions.insert(positions.end(), layout.columns.begin(), layout.columns.end());
    const int64_t patches = side * side;
    const std::vector<BFloat16> half(static_cast<size_t>(patches * encoder_.width()),
                                     from_float<BFloat16>(0.5f));
    stream_ = memory_.make({patches, encoder_.width()});
    device_.copy_in(stream_, half.data());
    picture_ = {.patches = {},
                .positions = reshaped(upload(positions), {2, patches}),
                .windows = upload(layout.windows),
                .whole = upload({0, static_cast<int32_t>(patches)})};
  }

  // Stages but the first, whose patches would have to come from somewhere.
  void run(StageRange stages) {
    const ScratchScope scope(memory_);
    SoloCommunicator alone;
    const Batch batch = {};
    const StateMemory state;
    Step step = {.ops = device_.ops(),
                 .tensor_parallel = alone,
                 .scratch = memory_,
                 .batch = batch,
                 .state = state};
    encoder_.run(step, picture_, stream_, stages);
    if (stages.last == encoder_.stages()) encoder_.finish(step, stream_);
  }

  const ImageEncoder& encoder() const { return encoder_; }

 private:
  Tensor upload(const std::vector<int32_t>& values) {
    const Tensor t = memory_.make({std::ssize(values)}, DType::kI32);
    device_.copy_in(t, values.data());
    return t;
  }

  cpu::CpuDevice& device_;
  std::unique_ptr<WeightSource> source_;
  WeightStore store_;
  WindowEncoder encoder_;
  Workspace memory_;
  Tensor stream_;
  PatchBatch picture_;
};

enum class Sight : bool { kWindows, kWhole };

// Multiply-adds of one block, and of the merger behind one that sees the whole picture.
double multiplies(const WindowEncoderConfig& c, int64_t patches, Sight sight) {
  const int64_t hidden = c.block.hidden, side = c.window * c.merge_size;
  const int64_t seen = sight == Sight::kWhole ? patches : std::min(patches, side * side);
  const int64_t merged = hidden * c.merge_size * c.merge_size;
  const int64_t merger = sight == Sight::kWhole ? hidden * (merged + c.out) : 0;
  return static_cast<double>(patches) *
         static_cast<double>(hidden * (4 * hidden + 3 * c.block.ffn + 2 * seen) + merger);
}

double operations_a_second(Tower& tower, const WindowEncoderConfig& config,
                           const PictureCase& picture, Sight sight) {
  const StageRange stages =
      sight == Sight::kWhole ? StageRange{2, tower.encoder().stages()} : StageRange{1, 2};
  return 2 * multiplies(config, picture.side * picture.side, sight) /
         bench::fastest([&] { tower.run(stages); });
}

void run(const bench::Options& options) {
  const int threads = options.threads > 0 ? options.threads : usable_cores("/");
  const cpu::Family& family = bench::family_of(options.backend);
  cpu::CpuDevice device(family, threads, {});
  ThreadTeam team(threads);  // for the limit
  const auto saturate = cpu::products_of(family.kernels(), cpu::choose_layout({}, kDType)).saturate;
  const WindowEncoderConfig config = config_of(options.smoke);
  Tower tower(device, config);
  const auto measure = [&](const PictureCase& picture, Sight sight) {
    bench::Result result = {
        .bench = "image_encoder",
        .subject = str(device.description(), ", bfloat16, ", picture.name,
                       sight == Sight::kWhole ? ", whole picture, and merger" : ", windows"),
        .unit = "GFLOPS",
        .baseline = "multiply-add peak",
        .baseline_runs = {},
        .runs = {}};
    for (int i = 0; i < options.runs; ++i) {
      const double peak = 2 * bench::multiply_add_peak(team, saturate, options.smoke);
      result.baseline_runs.push_back(peak / 1e9);
      result.runs.push_back(operations_a_second(tower, config, picture, sight) / 1e9);
    }
    return result;
  };
  const auto pictures =
      options.smoke ? std::span<const PictureCase>(kSmokePictures) : std::span(kPictures);
  for (const PictureCase& picture : pictures) {
    tower.load(picture.side);
    for (const Sight sight : {Sight::kWindows, Sight::kWhole}) {
      bench::print(measure(picture, sight));
    }
  }
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run);
}
