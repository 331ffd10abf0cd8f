// Where pictures come from, and what is refused: data: and file:// URLs, addresses, limits.

#include "api/pictures/picture_source.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>

#include "api/pictures/test_pictures.h"
#include "vision/test_image_files.h"

namespace pagoda {
namespace {

std::string file_bytes(std::string_view base64) {
  return bytes_of_data({.url = data_url(base64), .place = {}}, {});
}

TEST_CASE("data: URLs that cannot be read are told apart") {
  VisionFixture f;
  const std::string begin = "messages[0].content[0]: \"data:image/png;base64,...\": ";
  CHECK(f.refusal_of("data:image/png;base64,") ==
        begin + "it is empty; send the bytes of an image file");
  CHECK(f.refusal_of("data:image/png;base64,iVBO!!!!") ==
        begin +
            "what follows the comma is not base64 (A-Z, a-z, 0-9, +, /, and = up to a multiple "
            "of four characters)");
  for (const char* broken :
       {"iVBO=iVB", "iVBOR", "iVBORw", "iVBORw=", "iVBORw===", "iVB OR", "_-__"}) {
    CAPTURE(broken);
    CHECK(f.refusal_of(data_url(broken)).find("is not base64") != std::string::npos);
  }
  CHECK(f.refusal_of("data:image/png;base64,iVBORw0KGgo=").starts_with(begin + "image: the PNG"));
  CHECK(f.refusal_of("data:application/pdf;base64,JVBERi0=") ==
        "messages[0].content[0]: \"data:application/pdf;base64,...\": image: the 5 bytes are no "
        "JPEG, PNG, WebP or GIF file");
  CHECK(f.refusal_of("data:image/png,abc") ==
        "Only base64 data URLs are supported for now. Write data:image/png;base64, and then the "
        "data (messages[0].content[0]: \"data:image/png,...\")");
  CHECK(f.refusal_of("data:image/png;base64") ==
        "messages[0].content[0]: \"data:image/png;base64\": it has no data; write "
        "data:image/png;base64, and then the data");
}

TEST_CASE("data: URLs are read as leniently as vLLM reads them") {
  VisionFixture f;
  const std::string red(kRed);
  for (const std::string& url :
       {"DATA:image/png;base64," + red, "data:;base64," + red, "data:text/plain;base64," + red,
        "data:image/jpeg;charset=x;base64," + red,
        "data:image/png;base64," + red.substr(0, 40) + "\r\n" + red.substr(40)}) {
    CAPTURE(url);
    CHECK(f.chat_of_url(url).status == 200);
  }
}

TEST_CASE("other schemes are refused in vLLM's words") {
  VisionFixture f;
  for (const char* url : {"ftp://host/a.png", "a.png", "", "gopher://127.0.0.1/", "httpx://a"}) {
    CAPTURE(url);
    CHECK(f.refusal_of(url) == str("The URL must be either a HTTP, data or file URL. "
                                   "(messages[0].content[0]: \"",
                                   url, "\")"));
  }
}

TEST_CASE("files are read only where the server was told to") {
  VisionFixture f;
  CHECK(
      f.refusal_of("file:///tmp/a.png") ==
      "Cannot load local files without `--allowed-local-media-path`. Start the server with it, or "
      "send the picture as data:image/...;base64,... (messages[0].content[0]: "
      "\"file:///tmp/a.png\")");
}

class LocalFiles {
 public:
  LocalFiles() {
    root_.write("allowed/red.png", file_bytes(kRed));
    root_.write("allowed/with blank.png", file_bytes(kBlue));
    root_.write("allowed/inner/red.png", file_bytes(kRed));
    root_.write("allowed/empty.png", "");
    root_.write("outside.png", file_bytes(kRed));
    root_.write("allowed-not/red.png", file_bytes(kRed));
    std::filesystem::create_symlink("../outside.png", root_.path() / "allowed/link.png");
    std::filesystem::create_symlink("inner/red.png", root_.path() / "allowed/fine.png");
    std::filesystem::create_symlink("..", root_.path() / "allowed/up");
    REQUIRE(mkfifo((root_.path() / "allowed/pipe").c_str(), 0600) == 0);
    std::filesystem::create_symlink("allowed", root_.path() / "other-name");
  }
  std::string url(const std::string& path) const {
    return str("file://", (root_.path() / "allowed").string(), "/", path);
  }
  ServerConfig config(const std::string& folder = "allowed") const {
    ServerConfig config = VisionFixture::default_config();
    config.pictures.allowed_local_folder = (root_.path() / folder).string();
    return config;
  }
  const TestFolder& root() const { return root_; }

 private:
  TestFolder root_;
};

TEST_CASE("files below the folder are read, however their path is written") {
  const LocalFiles files;
  VisionFixture f(files.config()), by_link(files.config("other-name"));
  for (const char* path : {"red.png", "inner/../red.png", "fine.png", "with%20blank.png",
                           "%72ed.png", "./red.png", "inner/red.png?x=1#y"}) {
    CAPTURE(path);
    CHECK(f.chat_of_url(files.url(path)).status == 200);
    CHECK(by_link.chat_of_url(files.url(path)).status == 200);
  }
  CHECK(f.chat_of_url("file://localhost" + files.url("red.png").substr(7)).status == 200);
}

TEST_CASE("no path leads out of the folder") {
  const LocalFiles files;
  VisionFixture f(files.config());
  for (const char* path : {"../outside.png", "link.png", "up/outside.png", "%2e%2e/outside.png",
                           "inner/../../outside.png", "../allowed-not/red.png", "../missing.png",
                           "", "..", "inner/..", "/etc/passwd/../../../etc/hostname"}) {
    CAPTURE(path);
    const std::string message = f.refusal_of(files.url(path));
    CHECK(message.starts_with("The file path "));
    CHECK(message.find(str("must be a subpath of `--allowed-local-media-path` ",
                           files.config().pictures.allowed_local_folder, ".")) !=
          std::string::npos);
  }
  CHECK(f.refusal_of("file:///etc/passwd").starts_with("The file path /etc/passwd must be a "));
}

TEST_CASE("what is no readable file is refused, and a pipe does not make anybody wait") {
  const LocalFiles files;
  VisionFixture f(files.config());
  const auto reason = [&](const std::string& path) {
    const std::string message = f.refusal_of(files.url(path));
    return message.substr(message.find("\": ") + 3);
  };
  CHECK(reason("missing.png") == "there is no such file, or this server may not read it");
  CHECK(reason("inner") == "it is not a file but a folder or a device");
  CHECK(reason("pipe") == "it is not a file but a folder or a device");
  CHECK(reason("empty.png") == "it is empty; send the bytes of an image file");
  CHECK(reason("a%00b") == "it is no file URL; write file:///folder/file, with %20 for a blank");
  CHECK(reason("a%2") == "it is no file URL; write file:///folder/file, with %20 for a blank");
  CHECK(f.refusal_of("file://host/a.png")
            .ends_with("a file URL has three slashes before the path: file:///folder/file"));
}

TEST_CASE("a file may not be larger than the limit, wherever it comes from") {
  const LocalFiles files;
  PictureServer server;
  server.answer("/red.png", "200 OK", file_bytes(kRed));
  ServerConfig config = files.config();
  config.pictures.max_bytes = 100;
  config.pictures.allow_private_addresses = true;
  VisionFixture f(config);
  const std::string said =
      "the file has 122 bytes, more than the 100 that a picture may have; send "
      "a smaller one";
  CHECK(f.refusal_of(files.url("red.png")).ends_with(said));
  CHECK(f.refusal_of(data_url(kRed)).find("more than the 100 that") != std::string::npos);
  CHECK(
      f.refusal_of(server.url("/red.png"))
          .ends_with(
              "the file is larger than the 100 bytes that a picture may have; send a smaller one"));
}

TEST_CASE("a picture may not have more pixels than the limit") {
  ServerConfig config = VisionFixture::default_config();
  config.pictures.max_pixels = 3000;
  VisionFixture f(config);
  CHECK(
      f.refusal_of(data_url(kRed)).ends_with("it has 56 x 56 pixels, more than the 3000 allowed"));
}

TEST_CASE("a strip is refused by what its header says, though nothing stands behind that") {
  const LocalFiles files;
  files.root().write("allowed/strip.png",
                     png_begin(89478485, 1) + png_chunk("IDAT", "") + png_chunk("IEND", ""));
  VisionFixture f(files.config());
  CHECK(f.refusal_of(files.url("strip.png"))
            .ends_with("image: absolute aspect ratio must be smaller than 200, got 89478485 x 1 "
                       "pixels; crop it"));
}

TEST_CASE("a JPEG may take no longer to decode than the limit") {
  const LocalFiles files;
  files.root().write("allowed/slow.jpg", progressive_jpeg(64, 30));
  ServerConfig config = files.config();
  CHECK(VisionFixture(config).chat_of_url(files.url("slow.jpg")).status == 200);
  config.pictures.decode_timeout = std::chrono::milliseconds(0);
  VisionFixture f(config);
  CHECK(f.refusal_of(files.url("slow.jpg"))
            .ends_with("it takes too long to decode; send a smaller one or a baseline JPEG"));
}

TEST_CASE("a client cannot make the server talk to its own network, by whatever name") {
  PictureServer server;
  server.answer("/red.png", "200 OK", file_bytes(kRed));
  VisionFixture f;
  for (const char* host : {"127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1",
                           "127.1", "0", "[::ffff:127.0.0.1]", "[::1]", "user:word@127.0.0.1"}) {
    CAPTURE(host);
    const std::string url = server.url("/red.png", host);
    CHECK(f.refusal_of(url) ==
          str("messages[0].content[0]: \"", url,
              "\": its address is a loopback, private or reserved one, to which this server "
              "connects for clients only with --allow-private-media-addresses; send the picture as "
              "data:image/...;base64,..."));
  }
  CHECK(server.num_visits() == 0);
}

TEST_CASE("private addresses can be allowed, link-local and metadata ones cannot") {
  PictureServer server;
  server.answer("/red.png", "200 OK", file_bytes(kRed));
  server.answer("/away", "302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/", "");
  VisionFixture f = VisionFixture::allowing_private();
  CHECK(f.chat_of_url(server.url("/red.png")).status == 200);
  CHECK(f.chat_of_url(server.url("/red.png", "localhost")).status == 200);
  const std::string said =
      "its address is link-local or that of a cloud's metadata service, to which this server never "
      "connects for clients";
  for (const std::string& url :
       {std::string("http://169.254.169.254/latest"), std::string("http://[fe80::1]/a.png"),
        std::string("http://[::ffff:169.254.169.254]/"), server.url("/away")}) {
    CAPTURE(url);
    CHECK(f.refusal_of(url).ends_with(said));
  }
}

TEST_CASE("what a picture's server does wrong is said") {
  PictureServer server;
  server.answer("/missing.png", "404 Not Found", std::string(100000, 'x'));
  server.answer("/empty.png", "200 OK", "");
  server.answer("/page", "200 OK", "<html>");
  server.answer("/loop", "302 Found\r\nLocation: /loop", "");
  server.answer("/file", "302 Found\r\nLocation: file:///etc/passwd", "");
  server.answer("/moved", "301 Moved Permanently\r\nLocation: /red.png", "");
  server.answer("/red.png", "200 OK", file_bytes(kRed));
  VisionFixture f = VisionFixture::allowing_private();
  const auto reason = [&](const std::string& path) {
    const std::string message = f.refusal_of(server.url(path));
    return message.substr(message.find("\": ") + 3);
  };
  CHECK(reason("/missing.png") == "its server answered with status 404; check the URL");
  CHECK(reason("/empty.png") == "it is empty; send the bytes of an image file");
  CHECK(reason("/page") == "image: the 6 bytes are no JPEG, PNG, WebP or GIF file");
  CHECK(reason("/loop") == "it is redirected again and again; name the place where the picture is");
  CHECK(reason("/file").starts_with("it is no URL that can be fetched: "));
  CHECK(f.chat_of_url(server.url("/moved")).status == 200);
  CHECK(f.refusal_of("http://no-such-host.invalid/a.png").find("\": Could not resolve host") !=
        std::string::npos);
}

TEST_CASE("a picture that does not come in time is given up") {
  PictureServer server;
  ServerConfig config = VisionFixture::default_config();
  config.pictures.allow_private_addresses = true;
  config.pictures.fetch_timeout = std::chrono::milliseconds(150);
  VisionFixture f(config);
  CHECK(f.refusal_of(server.url("/never"))
            .ends_with("it did not come within 0.15 s (VLLM_IMAGE_FETCH_TIMEOUT); make it "
                       "reachable from this "
                       "server, or send the picture as data:image/...;base64,..."));
}

TEST_CASE("a long URL is shown by its beginning") {
  VisionFixture f;
  const std::string message = f.refusal_of("ftp://" + std::string(100000, 'a'));
  CHECK(message.size() < 300);
  CHECK(message.find("aaa...\"") != std::string::npos);
}

TEST_CASE("the first picture that fails ends the others") {
  PictureServer server;
  VisionFixture f = VisionFixture::allowing_private();
  boost::json::array content;
  for (int i = 0; i < 20; ++i)
    content.push_back(boost::json::object{{"image_url", server.url("/never")}});
  content.push_back(boost::json::object{{"image_url", "data:image/png;base64,AAAA"}});
  content[3] = {{"image_url", "data:image/png;base64,AAAA"}};
  const auto began = std::chrono::steady_clock::now();
  const HttpReply reply = f.chat_of(std::move(content));
  CHECK(message_of(reply).starts_with("messages[0].content[3]: "));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(4));
  CHECK(server.num_visits() < 9);
}

}  // namespace
}  // namespace pagoda
