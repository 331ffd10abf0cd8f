#include "load/weight_scheme.h"

#include "base/error.h"
#include "base/json_reader.h"
#include "base/str.h"

namespace pagoda {

void refuse_quantization(const JsonReader& section, const std::string& what,
                         std::string_view supported) {
  throw Error(ErrorKind::kConfig,
              str(section.origin(), ": ", what, " is not supported; supported is ", supported,
                  ", or a checkpoint in bfloat16, float16 or float32"));
}

}  // namespace pagoda
