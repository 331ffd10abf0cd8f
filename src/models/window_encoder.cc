#include "models/window_encoder.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/str.h"
#include "models/hf_keys.h"

namespace pagoda {
namespace {

// Of a multiplication of the attention beside one of a matrix product: it runs in float32, with the
// softmax between (bench/image_encoder, bench/matmul).
constexpr double kAttentionCost = 2.5;

constexpr double kMergerEps = 1e-6;  // transformers v4.51, Qwen2_5_VLPatchMerger

[[noreturn]] void refuse(const JsonReader& vision, const std::string& what) {
  throw Error(ErrorKind::kConfig, str(vision.origin(), ": ", what));
}

// Merged patches [first, first + side) of both axes, those that the picture has.
struct Window {
  int64_t row, column, side;
};

void append_group(PatchLayout& out, int64_t row, int64_t column, int64_t merge) {
  for (int64_t i = 0; i < merge * merge; ++i) {
    out.rows.push_back(static_cast<int32_t>(row * merge + i / merge));
    out.columns.push_back(static_cast<int32_t>(column * merge + i % merge));
  }
}

void append_window(PatchLayout& out, const Window& window, const PatchGrid& grid, int64_t merge) {
  const int64_t rows = grid.h / merge, columns = grid.w / merge;
  const int64_t last_row = std::min(rows, window.row + window.side);
  const int64_t last_column = std::min(columns, window.column + window.side);
  for (int64_t row = window.row; row < last_row; ++row) {
    for (int64_t column = window.column; column < last_column; ++column) {
      out.groups.push_back(static_cast<int32_t>(row * columns + column));
      append_group(out, row, column, merge);
    }
  }
  out.windows.push_back(static_cast<int32_t>(out.rows.size()));
}

}  // namespace

// Files that transformers wrote may leave out what has the values of its own class (v4.51,
// Qwen2_5_VLVisionConfig). Indexes behind the last block mean nothing there.
WindowEncoderConfig window_encoder_config(const JsonReader& vision) {
  const int64_t patch = size_or(vision, "patch_size", 14),
                merge = size_or(vision, "spatial_merge_size", 2);
  const int64_t window_pixels = size_or(vision, "window_size", 112);
  WindowEncoderConfig c = {
      .block = {.hidden = size_of(vision, "hidden_size"),
                .heads = size_or(vision, "num_heads", 16),
                .ffn = size_or(vision, "intermediate_size", 3420)},
      .channels = size_or(vision, "in_chans", 3),
      .frames = size_or(vision, "temporal_patch_size", 2),
      .patch = patch,
      .merge_size = merge,
      .window = window_pixels / merge / patch,
      .sees_all = std::vector<bool>(static_cast<size_t>(size_or(vision, "depth", 32)), false),
      .out = size_or(vision, "out_hidden_size", 3584),
      .multiplies_of_token = 1.0};
  if (const std::string_view act = vision.text_or("hidden_act", "silu"); act != "silu") {
    refuse(vision, str("hidden_act \"", act, "\" is not supported; supported is silu"));
  }
  if (c.block.hidden % c.block.heads != 0 || c.block.head_dim() % 4 != 0) {
    refuse(vision, str("hidden_size ", c.block.hidden, " over num_heads ", c.block.heads,
                       " makes no heads whose size is a multiple of 4; correct one of them"));
  }
  if (c.window < 1) {
    refuse(vision, str("window_size ", window_pixels, " is smaller than a merged patch of ",
                       patch * merge, " pixels; correct it"));
  }
  std::vector<int64_t> whole = {7, 15, 23, 31};
  if (vision.has("fullatt_block_indexes")) {
    whole = vision.integers_or_empty("fullatt_block_indexes");
  }
  for (const int64_t block : whole) {
    if (block >= 0 && block < std::ssize(c.sees_all)) c.sees_all[static_cast<size_t>(block)] = true;
  }
  return c;
}

WindowEncoder::WindowEncoder(const Weights& w, const WindowEncoderConfig& config)
    : config_(config),
      patch_embedding_(
          w / "patch_embed" / "proj",
          {config.block.hidden, config.channels, config.frames, config.patch, config.patch},
          w.whole(config.block.hidden)),
      rotary_(w, config.block.head_dim()),
      merger_norm_(w / "merger" / "ln_q", config.block.hidden, kMergerEps),
      merger_in_(w / "merger" / "mlp" / "0", {merged_numbers(), merged_numbers()},
                 (w / "merger" / "mlp" / "2").share_inputs(merged_numbers()), Bias::kPresent),
      merger_out_(w / "merger" / "mlp" / "2", {config.out, merged_numbers()},
                  (w / "merger" / "mlp" / "2").share_inputs(merged_numbers()), Bias::kPresent) {
  for (size_t i = 0; i < config.sees_all.size(); ++i) {
    blocks_.emplace_back(w / "blocks" / std::to_string(i), config.block);
    const int64_t parts = config.sees_all[i] ? kParts : 1;
    for (int64_t part = 0; part < parts; ++part) stages_.push_back({i, part, parts});
  }
}

// Windows row by row of the picture; those at its right and lower edge are what is left.
PatchLayout WindowEncoder::layout(const PatchGrid& grid) const {
  const int64_t merge = config_.merge_size;
  PatchLayout out;
  const auto across = [&](int64_t side) {
    return (side / merge + config_.window - 1) / config_.window;
  };
  out.groups.reserve(static_cast<size_t>(grid.patches() / (merge * merge)));
  out.rows.reserve(static_cast<size_t>(grid.patches()));
  out.columns.reserve(static_cast<size_t>(grid.patches()));
  out.windows.reserve(static_cast<size_t>(across(grid.h) * across(grid.w) + 1));
  out.windows.push_back(0);
  for (int64_t row = 0; row < grid.h / merge; row += config_.window) {
    for (int64_t column = 0; column < grid.w / merge; column += config_.window) {
      append_window(out, {row, column, config_.window}, grid, merge);
    }
  }
  return out;
}

double WindowEncoder::work(const PatchGrid& grid, int64_t stage) const {
  const Stage& s = stages_[static_cast<size_t>(stage)];
  const auto patches = static_cast<double>(grid.patches());
  const auto hidden = static_cast<double>(config_.block.hidden);
  const auto merged = static_cast<double>(merged_numbers());
  const auto window_side = static_cast<double>(config_.window * config_.merge_size);
  const double seen = s.parts > 1 ? patches : std::min(patches, window_side * window_side);
  // Keys and values once; cut up, a large picture computes them again, which is little beside this.
  double a_patch = kAttentionCost * 2.0 * seen * hidden / static_cast<double>(s.parts);
  if (s.part == 0) a_patch += hidden * 4.0 * hidden;
  if (s.part + 1 == s.parts) a_patch += hidden * 3.0 * static_cast<double>(config_.block.ffn);
  if (stage == 0) a_patch += hidden * static_cast<double>(config_.patch_numbers());
  if (stage + 1 == stages()) {
    a_patch += hidden * (merged + static_cast<double>(config_.out));  // of a merged patch, shared
  }
  return patches * a_patch / config_.multiplies_of_token;
}

WindowEncoder::Kept WindowEncoder::kept(Tensor state) const {
  const int64_t patches = state.dim(0), hidden = config_.block.hidden;
  const Tensor halves = reshaped(state, {2, patches, hidden});
  return {reshaped(rows_of(halves, 0, 1), {patches, hidden}),
          reshaped(rows_of(halves, 1, 1), {patches, hidden})};
}

void WindowEncoder::run(Step& step, const PatchBatch& picture, Tensor stream,
                        StageRange stages) const {
  const ScratchScope scope(step.scratch);
  const Kept state = kept(stream);
  if (stages.first == 0) patch_embedding_(step, state.stream, picture.patches);
  const RotaryTable rotary = rotary_(step, picture.positions);
  for (int64_t i = stages.first; i < stages.last;) {
    const Stage& s = stages_[static_cast<size_t>(i)];
    const VisionBlock& block = blocks_[s.block];
    if (s.parts == 1) {
      block(step, state.stream, rotary, picture.windows);
      ++i;
      continue;
    }
    // Neighboring parts of a block at once.
    const int64_t parts = std::min(s.parts - s.part, stages.last - i);
    const int64_t patches = stream.dim(0);
    const int64_t first = patches * s.part / s.parts;
    const int64_t end = patches * (s.part + parts) / s.parts;
    if (end > first) {
      block.attend_rows(step, rows_of(state.added, first, end - first), state.stream, rotary,
                        {picture.whole, first});
    }
    if (s.part + parts == s.parts) block.complete(step, state.stream, state.added);
    i += parts;
  }
}

Tensor WindowEncoder::finish(Step& step, Tensor stream) const {
  const int64_t groups = stream.dim(0) / (config_.merge_size * config_.merge_size);
  const Tensor out = step.scratch.make({groups, config_.out});
  const ScratchScope scope(step.scratch);
  Residual r{.stream = kept(stream).stream, .pending = {}};
  const Tensor merged = reshaped(merger_norm_(step, r), {groups, merged_numbers()});
  const Tensor inner = step.scratch.make({groups, merger_in_.outputs()});
  merger_in_(step, inner, merged);
  step.ops.gelu(inner);
  merger_out_(step, out, inner);
  return out;
}

}  // namespace pagoda
