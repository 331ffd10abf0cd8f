#include "text/template/heap.h"

#include <time.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

constexpr size_t kFirstObjectBytes = 16384;
constexpr size_t kTextChunkBytes = 16384;        // doubles with every chunk
constexpr int64_t kStepsBetweenLooks = 1 << 18;  // 5 to 40 ms

std::chrono::nanoseconds processor_time_of_thread() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

TemplateHeap::TemplateHeap(const TemplateLimits& limits)
    : limits_(limits),
      steps_left_(limits.max_steps),
      next_look_(std::max<int64_t>(limits.max_steps - kStepsBetweenLooks, 0)),
      begun_(processor_time_of_thread()),
      memory_left_bytes_(limits.max_memory_bytes),
      counted_(*this),
      objects_(kFirstObjectBytes, &counted_) {}

void TemplateHeap::look_around() {
  if (steps_left_ < 0) {
    fail(str("the template does not come to an end within ", limits_.max_steps, " steps"));
  }
  next_look_ = std::max<int64_t>(steps_left_ - kStepsBetweenLooks, 0);
  if (abandoned_.stop_requested()) fail("nobody waits for the template's text any more");
  if (processor_time_of_thread() - begun_ >= limits_.max_time) {
    fail(str("the template does not come to an end within ", limits_.max_time.count(), " ms"));
  }
}

void TemplateHeap::fail(const std::string& reason) const {
  constexpr size_t kMostBytes = 16 << 10;  // a template can say anything of any size
  std::string_view said = std::string_view(reason).substr(0, kMostBytes);
  said.remove_suffix(incomplete_utf8_tail(said));
  throw Error(ErrorKind::kRequest, str(said, said.size() < reason.size() ? "..." : "",
                                       " (chat template, line ", line_, ")"));
}

void TemplateHeap::check_text_size(size_t bytes) const {
  if (bytes > static_cast<size_t>(std::max<int64_t>(memory_left_bytes_, 0))) {
    fail(str("the template needs more than ", limits_.max_memory_bytes >> 20, " MiB of memory"));
  }
}

size_t TemplateHeap::size_of_copies(size_t bytes, int64_t times) const {
  size_t all = 0;
  if (__builtin_mul_overflow(bytes, static_cast<size_t>(std::max<int64_t>(times, 0)), &all)) {
    all = std::numeric_limits<size_t>::max();
  }
  check_text_size(all);
  return all;
}

void TemplateHeap::count_memory(size_t bytes) {
  check_text_size(bytes);
  memory_left_bytes_ -= static_cast<int64_t>(bytes);
}

char* TemplateHeap::room_for(size_t bytes) {
  if (bytes > text_room_) {
    const size_t doubling = kTextChunkBytes << std::min<size_t>(chunks_.size(), 10);
    const size_t size = std::max(doubling, bytes + bytes / 2);
    count_memory(size);
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    text_end_ = chunks_.back().get();
    text_room_ = size;
  }
  char* place = text_end_;
  text_end_ += bytes;
  text_room_ -= bytes;
  return place;
}

std::string_view TemplateHeap::keep(std::string_view text) {
  if (text.empty()) return {};
  const std::span<char> place = room_for_text(text.size());
  std::memcpy(place.data(), text.data(), text.size());
  return {place.data(), place.size()};
}

std::span<char> TemplateHeap::room_for_text(size_t bytes) {
  spend_bytes(bytes);
  return {room_for(bytes), bytes};
}

std::string_view TemplateHeap::join(std::string_view left, std::string_view right) {
  if (left.empty()) return right;
  if (right.empty()) return left;
  spend_bytes(right.size());
  if (left.data() + left.size() == text_end_ && right.size() <= text_room_) {
    std::memcpy(room_for(right.size()), right.data(), right.size());
    return {left.data(), left.size() + right.size()};
  }
  spend_bytes(left.size());
  char* place = room_for(left.size() + right.size());
  std::memcpy(place, left.data(), left.size());
  std::memcpy(place + left.size(), right.data(), right.size());
  return {place, left.size() + right.size()};
}

TemplateHeap::Level::Level(TemplateHeap& heap) : heap_(heap) {
  if (heap.depth_ >= heap.limits_.max_depth) {
    heap.fail(str("the template nests deeper than ", heap.limits_.max_depth, " levels"));
  }
  ++heap.depth_;
}

void* TemplateHeap::CountedMemory::do_allocate(size_t bytes, size_t alignment) {
  heap_.count_memory(bytes);
  return std::pmr::new_delete_resource()->allocate(bytes, alignment);
}

void TemplateHeap::CountedMemory::do_deallocate(void* place, size_t bytes, size_t alignment) {
  heap_.memory_left_bytes_ += static_cast<int64_t>(bytes);
  std::pmr::new_delete_resource()->deallocate(place, bytes, alignment);
}

bool TemplateHeap::CountedMemory::do_is_equal(
    const std::pmr::memory_resource& other) const noexcept {
  return this == &other;
}

}  // namespace pagoda
