#include "hub/partial_file.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "hub/digest.h"
#include "hub/file_lock.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "pagoda-part-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE("pieces in any order make the file, over two attempts") {
  const Folder folder;
  const fs::path part = folder.path / "sub/f.incomplete";
  {
    PartialFile file(part, 10, 4);
    CHECK(file.num_pieces() == 3);
    CHECK(file.range(2) == std::pair<int64_t, int64_t>(8, 10));
    file.append(2, bytes_of("ij"));
    file.append(0, bytes_of("ab"));
  }
  PartialFile file(part, 10, 4);
  CHECK(file.total_done() == 4);
  CHECK(file.done(0) == 2);
  file.append(0, bytes_of("cd"));
  file.append(1, bytes_of("efgh"));
  CHECK(file.total_done() == 10);
  file.strip();
  file.move_to(folder.path / "there/f");
  CHECK(read_text_file(folder.path / "there/f") == "abcdefghij");
  CHECK(!fs::exists(part));
}

TEST_CASE("what is not a part of this file begins anew") {
  const Folder folder;
  const fs::path part = folder.path / "f";
  { PartialFile(part, 10, 4).append(0, bytes_of("abcd")); }
  CHECK(PartialFile(part, 10, 4).total_done() == 4);
  CHECK(PartialFile(part, 11, 4).total_done() == 0);
  { PartialFile(part, 11, 4).append(0, bytes_of("abcd")); }
  CHECK(PartialFile(part, 11, 5).total_done() == 0);
}

TEST_CASE("an empty file has no pieces") {
  const Folder folder;
  PartialFile file(folder.path / "f", 0, 4);
  CHECK(file.num_pieces() == 0);
  file.strip();
  file.move_to(folder.path / "g");
  CHECK(fs::file_size(folder.path / "g") == 0);
}

TEST_CASE("a folder that cannot be written names the remedy") {
  const Folder folder;
  { PartialFile(folder.path / "f", 1, 1).strip(); }
  std::string message;
  try {
    PartialFile(folder.path / "f/below-a-file", 1, 1);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message == str((folder.path / "f").string(),
                       ": cannot be written: Not a directory; make it writable, or name another "
                       "folder (--download-dir, HF_HOME or MODELSCOPE_CACHE)"));
}

TEST_CASE("hashes are those of sha256sum and git hash-object, of the bytes asked for") {
  const Folder folder;
  PartialFile file(folder.path / "f", 3, 8);
  file.append(0, bytes_of("abc"));
  CHECK(sha256_of_file(file.path(), 3) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(git_sha1_of_file(file.path(), 3) == "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
  file.strip();
  CHECK_THROWS_AS(sha256_of_file(file.path(), 4), Error);
}

TEST_CASE("a lock is held by one at a time and let go at the end") {
  const Folder folder;
  const fs::path path = folder.path / "sub/lock";
  {
    const auto first = FileLock::try_lock(path);
    CHECK(first.has_value());
    CHECK(!FileLock::try_lock(path).has_value());
  }
  CHECK(FileLock::try_lock(path).has_value());
}

}  // namespace pagoda
