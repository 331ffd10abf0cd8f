#include "api/transport/answer_writer.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstddef>
#include <string>

namespace pagoda {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kPieceBytes = 64 << 10;

}  // namespace

asio::awaitable<bool> AnswerWriter::write(std::string_view text) {
  error_code failed;
  for (size_t at = 0; at < text.size() && !failed; at += kPieceBytes) {
    const std::string_view piece = text.substr(at, kPieceBytes);
    const asio::const_buffer buffer(piece.data(), piece.size());
    stream_.expires_after(timeout_);
    co_await asio::async_write(stream_, buffer, asio::redirect_error(asio::use_awaitable, failed));
  }
  co_return !failed;
}

asio::awaitable<bool> AnswerWriter::write_chunks(std::string_view text) {
  error_code failed;
  for (size_t at = 0; at < text.size() && !failed; at += kPieceBytes) {
    const std::string_view piece = text.substr(at, kPieceBytes);
    const std::string size = fmt::format("{:x}\r\n", piece.size());
    const std::array<asio::const_buffer, 3> buffers = {
        asio::buffer(size), asio::buffer(piece.data(), piece.size()), asio::buffer("\r\n", 2)};
    stream_.expires_after(timeout_);
    co_await asio::async_write(stream_, buffers, asio::redirect_error(asio::use_awaitable, failed));
  }
  co_return !failed;
}

}  // namespace pagoda
