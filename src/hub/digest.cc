#include "hub/digest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/must.h"
#include "base/str.h"
#include "hub/descriptor.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// Large enough that reading from the page cache costs less than hashing.
constexpr size_t kBufferBytes = size_t{1} << 20;

std::string digest_of_file(const fs::path& path, int64_t bytes, const EVP_MD* algorithm,
                           std::string_view before) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  MUST(context != nullptr && EVP_DigestInit_ex(context.get(), algorithm, nullptr) == 1);
  MUST(EVP_DigestUpdate(context.get(), before.data(), before.size()) == 1);
  std::vector<char> buffer(kBufferBytes);
  while (bytes > 0) {
    const size_t now = std::min(buffer.size(), static_cast<size_t>(bytes));
    const ssize_t got = file.is_open() ? read(file.number(), buffer.data(), now) : -1;
    if (got <= 0) {
      throw Error(ErrorKind::kDevice,
                  str(path.string(), ": cannot be read: ",
                      got == 0 ? "it is shorter than it should be" : std::strerror(errno)));
    }
    MUST(EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got)) == 1);
    bytes -= got;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  MUST(EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1);
  std::string text;
  for (unsigned int i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace

std::string sha256_of_file(const fs::path& path, int64_t bytes) {
  return digest_of_file(path, bytes, EVP_sha256(), "");
}

std::string git_sha1_of_file(const fs::path& path, int64_t bytes) {
  return digest_of_file(path, bytes, EVP_sha1(), str("blob ", bytes, '\0'));
}

}  // namespace pagoda
