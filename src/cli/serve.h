// `pagoda serve`: from settings to a server that runs until it is told to stop.
//
// Thread rule: call from main; the engine runs on the calling thread.
#pragma once

#include <string>

#include "cli/settings_of.h"

namespace pagoda {

// Returns after SIGTERM or Ctrl-C. Throws kConfig, kCheckpoint, kDevice. `arguments` is what
// non_default_arguments() says, for the log.
void serve(const SettingsAndRemarks& settings, const std::string& arguments);

}  // namespace pagoda
