#include "hub/listing.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/str.h"
#include "hub/cache_layout.h"
#include "hub/json_fields.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

// Names of files beside the weights, "*" for the rest of a name. What is not here (weights in other
// forms, onnx/, original/, pictures, code) is not read by us.
constexpr std::array kPatterns = {
    "config.json",
    "configuration.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "chat_template*",
    "spiece.model",
    "sentencepiece*",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "quantize_config.json",
    "quantization_config.json",
    "quant_config.json",
    "hf_quant_config.json",
    "modules.json",
    "config_sentence_transformers.json",
};

bool matches(std::string_view name, std::string_view pattern) {
  if (!pattern.ends_with('*')) return name == pattern;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool is_beside_weights(std::string_view path) {
  return std::any_of(kPatterns.begin(), kPatterns.end(),
                     [&](const char* pattern) { return matches(path, pattern); });
}

bool is_weight(std::string_view path) {
  return path.find('/') == std::string_view::npos &&
         (path.ends_with(".safetensors") || path == kIndexOfWeights);
}

// Mistral's repositories hold the weights twice: in parts, and as consolidated.safetensors.
bool is_second_copy(std::string_view path) {
  return path.starts_with("consolidated");
}

std::vector<HubFile> weights_of(const HubListing& listing) {
  std::vector<HubFile> first, second;
  for (const HubFile& file : listing.files) {
    if (is_weight(file.path)) (is_second_copy(file.path) ? second : first).push_back(file);
  }
  if (first.empty()) return second;
  // As transformers does: one file and no index is the model; what is beside it are variants, such
  // as model.fp16.safetensors.
  const auto is_named = [](std::string_view name) {
    return [name](const HubFile& file) { return file.path == name; };
  };
  const auto whole = std::find_if(first.begin(), first.end(), is_named("model.safetensors"));
  const bool has_index = std::any_of(first.begin(), first.end(), is_named(kIndexOfWeights));
  return whole == first.end() || has_index ? first : std::vector<HubFile>{*whole};
}

bool has_safetensors(const std::vector<HubFile>& files) {
  return std::any_of(files.begin(), files.end(),
                     [](const HubFile& file) { return file.path.ends_with(".safetensors"); });
}

[[noreturn]] void reject(const HubListing& listing, std::string_view lacks) {
  std::vector<std::string> others;
  for (const HubFile& file : listing.files) {
    const std::string extension = fs::path(file.path).extension().string();
    const bool is_other = extension == ".bin" || extension == ".gguf" || extension == ".pt" ||
                          extension == ".pth" || extension == ".safetensors";
    if (is_other && others.size() < 3) others.push_back(file.path);
  }
  throw Error(ErrorKind::kConfig,
              str("model: \"", listing.model, "\" holds no ", lacks,
                  others.empty() ? "" : str("; it holds ", joined(others, ", ")),
                  "; choose a model in Hugging Face format with *.safetensors beside config.json"));
}

}  // namespace

bool is_hash(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool is_safe_path(std::string_view path) {
  // Control characters would move a terminal's cursor, or begin a line of the log.
  if (path.empty() || path != printable(path)) return false;
  const fs::path parts(path);
  return parts.is_relative() && std::all_of(parts.begin(), parts.end(), [](const fs::path& part) {
           return !part.empty() && part != "." && part != "..";
         });
}

std::vector<HubFile> needed_files(const HubListing& listing, ModelNeed need) {
  std::vector<HubFile> files;
  for (const HubFile& file : listing.files) {
    if (is_beside_weights(file.path) && file.path.find('/') == std::string::npos) {
      files.push_back(file);
    }
  }
  const bool has_config = std::any_of(
      files.begin(), files.end(), [](const HubFile& file) { return file.path == "config.json"; });
  const bool needs_weights = need == ModelNeed::kWeights || need == ModelNeed::kWeightsAlone;
  const bool needs_config = needs_weights || need == ModelNeed::kConfig;
  if (!has_config && needs_config) reject(listing, "config.json");
  if (needs_weights) {
    const std::vector<HubFile> weights = weights_of(listing);
    if (!has_safetensors(weights)) reject(listing, "*.safetensors");
    files.insert(files.end(), weights.begin(), weights.end());
  }
  // Small ones first: what is wrong with them shows before gigabytes have come.
  std::sort(files.begin(), files.end(), [](const HubFile& a, const HubFile& b) {
    const bool a_is_weight = a.path.ends_with(".safetensors");
    const bool b_is_weight = b.path.ends_with(".safetensors");
    return a_is_weight != b_is_weight ? b_is_weight : a.path < b.path;
  });
  // No listing should name a file twice; two downloads to one place would spoil each other.
  const auto is_same = [](const HubFile& a, const HubFile& b) { return a.path == b.path; };
  files.erase(std::unique(files.begin(), files.end(), is_same), files.end());
  return files;
}

}  // namespace pagoda
