#include "text/tokenizer/regex_search.h"

#include "base/error.h"
#include "base/str.h"

namespace pagoda {

void refuse_text(std::string_view pattern, std::string_view reason) {
  throw Error(ErrorKind::kRequest,
              str("the text cannot be split into words by this model's regular expression \"",
                  pattern, "\": ", reason,
                  "; send a shorter text, or one without long runs of one kind of character"));
}

}  // namespace pagoda
