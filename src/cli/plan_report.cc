// What `pagoda plan` prints.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "base/json_writer.h"
#include "base/str.h"
#include "cli/plan.h"

namespace pagoda {
namespace {

namespace fs = std::filesystem;

std::string size_text(int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (bytes >= int64_t{1} << 30) return fmt::format("{:.2f} GiB", number / (1 << 30));
  if (bytes >= int64_t{1} << 20) return fmt::format("{:.2f} MiB", number / (1 << 20));
  return fmt::format("{:.2f} KiB", number / (1 << 10));
}

std::string memory_line(const ServingPlan& plan) {
  const DeviceMemory& memory = plan.memory;
  if (memory.is_shared) {
    return fmt::format("Memory: this host, {} of {} free, shared by all ranks\n",
                       size_text(memory.free_bytes), size_text(memory.total_bytes));
  }
  return fmt::format("Memory: {} each device; matrices are counted as {} packs them\n",
                     size_text(memory.total_bytes), plan.device);
}

double percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string row_of(const ServingPlan& plan, const RankCountPlan& count) {
  const RanksNeed& need = count.need;
  const std::string padding =
      fmt::format("{:.2f} %{}", percent(need.padding_bytes, need.weight_bytes),
                  count.is_even ? "" : ", uneven");
  const std::string serves = count.memory ? fmt::format("{} x {}", requests_at_once(plan, count),
                                                        count.memory->max_model_len)
                                          : std::string("does not fit");
  return fmt::format("{:>5}  {:>14}  {:>16}  {:>15}  {:>12}  {:>12}  {:>16}\n", count.ranks,
                     size_text(need.rank_weight_bytes), padding,
                     size_text(need.state.block_bytes() / plan.block_size),
                     size_text(need.workspace_bytes), count.longest, serves);
}

std::string heading() {
  return fmt::format("{:>5}  {:>14}  {:>16}  {:>15}  {:>12}  {:>12}  {:>16}\n", "ranks",
                     "weights a rank", "padding", "KV a token+rank", "workspace", "longest",
                     "requests x length");
}

std::string verdict(const ServingPlan& plan) {
  if (!plan.best) {
    return str("It fits on none of these",
               plan.wanted_len ? str(" with --max-model-len ", *plan.wanted_len) : "",
               "; give more or larger devices, a shorter --max-model-len, or a smaller model.\n");
  }
  const RankCountPlan& best = plan.counts[*plan.best];
  const int64_t kv_bytes = state_bytes(*best.memory, best.need.state);
  return fmt::format(
      "Fewest that serve it: {} {}. All ranks keep {} of weights; on each {} of KV cache hold {} "
      "requests of {} tokens (--max-num-seqs {}). The host keeps {} of logits and for sampling "
      "besides.\n",
      best.ranks, best.ranks == 1 ? "rank" : "ranks", size_text(best.need.weight_bytes),
      size_text(kv_bytes), requests_at_once(plan, best), best.memory->max_model_len,
      plan.max_sequences, size_text(best.need.host_bytes));
}

// The arguments of `serve`, completed by what was planned.
std::vector<std::string> serve_arguments(const ServingPlan& plan, const PlanOptions& options) {
  std::vector<std::string> arguments = options.serve_arguments;
  const RankCountPlan& best = plan.counts[plan.best.value()];
  const auto is_given = [&](std::string_view name) { return options.serve.given.contains(name); };
  if (best.ranks > 1 && !is_given("tensor-parallel-size")) {
    arguments.insert(arguments.end(), {"--tensor-parallel-size", std::to_string(best.ranks)});
  }
  const int64_t length = best.memory->max_model_len;
  if (length < plan.facts.max_positions && !is_given("max-model-len")) {
    arguments.insert(arguments.end(), {"--max-model-len", std::to_string(length)});
  }
  return arguments;
}

std::string quoted_for_shell(const std::string& argument) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:,@%+";
  const bool is_plain = argument.find_first_not_of(kPlain) == std::string::npos;
  if (is_plain && !argument.empty()) return argument;
  std::string quoted = "'";
  for (const char c : argument) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// JSON is YAML; Compose takes $ for a variable unless it is doubled.
std::string quoted_for_compose(const std::string& argument) {
  std::string escaped;
  for (const char c : argument) escaped += c == '$' ? std::string("$$") : std::string(1, c);
  return to_json(boost::json::value(escaped));
}

// Options whose values are files and folders of this host, where they exist.
constexpr std::string_view kPathOptions[] = {"model",
                                             "tokenizer",
                                             "hf-config-path",
                                             "generation-config",
                                             "chat-template",
                                             "config",
                                             "ssl-keyfile",
                                             "ssl-certfile",
                                             "ssl-ca-certs",
                                             "download-dir",
                                             "allowed-local-media-path"};

// What the container has to see at the same path as this host: as typed, and as a whole path.
std::map<std::string, std::string> paths_to_mount(const PlanOptions& options) {
  std::map<std::string, std::string> paths;
  for (const std::string_view name : kPathOptions) {
    const auto given = options.serve.given.find(name);
    if (given == options.serve.given.end() || !given->second.value.is_string()) continue;
    const std::string typed(given->second.value.as_string());
    std::error_code missing;
    const fs::path whole = fs::canonical(typed, missing);
    if (!missing) paths[typed] = whole.string();
  }
  return paths;
}

// "x", or "--option=x".
std::string with_whole_path(const std::string& argument,
                            const std::map<std::string, std::string>& paths) {
  const size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
  const size_t begin = equals == std::string::npos ? 0 : equals + 1;
  const auto found = paths.find(argument.substr(begin));
  return found == paths.end() ? argument : argument.substr(0, begin) + found->second;
}

std::string volumes_of(const PlanOptions& options,
                       const std::map<std::string, std::string>& paths) {
  const auto downloads = options.serve.given.find("download-dir");
  std::string text = "      - /root/.cache:/root/.cache\n";
  std::set<std::string> wholes;
  for (const auto& [typed, whole] : paths) {
    if (!wholes.insert(whole).second) continue;
    const bool is_written = downloads != options.serve.given.end() &&
                            downloads->second.value.as_string() == std::string_view(typed);
    text +=
        str("      - ", quoted_for_compose(str(whole, ":", whole, is_written ? "" : ":ro")), "\n");
  }
  return text;
}

// Variables that act on serving; of a secret the name only, for Compose to look up.
std::string environment_of(const PlanOptions& options) {
  std::string text;
  for (const auto& [name, value] : options.environment) {
    const VariableRow* row = find_variable(name);
    const bool acts = row != nullptr && row->standing == Standing::kWorks && !value.empty();
    if (!acts || !name.starts_with("VLLM_")) continue;
    const bool is_secret = name == "VLLM_API_KEY";
    text += str("      - ", quoted_for_compose(is_secret ? name : str(name, "=", value)), "\n");
  }
  return text.empty() ? "" : str("    environment:\n", text);
}

}  // namespace

std::string plan_report(const ServingPlan& plan) {
  std::string text = fmt::format("{}: {} in {}, made for contexts of {} tokens, sizes from {}\n",
                                 plan.model, plan.facts.architecture, name_of(plan.dtype),
                                 plan.facts.max_positions, plan.weights);
  text += memory_line(plan) + "\n" + heading();
  for (const RankCountPlan& count : plan.counts) text += row_of(plan, count);
  return text + "\n" + verdict(plan);
}

std::string serve_line(const ServingPlan& plan, const PlanOptions& options) {
  std::string line = "pagoda serve";
  for (const std::string& argument : serve_arguments(plan, options)) {
    line += str(" ", quoted_for_shell(argument));
  }
  return line;
}

std::string compose_file(const ServingPlan& plan, const PlanOptions& options) {
  const std::map<std::string, std::string> paths = paths_to_mount(options);
  std::string command = quoted_for_compose("serve");
  std::string previous;
  for (const std::string& argument : serve_arguments(plan, options)) {
    // A name to serve under may look like the folder of the model.
    const bool is_name = name_of_option(previous) == "--served-model-name";
    command += str(", ", quoted_for_compose(is_name ? argument : with_whole_path(argument, paths)));
    if (argument.starts_with('-')) previous = argument;
  }
  std::string comments, report = plan_report(plan);
  for (size_t begin = 0; begin < report.size();) {
    const size_t end = report.find('\n', begin);
    comments += str(end == begin ? "#" : "# ", report.substr(begin, end - begin), "\n");
    begin = end + 1;
  }
  return str(comments,
             "services:\n"
             "  vllm:\n"
             "    image: pagoda:cpu\n"
             "    restart: unless-stopped\n"
             "    init: true\n"
             "    stop_grace_period: 40s  # requests that run get 30 s to end (--shutdown-grace)\n"
             "    network_mode: host\n"
             "    shm_size: 1g\n"
             "    volumes:\n",
             volumes_of(options, paths), environment_of(options),
             "    entrypoint: [\"vllm\"]\n"
             "    command: [",
             command, "]\n");
}

}  // namespace pagoda
