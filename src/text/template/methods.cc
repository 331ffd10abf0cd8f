// The methods of dicts, lists, tuples and floats, and how a method is bound to its object.

#include <algorithm>
#include <cmath>

#include "base/str.h"
#include "text/template/arguments.h"
#include "text/template/natives.h"

namespace pagoda {
namespace {

struct Method {
  std::string_view name;
  TemplateNative native;  // nullptr: changes the object
};

TemplateValue dict_view(TemplateHeap& heap, const TemplateValue& self, SequenceType type) {
  TemplateValues items(heap.memory());
  heap.spend(static_cast<int64_t>(self.as_dict().size()));
  for (const auto& [key, value] : self.as_dict().entries()) {
    items.push_back(type == SequenceType::kKeys     ? key
                    : type == SequenceType::kValues ? value
                                                    : make_tuple(heap, {key, value}));
  }
  return make_sequence(heap, type, std::move(items));
}

TemplateValue dict_keys(TemplateHeap& heap, const TemplateValue& self,
                        const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"keys", {}}, arguments);
  return dict_view(heap, self, SequenceType::kKeys);
}

TemplateValue dict_values(TemplateHeap& heap, const TemplateValue& self,
                          const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"values", {}}, arguments);
  return dict_view(heap, self, SequenceType::kValues);
}

TemplateValue dict_items(TemplateHeap& heap, const TemplateValue& self,
                         const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"items", {}}, arguments);
  return dict_view(heap, self, SequenceType::kItems);
}

TemplateValue dict_get(TemplateHeap& heap, const TemplateValue& self,
                       const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"get", {"key", "default"}, 1, true}, arguments);
  const TemplateValue* found = self.as_dict().find(heap, bound[0]);
  return found != nullptr ? *found : bound.value(1, TemplateValue::none());
}

// Nothing can change a list or dict, so a copy is the thing itself.
TemplateValue copy_of(TemplateHeap& heap, const TemplateValue& self,
                      const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"copy", {}}, arguments);
  return self;
}

TemplateValue sequence_index(TemplateHeap& heap, const TemplateValue& self,
                             const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"index", {"value", "start", "stop"}, 1, true}, arguments);
  const TemplateValues& items = self.as_sequence().items;
  const auto size = static_cast<int64_t>(items.size());
  const auto clamped = [&](int64_t i) {
    return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size);
  };
  const int64_t stop = clamped(bound.integer(2, size));
  for (int64_t i = clamped(bound.integer(1, 0)); i < stop; ++i) {
    if (is_equal(heap, items[static_cast<size_t>(i)], bound[0])) return TemplateValue::integer(i);
  }
  heap.fail(str(repr_of(heap, bound[0]), " is not in ", type_name(self)));
}

TemplateValue sequence_count(TemplateHeap& heap, const TemplateValue& self,
                             const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"count", {"value"}, 1, true}, arguments);
  const TemplateValues& items = self.as_sequence().items;
  const auto count = std::count_if(items.begin(), items.end(), [&](const TemplateValue& item) {
    return is_equal(heap, item, bound[0]);
  });
  return TemplateValue::integer(count);
}

TemplateValue float_is_integer(TemplateHeap& heap, const TemplateValue& self,
                               const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"is_integer", {}}, arguments);
  return TemplateValue::boolean(std::isfinite(self.as_real()) &&
                                self.as_real() == std::floor(self.as_real()));
}

constexpr Method kDictMethods[] = {
    {"keys", &dict_keys},    {"values", &dict_values}, {"items", &dict_items}, {"get", &dict_get},
    {"copy", &copy_of},      {"clear", nullptr},       {"pop", nullptr},       {"popitem", nullptr},
    {"setdefault", nullptr}, {"update", nullptr},
};
constexpr Method kListMethods[] = {
    {"index", &sequence_index}, {"count", &sequence_count}, {"copy", &copy_of},
    {"append", nullptr},        {"clear", nullptr},         {"pop", nullptr},
    {"reverse", nullptr},       {"insert", nullptr},        {"sort", nullptr},
    {"extend", nullptr},        {"remove", nullptr},
};
constexpr Method kTupleMethods[] = {{"index", &sequence_index}, {"count", &sequence_count}};
constexpr Method kFloatMethods[] = {{"is_integer", &float_is_integer}};

std::span<const Method> methods_of(const TemplateValue& value) {
  if (value.is(TemplateKind::kDict)) return kDictMethods;
  if (value.is(TemplateKind::kFloat)) return kFloatMethods;
  if (!value.is(TemplateKind::kSequence)) return {};
  const std::string_view type = type_name(value);
  if (type == "list") return kListMethods;
  return type == "tuple" || type == "range" ? std::span<const Method>(kTupleMethods)
                                            : std::span<const Method>();
}

TemplateValue bound_method(TemplateHeap& heap, std::string_view name, TemplateNative native,
                           const TemplateValue& self) {
  return TemplateValue::object(heap.make<TemplateFunction>(name, native, self));
}

// A method of safe text (markupsafe.Markup): its text arguments are escaped, its results are safe.
class SafeTextMethod final : public TemplateObject {
 public:
  SafeTextMethod(std::string_view name, TemplateNative native, TemplateValue self)
      : name_(name), native_(native), self_(self) {}
  std::string_view type_name() const override { return "method"; }
  bool is_callable() const override { return true; }

  TemplateValue call(TemplateHeap& heap, const TemplateArguments& arguments) override {
    std::vector<TemplateValue> positional(arguments.positional.begin(), arguments.positional.end());
    for (TemplateValue& value : positional) {
      if (value.is_text() && escapes_arguments()) value = escaped(heap, value);
    }
    return safe(heap, native_(heap, self_, {positional, arguments.named}));
  }

 private:
  bool escapes_arguments() const {
    constexpr std::string_view kEscaping[] = {"replace",      "ljust",  "rjust",
                                              "lstrip",       "rstrip", "center",
                                              "removeprefix", "strip",  "removesuffix"};
    return std::find(std::begin(kEscaping), std::end(kEscaping), name_) != std::end(kEscaping);
  }

  static TemplateValue safe(TemplateHeap& heap, const TemplateValue& value) {
    if (value.is_text()) return value.marked_safe();
    if (!value.is(TemplateKind::kSequence)) return value;
    TemplateValues items(heap.memory());
    heap.spend_items(value.as_sequence().items.size());
    for (const TemplateValue& item : value.as_sequence().items) items.push_back(safe(heap, item));
    return make_sequence(heap, value.as_sequence().type, std::move(items));
  }

  std::string_view name_;
  TemplateNative native_;
  TemplateValue self_;
};

}  // namespace

std::optional<TemplateValue> find_method(TemplateHeap& heap, const TemplateValue& value,
                                         std::string_view name) {
  if (value.is_text()) {
    const TemplateNative native = find_text_method(name);
    if (native == nullptr) return std::nullopt;
    if (!value.is_safe_text()) return bound_method(heap, name, native, value);
    return TemplateValue::object(heap.make<SafeTextMethod>(name, native, value));
  }
  for (const Method& method : methods_of(value)) {
    if (method.name != name) continue;
    if (method.native != nullptr) return bound_method(heap, method.name, method.native, value);
    return TemplateValue::undefined_because(heap.keep(
        str("access to attribute '", name, "' of '", type_name(value), "' object is unsafe.")));
  }
  return std::nullopt;
}

}  // namespace pagoda
