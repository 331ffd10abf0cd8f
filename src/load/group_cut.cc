#include "load/group_cut.h"

#include <numeric>

namespace pagoda {
namespace {

constexpr int64_t kSmallestGroup = 8;

// Rows of a panel are copied run by run, whole bytes at a time.
bool splits_a_byte(const WeightFormat& stored, const Runs& columns) {
  const int64_t per_byte = 8 / bits_of(stored.values);
  for (size_t i = 0; i < columns.runs.size(); ++i) {
    const Run& run = columns.runs[i];
    const bool is_last = i + 1 == columns.runs.size();
    if (run.first % per_byte != 0 || (!is_last && run.count % per_byte != 0)) return true;
  }
  return false;
}

// Padding behind the last run that shares a group with it would be zero minus its zero point.
bool is_padded_within_a_group(const WeightFormat& stored, const Runs& columns) {
  if (columns.size == columns.stored()) return false;
  return stored.group == 0 || columns.stored() % stored.group != 0;
}

int64_t group_of_cut(const WeightFormat& stored, const Runs& columns) {
  int64_t group = stored.group;
  for (size_t i = 0; i < columns.runs.size(); ++i) {
    const Run& run = columns.runs[i];
    group = std::gcd(group, run.first);
    // The last group may be smaller than the others.
    if (i + 1 < columns.runs.size()) group = std::gcd(group, run.count);
  }
  return group;
}

}  // namespace

std::optional<WeightFormat> cut_format(const WeightFormat& stored, const Runs& columns) {
  if (splits_a_byte(stored, columns)) return std::nullopt;
  WeightFormat cut = stored;
  if (stored.ordered_groups > 0) {
    if (columns.size > columns.stored()) ++cut.ordered_groups;
    return cut;
  }
  if (stored.group > 0) cut.group = group_of_cut(stored, columns);
  if (stored.has_zeros && is_padded_within_a_group(cut, columns)) return std::nullopt;
  if (cut.group != stored.group && cut.group < kSmallestGroup) return std::nullopt;
  return cut;
}

std::vector<int32_t> group_sources(const WeightFormat& stored, const WeightFormat& cut,
                                   const Runs& columns) {
  if (stored.ordered_groups > 0) {
    std::vector<int32_t> sources(static_cast<size_t>(stored.ordered_groups));
    std::iota(sources.begin(), sources.end(), 0);
    sources.resize(static_cast<size_t>(cut.ordered_groups), -1);
    return sources;
  }
  if (stored.group == 0) return {0};
  std::vector<int32_t> sources;
  for (const Run& run : columns.runs) {
    for (int64_t at = run.first; at < run.first + run.count; at += cut.group) {
      sources.push_back(static_cast<int32_t>(at / stored.group));
    }
  }
  sources.resize(static_cast<size_t>(cut.groups(columns.size)), -1);
  return sources;
}

std::vector<int32_t> cut_order(std::span<const int32_t> order, const WeightFormat& stored,
                               const Runs& columns) {
  std::vector<int32_t> cut;
  for (const Run& run : columns.runs) {
    const auto part = order.subspan(static_cast<size_t>(run.first), static_cast<size_t>(run.count));
    cut.insert(cut.end(), part.begin(), part.end());
  }
  cut.resize(static_cast<size_t>(columns.size), static_cast<int32_t>(stored.ordered_groups));
  return cut;
}

}  // namespace pagoda
