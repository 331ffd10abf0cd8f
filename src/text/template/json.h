// The tojson filter as Hugging Face defines it: json.dumps with ensure_ascii=False, and its
// parameters indent, separators, sort_keys.
//
// Thread rule: as TemplateValue.
#pragma once

#include <boost/json/fwd.hpp>

#include "text/template/value.h"

namespace pagoda {

TemplateValue to_json_filter(TemplateHeap& heap, const TemplateValue& value,
                             const TemplateArguments& arguments);

// The other way: JSON as values. Texts point into the JSON, which must outlive the rendering.
TemplateValue value_from_json(TemplateHeap& heap, const boost::json::value& json);
TemplateValue value_from_json(TemplateHeap& heap, const boost::json::array& json);
TemplateValue value_from_json(TemplateHeap& heap, const boost::json::object& json);

}  // namespace pagoda
