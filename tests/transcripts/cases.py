"""Which transcripts cannot agree, and why. Everything that is not named here must."""

# Features that Pagoda does not have yet: their cases are answered 400 with a reason that says so.
NOT_YET = {
    "chat_with_json_object": "response_format needs guided decoding",
    "chat_with_json_schema": "response_format needs guided decoding",
    "completion_with_beam_search": "beam search",
    "completion_with_guided_choice": "guided decoding",
    "error_bad_json_schema": "response_format needs guided decoding",
    "error_bad_regex": "guided decoding",
    "tools_named": "a named tool needs guided decoding",
    "tools_named_streamed": "a named tool needs guided decoding",
    "tools_required": "tool_choice required needs guided decoding",
    "tools_required_streamed": "tool_choice required needs guided decoding",
}

# Where vLLM's own answer is a failure or says nothing useful: ours is (status, how the message begins).
BETTER = {
    "embeddings_of_a_generating_model": (400, "The model does not support Embeddings API"),
    "error_bad_content_part": (400, "Unknown part type: hologram"),
    "error_body_is_a_list": (400, "[{'type': 'model_attributes_type', 'loc': ('body',)"),
    "error_empty_messages": (400, "messages: the list is empty"),
    "error_image_for_a_text_model": (400, "{model} is not a multimodal model"),
    "error_not_utf8": (400, "There was an error parsing the body: byte 60 begins no UTF-8"),
    "error_tool_choice_unknown": (400, "[{'type': 'value_error', 'loc': ('body',), 'msg': 'Value "
                                       "error, Invalid value for `tool_choice`: "),
    "error_unknown_role": (400, "Unknown role: alien"),
}

# Compared by a function of their own.
SPECIAL = {"metrics"}

# vLLM's Hermes parser puts a content of null beside the last thinking, announces a call with an empty content and sends the line break behind the
# call as a piece of its arguments, so that a client cannot tell where they end.
STREAMED_CALLS = {"tools_auto_streamed", "tools_auto_with_thinking_streamed"}
