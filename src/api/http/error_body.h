// The bodies of error answers, and how they are thrown. They carry the flat fields of vLLM 0.9.2
// and, beside them, the nested object that OpenAI clients read.
//
// Thread rule: pure functions.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "api/http/http_message.h"
#include "base/error.h"

namespace pagoda {

// {"object":"error","message":...,"type":...,"param":null,"code":...,"error":{...}}
HttpReply error_reply(int status, std::string_view type, std::string_view message);
// What FastAPI answers where no route was reached: {"detail": ...}.
HttpReply detail_reply(int status, std::string_view detail);
// An event of a stream that has begun, and the end of that stream.
std::string stream_error(int status, std::string_view type, std::string_view message);

// What a request ends with that failed for no fault of its client.
struct Failure {
  int status;
  std::string_view type;
  std::string message;
};
// 503 where memory ran out, which may be there again for the next request; else 500 and the reason.
Failure failure_of(const std::exception& cause);
Failure engine_failure(std::string reason);
HttpReply failure_reply(const Failure& failure);

// An Error that brings its answer, where status and type do not follow from its kind: vLLM tells
// what a validation finds, a model that is not served and a server that is not ready apart from the
// rest. Thrown only while a request is answered.
class Refusal : public Error {
 public:
  explicit Refusal(HttpReply reply)
      : Error(ErrorKind::kRequest, reply.body), reply_(std::move(reply)) {}
  const HttpReply& reply() const { return reply_; }

 private:
  HttpReply reply_;
};

}  // namespace pagoda
