// GET /metrics: the figures of engine and API in the text format of Prometheus, under the names of
// vLLM 0.9.2.
//
// Thread rule: pure function.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "api/routes/api_counters.h"
#include "engine/metrics.h"

namespace pagoda {

// `cache_config` becomes the labels of vllm:cache_config_info.
std::string metrics_text(const MetricsSnapshot& engine, const ApiCounts& api,
                         const std::string& model_name, const boost::json::object& cache_config);

}  // namespace pagoda
