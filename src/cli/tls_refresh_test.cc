#include "cli/tls_refresh.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pagoda {
namespace {

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "tls_refresh.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  void write(const char* name, const std::string& text) const {
    std::ofstream(path / name) << text;
  }

  std::filesystem::path path;
};

}  // namespace

TEST_CASE("files that change are noticed once, when two looks have found them the same") {
  const Folder folder;
  folder.write("certificate", "1");
  folder.write("key", "1");
  FileChanges changes({folder.path / "certificate", folder.path / "key"});
  CHECK_FALSE(changes.have_settled());
  folder.write("certificate", "22");
  CHECK_FALSE(changes.have_settled());
  folder.write("key", "22");
  CHECK_FALSE(changes.have_settled());
  CHECK(changes.have_settled());
  changes.mark();
  CHECK_FALSE(changes.have_settled());
}

TEST_CASE("a link that leads elsewhere is a change, and so is a file that is gone") {
  const Folder folder;
  folder.write("first", "same");
  folder.write("second", "same");
  std::filesystem::create_symlink("first", folder.path / "link");
  FileChanges changes({folder.path / "link"});
  std::filesystem::remove(folder.path / "link");
  std::filesystem::create_symlink("second", folder.path / "link");
  CHECK_FALSE(changes.have_settled());
  CHECK(changes.have_settled());
  changes.mark();
  std::filesystem::remove(folder.path / "second");
  CHECK_FALSE(changes.have_settled());
  CHECK(changes.have_settled());
}

}  // namespace pagoda
