// ModelScope's hub:
//
//   GET https://{domain}/api/v1/models/{id}/repo/files?Revision=..&Recursive=False  files, hashes
//   GET https://{domain}/api/v1/models/{id}/repo?Revision=..&FilePath=..            a file
//
// and its cache: models/org/name with "___" for ".", with ".msc" (which files of which commit are
// there, in Python's pickle form) and ".mv" (the revision) for ModelScope's own tools.
// Follows modelscope 1.31.0 (hub/api.py, hub/snapshot_download.py, hub/utils/caching.py).
//
// Thread rule: one thread.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "hub/hub_client.h"
#include "hub/listing.h"

namespace pagoda {

HubClient modelscope_client(const HubOptions& options, Say say);
// All files of a model. Throws kConfig if there is no such model, or not for us.
HubListing list_modelscope(const HubClient& client, const std::string& name,
                           const HubOptions& options);

// Writes what ModelScope's tools keep beside a model's files.
void note_modelscope(const std::filesystem::path& folder, const HubListing& listing);

}  // namespace pagoda
