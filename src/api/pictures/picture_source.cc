#include "api/pictures/picture_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/http_client.h"
#include "base/str.h"
#include "base/utf8.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxShown = 120;  // bytes of a URL in a message

bool has_scheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), url.begin(), [](char wanted, char found) {
           return wanted == std::tolower(static_cast<unsigned char>(found));
         });
}

// Words of vLLM's that clients know, then where and what.
[[noreturn]] void refuse_in_words(const PictureSource& source, std::string_view words) {
  throw Error(ErrorKind::kRequest,
              str(words, " (", source.place, ": ", shown_url(source.url), ")"));
}

void require_bytes(const PictureSource& source, size_t bytes, const PictureConfig& config) {
  if (bytes == 0) refuse_picture(source, "it is empty; send the bytes of an image file");
  if (static_cast<int64_t>(bytes) <= config.max_bytes) return;
  refuse_picture(source, str("the file has ", bytes, " bytes, more than the ", config.max_bytes,
                             " that a picture may have; send a smaller one"));
}

std::optional<uint32_t> base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<uint32_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<uint32_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0' + 52);
  if (c == '+') return 62;
  if (c == '/') return 63;
  return std::nullopt;
}

// As strict as pybase64 with validate=True, behind Python's urlparse, which drops line ends and
// tabs. None: not base64.
std::optional<std::string> base64_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int digits = 0, padding = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const auto digit = base64_digit(c);
    if (!digit || padding > 0) return std::nullopt;
    bits = bits << 6 | *digit;
    ++digits;
    if (digits % 4 != 0) continue;
    for (const int shift : {16, 8, 0}) out += static_cast<char>(bits >> shift & 0xFF);
  }
  const int rest = digits % 4;
  if (rest == 1 || padding != (4 - rest) % 4) return std::nullopt;
  if (rest >= 2) out += static_cast<char>(bits >> (rest == 2 ? 4 : 10) & 0xFF);
  if (rest == 3) out += static_cast<char>(bits >> 2 & 0xFF);
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || std::isxdigit(static_cast<unsigned char>(text[i + 1])) == 0 ||
        std::isxdigit(static_cast<unsigned char>(text[i + 2])) == 0) {
      return std::nullopt;
    }
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return out;
}

fs::path path_of(const PictureSource& source) {
  std::string_view rest = std::string_view(source.url).substr(std::string_view("file:").size());
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::string_view host = rest.substr(0, rest.find('/'));
    if (!host.empty() && host != "localhost") {
      refuse_picture(source, "a file URL has three slashes before the path: file:///folder/file");
    }
    rest.remove_prefix(host.size());
  }
  rest = rest.substr(0, rest.find_first_of("?#"));
  const auto path = percent_decoded(rest);
  const bool is_path = path && path->starts_with('/') && path->find('\0') == std::string::npos;
  if (!is_path) {
    refuse_picture(source, "it is no file URL; write file:///folder/file, with %20 for a blank");
  }
  return *path;
}

bool is_below(const fs::path& path, const fs::path& folder) {
  const auto [in_folder, in_path] =
      std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return in_folder == folder.end() && in_path != path.end();
}

class FileHandle {
 public:
  explicit FileHandle(const fs::path& path)
      // A pipe would make a blocking open() wait for its other end.
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~FileHandle() {
    if (fd_ >= 0) close(fd_);
  }
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

[[noreturn]] void refuse_outside(const PictureSource& source, const fs::path& path,
                                 const PictureConfig& config) {
  refuse_in_words(source, str("The file path ", path.string(),
                              " must be a subpath of `--allowed-local-media-path` ",
                              config.allowed_local_folder, "."));
}

std::string read_all(const PictureSource& source, int fd, size_t bytes) {
  std::string out(bytes, '\0');
  size_t done = 0;
  while (done < bytes) {
    const ssize_t more = read(fd, out.data() + done, bytes - done);
    if (more <= 0) refuse_picture(source, "the file could not be read to its end; try again");
    done += static_cast<size_t>(more);
  }
  return out;
}

std::string reason_of(const FetchResponse& response, const PictureConfig& config) {
  constexpr std::string_view kOther =
      "; make it reachable from this server, or send the picture as data:image/...;base64,...";
  switch (response.failure) {
    case FetchFailure::kNone: break;
    case FetchFailure::kBadUrl: return str("it is no URL that can be fetched: ", response.reason);
    case FetchFailure::kTimeout:
      return str("it did not come within ",
                 std::chrono::duration<double>(config.fetch_timeout).count(),
                 " s (VLLM_IMAGE_FETCH_TIMEOUT)", kOther);
    case FetchFailure::kTooLarge:
      return str("the file is larger than the ", config.max_bytes,
                 " bytes that a picture may have; send a smaller one");
    case FetchFailure::kTooManyRedirects:
      return "it is redirected again and again; name the place where the picture is";
    case FetchFailure::kAddressRefused:
      return str(response.reason,
                 ", to which this server connects for clients only with "
                 "--allow-private-media-addresses; send the picture as data:image/...;base64,...");
    case FetchFailure::kAddressForbidden:
      return str(response.reason, ", to which this server never connects for clients");
    default: return str(response.reason, kOther);
  }
  return str("its server answered with status ", response.status, "; check the URL");
}

}  // namespace

std::string shown_url(std::string_view url) {
  if (has_scheme(url, "data:")) {
    const size_t comma = url.substr(0, kMaxShown).find(',');
    if (comma != std::string_view::npos)
      return str("\"", to_valid_utf8(url.substr(0, comma)), ",...\"");
  }
  if (url.size() <= kMaxShown) return str("\"", url, "\"");
  return str("\"", to_valid_utf8(url.substr(0, kMaxShown)), "...\"");
}

void refuse_picture(const PictureSource& source, std::string_view reason) {
  throw Error(ErrorKind::kRequest, str(source.place, ": ", shown_url(source.url), ": ", reason));
}

SourceKind kind_of(const PictureSource& source, const PictureConfig& config) {
  if (has_scheme(source.url, "http:") || has_scheme(source.url, "https:")) return SourceKind::kHttp;
  if (has_scheme(source.url, "data:")) return SourceKind::kData;
  if (!has_scheme(source.url, "file:")) {
    refuse_in_words(source, "The URL must be either a HTTP, data or file URL.");
  }
  if (config.allowed_local_folder.empty()) {
    refuse_in_words(source,
                    "Cannot load local files without `--allowed-local-media-path`. Start the "
                    "server with it, or send the picture as data:image/...;base64,...");
  }
  return SourceKind::kFile;
}

std::string bytes_of_data(const PictureSource& source, const PictureConfig& config) {
  const std::string_view url = source.url;
  const size_t comma = url.find(',');
  if (comma == std::string_view::npos) {
    refuse_picture(source, "it has no data; write data:image/png;base64, and then the data");
  }
  if (!url.substr(0, comma).ends_with(";base64")) {
    refuse_in_words(source,
                    "Only base64 data URLs are supported for now. Write data:image/png;base64, "
                    "and then the data");
  }
  const std::string_view data = url.substr(comma + 1);
  // Before anything is decoded: three bytes in four digits.
  require_bytes(source, data.size() / 4 * 3, config);
  auto bytes = base64_decoded(data);
  if (!bytes) {
    refuse_picture(source,
                   "what follows the comma is not base64 (A-Z, a-z, 0-9, +, /, and = up to a "
                   "multiple of four characters)");
  }
  return std::move(*bytes);
}

std::string bytes_of_file(const PictureSource& source, const PictureConfig& config) {
  const fs::path named = path_of(source);
  std::error_code failed;
  const fs::path folder = fs::canonical(config.allowed_local_folder, failed);
  const fs::path path = failed ? fs::path() : fs::weakly_canonical(named, failed);
  if (failed || !is_below(path, folder)) refuse_outside(source, named, config);
  const FileHandle file(path);
  struct stat facts {};
  if (file.fd() < 0 || fstat(file.fd(), &facts) != 0) {
    refuse_picture(source, "there is no such file, or this server may not read it");
  }
  // Links may have changed since they were followed: what counts is what was opened.
  const fs::path opened = fs::read_symlink(str("/proc/self/fd/", file.fd()), failed);
  if (failed || !is_below(opened, folder)) refuse_outside(source, named, config);
  if (!S_ISREG(facts.st_mode)) refuse_picture(source, "it is not a file but a folder or a device");
  require_bytes(source, static_cast<size_t>(facts.st_size), config);
  return read_all(source, file.fd(), static_cast<size_t>(facts.st_size));
}

std::string bytes_of_http(const PictureSource& source, const PictureConfig& config,
                          const FetchBounds& bounds) {
  std::string bytes;
  bool has_memory = true;
  const FetchReceiver receiver = [&](int status, std::span<const std::byte> piece) {
    if (status != 200) return false;  // a page that explains, which nobody reads
    has_memory = bounds.hold(piece.size());
    if (has_memory) bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return has_memory;
  };
  const FetchResponse response =
      http_get({.url = source.url,
                .headers = {},
                .max_bytes = config.max_bytes,
                .connect_timeout_ms = bounds.timeout_ms,
                .total_timeout_ms = bounds.timeout_ms,
                .addresses = config.allow_private_addresses ? AddressPolicy::kPrivateToo
                                                            : AddressPolicy::kPublic,
                .ca_file = config.ca_file,
                .is_cancelled = bounds.is_cancelled},
               receiver);
  if (!has_memory) {
    throw Error(ErrorKind::kOverloaded,
                "the server holds as many pictures as it can; try again later");
  }
  const bool stopped_by_status = response.failure == FetchFailure::kStopped &&
                                 response.status != 200 && !bounds.is_cancelled();
  if (response.failure != FetchFailure::kNone && !stopped_by_status) {
    refuse_picture(source, reason_of(response, config));
  }
  if (response.status != 200) {
    FetchResponse other = response;
    other.failure = FetchFailure::kNone;
    refuse_picture(source, reason_of(other, config));
  }
  require_bytes(source, bytes.size(), config);
  return bytes;
}

}  // namespace pagoda
