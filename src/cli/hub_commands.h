// `pagoda download` and `pagoda list`: models on disk, without serving them.
//
// Thread rule: the main thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/settings.h"
#include "hub/cached_models.h"
#include "hub/progress.h"

namespace pagoda {

// Bars on a terminal, lines of the log elsewhere and in a JSON log.
std::unique_ptr<DownloadProgress> make_download_progress(LogFormat format);

// The folder of the newest state of the model and revision that the options name. Throws as
// download_model().
std::filesystem::path download(const Settings& settings);

// A line a model: name, revision, size, folder, and what keeps it from being served.
std::string cached_models_text(const std::vector<CachedModel>& models);

}  // namespace pagoda
