// How many bytes of text a second become tokens on one core, and how soon is a tokenizer there?
//
//   bench/tokenizer [--smoke] [--runs N] [FOLDER [TEXT]]
//
// FOLDER holds a tokenizer.json (default: the demo model), TEXT is a file (default:
// ARCHITECTURE.md, English). Texts below 2 MB are repeated. Baselines: for encoding, decoding the
// UTF-8 of the same text and nothing else; for loading, reading the bytes of tokenizer.json.
#include "text/tokenizer/tokenizer.h"

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "bench.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

struct Job {
  fs::path folder = fs::path(PAGODA_SOURCE_DIR) / "models/demo";
  fs::path text = fs::path(PAGODA_SOURCE_DIR) / "ARCHITECTURE.md";
};

// The text, again and again, to at least this size.
std::string text_of(const fs::path& path, size_t size) {
  const std::string once = read_text_file(path);
  std::string text = once;
  while (text.size() < size && !once.empty()) text += once;
  return text;
}

double megabytes_a_second(size_t bytes, const std::function<void()>& work) {
  return static_cast<double>(bytes) / 1e6 / bench::seconds(work);
}

void measure_encode(const Job& job, const bench::Options& options) {
  const Tokenizer tokenizer = Tokenizer::load(job.folder);
  const std::string text = text_of(job.text, options.smoke ? size_t{1} << 14 : size_t{1} << 21);
  bench::Result result = {.bench = "tokenizer/encode",
                          .subject = job.folder.filename().string(),
                          .unit = "MB/s",
                          .baseline = "decoding of UTF-8",
                          .baseline_runs = {},
                          .runs = {}};
  size_t seen = tokenizer.encode(text, false).size();  // warm
  for (int run = 0; run < options.runs; ++run) {
    result.baseline_runs.push_back(
        megabytes_a_second(text.size(), [&] { seen += num_code_points(text); }));
    result.runs.push_back(
        megabytes_a_second(text.size(), [&] { seen += tokenizer.encode(text, false).size(); }));
  }
  if (seen > 0) bench::print(result);
}

void measure_load(const Job& job, const bench::Options& options) {
  const fs::path file = job.folder / "tokenizer.json";
  const size_t bytes = fs::file_size(file);
  bench::Result result = {.bench = "tokenizer/load",
                          .subject = job.folder.filename().string(),
                          .unit = "MB/s",
                          .baseline = "reading of the file",
                          .baseline_runs = {},
                          .runs = {}};
  int64_t seen = Tokenizer::load(job.folder).vocab_size();  // warm
  for (int run = 0; run < options.runs; ++run) {
    result.baseline_runs.push_back(megabytes_a_second(
        bytes, [&] { seen += static_cast<int64_t>(read_text_file(file).size()); }));
    result.runs.push_back(
        megabytes_a_second(bytes, [&] { seen += Tokenizer::load(job.folder).vocab_size(); }));
  }
  if (seen > 0) bench::print(result);
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  using namespace pagoda;
  Job job;
  std::vector<char*> rest = {argv[0]};
  std::vector<fs::path*> places = {&job.folder, &job.text};
  auto place = places.begin();
  for (int i = 1; i < argc; ++i) {
    const bool is_value = std::string_view(argv[i - 1]) == "--runs";
    if (place != places.end() && !is_value && argv[i][0] != '-') {
      **place++ = argv[i];
    } else {
      rest.push_back(argv[i]);
    }
  }
  const bench::Options options = bench::parse_options(static_cast<int>(rest.size()), rest.data());
  try {
    measure_encode(job, options);
    measure_load(job, options);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
