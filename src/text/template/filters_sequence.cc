// Filters over lists, dicts and iterators.

#include <algorithm>

#include "base/str.h"
#include "base/utf8.h"
#include "text/template/arguments.h"
#include "text/template/filters.h"
#include "text/template/lookup.h"
#include "text/template/natives.h"
#include "text/template/operators.h"
#include "text/template/text.h"

namespace pagoda {
namespace {

// "a.b.0" of an item; an integer is one step; None the item itself.
class AttributePath {
 public:
  AttributePath(TemplateHeap& heap, const TemplateValue& attribute) {
    if (attribute.is_none()) return;
    if (!attribute.is_text()) {
      steps_.push_back(attribute);
      return;
    }
    heap.spend_letters(attribute.as_text().size());
    TextParts parts(heap.scratch());
    split(parts, attribute.as_text(), ".", -1);
    for (const std::string_view part : parts) {
      const auto index = is_all(part, TextClass::kDigit) ? parse_integer(part, 10) : std::nullopt;
      steps_.push_back(index ? TemplateValue::integer(*index) : make_text(heap, part));
    }
  }

  TemplateValue of(TemplateHeap& heap, const TemplateValue& item,
                   const std::optional<TemplateValue>& fallback = std::nullopt) const {
    TemplateValue value = item;
    for (const TemplateValue& step : steps_) {
      value = item_of(heap, value, step);
      if (value.is_undefined() && fallback) value = *fallback;
    }
    return value;
  }

 private:
  std::vector<TemplateValue> steps_;
};

TemplateValue folded(TemplateHeap& heap, const TemplateValue& value, bool case_sensitive) {
  if (case_sensitive || !value.is_text()) return value;
  heap.spend_letters(value.as_text().size());
  return make_text(heap, lower(value.as_text()));
}

// An order by keys that were taken beforehand; stable, and reversed as Python does: equal items
// keep their order.
TemplateValues sorted_by(TemplateHeap& heap, const TemplateValues& items,
                         const TemplateValues& keys, bool reverse) {
  std::vector<size_t> order(items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return reverse ? is_less(heap, keys[b], keys[a]) : is_less(heap, keys[a], keys[b]);
  });
  TemplateValues result(heap.memory());
  result.reserve(items.size());
  for (const size_t i : order) result.push_back(items[i]);
  return result;
}

TemplateValue list(TemplateHeap& heap, const TemplateValue& value,
                   const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"list", {}}, arguments);
  return make_list(heap, items_of(heap, value));
}

TemplateValue first(TemplateHeap& heap, const TemplateValue& value,
                    const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"first", {}}, arguments);
  const bool is_object = value.is(TemplateKind::kObject);
  if (TemplateValues* left = is_object ? value.as_object().remaining_items() : nullptr) {
    if (!left->empty()) {
      const TemplateValue item = left->front();
      heap.spend_items(left->size());
      left->erase(left->begin());
      return item;
    }
  }
  const TemplateValues items = items_of(heap, value);
  return items.empty() ? TemplateValue::undefined_because("No first item, sequence was empty.")
                       : items.front();
}

TemplateValue last(TemplateHeap& heap, const TemplateValue& value,
                   const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"last", {}}, arguments);
  if (value.is(TemplateKind::kObject)) {
    heap.fail(str("'", type_name(value), "' object is not reversible"));
  }
  const TemplateValues items = items_of(heap, value);
  return items.empty() ? TemplateValue::undefined_because("No last item, sequence was empty.")
                       : items.back();
}

TemplateValue reverse(TemplateHeap& heap, const TemplateValue& value,
                      const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"reverse", {}}, arguments);
  if (value.is_text()) {
    TemplateSlice backwards;
    backwards.step = -1;
    return slice_of(heap, value, backwards);
  }
  TemplateValues items = items_of(heap, value);
  std::reverse(items.begin(), items.end());
  if (value.is(TemplateKind::kObject)) return make_list(heap, std::move(items));
  return make_iterator(heap, std::move(items),
                       type_name(value) == "list" ? "list_reverseiterator" : "reversed");
}

TemplateValue join(TemplateHeap& heap, const TemplateValue& value,
                   const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"join", {"d", "attribute"}}, arguments);
  const std::string_view separator = text_of(heap, bound.value(0, TemplateValue::text({})));
  const AttributePath path(heap, bound.value(1, TemplateValue::none()));
  std::string text;
  bool is_first = true;
  for (const TemplateValue& item : items_of(heap, value)) {
    const std::string_view part = text_of(heap, path.of(heap, item));
    heap.spend_bytes(separator.size() + part.size());
    heap.check_text_size(text.size() + separator.size() + part.size());
    if (!is_first) text += separator;
    is_first = false;
    text += part;
  }
  return make_text(heap, text);
}

TemplateValue items(TemplateHeap& heap, const TemplateValue& value,
                    const TemplateArguments& arguments) {
  const BoundArguments none(heap, {"items", {}}, arguments);
  TemplateValues pairs(heap.memory());
  if (!value.is_undefined()) {
    if (!value.is(TemplateKind::kDict)) heap.fail("Can only get item pairs from a mapping.");
    for (const auto& [key, item] : value.as_dict().entries()) {
      heap.spend(1);
      pairs.push_back(make_tuple(heap, {key, item}));
    }
  }
  return make_iterator(heap, std::move(pairs), "generator");
}

TemplateValue sort(TemplateHeap& heap, const TemplateValue& value,
                   const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"sort", {"reverse", "case_sensitive", "attribute"}}, arguments);
  const bool case_sensitive = bound.flag(1, false);
  const TemplateValue attribute = bound.value(2, TemplateValue::none());
  std::vector<AttributePath> paths;  // "a,b": by a, then by b
  if (attribute.is_text()) {
    heap.spend_letters(attribute.as_text().size());
    TextParts parts(heap.scratch());
    split(parts, attribute.as_text(), ",", -1);
    for (const std::string_view part : parts) {
      paths.emplace_back(heap, TemplateValue::text(part));
    }
  } else {
    paths.emplace_back(heap, attribute);
  }
  const TemplateValues all = items_of(heap, value);
  TemplateValues keys(heap.memory());
  for (const TemplateValue& item : all) {
    TemplateValues parts(heap.memory());
    for (const AttributePath& path : paths) {
      parts.push_back(folded(heap, path.of(heap, item), case_sensitive));
    }
    keys.push_back(make_list(heap, std::move(parts)));
  }
  return make_list(heap, sorted_by(heap, all, keys, bound.flag(0, false)));
}

TemplateValue dictsort(TemplateHeap& heap, const TemplateValue& value,
                       const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"dictsort", {"case_sensitive", "by", "reverse"}}, arguments);
  const std::string_view by = bound.text(1, "key");
  if (by != "key" && by != "value") heap.fail("You can only sort by either \"key\" or \"value\"");
  require_defined(heap, value);
  if (!value.is(TemplateKind::kDict)) {
    heap.fail(str("'", type_name(value), "' object has no attribute 'items'"));
  }
  TemplateValues pairs(heap.memory()), keys(heap.memory());
  for (const auto& [key, item] : value.as_dict().entries()) {
    pairs.push_back(make_tuple(heap, {key, item}));
    keys.push_back(folded(heap, by == "key" ? key : item, bound.flag(0, false)));
  }
  return make_list(heap, sorted_by(heap, pairs, keys, bound.flag(2, false)));
}

TemplateValue unique(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"unique", {"case_sensitive", "attribute"}}, arguments);
  const AttributePath path(heap, bound.value(1, TemplateValue::none()));
  TemplateDict seen(heap);
  TemplateValues result(heap.memory());
  for (const TemplateValue& item : items_of(heap, value)) {
    const TemplateValue key = folded(heap, path.of(heap, item), bound.flag(0, false));
    if (seen.find(heap, key) != nullptr) continue;
    seen.set(heap, key, TemplateValue::none());
    result.push_back(item);
  }
  return make_iterator(heap, std::move(result), "generator");
}

template <bool want_least>
TemplateValue extreme(TemplateHeap& heap, const TemplateValue& value,
                      const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"min", {"case_sensitive", "attribute"}}, arguments);
  const AttributePath path(heap, bound.value(1, TemplateValue::none()));
  const TemplateValues all = items_of(heap, value);
  if (all.empty()) {
    return TemplateValue::undefined_because("No aggregated item, sequence was empty.");
  }
  const auto key_of = [&](const TemplateValue& item) {
    return folded(heap, path.of(heap, item), bound.flag(0, false));
  };
  TemplateValue best = all[0], best_key = key_of(all[0]);
  for (size_t i = 1; i < all.size(); ++i) {
    const TemplateValue key = key_of(all[i]);
    const bool better = want_least ? is_less(heap, key, best_key) : is_less(heap, best_key, key);
    if (!better) continue;
    best = all[i];
    best_key = key;
  }
  return best;
}

TemplateValue sum(TemplateHeap& heap, const TemplateValue& value,
                  const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"sum", {"attribute", "start"}}, arguments);
  const AttributePath path(heap, bound.value(0, TemplateValue::none()));
  TemplateValue total = bound.value(1, TemplateValue::integer(0));
  if (total.is_text()) heap.fail("sum() can't sum strings [use ''.join(seq) instead]");
  for (const TemplateValue& item : items_of(heap, value)) {
    total = apply(heap, BinaryOperator::kAdd, total, path.of(heap, item));
  }
  return total;
}

TemplateValue batch(TemplateHeap& heap, const TemplateValue& value,
                    const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"batch", {"linecount", "fill_with"}, 1}, arguments);
  const int64_t size = bound.integer(0, 1);
  TemplateValues rows(heap.memory()), row(heap.memory());
  for (const TemplateValue& item : items_of(heap, value)) {
    heap.spend(1);
    if (static_cast<int64_t>(row.size()) == size) {
      rows.push_back(make_list(heap, std::move(row)));
      row = TemplateValues(heap.memory());
    }
    row.push_back(item);
  }
  if (!row.empty()) {
    while (bound.is_set(1) && static_cast<int64_t>(row.size()) < size) {
      heap.spend(1);
      row.push_back(bound[1]);
    }
    rows.push_back(make_list(heap, std::move(row)));
  }
  return make_iterator(heap, std::move(rows), "generator");
}

TemplateValue slice(TemplateHeap& heap, const TemplateValue& value,
                    const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"slice", {"slices", "fill_with"}, 1}, arguments);
  const TemplateValues all = items_of(heap, value);
  const int64_t slices = bound.integer(0, 1);
  if (slices == 0) heap.fail("integer division or modulo by zero");
  const int64_t size = static_cast<int64_t>(all.size());
  const int64_t each = slices > 0 ? size / slices : 0, longer = slices > 0 ? size % slices : 0;
  TemplateValues columns(heap.memory());
  int64_t begin = 0;
  for (int64_t i = 0; i < slices; ++i) {
    heap.spend(1);
    const int64_t end = begin + each + (i < longer ? 1 : 0);
    TemplateValues column(all.begin() + begin, all.begin() + end, heap.memory());
    if (bound.is_set(1) && i >= longer) column.push_back(bound[1]);
    columns.push_back(make_list(heap, std::move(column)));
    begin = end;
  }
  return make_iterator(heap, std::move(columns), "generator");
}

TemplateValue groupby(TemplateHeap& heap, const TemplateValue& value,
                      const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"groupby", {"attribute", "default", "case_sensitive"}, 1},
                             arguments);
  const AttributePath path(heap, bound[0]);
  const std::optional<TemplateValue> fallback =
      bound.is_set(1) ? std::optional(bound[1]) : std::nullopt;
  const TemplateValues all = items_of(heap, value);
  TemplateValues keys(heap.memory());
  for (const TemplateValue& item : all) {
    keys.push_back(folded(heap, path.of(heap, item, fallback), bound.flag(2, false)));
  }
  const TemplateValues sorted = sorted_by(heap, all, keys, false);
  // Unlike std::sort, it stays inside of the list where nan makes the order none.
  std::stable_sort(keys.begin(), keys.end(), [&](const TemplateValue& a, const TemplateValue& b) {
    return is_less(heap, a, b);
  });
  TemplateValues groups(heap.memory());
  for (size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
    TemplateValues members(heap.memory());
    while (end < sorted.size() && is_equal(heap, keys[begin], keys[end])) {
      members.push_back(sorted[end++]);
    }
    // The key as it is written in the first member, not in lower case.
    const TemplateValue key = path.of(heap, members[0], fallback);
    TemplateValues group({key, make_list(heap, std::move(members))}, heap.memory());
    groups.push_back(make_sequence(heap, SequenceType::kGroup, std::move(group)));
  }
  return make_list(heap, std::move(groups));
}

// map, select and their kin make nothing of what is false, such as None.
TemplateValues items_if_true(TemplateHeap& heap, const TemplateValue& value) {
  return is_true(value) ? items_of(heap, value) : TemplateValues(heap.memory());
}

TemplateValue map(TemplateHeap& heap, const TemplateValue& value,
                  const TemplateArguments& arguments) {
  TemplateValues result(heap.memory());
  if (arguments.positional.empty()) {
    const BoundArguments bound(heap, {"map", {"attribute", "default"}, 1}, arguments);
    const AttributePath path(heap, bound[0]);
    const std::optional<TemplateValue> fallback =
        bound.is_set(1) ? std::optional(bound[1]) : std::nullopt;
    for (const TemplateValue& item : items_if_true(heap, value)) {
      heap.spend(1);
      result.push_back(path.of(heap, item, fallback));
    }
    return make_iterator(heap, std::move(result), "generator");
  }
  const std::string_view name = text_of(heap, arguments.positional[0]);
  const TemplateNative filter = find_filter(name);
  if (filter == nullptr) heap.fail(str("No filter named '", name, "'."));
  const TemplateArguments rest = {arguments.positional.subspan(1), arguments.named};
  const TemplateHeap::Level level(heap);
  for (const TemplateValue& item : items_if_true(heap, value)) {
    heap.spend(1);
    result.push_back(filter(heap, item, rest));
  }
  return make_iterator(heap, std::move(result), "generator");
}

// select, reject, selectattr, rejectattr: keeps the items of which the test says `wanted`.
template <bool wanted, bool by_attribute>
TemplateValue select(TemplateHeap& heap, const TemplateValue& value,
                     const TemplateArguments& arguments) {
  std::span<const TemplateValue> rest = arguments.positional;
  TemplateValue attribute = TemplateValue::none();
  if (by_attribute) {
    if (rest.empty()) heap.fail("Missing parameter for attribute name");
    attribute = rest[0];
    rest = rest.subspan(1);
  }
  const AttributePath path(heap, attribute);
  TemplateNative test = nullptr;
  if (!rest.empty()) {
    const std::string_view name = text_of(heap, rest[0]);
    test = find_test(name);
    if (test == nullptr) heap.fail(str("No test named '", name, "'."));
    rest = rest.subspan(1);
  }
  const TemplateHeap::Level level(heap);
  TemplateValues result(heap.memory());
  for (const TemplateValue& item : items_if_true(heap, value)) {
    heap.spend(1);
    const TemplateValue tested = path.of(heap, item);
    const bool holds = is_true(test ? test(heap, tested, {rest, arguments.named}) : tested);
    if (holds == wanted) result.push_back(item);
  }
  return make_iterator(heap, std::move(result), "generator");
}

constexpr TemplateFilter kSequenceFilters[] = {
    {"list", &list},
    {"first", &first},
    {"last", &last},
    {"reverse", &reverse},
    {"join", &join},
    {"items", &items},
    {"sort", &sort},
    {"dictsort", &dictsort},
    {"unique", &unique},
    {"min", &extreme<true>},
    {"max", &extreme<false>},
    {"sum", &sum},
    {"batch", &batch},
    {"slice", &slice},
    {"groupby", &groupby},
    {"map", &map},
    {"select", &select<true, false>},
    {"reject", &select<false, false>},
    {"selectattr", &select<true, true>},
    {"rejectattr", &select<false, true>},
};

}  // namespace

std::span<const TemplateFilter> sequence_filters() {
  return kSequenceFilters;
}

}  // namespace pagoda
