#include "models/rotary_keys.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/str.h"
#include "models/hf_keys.h"

namespace pagoda {
namespace {

// transformers 5 writes rope_theta into the same section.
JsonReader rope_scaling_of(const JsonReader& hf) {
  const bool is_new = hf.has("rope_parameters") && !hf.has("rope_scaling");
  return hf.section(is_new ? "rope_parameters" : "rope_scaling");
}

// Older files call it "type".
std::string_view rope_type_of(const JsonReader& scaling) {
  return scaling.text_or("rope_type", scaling.text_or("type", "default"));
}

// What frequencies are divided by, or a base they are powers of.
double positive(const JsonReader& scaling, std::string_view key) {
  const double value = scaling.number(key);
  if (value > 0.0) return value;
  throw Error(ErrorKind::kConfig, str(scaling.origin(), ": ", key, " is ", value,
                                      ", expected a number above 0; correct it"));
}

// A scaling in the making: its section, and all of config.json.
struct Source {
  const JsonReader& scaling;
  const JsonReader& hf;
};

RotaryScaling unscaled(const Source& /*from*/) {
  return Unscaled{};
}

RotaryScaling linear(const Source& from) {
  return LinearScaling{.factor = positive(from.scaling, "factor")};
}

RotaryScaling dynamic(const Source& from) {
  return DynamicScaling{.factor = positive(from.scaling, "factor")};
}

RotaryScaling llama3(const Source& from) {
  const WavelengthScaling s = {
      .factor = positive(from.scaling, "factor"),
      .low_freq_factor = from.scaling.number("low_freq_factor"),
      .high_freq_factor = from.scaling.number("high_freq_factor"),
      .original_context = from.scaling.number("original_max_position_embeddings")};
  if (s.high_freq_factor > s.low_freq_factor) return s;
  throw Error(ErrorKind::kConfig,
              str(from.scaling.origin(), ": high_freq_factor ", s.high_freq_factor,
                  " must be above low_freq_factor ", s.low_freq_factor, "; correct one of them"));
}

// arXiv:2309.00071, section 3.4, eq. 22.
double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// As transformers v5 _compute_yarn_parameters: an explicit factor, or what the two mscales make.
double yarn_amplitude(const JsonReader& scaling, double factor) {
  if (scaling.has("attention_factor")) return scaling.number("attention_factor");
  const double mscale = scaling.number_or("mscale", 0.0);
  const double mscale_all = scaling.number_or("mscale_all_dim", 0.0);
  if (mscale == 0.0 || mscale_all == 0.0) return yarn_mscale(factor, 1.0);
  return yarn_mscale(factor, mscale) / yarn_mscale(factor, mscale_all);
}

// The stretch is `factor`, as in vLLM and transformers v5 (v4.53 takes max_position_embeddings /
// original_max_position_embeddings).
RotaryScaling yarn(const Source& from) {
  const JsonReader& scaling = from.scaling;
  const double factor = positive(scaling, "factor");
  const int64_t context = size_of(from.hf, "max_position_embeddings");
  return YarnScaling{.factor = factor,
                     .original_context = scaling.number_or("original_max_position_embeddings",
                                                           static_cast<double>(context)),
                     .beta_fast = scaling.number_or("beta_fast", 32.0),
                     .beta_slow = scaling.number_or("beta_slow", 1.0),
                     .truncate = scaling.flag_or("truncate", true),
                     .amplitude = yarn_amplitude(scaling, factor)};
}

std::vector<double> factors(const JsonReader& scaling, std::string_view key) {
  std::vector<double> found = scaling.numbers_or_empty(key);
  const auto is_bad = [](double factor) { return !(factor > 0.0); };
  if (!found.empty() && std::none_of(found.begin(), found.end(), is_bad)) return found;
  throw Error(ErrorKind::kConfig,
              str(scaling.origin(), ": ", key, " must be a list of numbers above 0; correct it"));
}

// transformers v5 _compute_longrope_parameters. The original length stands beside the section.
RotaryScaling longrope(const Source& from) {
  const JsonReader& scaling = from.scaling;
  const int64_t longest = size_of(from.hf, "max_position_embeddings");
  const int64_t inside = size_or(scaling, "original_max_position_embeddings", longest);
  const auto original =
      static_cast<double>(size_or(from.hf, "original_max_position_embeddings", inside));
  const double stretch = scaling.number_or("factor", static_cast<double>(longest) / original);
  const double amplitude =
      stretch <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(stretch) / std::log(original));
  return LongScaling{.short_factors = factors(scaling, "short_factor"),
                     .long_factors = factors(scaling, "long_factor"),
                     .original_context = original,
                     .amplitude = scaling.number_or("attention_factor", amplitude)};
}

struct Kind {
  std::string_view rope_type;
  RotaryScaling (*read)(const Source&);
};
constexpr Kind kKinds[] = {{"default", &unscaled},  {"mrope", &unscaled},  // as Qwen2-VL calls it
                           {"linear", &linear},     {"dynamic", &dynamic},
                           {"llama3", &llama3},     {"yarn", &yarn},
                           {"longrope", &longrope}, {"su", &longrope}};  // its older name

RotaryScaling read_scaling(const Source& from) {
  const std::string_view type = rope_type_of(from.scaling);
  std::string known;
  for (const Kind& kind : kKinds) {
    if (kind.rope_type == type) return kind.read(from);
    known += str(known.empty() ? "" : ", ", kind.rope_type);
  }
  throw Error(ErrorKind::kConfig, str(from.scaling.origin(), ": rope_type \"", type,
                                      "\" is not supported; supported are ", known));
}

// How many of `half` frequencies go by each axis; empty: there is one.
std::vector<int64_t> sections_of(const JsonReader& scaling, int64_t half) {
  std::vector<int64_t> sections = scaling.integers_or_empty("mrope_section");
  if (sections.empty()) return sections;
  const int64_t sum = std::accumulate(sections.begin(), sections.end(), int64_t{0});
  const bool fits = sections.size() == 3 && sum == half &&
                    *std::min_element(sections.begin(), sections.end()) > 0;
  if (fits) return sections;
  throw Error(ErrorKind::kConfig,
              str(scaling.origin(), ": mrope_section has ", sections.size(), " parts of ", sum,
                  " frequencies, expected those of time, row and column, together the ", half,
                  " of a head; correct it"));
}

void check_factors(const LongScaling& by, int64_t dim, const JsonReader& scaling) {
  for (const auto& [name, factors] :
       {std::pair("short_factor", &by.short_factors), std::pair("long_factor", &by.long_factors)}) {
    if (std::ssize(*factors) == dim / 2) continue;
    throw Error(ErrorKind::kConfig,
                str(scaling.origin(), ": ", name, " has ", factors->size(), " numbers, expected ",
                    dim / 2, ", one for each pair of a head's numbers that turn; correct it"));
  }
}

}  // namespace

int64_t rotary_dim_of(const JsonReader& hf, int64_t head_dim, double documented_factor) {
  const double inside =
      hf.section("rope_parameters").number_or("partial_rotary_factor", documented_factor);
  const double factor = hf.number_or("partial_rotary_factor", inside);
  if (factor > 0.0 && factor <= 1.0) {
    return static_cast<int64_t>(static_cast<double>(head_dim) * factor);
  }
  throw Error(ErrorKind::kConfig, str(hf.origin(), ": partial_rotary_factor is ", factor,
                                      ", expected a share of a head, above 0 to 1; correct it"));
}

RotarySpec rotary_of(const JsonReader& hf, int64_t dim) {
  if (dim % 2 != 0) {
    throw Error(ErrorKind::kConfig, str(hf.origin(), ": head_dim is ", dim,
                                        ", expected an even number: rotary turns pairs"));
  }
  const double theta = hf.section("rope_parameters").number_or("rope_theta", 10000.0);
  const JsonReader scaling = rope_scaling_of(hf);
  RotarySpec spec = {.dim = dim,
                     .theta = hf.number_or("rope_theta", theta),
                     .scaling = read_scaling({scaling, hf}),
                     .sections = sections_of(scaling, dim / 2)};
  if (const auto* by = std::get_if<LongScaling>(&spec.scaling)) check_factors(*by, dim, scaling);
  return spec;
}

int64_t max_positions_of(const JsonReader& hf) {
  constexpr std::string_view kKeys[] = {"max_position_embeddings",
                                        "n_positions",
                                        "max_seq_len",
                                        "seq_length",
                                        "model_max_length",
                                        "max_target_positions",
                                        "max_sequence_length",
                                        "max_seq_length",
                                        "seq_len"};
  int64_t longest = INT64_MAX;
  for (const std::string_view key : kKeys) {
    if (hf.has(key)) longest = std::min(longest, size_of(hf, key));
  }
  if (longest == INT64_MAX) longest = size_of(hf, kKeys[0]);  // throws and names it
  const JsonReader scaling = rope_scaling_of(hf);
  const std::string_view type = rope_type_of(scaling);
  if (type == "llama3" || type == "longrope" || type == "su") return longest;
  if (type == "yarn") longest = size_or(scaling, "original_max_position_embeddings", longest);
  const double stretched = static_cast<double>(longest) * scaling.number_or("factor", 1.0);
  if (stretched >= 1.0 && stretched <= INT32_MAX) return static_cast<int64_t>(stretched);
  throw Error(ErrorKind::kConfig,
              str(scaling.origin(), ": factor stretches the context of ", longest, " tokens to ",
                  stretched, ", expected 1 to ", INT32_MAX, "; correct it"));
}

double yarn_score_factor_of(const JsonReader& hf) {
  const JsonReader scaling = rope_scaling_of(hf);
  const double mscale_all = scaling.number_or("mscale_all_dim", 0.0);
  if (mscale_all == 0.0) return 1.0;
  const double mscale = yarn_mscale(positive(scaling, "factor"), mscale_all);
  return mscale * mscale;
}

}  // namespace pagoda
