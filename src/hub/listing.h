// What a hub says a model is made of, and which of it serving needs.
//
// Thread rule: pure functions, plain data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hub/resolve.h"

namespace pagoda {

struct HubFile {
  std::string path;  // below the model's folder; never leads out of it
  int64_t bytes = 0;
  std::string sha256;    // in hexadecimal; empty if the hub does not say
  std::string git_sha1;  // of a file that Git itself keeps
  std::string commit;    // that wrote the file, where the hub says so
  std::string url;
};

struct HubListing {
  std::string model;   // as the hub writes it
  std::string commit;  // or the branch, where the hub names no commit
  std::vector<HubFile> files;
  std::string access_remedy;  // for 401 and 403: how to be let in
};

// Whether a text is a hash of so many hexadecimal digits, as hubs write them.
bool is_hash(std::string_view text, size_t digits);
// Whether a path of a hub stays below a folder, and is one that a cache can hold.
bool is_safe_path(std::string_view path);

// The files that serving needs, small ones first. Throws kConfig if the model lacks what is needed.
std::vector<HubFile> needed_files(const HubListing& listing, ModelNeed need);

}  // namespace pagoda
