// How near is loading to reading?
//
// A checkpoint of 1.6 GB in bfloat16 is loaded (mapped, read, packed, pages given back) and
// compared with reading every byte of the same mapped file by the same number of threads; once with
// the file in the system's cache, once from the disk. Then: how much memory is used beyond what is
// kept.

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "backends/cpu/cpu_device.h"
#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/usable_cores.h"
#include "bench.h"
#include "load/checkpoint.h"
#include "load/weight_store.h"
#include "load/weights.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

struct Shape {
  int64_t layers, hidden, ffn;
};
constexpr Shape kShape = {14, 2560, 7168};  // of a model of 3 billion weights, fewer layers
constexpr Shape kSmokeShape = {2, 64, 160};

// One safetensors file, removed at the end.
class CheckpointFile {
 public:
  explicit CheckpointFile(const Shape& shape) {
    std::string name = (fs::temp_directory_path() / "pagoda-loading-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    std::string header = "{";
    for (int64_t layer = 0; layer < shape.layers; ++layer) {
      append(header, layer, "gate_proj", shape.ffn, shape.hidden);
      append(header, layer, "up_proj", shape.ffn, shape.hidden);
      append(header, layer, "down_proj", shape.hidden, shape.ffn);
    }
    header.back() = '}';
    header.resize((header.size() + 7) / 8 * 8, ' ');
    write(header);
  }
  ~CheckpointFile() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  CheckpointFile(const CheckpointFile&) = delete;
  CheckpointFile& operator=(const CheckpointFile&) = delete;

  const fs::path& folder() const { return folder_; }
  fs::path path() const { return folder_ / "model.safetensors"; }
  int64_t bytes() const { return bytes_; }

  // Out of the system's cache.
  void forget() const {
    const int file = open(path().c_str(), O_RDONLY | O_CLOEXEC);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
  }

 private:
  void append(std::string& header, int64_t layer, std::string_view name, int64_t rows,
              int64_t columns) {
    const int64_t end = bytes_ + rows * columns * 2;
    header += str("\"layers.", layer, ".", name, R"(.weight":{"dtype":"BF16","shape":[)", rows, ",",
                  columns, R"(],"data_offsets":[)", bytes_, ",", end, "]},");
    bytes_ = end;
  }

  void write(const std::string& header) const {
    std::ofstream out(path(), std::ios::binary);
    const uint64_t length = header.size();
    out.write(reinterpret_cast<const char*>(&length), sizeof length);
    out << header;
    std::string chunk(1 << 20, '\0');
    for (size_t i = 0; i < chunk.size(); i += 2) {
      // Small bfloat16 numbers: sign and low bits at random, exponent that of 2^-7.
      const auto bits = static_cast<uint16_t>((philox(1, i)[0] & 0x807F) | 0x3C00);
      std::memcpy(&chunk[i], &bits, sizeof bits);
    }
    for (int64_t left = bytes_; left > 0; left -= static_cast<int64_t>(chunk.size())) {
      out.write(chunk.data(), std::min<int64_t>(left, static_cast<int64_t>(chunk.size())));
    }
    out.close();
    const int file = open(path().c_str(), O_RDONLY | O_CLOEXEC);
    fsync(file);
    close(file);
  }

  fs::path folder_;
  int64_t bytes_ = 0;
};

int64_t status_bytes(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::stoll(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

struct Bench {
  explicit Bench(const bench::Options& o)
      : options(o),
        threads(o.threads > 0 ? o.threads : usable_cores("/")),
        shape(o.smoke ? kSmokeShape : kShape),
        file(shape),
        device(cpu::choose_family(""), threads, {}),
        team(threads) {}

  // Bytes that are kept.
  int64_t load() {
    const auto source = open_checkpoint(file.folder());
    WeightStore store(*source, device, {});
    const Part hidden = whole_part(shape.hidden), ffn = whole_part(shape.ffn);
    for (int64_t layer = 0; layer < shape.layers; ++layer) {
      const Weights w = store.root() / str("layers.", layer);
      w.stacked({{"gate_proj", shape.ffn, ffn}, {"up_proj", shape.ffn, ffn}}, shape.hidden);
      (w / "down_proj").matrix({shape.hidden, shape.ffn}, hidden, ffn);
    }
    return store.bytes();
  }

  void read() {
    const MappedFile mapped(file.path());
    const auto* words = reinterpret_cast<const uint64_t*>(mapped.bytes().data());
    std::atomic<uint64_t> sink = 0;
    team.for_chunks(static_cast<int64_t>(mapped.bytes().size() / 8), 1 << 15,
                    [&](int64_t begin, int64_t end, int) {
                      uint64_t sum = 0;
                      for (int64_t i = begin; i < end; ++i) sum ^= words[i];
                      sink ^= sum;
                    });
  }

  void measure_memory() {
    const int64_t before = status_bytes("VmRSS:");
    const int64_t kept = load();
    const int64_t peak = status_bytes("VmHWM:") - before;
    bench::print({.bench = "loading",
                  .subject = str("memory, ", threads, " threads"),
                  .unit = "GB",
                  .baseline = "peak while loading",
                  .baseline_runs = {static_cast<double>(peak) / 1e9},
                  .runs = {static_cast<double>(kept) / 1e9}});
  }

  void measure_speed(bool is_cold) {
    bench::Result result = {
        .bench = "loading",
        .subject = str(is_cold ? "from disk, " : "from the system's cache, ", threads, " threads"),
        .unit = "GB/s",
        .baseline = "reading the mapped file",
        .baseline_runs = {},
        .runs = {}};
    const auto gigabytes = static_cast<double>(file.bytes()) / 1e9;
    for (int i = 0; i < options.runs; ++i) {
      if (is_cold) file.forget();
      result.baseline_runs.push_back(gigabytes / bench::seconds([&] { read(); }));
      if (is_cold) file.forget();
      result.runs.push_back(gigabytes / bench::seconds([&] { load(); }));
    }
    bench::print(result);
  }

  const bench::Options options;
  const int threads;
  const Shape shape;
  const CheckpointFile file;
  cpu::CpuDevice device;
  ThreadTeam team;
};

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  try {
    pagoda::Bench bench(pagoda::bench::parse_options(argc, argv));
    bench.measure_memory();  // first: the high-water mark of the process never sinks
    bench.measure_speed(/*is_cold=*/false);
    bench.measure_speed(/*is_cold=*/true);
  } catch (const pagoda::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return pagoda::meaning_of(e.kind()).exit_code;
  }
  return 0;
}
