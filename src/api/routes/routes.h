// The routes, as route_table.cc lists them: those with a JSON body are each in the file of its
// name, the others in state_routes.cc.
//
// Thread rule: any thread.
#pragma once

#include "api/routes/route.h"

namespace pagoda {

RouteAnswer answer_completion(const RouteRequest& request, const RouteContext& context);
RouteAnswer answer_chat(const RouteRequest& request, const RouteContext& context);
RouteAnswer answer_tokenize(const RouteRequest& request, const RouteContext& context);
RouteAnswer answer_detokenize(const RouteRequest& request, const RouteContext& context);
// SageMaker's only one: what the body looks like decides which of the first two it is.
RouteAnswer answer_invocation(const RouteRequest& request, const RouteContext& context);

HttpReply version_reply();
HttpReply health_reply(const RouteContext& context);
HttpReply load_reply(const RouteContext& context);
HttpReply metrics_reply(const RouteContext& context);
HttpReply models_reply(const RouteContext& context);
HttpReply server_info_reply(const RouteContext& context);
HttpReply reset_prefix_cache_reply(const RouteContext& context);

}  // namespace pagoda
