#include "comm/thread_communicator.h"

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "comm/solo.h"

namespace pagoda {
namespace {

using Job = std::function<void(Communicator&)>;

// What the job of this rank threw, or "". The others learn of it.
std::string error_of_rank(ThreadGroup& group, int rank, const Job& job) {
  const std::unique_ptr<Communicator> communicator = group.communicator(rank);
  try {
    job(*communicator);
  } catch (const Error& e) {
    group.abort(e.what());
    return e.what();
  }
  return "";
}

// One thread a rank. Returns what each threw.
std::vector<std::string> run_ranks(int ranks, const Job& job) {
  ThreadGroup group(ranks);
  std::vector<std::string> errors(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  threads.reserve(errors.size());
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back(
        [&, rank] { errors[static_cast<size_t>(rank)] = error_of_rank(group, rank, job); });
  }
  for (std::thread& t : threads) t.join();
  return errors;
}

float number(int rank, int64_t i) {
  return static_cast<float>(uniform_from(7, static_cast<uint64_t>(i), static_cast<uint64_t>(rank)));
}

// What every rank has after an all-reduce of `count` numbers, one vector a rank.
template <class Float>
std::vector<std::vector<uint32_t>> reduced(int ranks, int64_t count, DType dtype) {
  std::vector<std::vector<uint32_t>> results(static_cast<size_t>(ranks));
  run_ranks(ranks, [&](Communicator& c) {
    std::vector<Float> data;
    for (int64_t i = 0; i < count; ++i) data.push_back(from_float<Float>(number(c.rank(), i)));
    c.all_reduce_sum(make_view(data.data(), {count}, dtype));
    for (const Float x : data) {
      results[static_cast<size_t>(c.rank())].push_back(std::bit_cast<uint32_t>(to_float(x)));
    }
  });
  return results;
}

template <class Float>
std::vector<uint32_t> sum_in_rank_order(int ranks, int64_t count) {
  std::vector<uint32_t> sums;
  for (int64_t i = 0; i < count; ++i) {
    float sum = to_float(from_float<Float>(number(0, i)));
    for (int r = 1; r < ranks; ++r) sum += to_float(from_float<Float>(number(r, i)));
    sums.push_back(std::bit_cast<uint32_t>(to_float(from_float<Float>(sum))));
  }
  return sums;
}

constexpr std::array<int, 5> kRankCounts = {1, 2, 3, 5, 8};
constexpr std::array<int64_t, 4> kSizes = {0, 1, 7, 1000};

template <class Float>
int wrong_sums(DType dtype) {
  int wrong = 0;
  for (const int ranks : kRankCounts) {
    for (const int64_t size : kSizes) {
      const auto expected = sum_in_rank_order<Float>(ranks, size);
      for (const auto& result : reduced<Float>(ranks, size, dtype)) wrong += result != expected;
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("every rank gets the sum in rank order, rounded once, for any number of ranks") {
  CHECK(wrong_sums<float>(DType::kF32) == 0);
  CHECK(wrong_sums<BFloat16>(DType::kBF16) == 0);
  CHECK(wrong_sums<Float16>(DType::kF16) == 0);
}

TEST_CASE("all_gather puts the parts in rank order on every rank") {
  constexpr int kRanks = 3;
  std::array<std::vector<int32_t>, kRanks> got;
  run_ranks(kRanks, [&](Communicator& c) {
    std::vector<int32_t> mine = {10 * c.rank(), 10 * c.rank() + 1};
    std::vector<int32_t>& all = got[static_cast<size_t>(c.rank())];
    all.resize(size_t{2} * kRanks);
    c.all_gather(make_view(all.data(), {kRanks, 2}, DType::kI32),
                 make_view(mine.data(), {2}, DType::kI32));
  });
  for (const auto& all : got) CHECK(all == std::vector<int32_t>{0, 1, 10, 11, 20, 21});
}

TEST_CASE("all_to_all hands part r of each rank to rank r") {
  constexpr int kRanks = 3;
  std::array<std::vector<int32_t>, kRanks> got;
  run_ranks(kRanks, [&](Communicator& c) {
    const int r = 10 * c.rank();
    std::vector<int32_t> mine = {r, r + 1, r + 2};
    std::vector<int32_t>& all = got[static_cast<size_t>(c.rank())];
    all.resize(kRanks);
    c.all_to_all(make_view(all.data(), {kRanks, 1}, DType::kI32),
                 make_view(mine.data(), {kRanks, 1}, DType::kI32));
  });
  CHECK(got[0] == std::vector<int32_t>{0, 10, 20});
  CHECK(got[2] == std::vector<int32_t>{2, 12, 22});
}

TEST_CASE("thousands of collectives in a row keep step on more ranks than cores") {
  constexpr int kRanks = 8, kRounds = 2000;
  std::array<int, kRanks> wrong = {};
  run_ranks(kRanks, [&](Communicator& c) {
    for (int round = 0; round < kRounds; ++round) {
      float x = static_cast<float>(round + c.rank());
      c.all_reduce_sum(make_view(&x, {1}, DType::kF32));
      wrong[static_cast<size_t>(c.rank())] += x != static_cast<float>(kRanks * round + 28);
    }
  });
  CHECK(std::accumulate(wrong.begin(), wrong.end(), 0) == 0);
}

TEST_CASE("a rank that fails stops the others, whatever they wait for") {
  constexpr int kRanks = 4;
  const auto errors = run_ranks(kRanks, [](Communicator& c) {
    for (int round = 0;; ++round) {
      if (c.rank() == 2 && round == 100) throw Error(ErrorKind::kDevice, "out of memory");
      float x = 1.0f;
      c.all_reduce_sum(make_view(&x, {1}, DType::kF32));
    }
  });
  CHECK(errors[2] == "out of memory");
  CHECK(errors[0] == "rank 0 stopped because another failed: out of memory");
  CHECK(errors[1] == "rank 1 stopped because another failed: out of memory");
  CHECK(errors[3] == "rank 3 stopped because another failed: out of memory");
}

TEST_CASE("a rank that comes after an abort does not wait") {
  ThreadGroup group(2);
  group.abort("the plug was pulled");
  group.abort("a later reason");
  float x = 1.0f;
  CHECK_THROWS_WITH_AS(group.communicator(0)->all_reduce_sum(make_view(&x, {1}, DType::kF32)),
                       "rank 0 stopped because another failed: the plug was pulled", Error);
}

TEST_CASE("one rank alone gathers its own part") {
  SoloCommunicator solo;
  std::array<float, 2> in = {1.0f, 2.0f}, out = {};
  solo.all_gather(make_view(out.data(), {1, 2}, DType::kF32),
                  make_view(in.data(), {2}, DType::kF32));
  CHECK(out == in);
}

}  // namespace pagoda
