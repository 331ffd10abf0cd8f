#include "cli/hub_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string_view>

#include "base/log.h"
#include "base/str.h"
#include "hub/amounts.h"
#include "hub/obtain.h"

namespace pagoda {
namespace {

void log_line(std::string_view line) {
  LOG_INFO("{}", line);
}

// Ends the program as the signal does, after a word on what becomes of the download. A handler:
// write() and raise() alone are safe in it.
extern "C" void say_and_stop(int signal) {
  constexpr std::string_view kText = "stopped; what has come is kept: start again to go on\n";
  const ssize_t written = write(STDERR_FILENO, kText.data(), kText.size());
  static_cast<void>(written);  // nobody reads: the signal counts all the same
  std::signal(signal, SIG_DFL);
  raise(signal);
}

// A commit is known by its first characters.
std::string short_revision(const std::string& revision) {
  constexpr size_t kCommit = 40, kShown = 12;
  return revision.size() == kCommit ? revision.substr(0, kShown) : revision;
}

}  // namespace

std::unique_ptr<DownloadProgress> make_download_progress(LogFormat format) {
  const bool has_bars = format == LogFormat::kText && isatty(STDERR_FILENO) == 1;
  if (has_bars) return make_progress(STDERR_FILENO);
  return std::make_unique<LineProgress>(log_line);
}

std::filesystem::path download(const Settings& settings) {
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, say_and_stop);
  const auto progress = make_download_progress(settings.log.format);
  return download_model(settings.model.model, settings.hub, *progress);
}

std::string cached_models_text(const std::vector<CachedModel>& models) {
  if (models.empty()) return "no model is cached; `pagoda download MODEL` gets one\n";
  size_t widest = 0;
  for (const CachedModel& model : models) widest = std::max(widest, model.name.size());
  std::string text;
  for (const CachedModel& model : models) {
    text +=
        fmt::format("{:<{}}  {:<12}  {:>9}  {}{}\n", model.name, widest,
                    short_revision(model.revision), bytes_text(model.bytes), model.folder.string(),
                    model.missing.empty() ? "" : str("  (misses ", model.missing, ")"));
  }
  return text;
}

}  // namespace pagoda
