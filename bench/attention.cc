// How near is attention to what this machine can do?
//
// Decoding one token over a long context is compared with the read bandwidth of all threads, its
// cache larger than the CPU's caches; a prompt with the float32 multiply-add peak (scores and sums
// are float32), counting visible keys only. Latent attention (DeepSeek: all heads share keys, whose
// first numbers are the values) is compared with the peak, too, when decoding: 16 heads or more
// read each number of the cache.

#include <random>

#include "backends/cpu/cpu_device.h"
#include "base/str.h"
#include "base/usable_cores.h"
#include "cpu_rig.h"

namespace pagoda {
namespace {

struct Case {
  int64_t heads, kv_heads, head_dim;
  int64_t context;     // tokens in the cache at the end
  int64_t rows;        // the last ones of them are computed
  int64_t latent = 0;  // numbers of a key that are its value; 0: values are cached by themselves

  int64_t value_dim() const { return latent > 0 ? latent : head_dim; }
  int64_t cached_value_dim() const { return latent > 0 ? 0 : head_dim; }
  bool is_bound_by_memory() const { return rows == 1 && latent == 0; }
};
constexpr Case kCases[] = {
    {16, 8, 128, 4096, 1},      {14, 2, 64, 4096, 1},        {32, 8, 128, 32768, 1},
    {16, 8, 128, 512, 512},     {14, 2, 64, 512, 512},       {16, 8, 128, 4096, 512},
    {16, 1, 576, 4096, 1, 512}, {128, 1, 576, 4096, 1, 512}, {16, 1, 576, 512, 512, 512}};
constexpr Case kSmokeCases[] = {{4, 2, 32, 300, 1}, {4, 2, 32, 40, 40}, {4, 1, 48, 300, 1, 32}};
constexpr int64_t kBlockSize = 16;
constexpr int64_t kColdBytes = int64_t{512} << 20;

// A cache of random numbers and everything a call needs.
struct Setup {
  Setup(cpu::CpuDevice& device, const Case& c, int64_t layers);

  Attention call(int64_t layer) const;
  void fill();

  const Case shape;
  const int64_t blocks, block_bytes;
  const KvShape kv;
  Buffer cache, q, out;
  std::vector<int32_t> table, offsets, lengths;
};

Setup::Setup(cpu::CpuDevice& device, const Case& c, int64_t layers)
    : shape(c),
      blocks((c.context + kBlockSize - 1) / kBlockSize),
      block_bytes(device.kv_block_bytes(
          {c.kv_heads, c.head_dim, c.cached_value_dim(), DType::kBF16}, kBlockSize)),
      kv{c.kv_heads, c.head_dim, c.cached_value_dim(), DType::kBF16},
      cache(reserve_host_memory(layers * blocks * block_bytes)),
      q(reserve_host_memory(c.rows * c.heads * c.head_dim * 2)),
      out(reserve_host_memory(c.rows * c.heads * c.value_dim() * 2)),
      offsets{0, static_cast<int32_t>(c.rows)},
      lengths{static_cast<int32_t>(c.context)} {
  for (int32_t i = 0; i < blocks; ++i) table.push_back(i);
  fill();
}

void Setup::fill() {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (const Buffer* buffer : {&cache, &q}) {
    auto* numbers = static_cast<BFloat16*>(buffer->data());
    constexpr int64_t kPeriod = 4099;  // drawing each number would take longer than the benchmark
    for (int64_t i = 0; i < buffer->bytes() / 2; ++i) {
      numbers[i] = i < kPeriod ? from_float<BFloat16>(normal(generator)) : numbers[i - kPeriod];
    }
  }
}

Attention Setup::call(int64_t layer) const {
  const auto view = [](const auto& values, std::initializer_list<int64_t> dims) {
    return make_view(const_cast<int32_t*>(values.data()), dims, DType::kI32);
  };
  std::byte* first = static_cast<std::byte*>(cache.data()) + layer * blocks * block_bytes;
  return {.out = make_view(out.data(), {shape.rows, shape.heads, shape.value_dim()}, DType::kBF16),
          .q = make_view(q.data(), {shape.rows, shape.heads, shape.head_dim}, DType::kBF16),
          .cache = {make_view(first, {blocks, block_bytes}, DType::kU8), kv, kBlockSize},
          .index = {view(table, {1, blocks}), view(offsets, {2}), view(lengths, {1})},
          .scale = 0.1f};
}

void run(const Case& c, const bench::Options& options) {
  const cpu::Family& family = bench::family_of(options.backend);
  const int threads = options.threads > 0 ? options.threads : usable_cores("/");
  const bool by_memory = c.is_bound_by_memory();
  const int64_t bytes = c.context * c.kv_heads * (c.head_dim + c.cached_value_dim()) * 2;
  const int64_t cold = options.smoke ? 1 << 20 : kColdBytes;
  const int64_t layers = c.rows == 1 ? std::max<int64_t>(1, cold / bytes) : 1;
  cpu::CpuDevice device(family, threads, {});
  const Setup setup(device, c, layers);
  ThreadTeam team(threads);
  const bench::ReadBandwidth bandwidth(cold);
  const auto pass = [&] {
    for (int64_t layer = 0; layer < layers; ++layer) {
      device.ops().paged_attention(setup.call(layer));
    }
  };
  bench::Result result = {
      .bench = "attention",
      .subject = str(device.description(), ", bfloat16, ", c.heads, "/", c.kv_heads, " heads of ",
                     c.head_dim, c.latent > 0 ? str(" with ", c.latent, " latent") : "", ", ",
                     c.rows, " rows of ", c.context),
      .unit = by_memory ? "GB/s" : "GFLOPS",
      .baseline = by_memory ? "read bandwidth" : "float32 multiply-add peak",
      .baseline_runs = {},
      .runs = {}};
  // Row r of the last `rows` sees context - rows + r + 1 keys.
  const double visible = static_cast<double>(c.rows) * static_cast<double>(c.context) -
                         static_cast<double>(c.rows * (c.rows - 1)) / 2;
  const double flops = 2.0 * visible * static_cast<double>(layers) *
                       static_cast<double>(c.heads * (c.head_dim + c.value_dim()));
  pass();
  for (int i = 0; i < options.runs; ++i) {
    const double limit = by_memory
                             ? bandwidth.measure(team)
                             : 2 * bench::multiply_add_peak(
                                       team, family.kernels().matmul[0].saturate, options.smoke);
    const double work = by_memory ? static_cast<double>(layers * bytes) : flops;
    result.baseline_runs.push_back(limit / 1e9);
    result.runs.push_back(work / bench::fastest(pass) / 1e9);
  }
  bench::print(result);
}

void run_all(const bench::Options& options) {
  if (options.smoke) {
    for (const Case& c : kSmokeCases) run(c, options);
  } else {
    for (const Case& c : kCases) run(c, options);
  }
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run_all);
}
