// Fetches files to where they belong: in parallel pieces, going on where an earlier attempt was
// cut, checked before they are moved to their place.
//
// Thread rule: one caller; works with threads of its own, which have ended when it returns. Calls
// `progress` and the client's `say` from them, so both must bear that (LockedProgress).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub_client.h"
#include "hub/listing.h"
#include "hub/progress.h"

namespace pagoda {

struct WantedFile {
  HubFile source;
  std::filesystem::path target;   // where the whole file goes
  std::filesystem::path partial;  // where its pieces are kept, on the same file system
};

// Returns when all files are in their places. Throws kConfig (not let in, no space) or kDevice (the
// network, a wrong checksum); what has come by then is kept, and the next call goes on with it.
void download_files(const HubClient& client, std::vector<WantedFile> files,
                    const HubListing& listing, std::string_view what, DownloadProgress& progress);

}  // namespace pagoda
