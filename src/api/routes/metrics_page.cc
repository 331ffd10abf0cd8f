#include "api/routes/metrics_page.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <vector>

#include "api/requests/python_repr.h"

namespace pagoda {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

class Page {
 public:
  void help(std::string_view name, std::string_view text, std::string_view type) {
    fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, text, name,
                   type);
  }

  void sample(std::string_view name, Labels labels, double value) {
    std::sort(labels.begin(), labels.end());  // the order in which prometheus_client prints them
    out_ += name;
    for (size_t i = 0; i < labels.size(); ++i) {
      fmt::format_to(std::back_inserter(out_), "{}{}=\"{}\"", i == 0 ? "{" : ",", labels[i].first,
                     escaped(labels[i].second));
    }
    if (!labels.empty()) out_ += '}';
    fmt::format_to(std::back_inserter(out_), " {}\n", python_repr_of_number(value));
  }

  void buckets(const std::string& name, const Labels& labels, const Histogram& histogram) {
    int64_t sum = 0;
    for (size_t i = 0; i < histogram.counts().size(); ++i) {
      sum += histogram.counts()[i];
      Labels with_bound = labels;
      with_bound.emplace_back("le", i < histogram.bounds().size()
                                        ? python_repr_of_number(histogram.bounds()[i])
                                        : "+Inf");
      sample(name + "_bucket", with_bound, static_cast<double>(sum));
    }
    sample(name + "_count", labels, static_cast<double>(histogram.count()));
    sample(name + "_sum", labels, histogram.sum());
  }

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// The metrics of one engine.
class EnginePage {
 public:
  EnginePage(Page& page, const std::string& model, double created)
      : page_(page), labels_({{"engine", "0"}, {"model_name", model}}), created_(created) {}

  void gauge(const std::string& name, std::string_view help, double value) {
    page_.help("vllm:" + name, help, "gauge");
    page_.sample("vllm:" + name, labels_, value);
  }

  void counter(const std::string& name, std::string_view help, int64_t value) {
    page_.help("vllm:" + name + "_total", help, "counter");
    page_.sample("vllm:" + name + "_total", labels_, static_cast<double>(value));
    page_.help("vllm:" + name + "_created", help, "gauge");
    page_.sample("vllm:" + name + "_created", labels_, created_);
  }

  void histogram(const std::string& name, std::string_view help, const Histogram& histogram) {
    page_.help("vllm:" + name, help, "histogram");
    page_.buckets("vllm:" + name, labels_, histogram);
    page_.help("vllm:" + name + "_created", help, "gauge");
    page_.sample("vllm:" + name + "_created", labels_, created_);
  }

  void success(const MetricsSnapshot& m) {
    constexpr const char* kHelp = "Count of successfully processed requests.";
    const std::pair<const char*, int64_t> reasons[] = {{"stop", m.request_success_stop},
                                                       {"length", m.request_success_length},
                                                       {"abort", m.request_success_abort}};
    page_.help("vllm:request_success_total", kHelp, "counter");
    for (const auto& [reason, count] : reasons) {
      page_.sample("vllm:request_success_total", with_reason(reason), static_cast<double>(count));
    }
    page_.help("vllm:request_success_created", kHelp, "gauge");
    for (const auto& [reason, count] : reasons) {
      page_.sample("vllm:request_success_created", with_reason(reason), created_);
    }
  }

 private:
  Labels with_reason(const char* reason) const {
    Labels out = labels_;
    out.emplace_back("finished_reason", reason);
    return out;
  }

  Page& page_;
  const Labels labels_;
  const double created_;
};

void add_gauges_and_counters(EnginePage& page, const MetricsSnapshot& m) {
  page.gauge("num_requests_running", "Number of requests in model execution batches.",
             static_cast<double>(m.num_requests_running));
  page.gauge("num_requests_waiting", "Number of requests waiting to be processed.",
             static_cast<double>(m.num_requests_waiting));
  page.gauge("gpu_cache_usage_perc",
             "GPU KV-cache usage. 1 means 100 percent usage."
             "DEPRECATED: Use vllm:kv_cache_usage_perc instead.",
             m.kv_cache_usage_perc);
  page.counter("gpu_prefix_cache_queries",
               "GPU prefix cache queries, in terms of number of queried tokens."
               "DEPRECATED: Use vllm:prefix_cache_queries instead.",
               m.prefix_cache_queries);
  page.counter("gpu_prefix_cache_hits",
               "GPU prefix cache hits, in terms of number of cached tokens."
               "DEPRECATED: Use vllm:prefix_cache_hits instead.",
               m.prefix_cache_hits);
  page.gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.",
             m.kv_cache_usage_perc);
  page.counter("prefix_cache_queries",
               "Prefix cache queries, in terms of number of queried tokens.",
               m.prefix_cache_queries);
  page.counter("prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.",
               m.prefix_cache_hits);
  page.counter("num_preemptions", "Cumulative number of preemption from the engine.",
               m.num_preemptions);
  page.counter("prompt_tokens", "Number of prefill tokens processed.", m.prompt_tokens);
  page.counter("generation_tokens", "Number of generation tokens processed.", m.generation_tokens);
  page.success(m);
}

void add_token_histograms(EnginePage& page, const MetricsSnapshot& m, const ApiCounts& api) {
  page.histogram("request_prompt_tokens", "Number of prefill tokens processed.",
                 m.request_prompt_tokens);
  page.histogram("request_generation_tokens", "Number of generation tokens processed.",
                 m.request_generation_tokens);
  page.histogram("iteration_tokens_total", "Histogram of number of tokens per engine_step.",
                 m.iteration_tokens_total);
  page.histogram("request_max_num_generation_tokens",
                 "Histogram of maximum number of requested generation tokens.",
                 api.max_generation_tokens);
  page.histogram("request_params_n", "Histogram of the n request parameter.", api.num_choices);
  page.histogram("request_params_max_tokens", "Histogram of the max_tokens request parameter.",
                 m.request_params_max_tokens);
}

void add_time_histograms(EnginePage& page, const MetricsSnapshot& m) {
  page.histogram("time_to_first_token_seconds", "Histogram of time to first token in seconds.",
                 m.time_to_first_token_seconds);
  page.histogram("time_per_output_token_seconds", "Histogram of time per output token in seconds.",
                 m.time_per_output_token_seconds);
  page.histogram("e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.",
                 m.e2e_request_latency_seconds);
  page.histogram("request_queue_time_seconds",
                 "Histogram of time spent in WAITING phase for request.",
                 m.request_queue_time_seconds);
  page.histogram("request_inference_time_seconds",
                 "Histogram of time spent in RUNNING phase for request.",
                 m.request_inference_time_seconds);
  page.histogram("request_prefill_time_seconds",
                 "Histogram of time spent in PREFILL phase for request.",
                 m.request_prefill_time_seconds);
  page.histogram("request_decode_time_seconds",
                 "Histogram of time spent in DECODE phase for request.",
                 m.request_decode_time_seconds);
}

void add_cache_config(Page& page, const boost::json::object& config) {
  if (config.empty()) return;
  Labels labels = {{"engine", "0"}};
  for (const auto& [key, value] : config) {
    labels.emplace_back(key,
                        value.is_string() ? std::string(value.get_string()) : python_repr(value));
  }
  page.help("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", "gauge");
  page.sample("vllm:cache_config_info", labels, 1);
}

void add_routes(Page& page, const ApiCounts& api) {
  constexpr const char* kRequests = "Total number of requests by method, status and handler.";
  page.help("http_requests_total", kRequests, "counter");
  for (const auto& [key, route] : api.routes) {
    for (const auto& [status, count] : route.by_status) {
      page.sample("http_requests_total",
                  {{"handler", key.first}, {"method", key.second}, {"status", status}},
                  static_cast<double>(count));
    }
  }
  page.help("http_request_size_bytes", "Content length of incoming requests by handler.",
            "summary");
  page.help("http_response_size_bytes",
            "Content length of outgoing responses by handler; streams have none.", "summary");
  for (const auto& [key, route] : api.routes) {
    const Labels labels = {{"handler", key.first}, {"method", key.second}};
    page.sample("http_request_size_bytes_count", labels, static_cast<double>(route.requests));
    page.sample("http_request_size_bytes_sum", labels, route.request_bytes);
    page.sample("http_response_size_bytes_count", labels, static_cast<double>(route.requests));
    page.sample("http_response_size_bytes_sum", labels, route.response_bytes);
  }
  page.help("http_request_duration_highr_seconds",
            "Latency with many buckets but no API specific labels.", "histogram");
  page.buckets("http_request_duration_highr_seconds", {}, api.seconds);
  page.help("http_request_duration_seconds", "Latency with only few buckets by handler.",
            "histogram");
  for (const auto& [key, route] : api.routes) {
    page.buckets("http_request_duration_seconds", {{"handler", key.first}, {"method", key.second}},
                 route.seconds);
  }
}

void add_process(Page& page) {
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  if (!(statm >> pages >> resident)) return;
  const auto page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  page.help("process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge");
  page.sample("process_virtual_memory_bytes", {}, pages * page_bytes);
  page.help("process_resident_memory_bytes", "Resident memory size in bytes.", "gauge");
  page.sample("process_resident_memory_bytes", {}, resident * page_bytes);
}

}  // namespace

std::string metrics_text(const MetricsSnapshot& engine, const ApiCounts& api,
                         const std::string& model_name, const boost::json::object& cache_config) {
  Page page;
  add_process(page);
  EnginePage engine_page(page, model_name, engine.created_unix_seconds);
  add_gauges_and_counters(engine_page, engine);
  add_token_histograms(engine_page, engine, api);
  add_time_histograms(engine_page, engine);
  add_cache_config(page, cache_config);
  add_routes(page, api);
  return page.take();
}

}  // namespace pagoda
