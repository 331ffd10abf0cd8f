// The memory and the time of one rendering of a template. Every value lives here until the
// rendering ends, so values are plain copies and nothing is counted or collected.
//
// Thread rule: belongs to one rendering, on one thread.
// Invariant: destructors of objects made here do not run; they must own memory of this heap only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/template/limits.h"

namespace pagoda {

class TemplateHeap {
 public:
  explicit TemplateHeap(const TemplateLimits& limits);

  const TemplateLimits& limits() const { return limits_; }
  std::pmr::memory_resource* memory() { return &objects_; }

  template <class T, class... Parts>
  T* make(Parts&&... parts) {
    void* place = objects_.allocate(sizeof(T), alignof(T));
    return std::construct_at(static_cast<T*>(place), std::forward<Parts>(parts)...);
  }

  // For what a filter or method needs while it works: counted as the values are, and given back.
  std::pmr::memory_resource* scratch() { return &counted_; }

  // A copy that lives as long as the heap.
  std::string_view keep(std::string_view text);
  // Room for a text that lives as long as the heap, to be filled at once.
  std::span<char> room_for_text(size_t bytes);
  // left + right. Where left was the last text made, only right is copied: a template that builds a
  // prompt piece by piece stays linear.
  std::string_view join(std::string_view left, std::string_view right);

  // Throw kRequest when the rendering has used up its steps or its time, or when nobody waits for
  // it any more. To be called before the work, so that what is too much is not begun.
  void spend(int64_t steps) {
    steps_left_ -= steps;
    if (steps_left_ < next_look_) look_around();
  }
  // Of text that is searched, compared or copied.
  void spend_bytes(size_t bytes) { spend(1 + static_cast<int64_t>(bytes / 16)); }
  // Of text that is looked at or made letter by letter.
  void spend_letters(size_t bytes) { spend(1 + static_cast<int64_t>(bytes / 4)); }
  // Of names or values that are walked over.
  void spend_items(size_t items) { spend(static_cast<int64_t>(items / 4)); }
  int64_t steps_spent() const { return limits_.max_steps - steps_left_; }

  // Fails if a text that is being put together has become too large to be kept.
  void check_text_size(size_t bytes) const;
  // The bytes of so many copies of a text; fails if they are too large to be kept.
  size_t size_of_copies(size_t bytes, int64_t times) const;

  // The time that strftime_now tells: the clock's, unless a test has set another.
  std::chrono::system_clock::time_point now() const {
    return now_.value_or(std::chrono::system_clock::now());
  }
  void set_now(std::optional<std::chrono::system_clock::time_point> now) { now_ = now; }
  // Whoever waits for the rendering asks it to stop when he does not any more.
  void set_abandoned(std::stop_token abandoned) { abandoned_ = std::move(abandoned); }

  // The line that an error names: that of the statement or expression being evaluated.
  void set_line(int line) { line_ = line; }
  int line() const { return line_; }
  [[noreturn]] void fail(const std::string& reason) const;

  // One level of nesting of the evaluator, or of a walk through nested values.
  class Level {
   public:
    explicit Level(TemplateHeap& heap);
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --heap_.depth_; }

   private:
    TemplateHeap& heap_;
  };

 private:
  // Counts what the arena and the scratch hold.
  class CountedMemory : public std::pmr::memory_resource {
   public:
    explicit CountedMemory(TemplateHeap& heap) : heap_(heap) {}

   private:
    void* do_allocate(size_t bytes, size_t alignment) override;
    void do_deallocate(void* place, size_t bytes, size_t alignment) override;
    bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override;

    TemplateHeap& heap_;
  };

  // What is too slow to ask at every step.
  void look_around();
  void count_memory(size_t bytes);
  char* room_for(size_t bytes);

  TemplateLimits limits_;
  int64_t steps_left_;
  int64_t next_look_;                     // of steps_left_, when there are fewer
  const std::chrono::nanoseconds begun_;  // on the thread's clock
  std::stop_token abandoned_;
  int64_t memory_left_bytes_;
  int depth_ = 0;
  int line_ = 1;
  std::optional<std::chrono::system_clock::time_point> now_;
  CountedMemory counted_;
  std::pmr::monotonic_buffer_resource objects_;
  std::vector<std::unique_ptr<char[]>> chunks_;  // of text; the last one is being filled
  char* text_end_ = nullptr;                     // behind the last text
  size_t text_room_ = 0;                         // bytes left behind it
};

}  // namespace pagoda
