// A server for tests that speaks the APIs of Hugging Face and ModelScope on a loopback port, and
// fails as it is told to.
//
// Thread rule: set up and read on the test's thread; it answers on threads of its own.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/test_listener.h"

namespace pagoda {

// A model as the server offers it.
struct ServedModel {
  std::string commit;                        // of the revision "main" and "master"
  std::map<std::string, std::string> files;  // by path; *.safetensors are LFS objects
};

// What is done to an answer instead of, or on top of, what would be right.
struct Fault {
  int status = 0;                            // this status, with no file
  std::vector<std::string> headers = {};     // more lines of the head
  int64_t cut_after = -1;                    // bytes of the body, then the connection closes
  int64_t shift_range = 0;                   // the range sent starts so many bytes later
  int64_t add_length = 0;                    // more bytes claimed and sent than there are
  bool ignore_range = false;                 // the whole file with status 200
  bool flip_byte = false;                    // one byte is another
  size_t write_bytes = 0;                    // sent so many bytes at a time
  std::function<void()> before_answer = {};  // called first: tests hold the answer back here
};

class HubServer {
 public:
  struct Request {
    std::string method, target, head;  // target as it was asked; head: all lines
  };

  HubServer();
  ~HubServer();
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  std::string url() const;
  int port() const { return listener_.port(); }

  std::map<std::string, ServedModel> models;  // by name; fixed once requests come
  std::map<std::string, int64_t> sizes;       // by path, where the listing is to lie
  std::map<std::string, std::string> sha256;  // the same, for ModelScope
  std::string redirect_to;    // URL of another HubServer that LFS objects are fetched from
  std::string needed_header;  // a line that requests must have to get at files, else 401
  bool bare_listing = false;  // names without sizes and hashes

  // The next `times` requests whose target contains `part` fail so.
  void fail(std::string part, int times, Fault fault);
  // Those whose target contains `part`, in the order of their coming.
  std::vector<Request> requests(std::string_view part = "") const;

 private:
  struct Plan {
    std::string part;
    int times;
    Fault fault;
  };
  struct Answer {
    int status = 200;
    std::vector<std::string> headers;
    std::string body;
    bool is_file = false;  // ranges apply
  };

  void listen_and_answer();
  void serve(int connection);
  Fault take_fault(const std::string& target);
  Answer answer_to(const Request& request) const;
  // What the listing of Hugging Face says of a file.
  boost::json::object sibling(const std::string& path, const std::string& content) const;
  Answer hugging_face_api(std::string_view rest) const;
  Answer modelscope_api(std::string_view rest, std::string_view query) const;
  Answer file_of(const std::string& model, const std::string& path, const Request& request) const;

  LoopbackListener listener_;
  mutable Mutex mutex_;
  std::vector<Plan> plans_ GUARDED_BY(mutex_);
  std::vector<Request> requests_ GUARDED_BY(mutex_);
  std::vector<std::thread> connections_;  // of thread_ alone, joined by the destructor
  std::thread thread_;
};

}  // namespace pagoda
