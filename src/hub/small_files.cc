#include "hub/small_files.h"

#include <fstream>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void reject(const fs::path& path, const std::string& reason) {
  throw Error(ErrorKind::kConfig, str(path.string(), ": cannot be written: ", reason));
}

}  // namespace

void write_small_file(const fs::path& path, std::string_view content) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path fresh = path.parent_path() / str(".", path.filename().string(), ".new");
  {
    std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
    out << content;
    out.close();
    if (!out) reject(path, "no space, or no permission");
  }
  fs::rename(fresh, path, error);
  if (error) reject(path, error.message());
}

void link_or_move(const fs::path& target, const fs::path& link) {
  std::error_code error;
  fs::create_directories(link.parent_path(), error);
  if (!fs::exists(target, error) && fs::exists(link, error)) return;  // moved here before
  const fs::path relative = target.lexically_relative(link.parent_path());
  const fs::path fresh = link.parent_path() / str(".", link.filename().string(), ".new");
  fs::remove(fresh, error);
  fs::create_symlink(relative, fresh, error);
  if (!error) {
    fs::rename(fresh, link, error);
  } else {
    fs::rename(target, link, error);
  }
  if (error) reject(link, error.message());
}

}  // namespace pagoda
