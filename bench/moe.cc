// Does decoding one token read only the experts that it chose?
//
// The bytes of the chosen experts, divided by the time of the whole feed-forward part (routing,
// products, activation, sum), beside the read bandwidth of all threads. Reading all experts would
// show as active / experts of it. Sizes are those of one layer of Qwen3-30B-A3B; every token
// chooses other experts, so that no cache has them.

#include <algorithm>
#include <span>

#include "backends/cpu/cpu_device.h"
#include "base/str.h"
#include "base/usable_cores.h"
#include "cpu_rig.h"
#include "tensor/workspace.h"

namespace pagoda {
namespace {

struct Size {
  int64_t experts, active, hidden, ffn;
};
constexpr Size kSize = {128, 8, 2048, 768};
constexpr Size kSmokeSize = {8, 2, 64, 32};
constexpr int64_t kTokens = 16;  // one after another; together they choose every expert once
constexpr int64_t kBandwidthBytes = int64_t{512} << 20;

// The mixture of one layer, and activations of one token.
class Layer {
 public:
  Layer(cpu::CpuDevice& device, const Size& size, DType dtype)
      : device_(device),
        size_(size),
        dtype_(dtype),
        gate_up_spec_(spec(2 * size.ffn, size.hidden)),
        down_spec_(spec(size.hidden, size.ffn)),
        gate_up_(device.make_matrix(gate_up_spec_, bench::RepeatedRow(size.hidden))),
        down_(device.make_matrix(down_spec_, bench::RepeatedRow(size.ffn))),
        memory_(device.allocate(int64_t{1} << 24), dtype) {}

  // Experts [token * active, (token + 1) * active), in some order of memory.
  void run(int64_t token) {
    memory_.reset();
    const int64_t active = size_.active;
    const Tensor logits = memory_.make({1, size_.experts}, DType::kF32);
    std::fill_n(logits.as<float>(), size_.experts, 0.0f);
    for (int64_t i = 0; i < active; ++i) {
      const int64_t expert = (token * active + i) * 37 % size_.experts;  // 37: prime to them
      logits.as<float>()[expert] = static_cast<float>(1 + i);
    }
    const Routing routing = {.experts = memory_.make({1, active}, DType::kI32),
                             .weights = memory_.make({1, active}, DType::kF32),
                             .places = memory_.make({1, active}, DType::kI32),
                             .rows = memory_.make({active}, DType::kI32),
                             .offsets = memory_.make({size_.experts + 1}, DType::kI32)};
    Ops& ops = device_.ops();
    ops.route(routing, {.logits = logits, .correction = {}}, {.active = active, .normalize = true});
    const Tensor x = memory_.make({1, size_.hidden}), out = memory_.make({1, size_.hidden});
    std::fill_n(x.as<BFloat16>(), size_.hidden, from_float<BFloat16>(0.5f));
    const Tensor y = memory_.make({active, size_.hidden});
    const Tensor gate_up = memory_.make({active, 2 * size_.ffn});
    const Tensor inner = memory_.make({active, size_.ffn});
    ops.matmul_experts({.out = gate_up,
                        .x = x,
                        .weights = *gate_up_,
                        .offsets = routing.offsets,
                        .rows = routing.rows});
    ops.gated_mul(inner, gate_up, Activation::kSilu);
    ops.matmul_experts(
        {.out = y, .x = inner, .weights = *down_, .offsets = routing.offsets, .rows = {}});
    ops.combine_experts(out, y, routing, 0, size_.experts);
  }

  // Of the experts that one token chooses.
  int64_t chosen_bytes() const {
    const int64_t all = device_.matrix_bytes(gate_up_spec_) + device_.matrix_bytes(down_spec_);
    return all / size_.experts * size_.active;
  }

 private:
  MatrixSpec spec(int64_t out, int64_t in) const {
    return {
        .out = out, .in = in, .count = size_.experts, .format = {Encoding::kF32}, .dtype = dtype_};
  }

  cpu::CpuDevice& device_;
  const Size size_;
  const DType dtype_;
  const MatrixSpec gate_up_spec_, down_spec_;
  const std::unique_ptr<Matrix> gate_up_, down_;
  Workspace memory_;
};

void run_all(const bench::Options& options) {
  const Size size = options.smoke ? kSmokeSize : kSize;
  const int threads = options.threads > 0 ? options.threads : usable_cores("/");
  cpu::CpuDevice device(bench::family_of(options.backend), threads, {});
  ThreadTeam team(threads);
  const bench::ReadBandwidth bandwidth(options.smoke ? 1 << 20 : kBandwidthBytes);
  Layer layer(device, size, DType::kBF16);
  const auto pass = [&] {
    for (int64_t token = 0; token < kTokens; ++token) layer.run(token);
  };
  bench::Result result = {
      .bench = "moe",
      .subject = str(device.description(), ", bfloat16, one token, ", size.active, " of ",
                     size.experts, " experts of ", size.hidden, " x ", size.ffn),
      .unit = "GB/s of chosen experts",
      .baseline = "read bandwidth",
      .baseline_runs = {},
      .runs = {}};
  pass();
  for (int i = 0; i < options.runs; ++i) {
    result.baseline_runs.push_back(bandwidth.measure(team) / 1e9);
    const auto bytes = static_cast<double>(kTokens * layer.chosen_bytes());
    result.runs.push_back(bytes / bench::fastest(pass) / 1e9);
  }
  bench::print(result);
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  return pagoda::bench::run_main(argc, argv, pagoda::run_all);
}
