// Hugging Face's hub, or a mirror that speaks its API:
//
//   GET {endpoint}/api/models/{id}/revision/{revision}?blobs=true     commit, files, hashes
//   GET {endpoint}/{id}/resolve/{commit}/{file}                       a file, mostly by a redirect
//
// and its cache: blobs/<hash>, refs/<branch>, snapshots/<commit>/<file> -> ../../blobs/<hash>.
// Follows huggingface_hub 0.34.4 (hf_api.py, file_download.py).
//
// Thread rule: one thread.
#pragma once

#include <filesystem>
#include <string>

#include "hub/hub_client.h"
#include "hub/listing.h"

namespace pagoda {

// The client that carries the token, if there is one.
HubClient hugging_face_client(const HubOptions& options, Say say);
// All files of a model. Throws kConfig if there is no such model, or not for us.
HubListing list_hugging_face(const HubClient& client, const std::string& name,
                             const HubOptions& options);
// Asks for sizes and hashes that the listing did not give.
void complete_hugging_face(const HubClient& client, std::vector<HubFile>& files);

// Where the cache keeps a file's content.
std::filesystem::path hugging_face_blob(const std::filesystem::path& folder, const HubFile& file);
// Makes the snapshot of files whose blobs are there, and the reference that leads to it. Returns
// the snapshot.
std::filesystem::path link_snapshot(const std::filesystem::path& folder, const HubListing& listing,
                                    const std::string& revision);

}  // namespace pagoda
