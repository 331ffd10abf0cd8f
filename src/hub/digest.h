// Hashes of files, to know that what arrived is what was meant.
//
// Thread rule: pure functions of their arguments and the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace pagoda {

// Of the first `bytes` of a file, in lower-case hexadecimal. Throws kDevice if they cannot be read.
std::string sha256_of_file(const std::filesystem::path& path, int64_t bytes);
// As Git names a file's content: SHA-1 of "blob <bytes>\0" and the content.
std::string git_sha1_of_file(const std::filesystem::path& path, int64_t bytes);

}  // namespace pagoda
