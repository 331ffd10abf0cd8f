// The encoder here is made up, so that every number of a row can be told by hand: stage 0 puts the
// first number of each patch into the stream, every stage adds one, and a row is the sum of its
// patches' stream.
#include "engine/picture_encoder.h"

#include <doctest/doctest.h>

#include <memory>
#include <numeric>
#include <vector>

#include "backends/backends.h"
#include "tensor/idle_ops.h"

namespace pagoda {
namespace {

constexpr PatchConfig kPatches = {.patch_size = 2,
                                  .temporal_patch_size = 1,
                                  .merge_size = 2,
                                  .mean = {0, 0, 0},
                                  .deviation = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}};
constexpr int64_t kHidden = 3;

// Last group first, one window a group.
class SumEncoder final : public ImageEncoder {
 public:
  PatchLayout layout(const PatchGrid& grid) const override {
    PatchLayout layout = {.groups = {}, .rows = {}, .columns = {}, .windows = {0}};
    for (int64_t group = grid.tokens(2); group-- > 0;) {
      layout.groups.push_back(static_cast<int32_t>(group));
      for (int64_t i = 0; i < 4; ++i) {
        layout.rows.push_back(static_cast<int32_t>(group / (grid.w / 2) * 2 + i / 2));
        layout.columns.push_back(static_cast<int32_t>(group % (grid.w / 2) * 2 + i % 2));
      }
      layout.windows.push_back(static_cast<int32_t>(layout.rows.size()));
    }
    return layout;
  }
  int64_t stages() const override { return 3; }
  int64_t width() const override { return 2; }
  int64_t merge_size() const override { return 2; }
  double work(const PatchGrid& grid, int64_t stage) const override {
    return static_cast<double>(grid.patches() * (stage + 1));
  }

  void run(Step& step, const PatchBatch& picture, Tensor stream, StageRange stages) const override {
    const ScratchScope scope(step.scratch);
    const Tensor one = step.scratch.make({stream.dim(0), width()});
    if (one.data == nullptr) return;  // it is being measured
    for (int64_t i = 0; i < one.count(); ++i) one.as<float>()[i] = 1;
    for (int64_t stage = stages.first; stage < stages.last; ++stage) {
      if (stage == 0) step.ops.copy_columns(stream, picture.patches, 0);
      step.ops.add(stream, one);
    }
    last_positions.assign(picture.positions.as<int32_t>(),
                          picture.positions.as<int32_t>() + picture.positions.count());
    last_windows.assign(picture.windows.as<int32_t>(),
                        picture.windows.as<int32_t>() + picture.windows.count());
    CHECK(picture.whole.as<int32_t>()[1] == stream.dim(0));
  }

  Tensor finish(Step& step, Tensor stream) const override {
    const Tensor rows = step.scratch.make({stream.dim(0) / 4, kHidden});
    if (rows.data == nullptr) return rows;
    for (int64_t row = 0; row < rows.dim(0); ++row) {
      const float* patches = stream.as<float>() + row * 4 * width();
      for (int64_t i = 0; i < kHidden; ++i) {
        rows.as<float>()[row * kHidden + i] = std::accumulate(patches, patches + 4 * width(), 0.0f);
      }
    }
    return rows;
  }

  mutable std::vector<int32_t> last_positions, last_windows;
};

// Grey level of each patch: its number, row by row.
Image numbered_patches(int64_t rows, int64_t columns) {
  Image image = {.width = columns * 2, .height = rows * 2, .rgb = {}};
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      const auto level = static_cast<uint8_t>(y / 2 * columns + x / 2);
      image.rgb.insert(image.rgb.end(), 3, level);
    }
  }
  return image;
}

struct EncoderFixture {
  PictureStore store = {};
  SumEncoder encoder = {};
  std::unique_ptr<Device> device = open_device("ref", {.threads = 1});
  IdleOps idle = {};
  IdleCommunicator alone = IdleCommunicator(0, 1);
  PictureLimits limits = {.max_tokens = 6, .cache_rows = 20};
  EncoderMemory memory = measure_encoder(encoder, kPatches, limits, DType::kF32, {idle, alone});
  // Exactly what was measured: a step that needs more aborts.
  Workspace scratch = Workspace(device->allocate(memory.workspace_bytes), DType::kF32);
  PictureEncoder pictures =
      PictureEncoder(*device, encoder, kPatches, limits, DType::kF32, memory.hidden);
  Batch batch = {};
  StateMemory state = {};
  Step step = {.ops = device->ops(),
               .tensor_parallel = alone,
               .scratch = scratch,
               .batch = batch,
               .state = state};

  void run(const PictureRef& picture, StageRange stages, std::vector<int32_t> rows = {}) {
    pictures.run(step, {.picture = picture, .stages = stages, .rows = std::move(rows)});
    CHECK(scratch.mark() == 0);
  }

  // The first number of each.
  std::vector<float> row_values(std::vector<int32_t> rows) {
    Workspace other(device->allocate(4096), DType::kF32);
    Step reading = {.ops = step.ops,
                    .tensor_parallel = alone,
                    .scratch = other,
                    .batch = batch,
                    .state = state};
    const auto count = static_cast<int64_t>(rows.size());
    const Tensor given = pictures.gather(reading, make_view(rows.data(), {count}, DType::kI32));
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(given.as<float>()[i * kHidden]);
    return values;
  }
};

// Of a merged patch at (row, column) of `columns` patches: two columns of the stream, three stages.
float sum_of_group(int64_t row, int64_t column, int64_t columns) {
  const int64_t first = row * 2 * columns + column * 2;
  constexpr int64_t kAdded = int64_t{4} * 2 * 3;  // one by each stage
  return static_cast<float>(2 * (first + first + 1 + first + columns + first + columns + 1) +
                            kAdded);
}

TEST_CASE("the rows of a picture lie where the plan says, in the order of its tokens") {
  EncoderFixture f;
  f.run(f.store.keep(make_picture(numbered_patches(4, 6))), {0, 3}, {7, 3, 19, 0, 11, 2});
  CHECK(f.row_values({7, 3, 19, 0, 11, 2}) ==
        std::vector<float>{sum_of_group(0, 0, 6), sum_of_group(0, 1, 6), sum_of_group(0, 2, 6),
                           sum_of_group(1, 0, 6), sum_of_group(1, 1, 6), sum_of_group(1, 2, 6)});
  CHECK(f.encoder.last_positions[0] == 2);   // row of the first patch of the last group
  CHECK(f.encoder.last_positions[24] == 4);  // and its column
  CHECK(f.encoder.last_windows == std::vector<int32_t>{0, 4, 8, 12, 16, 20, 24});
}

TEST_CASE("stages may be spread over steps, and an abandoned picture leaves nothing behind") {
  EncoderFixture f;
  const PictureRef picture = f.store.keep(make_picture(numbered_patches(2, 4)));
  f.run(f.store.keep(make_picture(numbered_patches(4, 6))), {0, 2});
  f.run(picture, {0, 1});
  f.run(picture, {1, 2});
  f.run(picture, {2, 3}, {4, 5});
  CHECK(f.row_values({4, 5}) == std::vector<float>{sum_of_group(0, 0, 4), sum_of_group(0, 1, 4)});
}

TEST_CASE("a picture as large as was planned for fits, in whatever shape") {
  constexpr int64_t kStream = int64_t{6} * 4 * 2;
  EncoderFixture f;
  f.run(f.store.keep(make_picture(numbered_patches(2, 12))), {0, 3}, {0, 1, 2, 3, 4, 5});
  f.run(f.store.keep(make_picture(numbered_patches(12, 2))), {0, 3}, {6, 7, 8, 9, 10, 11});
  CHECK(f.row_values({0, 11}) == std::vector<float>{sum_of_group(0, 0, 12), sum_of_group(5, 0, 2)});
  CHECK(f.memory.kept_bytes == (kStream + 20 * kHidden) * 4);
}

TEST_CASE("the costs of a picture are those of its stages") {
  const SumEncoder encoder;
  const EncoderCosts costs(encoder, kPatches);
  CHECK(costs.work_of(numbered_patches(4, 6)) == std::vector<double>{24, 48, 72});
  const auto size = costs.size_of(numbered_patches(4, 6));
  REQUIRE(size);
  CHECK(size->rows == 2);
  CHECK(size->columns == 3);
  CHECK_FALSE(costs.size_of(numbered_patches(3, 6)));
}

}  // namespace
}  // namespace pagoda
