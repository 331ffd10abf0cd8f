#include "hub/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

std::optional<FileLock> FileLock::try_lock(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file.is_open()) {
    // Where the folder could not be made, that is the reason, not that the folder is not there.
    if (!error) error = std::error_code(errno, std::generic_category());
    throw Error(ErrorKind::kConfig,
                str(path.string(), ": cannot be written: ", error.message(),
                    "; make its folder writable, or name another (--download-dir, HF_HOME or "
                    "MODELSCOPE_CACHE)"));
  }
  // File systems without locks (some of clusters) answer ENOLCK, ENOSYS or EOPNOTSUPP. One download
  // is right there too, and two at once are rare: going on is better than no download at all.
  if (flock(file.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return std::nullopt;
  return FileLock(std::move(file));
}

}  // namespace pagoda
