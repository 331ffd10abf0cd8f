// The functions that every template can call.

#include <time.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/str.h"
#include "text/template/arguments.h"
#include "text/template/natives.h"
#include "text/template/objects.h"

namespace pagoda {
namespace {

TemplateValue range(TemplateHeap& heap, const TemplateValue& /*self*/,
                    const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"range", {"start", "stop", "step"}, 1, true}, arguments);
  const int64_t start = bound.has(1) ? bound.integer(0, 0) : 0;
  const int64_t stop = bound.integer(bound.has(1) ? 1 : 0, 0);
  const int64_t step = bound.integer(2, 1);
  if (step == 0) heap.fail("range() arg 3 must not be zero");
  const bool empty = step > 0 ? start >= stop : start <= stop;
  const uint64_t distance = empty      ? 0
                            : step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                       : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : ~static_cast<uint64_t>(step) + 1;
  const uint64_t count = distance / stride + (distance % stride != 0 ? 1 : 0);
  if (count > static_cast<uint64_t>(heap.limits().max_range)) {
    heap.fail(str("Range too big. The sandbox blocks ranges larger than MAX_RANGE (",
                  heap.limits().max_range, ")."));
  }
  heap.spend(static_cast<int64_t>(count / 4));
  auto* sequence = heap.make<TemplateSequence>(heap, SequenceType::kRange);
  sequence->items.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    sequence->items.push_back(TemplateValue::integer(start + static_cast<int64_t>(i) * step));
  }
  sequence->range[0] = start;
  sequence->range[1] = stop;
  sequence->range[2] = step;
  return TemplateValue::sequence(sequence);
}

// What dict() and namespace() are given: a dict or pairs, then names.
std::vector<TemplateDict::Entry> given_entries(TemplateHeap& heap,
                                               const TemplateArguments& arguments) {
  std::vector<TemplateDict::Entry> entries;
  if (arguments.positional.size() > 1) heap.fail("dict expected at most 1 argument");
  for (const TemplateValue& given : arguments.positional) {
    require_defined(heap, given);
    if (given.is(TemplateKind::kDict)) {
      const auto all = given.as_dict().entries();
      heap.spend_items(all.size());
      entries.assign(all.begin(), all.end());
      continue;
    }
    for (const TemplateValue& item : items_of(heap, given)) {
      const TemplateValues pair = items_of(heap, item);
      if (pair.size() != 2) heap.fail("dictionary update sequence element must have length 2");
      entries.emplace_back(pair[0], pair[1]);
    }
  }
  for (const NamedTemplateValue& argument : arguments.named) {
    entries.emplace_back(TemplateValue::text(argument.name), argument.value);
  }
  return entries;
}

TemplateValue dict(TemplateHeap& heap, const TemplateValue& /*self*/,
                   const TemplateArguments& arguments) {
  auto* result = heap.make<TemplateDict>(heap);
  for (const auto& [key, value] : given_entries(heap, arguments)) result->set(heap, key, value);
  return TemplateValue::dict(result);
}

TemplateValue make_namespace(TemplateHeap& heap, const TemplateValue& /*self*/,
                             const TemplateArguments& arguments) {
  auto* result = heap.make<TemplateNamespace>(heap);
  for (const auto& [key, value] : given_entries(heap, arguments)) result->set(heap, key, value);
  return TemplateValue::object(result);
}

TemplateValue cycler(TemplateHeap& heap, const TemplateValue& /*self*/,
                     const TemplateArguments& arguments) {
  if (arguments.positional.empty()) heap.fail("at least one item has to be provided");
  return TemplateValue::object(heap.make<TemplateCycler>(
      heap,
      TemplateValues(arguments.positional.begin(), arguments.positional.end(), heap.memory())));
}

TemplateValue joiner(TemplateHeap& heap, const TemplateValue& /*self*/,
                     const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"joiner", {"sep"}}, arguments);
  return TemplateValue::object(
      heap.make<TemplateJoiner>(bound.value(0, TemplateValue::text(", "))));
}

TemplateValue raise_exception(TemplateHeap& heap, const TemplateValue& /*self*/,
                              const TemplateArguments& arguments) {
  const BoundArguments bound(heap, {"raise_exception", {"message"}, 1}, arguments);
  heap.fail(str_of(heap, bound[0]));
}

// Of the local time, in the C locale, as datetime.now().strftime(format).
TemplateValue strftime_now(TemplateHeap& heap, const TemplateValue& /*self*/,
                           const TemplateArguments& arguments) {
  constexpr size_t kMostBytes = 4096;
  const BoundArguments bound(heap, {"strftime_now", {"format"}, 1}, arguments);
  heap.spend_letters(bound.text(0, {}).size());
  const std::string format(bound.text(0, {}));
  const auto now = heap.now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[kMostBytes];
  // The space keeps an empty result apart from one that does not fit.
  const size_t size = std::strftime(text, sizeof text, (format + ' ').c_str(), &local);
  if (size == 0) heap.fail(str("strftime_now: the result is longer than ", kMostBytes, " bytes"));
  return make_text(heap, {text, size - 1});
}

struct Global {
  std::string_view name;
  TemplateNative native;
};

constexpr Global kGlobals[] = {
    {"range", &range},
    {"dict", &dict},
    {"namespace", &make_namespace},
    {"cycler", &cycler},
    {"joiner", &joiner},
    {"raise_exception", &raise_exception},
    {"strftime_now", &strftime_now},
};

}  // namespace

TemplateNative find_global(std::string_view name) {
  const auto* found = std::find_if(std::begin(kGlobals), std::end(kGlobals),
                                   [name](const Global& global) { return global.name == name; });
  return found != std::end(kGlobals) ? found->native : nullptr;
}

}  // namespace pagoda
