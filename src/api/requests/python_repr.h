// JSON values as Python's repr() writes them. The validation messages of vLLM quote the input so,
// and clients match on them.
//
// Thread rule: pure functions.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

namespace pagoda {

// Text beyond `max_bytes` is cut, so that a large body does not come back as an error message.
std::string python_repr(const boost::json::value& value, size_t max_bytes = 16 << 10);
std::string python_repr_of_text(std::string_view text);
// repr(float): 1.0, 1e-05, nan, inf.
std::string python_repr_of_number(double number);

}  // namespace pagoda
