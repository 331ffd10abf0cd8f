// A service whose model sees pictures: the demo model's tokenizer with Qwen2.5-VL's vision tokens,
// its chat template, and the scripted engine. And a server of pictures.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <list>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "api/routes/test_service.h"
#include "base/file.h"
#include "base/str.h"
#include "base/test_listener.h"

namespace pagoda {

// 56 x 56 and 84 x 56 pixels of one colour: 4 and 6 tokens.
constexpr std::string_view kRed =
    "iVBORw0KGgoAAAANSUhEUgAAADgAAAA4CAIAAAAn5KxJAAAAQUlEQVR42u3OQQkAAAgAseufzFg+TCEMFmBNvZCoqKio"
    "qKioqKioqKioqKioqKioqKioqKioqKioqKioqKioqOhZzZ6SiNRbCeoAAAAASUVORK5CYII=";
constexpr std::string_view kBlue =
    "iVBORw0KGgoAAAANSUhEUgAAAFQAAAA4CAIAAADsP0i3AAAAUUlEQVR42u3PAQ0AAAzDoPpXdlkXMhIMUN0weXl5eXl5"
    "eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5eXl5efkxD0eBW9PGy2UoAAAAAElFTkSuQmCC";

inline std::string data_url(std::string_view base64) {
  return str("data:image/png;base64,", base64);
}

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pictures-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = std::filesystem::canonical(name);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  std::filesystem::path path_;
};

constexpr std::string_view kVisionTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

// The demo model's tokenizer with three more tokens.
inline void write_vision_tokenizer(const TestFolder& folder) {
  namespace json = boost::json;
  const std::filesystem::path demo = demo_folder();
  json::value tokenizer = json::parse(read_text_file(demo / "tokenizer.json"));
  int64_t id = Tokenizer::load(demo).vocab_size();
  for (const char* token : {"<|vision_start|>", "<|image_pad|>", "<|vision_end|>"}) {
    tokenizer.at("added_tokens")
        .as_array()
        .push_back({{"id", id++},
                    {"content", token},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", true}});
  }
  folder.write("tokenizer.json", json::serialize(tokenizer));
  folder.write("tokenizer_config.json", read_text_file(demo / "tokenizer_config.json"));
}

struct VisionFixture {
  static ServerConfig default_config() { return ServiceFixture::default_config(); }
  static VisionFixture allowing_private() {
    ServerConfig config = default_config();
    config.pictures.allow_private_addresses = true;
    return VisionFixture(config);
  }

  explicit VisionFixture(const ServerConfig& config = default_config())
      : tokenizer(load_tokenizer()),
        chat_template(std::string(kVisionTemplate), {}),
        engine(tokenizer, {.max_model_len = 512, .max_picture_tokens = 40}),
        service(config) {
    service.attach(parts());
  }

  ServiceParts parts() {
    return {.engine = &engine,
            .tokenizer = &tokenizer,
            .chat_template = &chat_template,
            .special_tokens = {},
            .sampling_defaults = {},
            .model = "tiny-vision",
            .server_info = {},
            .cache_config = {},
            .pictures = PictureParts{.patches = {},
                                     .token = *tokenizer.id_of("<|image_pad|>"),
                                     .placeholder = "<|vision_start|><|image_pad|><|vision_end|>",
                                     .store = &store}};
  }

  HttpReply chat(boost::json::object body) {
    body["model"] = "demo";
    return ask(service, engine,
               ServiceFixture::http("POST", "/v1/chat/completions", to_json(body)));
  }
  // A user's message of these parts.
  HttpReply chat_of(boost::json::array content) {
    return chat({{"messages", {{{"role", "user"}, {"content", std::move(content)}}}}});
  }
  HttpReply chat_of_url(const std::string& url) {
    return chat_of({{{"type", "image_url"}, {"image_url", {{"url", url}}}}});
  }
  std::string refusal_of(const std::string& url) {
    const HttpReply reply = chat_of_url(url);
    CHECK(reply.status == 400);
    return reply.status == 400 ? message_of(reply) : reply.body;
  }

  static Tokenizer load_tokenizer() {
    const TestFolder folder;
    write_vision_tokenizer(folder);
    return Tokenizer::load(folder.path());
  }

  PictureStore store;
  Tokenizer tokenizer;
  ChatTemplate chat_template;
  ScriptedEngine engine;
  Service service;
};

// Serves pictures on the loopback interface, each connection on a thread of its own. A path without
// an answer is never answered.
class PictureServer {
 public:
  PictureServer() : listener_(/*backlog=*/256), thread_([this] { accept_all(); }) {}
  ~PictureServer() {
    listener_.stop();
    thread_.join();
    for (Visit& visit : visits_) {
      shutdown(visit.socket, SHUT_RDWR);
      visit.thread.join();
      close(visit.socket);
    }
  }
  PictureServer(const PictureServer&) = delete;
  PictureServer& operator=(const PictureServer&) = delete;

  // Before the first request.
  void answer(const std::string& path, const std::string& head, const std::string& body) {
    answers_[path] = str("HTTP/1.1 ", head, "\r\nContent-Length: ", body.size(),
                         "\r\nConnection: close\r\n\r\n", body);
  }
  std::string url(const std::string& path, const std::string& host = "127.0.0.1") const {
    return str("http://", host, ":", listener_.port(), path);
  }
  int num_visits() const { return num_visits_; }
  int num_waiting() const { return num_waiting_; }  // for an answer that never comes

 private:
  struct Visit {
    int socket;
    std::thread thread;
  };

  void accept_all() {
    for (;;) {
      const int fd = listener_.accept();
      if (fd < 0) return;
      ++num_visits_;
      visits_.push_back({fd, std::thread([this, fd] { serve(fd); })});
    }
  }
  void serve(int fd) {
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = read(fd, buffer, sizeof buffer);
      if (got <= 0) return;
      request.append(buffer, static_cast<size_t>(got));
    }
    const std::string path = request.substr(4, request.find(' ', 4) - 4);
    if (answers_.count(path) > 0) {
      const std::string& answer = answers_.at(path);
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) >= 0) shutdown(fd, SHUT_WR);
      return;
    }
    ++num_waiting_;
    while (read(fd, buffer, sizeof buffer) > 0) {
    }
    --num_waiting_;
  }

  LoopbackListener listener_;
  std::map<std::string, std::string> answers_;
  std::atomic<int> num_visits_{0}, num_waiting_{0};
  std::list<Visit> visits_;  // of thread_, until it has ended
  std::thread thread_;
};

}  // namespace pagoda
