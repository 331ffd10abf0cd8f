// How events reach those who wait for them.

#include "api/transport/io_thread.h"

#include <doctest/doctest.h>

#include <new>
#include <string>
#include <vector>

namespace pagoda {
namespace {

// Throws at its first event, or at the end of its first batch.
class Forgetful final : public EventListener {
 public:
  explicit Forgetful(bool at_end) : at_end_(at_end) {}
  void on_event(int, Event) override {
    if (!at_end_) throw std::bad_alloc();
  }
  void on_batch_end() override {
    if (at_end_) throw std::bad_alloc();
  }
  void on_failure(const std::exception& cause) noexcept override { told_ = cause.what(); }
  const std::string& told() const { return told_; }

 private:
  const bool at_end_;
  std::string told_;
};

class Careful final : public EventListener {
 public:
  void on_event(int, Event event) override {
    tokens_.insert(tokens_.end(), event.tokens.begin(), event.tokens.end());
  }
  void on_batch_end() override { ++batches_; }
  void on_failure(const std::exception&) noexcept override { failed_ = true; }
  const std::vector<TokenId>& tokens() const { return tokens_; }
  int batches() const { return batches_; }
  bool failed() const { return failed_; }

 private:
  std::vector<TokenId> tokens_;
  int batches_ = 0;
  bool failed_ = false;
};

Event event_of(uint64_t id, int32_t token) {
  return {.id = RequestId(id), .tokens = {TokenId(token)}};
}

}  // namespace

TEST_CASE("a stream that cannot take its tokens fails alone: the others get theirs") {
  Careful first, last;
  Forgetful at_event(/*at_end=*/false), at_end(/*at_end=*/true);
  IoThread thread;
  thread.add(RequestId(1), first, 0);
  thread.add(RequestId(2), at_event, 0);
  thread.add(RequestId(3), at_end, 0);
  thread.add(RequestId(4), last, 0);
  thread.deliver({event_of(1, 10), event_of(2, 20), event_of(3, 30), event_of(4, 40)});
  thread.deliver({event_of(1, 11), event_of(4, 41)});
  thread.start();
  thread.finish();
  CHECK(first.tokens() == std::vector<TokenId>{TokenId(10), TokenId(11)});
  CHECK(last.tokens() == std::vector<TokenId>{TokenId(40), TokenId(41)});
  CHECK(first.batches() == 1);
  CHECK(last.batches() == 1);
  CHECK_FALSE(first.failed());
  CHECK_FALSE(last.failed());
  CHECK(at_event.told() == "std::bad_alloc");
  CHECK(at_end.told() == "std::bad_alloc");
}

}  // namespace pagoda
