// Small files and links of a cache, written so that a reader sees the old or the new one.
//
// Thread rule: one process writes a path at a time (the caller holds the model's lock).
#pragma once

#include <filesystem>
#include <string_view>

namespace pagoda {

// Throws kConfig naming the file and the reason.
void write_small_file(const std::filesystem::path& path, std::string_view content);
// A relative link from `link` to `target`; where the file system has no links, moves the file.
void link_or_move(const std::filesystem::path& target, const std::filesystem::path& link);

}  // namespace pagoda
