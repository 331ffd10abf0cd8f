#include "text/template/json.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/json_writer.h"
#include "base/str.h"
#include "text/template/arguments.h"
#include "text/template/operators.h"

namespace pagoda {
namespace {

namespace json = boost::json;

constexpr int64_t kMaxIndent = 1'000;

struct DumpStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // nullopt: all on one line
  std::string item_separator = ", ", key_separator = ": ";
};

class Dumper {
 public:
  Dumper(TemplateHeap& heap, const DumpStyle& style) : heap_(heap), style_(style) {}

  std::string run(const TemplateValue& value) {
    dump(value);
    return std::move(out_);
  }

 private:
  void dump(const TemplateValue& value) {
    const TemplateHeap::Level level(heap_);
    heap_.spend(1);
    heap_.check_text_size(out_.size());
    switch (value.kind()) {
      case TemplateKind::kNone: out_ += "null"; return;
      case TemplateKind::kBool: out_ += value.as_bool() ? "true" : "false"; return;
      case TemplateKind::kInt: out_ += std::to_string(value.as_integer()); return;
      case TemplateKind::kFloat: append_json_number(out_, value.as_real()); return;
      case TemplateKind::kText: return dump_text(value.as_text());
      case TemplateKind::kDict: return dump_dict(value.as_dict());
      default: break;
    }
    const std::string_view type = type_name(value);
    if (type != "list" && type != "tuple") {
      heap_.fail(str("Object of type ", type, " is not JSON serializable"));
    }
    dump_list(value.as_sequence().items);
  }

  void dump_text(std::string_view text) {
    heap_.spend_letters(text.size());
    append_json_string(out_, text, style_.ensure_ascii);
  }

  void dump_list(const TemplateValues& items) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    begin('[');
    for (size_t i = 0; i < items.size(); ++i) {
      next_item(i == 0);
      dump(items[i]);
    }
    end(']');
  }

  void dump_dict(const TemplateDict& dict) {
    if (dict.size() == 0) {
      out_ += "{}";
      return;
    }
    heap_.spend_items(dict.size());
    std::vector<TemplateDict::Entry> entries(dict.entries().begin(), dict.entries().end());
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [this](const auto& a, const auto& b) {
        return is_less(heap_, a.first, b.first);
      });
    }
    begin('{');
    bool first = true;
    for (const auto& [key, value] : entries) {
      next_item(first);
      first = false;
      dump_text(key_text(key));
      add(style_.key_separator);
      dump(value);
    }
    end('}');
  }

  std::string key_text(const TemplateValue& key) {
    switch (key.kind()) {
      case TemplateKind::kText: return std::string(key.as_text());
      case TemplateKind::kNone: return "null";
      case TemplateKind::kBool: return key.as_bool() ? "true" : "false";
      case TemplateKind::kInt:
      case TemplateKind::kFloat: return repr_of(heap_, key);
      default: break;
    }
    heap_.fail(str("keys must be str, int, float, bool or None, not ", type_name(key)));
  }

  void begin(char bracket) {
    out_ += bracket;
    ++depth_;
  }
  void next_item(bool first) {
    if (!first) add(style_.item_separator);
    new_line();
  }
  void end(char bracket) {
    --depth_;
    new_line();
    out_ += bracket;
  }
  void new_line() {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < depth_; ++i) add(*style_.indent);
  }
  // What the template chooses, of any size.
  void add(std::string_view text) {
    heap_.spend(static_cast<int64_t>(text.size() / 16));
    heap_.check_text_size(out_.size() + text.size());
    out_ += text;
  }

  TemplateHeap& heap_;
  const DumpStyle& style_;
  std::string out_;
  int depth_ = 0;
};

void read_separators(TemplateHeap& heap, const TemplateValue& value, DumpStyle& style) {
  const TemplateValues items = items_of(heap, value);
  if (items.size() != 2 || !items[0].is_text() || !items[1].is_text()) {
    heap.fail("tojson: separators must be two texts, such as (',', ':')");
  }
  heap.spend_bytes(items[0].as_text().size() + items[1].as_text().size());
  style.item_separator = items[0].as_text();
  style.key_separator = items[1].as_text();
}

TemplateValue from_json(TemplateHeap& heap, const json::value& value);

TemplateValue from_json(TemplateHeap& heap, const json::array& array) {
  TemplateValues items(heap.memory());
  items.reserve(array.size());
  for (const json::value& item : array) items.push_back(from_json(heap, item));
  return make_list(heap, std::move(items));
}

TemplateValue from_json(TemplateHeap& heap, const json::object& object) {
  auto* dict = heap.make<TemplateDict>(heap);
  for (const auto& pair : object) {
    const std::string_view key(pair.key().data(), pair.key().size());
    dict->set(heap, TemplateValue::text(key), from_json(heap, pair.value()));
  }
  return TemplateValue::dict(dict);
}

TemplateValue from_json(TemplateHeap& heap, const json::value& value) {
  const TemplateHeap::Level level(heap);
  heap.spend(1);
  switch (value.kind()) {
    case json::kind::null: return TemplateValue::none();
    case json::kind::bool_: return TemplateValue::boolean(value.get_bool());
    case json::kind::int64: return TemplateValue::integer(value.get_int64());
    case json::kind::uint64:
      // Beyond 2^63: the nearest float, as JavaScript would have it.
      return TemplateValue::real(static_cast<double>(value.get_uint64()));
    case json::kind::double_: return TemplateValue::real(value.get_double());
    case json::kind::string:
      return TemplateValue::text({value.get_string().data(), value.get_string().size()});
    case json::kind::array: return from_json(heap, value.get_array());
    case json::kind::object: return from_json(heap, value.get_object());
  }
  return TemplateValue::none();
}

}  // namespace

TemplateValue to_json_filter(TemplateHeap& heap, const TemplateValue& value,
                             const TemplateArguments& arguments) {
  const BoundArguments bound(
      heap, {"tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}}, arguments);
  DumpStyle style;
  style.ensure_ascii = bound.flag(0, false);
  style.sort_keys = bound.flag(3, false);
  if (bound.is_set(1)) {
    heap.spend_bytes(bound[1].is_text() ? bound[1].as_text().size() : 0);
    style.item_separator.assign(1, ',');
    style.indent = bound[1].is_text() ? std::string(bound[1].as_text())
                                      : std::string(static_cast<size_t>(std::clamp<int64_t>(
                                                        bound.integer(1, 0), 0, kMaxIndent)),
                                                    ' ');
  }
  if (bound.is_set(2)) read_separators(heap, bound[2], style);
  return make_text(heap, Dumper(heap, style).run(value));
}

TemplateValue value_from_json(TemplateHeap& heap, const json::value& json) {
  return from_json(heap, json);
}
TemplateValue value_from_json(TemplateHeap& heap, const json::array& json) {
  return from_json(heap, json);
}
TemplateValue value_from_json(TemplateHeap& heap, const json::object& json) {
  return from_json(heap, json);
}

}  // namespace pagoda
