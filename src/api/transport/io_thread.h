// One thread that serves connections, and what the engine's events become there.
//
// Events come in one batch a step and cross over with one wake-up, however many streams there are.
//
// Thread rule: deliver(), fail_all(), post_close() and executor-bound work from any thread; the
// rest on this thread only.
// Invariant: a Listener is called only between add() and remove(), on this thread. One that throws
// is told that it has failed, and takes nothing from the others.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "engine/engine_client.h"

namespace pagoda {

// Who waits for the events of requests.
class EventListener {
 public:
  virtual ~EventListener() = default;
  virtual void on_event(int choice, Event event) = 0;
  // After the last event of a batch that concerned this listener.
  virtual void on_batch_end() = 0;
  // Nothing more comes: the engine has failed, or what came before could not be taken in.
  virtual void on_failure(const std::exception& cause) noexcept = 0;
};

// A connection as the server sees it.
class Closable {
 public:
  virtual ~Closable() = default;
  // Ends it: at once, or as soon as it serves no request.
  virtual void close(bool at_once) = 0;
};

class IoThread {
 public:
  IoThread();
  ~IoThread();

  boost::asio::io_context& context() { return context_; }
  void start();
  // Ends the thread once every connection is gone.
  void finish();

  // Any thread.
  void deliver(std::vector<Event> events);
  void fail_all(std::string reason);
  void post_close(bool at_once);

  // This thread.
  void add(RequestId id, EventListener& listener, int choice);
  void remove(RequestId id);
  // What begins after post_close() has to end at once.
  bool is_closing() const { return closing_; }
  void add(Closable& connection) { connections_.insert(&connection); }
  void remove(Closable& connection) { connections_.erase(&connection); }

 private:
  struct Target {
    EventListener* listener;
    int choice;
  };

  bool run_until_failure();  // whether all is done
  void drain_mailbox();
  void hand_over(const Target& target, Event event);
  static void end_batch(EventListener& listener);

  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;

  Mutex mutex_;
  std::vector<Event> mailbox_ GUARDED_BY(mutex_);

  bool closing_ = false;                           // this thread
  std::unordered_map<RequestId, Target> targets_;  // this thread
  std::unordered_set<Closable*> connections_;      // this thread
  std::vector<EventListener*> touched_;            // this thread: a buffer of drain_mailbox()
};

}  // namespace pagoda
