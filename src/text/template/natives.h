// The filters, tests, and global functions that a template can name.
//
// Thread rule: pure functions over a rendering's heap.
#pragma once

#include <string_view>

#include "text/template/value.h"

namespace pagoda {

// nullptr: no such filter, test, function.
TemplateNative find_filter(std::string_view name);
TemplateNative find_test(std::string_view name);
TemplateNative find_global(std::string_view name);

}  // namespace pagoda
