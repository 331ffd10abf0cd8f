// conformance_test <backend[:instruction set]>: every case of conformance_cases.h on that backend.
//
// Each must give what `ref` gives within its tolerance, and every row the same bits in any company
// and with any number of threads. Exit code 0: it does; 1: it does not, or another backend
// answered; 77: this machine or build does not have it.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <optional>

#include "backends/backends.h"
#include "backends/conformance_cases.h"
#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

struct Devices {
  std::unique_ptr<Device> reference, device, one_thread;
};

RowOutputs run(Device& device, const RunRows& rows_of, const RowNumbers& rows) {
  Rig rig(device);
  return rows_of(rig, rows);
}

std::optional<std::string> beyond_tolerance(const Case& c, const RowOutputs& got,
                                            const RowOutputs& expected) {
  double squares = 0.0, count = 0.0;
  for (const auto& row : expected) {
    for (const float x : row) squares += static_cast<double>(x) * static_cast<double>(x);
    count += static_cast<double>(row.size());
  }
  const double rms = std::sqrt(squares / std::max(count, 1.0));
  for (size_t i = 0; i < expected.size(); ++i) {
    if (got[i].size() != expected[i].size()) return str("row ", i, " is of another size");
    for (size_t j = 0; j < expected[i].size(); ++j) {
      const double want = static_cast<double>(expected[i][j]);
      const double allowed = c.tolerance.relative * std::abs(want) + c.tolerance.of_rms * rms;
      if (std::abs(static_cast<double>(got[i][j]) - want) <= allowed) continue;
      return str("row ", i, ", number ", j, " is ", got[i][j], ", expected ", want, " +- ",
                 allowed);
    }
  }
  return std::nullopt;
}

bool are_equal_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
  });
}

// `got` are the outputs of `rows`; `all` those of every row, run together.
std::optional<std::string> other_bits(const RowNumbers& rows, const RowOutputs& got,
                                      const RowOutputs& all) {
  if (got.size() != rows.size()) return str(got.size(), " rows instead of ", rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!are_equal_bits(got[i], all[static_cast<size_t>(rows[i])])) {
      return str("row ", rows[i], " has other bits among ", rows.size(), " rows");
    }
  }
  return std::nullopt;
}

// Alone, in small companies, backwards, and none at all.
std::vector<RowNumbers> companies_of(int64_t rows) {
  std::vector<RowNumbers> companies = {{}};
  for (const int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64}) {
    if (n < rows) companies.push_back(first_rows(n));
  }
  for (int64_t row = 0; row < rows; row += std::max<int64_t>(1, rows / 10)) {
    companies.push_back({row});
  }
  companies.push_back(first_rows(rows));
  std::reverse(companies.back().begin(), companies.back().end());
  return companies;
}

std::optional<std::string> fault_of(const Case& c, const Devices& d) {
  const RowNumbers every = first_rows(c.rows);
  const RowOutputs all = run(*d.device, c.run, every);
  if (auto fault = beyond_tolerance(c, all, run(*d.reference, c.run, every))) return fault;
  for (const RowNumbers& rows : companies_of(c.rows)) {
    if (auto fault = other_bits(rows, run(*d.device, c.run, rows), all)) return fault;
  }
  if (auto fault = other_bits(every, run(*d.one_thread, c.run, every), all)) {
    return *fault + " with one thread";
  }
  for (size_t i = 0; i < c.equals.size(); ++i) {
    if (auto fault = other_bits(every, run(*d.device, c.equals[i], every), all)) {
      return str(*fault, ", delivered in way ", i + 1);
    }
  }
  return std::nullopt;
}

Devices open_devices(const std::string& backend) {
  constexpr int kThreads = 3;  // does not divide most numbers of rows
  return {.reference = open_device("ref", {}),
          .device = open_device(backend, {.ordinal = 0, .threads = kThreads}),
          .one_thread = open_device(backend, {.ordinal = 0, .threads = 1})};
}

// "cpu:avx2" must be answered by a device that calls itself "cpu avx2, ...".
bool is_answered_by(const std::string& backend, const Device& device) {
  std::string name = backend;
  std::replace(name.begin(), name.end(), ':', ' ');
  return device.description().starts_with(name);
}

int check(const std::string& backend, const Devices& devices) {
  std::printf("%s\n", devices.device->description().c_str());
  if (!is_answered_by(backend, *devices.device)) {
    std::printf("FAILED: asked for %s, another answered\n", backend.c_str());
    return 1;
  }
  int faults = 0;
  const std::vector<Case> cases = conformance_cases();
  for (const Case& c : cases) {
    const auto fault = fault_of(c, devices);
    if (fault) std::printf("FAILED: %s: %s\n", c.name.c_str(), fault->c_str());
    faults += fault.has_value();
  }
  std::printf("%zu cases, %d failed\n", cases.size(), faults);
  return faults == 0 ? 0 : 1;
}

int test_backend(const std::string& backend) {
  constexpr int kCtestSkip = 77;
  Devices devices;
  try {
    devices = open_devices(backend);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kConfig) throw;
    std::printf("SKIPPED: %s\n", e.what());
    return kCtestSkip;
  }
  return check(backend, devices);
}

}  // namespace
}  // namespace pagoda

int main(int argc, char** argv) {
  if (argc != 2) {
    std::printf("usage: conformance_test <backend[:instruction set]>\n");
    return 2;
  }
  try {
    return pagoda::test_backend(argv[1]);
  } catch (const std::exception& e) {
    std::printf("FAILED: %s\n", e.what());
    return 1;
  }
}
