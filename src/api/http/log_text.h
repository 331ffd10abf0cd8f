// What a client chose, as a line of the log shows it: nothing that could break the line, drive a
// terminal or look like something else (bytes beyond ASCII may turn the direction of writing).
//
// Thread rule: pure function.
#pragma once

#include <string>
#include <string_view>

namespace pagoda {

// Printable ASCII as it is, but for blanks and quotes; those, and every other byte, as %XX.
std::string log_text(std::string_view text);

}  // namespace pagoda
