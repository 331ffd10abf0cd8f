// What ref:apart does that a CPU does not. The stream of a device is held up by a collective that
// the device of another rank has not been asked for yet.
#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <vector>

#include "backends/ref/apart_device.h"
#include "base/error.h"

namespace pagoda::ref {
namespace {

using Numbers = std::vector<float>;

// Memory of a device as f32 [n].
struct DeviceNumbers {
  DeviceNumbers(ApartDevice& owner, int64_t n)
      : device(owner),
        buffer(owner.allocate(n * 4)),
        tensor(make_view(buffer.data(), {n}, DType::kF32)) {}
  Numbers read() const {
    Numbers numbers(static_cast<size_t>(tensor.count()));
    device.copy_out(numbers.data(), tensor);
    return numbers;
  }

  ApartDevice& device;
  Buffer buffer;
  Tensor tensor;
};

// Two ranks.
struct Pair {
  Pair() {
    const Numbers one = {1, 2}, other = {10, 20};
    a.copy_in(x.tensor, one.data());
    b.copy_in(y.tensor, other.data());
  }
  // The stream of `a` gets no further until release().
  void hold() { of_a->all_reduce_sum(x.tensor); }
  void release() { of_b->all_reduce_sum(y.tensor); }

  ApartDevice a{0}, b{1};
  std::unique_ptr<CommunicatorGroup> group = a.connect(2);
  std::unique_ptr<Communicator> of_a = group->join(0, a), of_b = group->join(1, b);
  DeviceNumbers x{a, 2}, y{b, 2};
};

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST_CASE("the host cannot read memory of the device") {
  ApartDevice device(0);
  const DeviceNumbers x(device, 4);
  std::array<int, 2> pipe_ends;
  REQUIRE(pipe(pipe_ends.data()) == 0);
  CHECK(write(pipe_ends[1], x.tensor.data, 1) == -1);
  CHECK(errno == EFAULT);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST_CASE("new memory of the device is not a number") {
  ApartDevice device(0);
  for (const float number : DeviceNumbers(device, 5000).read()) CHECK(std::isnan(number));
}

TEST_CASE("an upload reads the host's memory when the stream gets there") {
  Pair ranks;
  const Buffer host = ranks.a.allocate_host(8);
  auto* numbers = static_cast<float*>(host.data());
  const DeviceNumbers z(ranks.a, 2);
  ranks.hold();
  numbers[0] = 3;
  ranks.a.upload(z.tensor, numbers);
  numbers[0] = 4;  // too early
  ranks.release();
  CHECK(z.read()[0] == 4);
}

TEST_CASE("a download is not there before the stream has been waited for") {
  Pair ranks;
  const Buffer host = ranks.a.allocate_host(8);
  const auto* numbers = static_cast<const float*>(host.data());
  ranks.hold();
  ranks.a.download(host.data(), ranks.x.tensor);
  CHECK(std::isnan(numbers[0]));
  ranks.release();
  ranks.a.synchronize();
  CHECK(numbers[0] == 11);
  CHECK(numbers[1] == 22);
}

TEST_CASE("a fence is done before what comes behind it") {
  Pair ranks;
  const Buffer host = ranks.a.allocate_host(8);
  ranks.a.download(host.data(), ranks.x.tensor);
  const Fence before = ranks.a.fence();
  ranks.hold();
  ranks.a.wait(before);
  CHECK(static_cast<const float*>(host.data())[1] == 2);
  ranks.release();
}

TEST_CASE("collectives give every rank the same") {
  Pair ranks;
  ranks.hold();
  ranks.release();
  CHECK(ranks.x.read() == Numbers{11, 22});
  CHECK(ranks.y.read() == Numbers{11, 22});

  const DeviceNumbers all(ranks.a, 4), same(ranks.b, 4);
  ranks.of_a->all_gather(all.tensor, ranks.x.tensor);
  ranks.of_b->all_gather(same.tensor, ranks.y.tensor);
  CHECK(all.read() == Numbers{11, 22, 11, 22});
  CHECK(same.read() == all.read());

  const Numbers mine = {1, 2}, theirs = {3, 4};
  ranks.a.copy_in(ranks.x.tensor, mine.data());
  ranks.b.copy_in(ranks.y.tensor, theirs.data());
  const DeviceNumbers first(ranks.a, 2), second(ranks.b, 2);
  ranks.of_a->all_to_all(first.tensor, ranks.x.tensor);
  ranks.of_b->all_to_all(second.tensor, ranks.y.tensor);
  CHECK(first.read() == Numbers{1, 3});
  CHECK(second.read() == Numbers{2, 4});
}

TEST_CASE("ranks that wait for one that failed are let go with its reason") {
  Pair ranks;
  ranks.hold();
  ranks.group->abort("the cable is out");
  const std::string reason = "rank 0 stopped because another failed: the cable is out";
  CHECK(error_of([&] { ranks.a.synchronize(); }) == reason);
  CHECK(error_of([&] { ranks.x.read(); }) == reason);
}

TEST_CASE("memory that is not the device's is refused when the call is made") {
  ApartDevice device(0);
  Numbers host(4);
  const Tensor of_host = make_view(host.data(), {4}, DType::kF32);
  const std::string reason = "are not within a buffer of this device";
  CHECK(error_of([&] { device.ops().gelu(of_host); }).find(reason) != std::string::npos);
  const DeviceNumbers x(device, 4);
  const Tensor beyond = make_view(x.tensor.as<float>() + 1, {4}, DType::kF32);
  CHECK(error_of([&] { device.ops().gelu(beyond); }).find(reason) != std::string::npos);
  Tensor freed;
  { freed = DeviceNumbers(device, 4).tensor; }
  CHECK(error_of([&] { device.ops().gelu(freed); }).find(reason) != std::string::npos);
}

TEST_CASE("queued copies take memory of allocate_host() alone") {
  ApartDevice device(0);
  const DeviceNumbers x(device, 4);
  const Numbers host(4);
  CHECK(error_of([&] {
          device.upload(x.tensor, host.data());
        }).find("are not within a buffer of allocate_host()") != std::string::npos);
}

TEST_CASE("KV blocks of another size than the device's are refused") {
  ApartDevice device(0);
  CHECK(device.kv_block_size(16) == 8);
  const KvLayer cache = {.blocks = {}, .shape = {1, 4, 4, DType::kF32}, .block_size = 16};
  CHECK(error_of([&] { device.ops().write_kv(cache, {}, {}, {}); }) ==
        "ref:apart: KV blocks of 16 tokens, where kv_block_size() says 8");
}

TEST_CASE("a cache of numbers that are no floats is refused by name") {
  const ApartDevice device(0);
  CHECK(error_of([&] {
          return device.kv_block_bytes({1, 8, 8, DType::kU8}, ApartOps::kBlockSize);
        }) ==
        "a KV cache of uint8: ref keeps keys and values in float32, bfloat16 or float16; "
        "choose one of them");
}

TEST_CASE("memory that is freed while work on it is queued stays until that is done") {
  Pair ranks;
  {
    const DeviceNumbers z(ranks.b, 2);
    for (int i = 0; i < 100; ++i) ranks.b.ops().gelu(z.tensor);
  }
  ranks.b.synchronize();
  CHECK(ranks.b.memory().free_bytes == ranks.b.memory().total_bytes - ranks.y.buffer.bytes());
}

}  // namespace
}  // namespace pagoda::ref
