#include "engine/picture_encoder.h"

#include <algorithm>

#include "base/must.h"

namespace pagoda {
namespace {

// Patches go to the device in pieces: host memory for all of the largest picture would be as much
// again as the device's.
constexpr int64_t kGroupsACopy = 64;
constexpr int kPieces = 2;

int64_t patches_a_group(const ImageEncoder& encoder) {
  return encoder.merge_size() * encoder.merge_size();
}

// The tensors of a picture without their content. `patches`: those whose numbers are wanted.
struct BatchShape {
  int64_t patches, with_numbers, windows;
};
PatchBatch make_batch(Workspace& scratch, const BatchShape& shape, const PatchConfig& config) {
  return {.patches = scratch.make({shape.with_numbers, patch_numbers(config)}),
          .positions = scratch.make({2, shape.patches}, DType::kI32),
          .windows = scratch.make({shape.windows + 1}, DType::kI32),
          .whole = scratch.make({2}, DType::kI32)};
}

// What is uploaded at a time: some patches, or the positions of all and their windows, of which
// there are no more.
int64_t piece_bytes(const ImageEncoder& encoder, const PatchConfig& patches,
                    const PictureLimits& limits, DType dtype) {
  const int64_t most_patches = limits.max_tokens * patches_a_group(encoder);
  constexpr int64_t kAround = 3;  // the end of the windows, and the two numbers of `whole`
  const int64_t numbers = 3 * most_patches + kAround;
  return std::max(
      kGroupsACopy * patches_a_group(encoder) * patch_numbers(patches) * bytes_of(dtype),
      numbers * bytes_of(DType::kI32));
}

// Returns the end of what it wrote.
template <class T>
void* write_as(void* out, const std::vector<float>& numbers) {
  auto* to = static_cast<T*>(out);
  for (const float number : numbers) *to++ = from_float<T>(number);
  return to;
}

void* write(void* out, const std::vector<float>& numbers, DType dtype) {
  switch (dtype) {
    case DType::kF32: return write_as<float>(out, numbers);
    case DType::kBF16: return write_as<BFloat16>(out, numbers);
    case DType::kF16: return write_as<Float16>(out, numbers);
    case DType::kI32:
    case DType::kU8: break;
  }
  MUST(false);
  return out;
}

}  // namespace

std::optional<PictureSize> EncoderCosts::size_of(const Image& image) const {
  const int64_t side = patches_.patch_size * patches_.merge_size;
  if (image.height <= 0 || image.width <= 0 || image.height % side != 0 ||
      image.width % side != 0) {
    return std::nullopt;
  }
  return PictureSize{.rows = image.height / side, .columns = image.width / side};
}

std::vector<double> EncoderCosts::work_of(const Image& image) const {
  const PatchGrid grid = grid_of(image, patches_);
  std::vector<double> work;
  work.reserve(static_cast<size_t>(encoder_.stages()));
  for (int64_t stage = 0; stage < encoder_.stages(); ++stage) {
    work.push_back(encoder_.work(grid, stage));
  }
  return work;
}

// A picture one merged patch high has the most patches and the most windows.
EncoderMemory measure_encoder(const ImageEncoder& encoder, const PatchConfig& patches,
                              const PictureLimits& limits, DType dtype, const Idle& idle) {
  const int64_t merge = encoder.merge_size();
  const PatchGrid grid = {1, merge, limits.max_tokens * merge};
  const PatchLayout layout = encoder.layout(grid);
  Workspace scratch(dtype);
  const Batch batch = {};
  const StateMemory state;
  Step step = {.ops = idle.ops,
               .tensor_parallel = idle.communicator,
               .scratch = scratch,
               .batch = batch,
               .state = state};
  const PatchBatch picture =
      make_batch(scratch,
                 {.patches = grid.patches(),
                  .with_numbers = grid.patches(),
                  .windows = static_cast<int64_t>(layout.windows.size()) - 1},
                 patches);
  const Tensor stream = make_view(nullptr, {grid.patches(), encoder.width()}, dtype);
  encoder.run(step, picture, stream, {0, encoder.stages()});
  const Tensor made = encoder.finish(step, stream);
  scratch.make({made.dim(0)}, DType::kI32);
  const int64_t hidden = made.dim(1);
  return {.hidden = hidden,
          .kept_bytes = stream.bytes() + limits.cache_rows * hidden * bytes_of(dtype),
          .workspace_bytes = scratch.peak_bytes(),
          .staging_bytes = kPieces * piece_bytes(encoder, patches, limits, dtype)};
}

PictureEncoder::PictureEncoder(Device& device, const ImageEncoder& encoder,
                               const PatchConfig& patches, const PictureLimits& limits, DType dtype,
                               int64_t hidden)
    : encoder_(encoder),
      patches_(patches),
      dtype_(dtype),
      stream_(device.allocate(limits.max_tokens * patches_a_group(encoder) * encoder.width() *
                              bytes_of(dtype))),
      arena_(device.allocate(limits.cache_rows * hidden * bytes_of(dtype))),
      arena_view_(make_view(arena_.data(), {limits.cache_rows, hidden}, dtype)),
      staging_(device, piece_bytes(encoder, patches, limits, dtype), kPieces) {}

void PictureEncoder::run(Step& step, const PlannedEncoding& encoding) {
  const ScratchScope scope(step.scratch);
  const PatchGrid grid = grid_of(encoding.picture->image, patches_);
  if (encoding.stages.first == 0) layout_ = encoder_.layout(grid);
  const Tensor stream = make_view(stream_.data(), {grid.patches(), encoder_.width()}, dtype_);
  MUST(stream.bytes() <= stream_.bytes());
  encoder_.run(step, upload(step, encoding), stream, encoding.stages);
  if (!encoding.rows.empty()) keep(step, encoder_.finish(step, stream), encoding.rows);
}

PatchBatch PictureEncoder::upload(Step& step, const PlannedEncoding& encoding) {
  const auto patches = static_cast<int64_t>(layout_.rows.size());
  const PatchBatch batch = make_batch(step.scratch,
                                      {.patches = patches,
                                       .with_numbers = encoding.stages.first == 0 ? patches : 0,
                                       .windows = static_cast<int64_t>(layout_.windows.size()) - 1},
                                      patches_);
  if (!batch.patches.empty()) upload_patches(batch.patches, encoding.picture->image);
  auto* numbers = static_cast<int32_t*>(staging_.next());
  for (const auto* part : {&layout_.rows, &layout_.columns, &layout_.windows}) {
    numbers = std::copy(part->begin(), part->end(), numbers);
  }
  numbers[0] = 0;
  numbers[1] = static_cast<int32_t>(patches);
  const int64_t windows_at = batch.positions.bytes();
  staging_.upload(batch.positions);
  staging_.upload(batch.windows, windows_at);
  staging_.upload(batch.whole, windows_at + batch.windows.bytes());
  return batch;
}

void PictureEncoder::upload_patches(Tensor patches, const Image& image) {
  const auto groups = static_cast<int64_t>(layout_.groups.size());
  for (int64_t first = 0; first < groups; first += kGroupsACopy) {
    const int64_t count = std::min(kGroupsACopy, groups - first);
    void* to = staging_.next();
    for (int64_t i = first; i < first + count; ++i) {
      pixels_.clear();
      append_merged_patch(pixels_, image, patches_, layout_.groups[static_cast<size_t>(i)]);
      to = write(to, pixels_, dtype_);
    }
    const int64_t rows = patches_a_group(encoder_);
    staging_.upload(rows_of(patches, first * rows, count * rows));
  }
}

// The encoder's order is not that of the picture's tokens.
void PictureEncoder::keep(Step& step, Tensor made, const std::vector<int32_t>& rows) {
  MUST(made.dim(0) == static_cast<int64_t>(rows.size()) && made.dim(1) == arena_view_.dim(1));
  auto* row = static_cast<int32_t*>(staging_.next());
  for (const int32_t group : layout_.groups) *row++ = rows[static_cast<size_t>(group)];
  const Tensor places = step.scratch.make({made.dim(0)}, DType::kI32);
  staging_.upload(places);
  step.ops.scatter_rows(arena_view_, made, places);
}

Tensor PictureEncoder::gather(Step& step, Tensor rows) const {
  const Tensor given = step.scratch.make({rows.dim(0), arena_view_.dim(1)});
  step.ops.gather_rows(given, arena_view_, rows);
  return given;
}

}  // namespace pagoda
