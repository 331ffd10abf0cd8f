// Names that nobody can guess or repeat: uuid4().hex of Python.
//
// Thread rule: any thread.
#pragma once

#include <string>

namespace pagoda {

std::string random_hex_id();  // 32 hexadecimal digits

}  // namespace pagoda
