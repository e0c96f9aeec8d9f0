#include "s3/canned_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <ctime>

namespace ingot::s3 {

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

int listen_anywhere(int& port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&address), bytes) != 0 || ::listen(descriptor, 64) != 0 ||
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) {
    std::abort();
  }
  port = ntohs(address.sin_port);
  return descriptor;
}

// Closes with a reset, not with an end.
void reset(int descriptor) {
  const linger at_once{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

// A key and a certificate for 127.0.0.1, signed by itself.
SSL_CTX* make_tls(std::string& pem) {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("ingot test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* address = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(certificate, address, -1);
  X509_EXTENSION_free(address);
  X509_sign(certificate, key, EVP_sha256());

  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(memory, certificate);
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(memory, &text);
  pem.assign(text, static_cast<std::size_t>(bytes));
  BIO_free(memory);

  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate(context, certificate) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1) std::abort();
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

std::string head(int status, const Headers& headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Whatever\r\n";
  const bool has_date = std::ranges::any_of(headers, [](const auto& header) { return header.first == "Date"; });
  if (!has_date) text += "Date: " + http_date_in(0) + "\r\n";
  for (const auto& [name, value] : headers) {
    if (!value.empty()) text.append(name).append(": ").append(value).append("\r\n");
  }
  return text;
}

}  // namespace

std::string SeenRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

std::string SeenRequest::query() const {
  const std::size_t mark = target.find('?');
  return mark == std::string::npos ? "" : target.substr(mark + 1);
}

Reaction answer(int status, const std::string& body, const Headers& headers) {
  std::string text = head(status, headers);
  if (status != 204) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return {text + "\r\n" + body};
}

Reaction chunked_answer(int status, const std::string& body, const Headers& headers) {
  const auto chunk = [](const std::string& bytes) {
    char size[32];
    (void)std::snprintf(size, sizeof size, "%zx", bytes.size());
    return std::string(size) + "\r\n" + bytes + "\r\n";
  };
  const std::size_t half = body.size() / 2;
  return {head(status, headers) + "Transfer-Encoding: chunked\r\n\r\n" + chunk(body.substr(0, half)) +
          chunk(body.substr(half)) + "0\r\n\r\n"};
}

Reaction error_answer(int status, const std::string& code, const Headers& headers, const std::string& more) {
  return answer(status,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code><Message>It says " + code +
                    ".</Message>" + more + "<RequestId>1</RequestId></Error>",
                headers);
}

std::string http_date_in(int seconds) {
  const std::time_t when = std::time(nullptr) + seconds;
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  char text[64];
  (void)std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

std::string refusing_url() {
  int port = 0;
  ::close(listen_anywhere(port));
  return "http://127.0.0.1:" + std::to_string(port);
}

// Bytes from and to a connection, encrypted or not.
class CannedServer::Stream {
 public:
  Stream(int descriptor, SSL_CTX* tls) : descriptor_(descriptor) {
    if (tls == nullptr) return;
    session_ = SSL_new(tls);
    SSL_set_fd(session_, descriptor);
    open_ = SSL_accept(session_) == 1;
    ERR_clear_error();
  }
  ~Stream() { SSL_free(session_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] bool is_open() const { return open_; }
  // Appends what comes next; false: nothing comes any more.
  bool read(std::string& bytes) {
    char buffer[65536];
    const auto got = session_ != nullptr ? static_cast<ssize_t>(SSL_read(session_, buffer, sizeof buffer))
                                         : ::recv(descriptor_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = session_ != nullptr
                            ? static_cast<ssize_t>(SSL_write(session_, bytes.data(), static_cast<int>(bytes.size())))
                            : ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void reset_at_close() const { reset(descriptor_); }

 private:
  const int descriptor_;
  SSL* session_ = nullptr;
  bool open_ = true;
};

CannedServer::CannedServer(Handler handler, Security security) : handler_(std::move(handler)) {
  (void)std::signal(SIGPIPE, SIG_DFL);  // the client's business, even if it is in the same process
  if (security == Security::tls) tls_ = make_tls(certificate_);
  listener_ = listen_anywhere(port_);
  acceptor_ = std::thread([this] { accept_all(); });
}

CannedServer::~CannedServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const int descriptor : open_) ::shutdown(descriptor, SHUT_RDWR);
  }
  stopped_.notify_all();
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
  SSL_CTX_free(tls_);
}

std::string CannedServer::host() const {
  return "127.0.0.1:" + std::to_string(port_);
}

std::string CannedServer::url() const {
  return (tls_ != nullptr ? "https://" : "http://") + host();
}

std::vector<SeenRequest> CannedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

int CannedServer::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

void CannedServer::accept_all() {
  for (;;) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (stopping_ || descriptor < 0) {
      if (descriptor >= 0) ::close(descriptor);
      return;
    }
    if (resets_ > 0) {
      --resets_;
      reset(descriptor);
      ::close(descriptor);
      continue;
    }
    open_.push_back(descriptor);
    threads_.emplace_back([this, descriptor, number = ++connections_] { serve(descriptor, number); });
  }
}

void CannedServer::serve(int descriptor, int number) {
  sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  {
    Stream stream(descriptor, tls_);
    for (int count = 1; stream.is_open() && serve_one(stream, number, count);) ++count;
  }
  const std::lock_guard lock(mutex_);
  std::erase(open_, descriptor);
  ::close(descriptor);
}

bool CannedServer::serve_one(Stream& stream, int connection, int on_connection) {
  std::string bytes;
  std::size_t head_end = std::string::npos;
  while ((head_end = bytes.find("\r\n\r\n")) == std::string::npos) {
    if (!stream.read(bytes)) return false;
  }
  SeenRequest request;
  request.method = bytes.substr(0, bytes.find(' '));
  request.target = bytes.substr(request.method.size() + 1, bytes.find(" HTTP/") - request.method.size() - 1);
  for (std::size_t at = bytes.find("\r\n") + 2; at < head_end + 2;) {
    const std::size_t end = bytes.find("\r\n", at);
    const std::size_t colon = bytes.find(':', at);
    request.headers[lower(bytes.substr(at, colon - at))] = bytes.substr(colon + 2, end - colon - 2);
    at = end + 2;
  }
  request.body = bytes.substr(head_end + 4);
  const std::string length = request.header("content-length");
  while (request.body.size() < (length.empty() ? 0 : std::stoull(length))) {
    if (!stream.read(request.body)) return false;
  }
  request.connection = connection;
  request.on_connection = on_connection;
  {
    const std::lock_guard lock(mutex_);
    request.number = static_cast<int>(requests_.size()) + 1;
    requests_.push_back(request);
  }
  const Reaction reaction = handler_(request);
  stream.write(reaction.bytes);
  if (reaction.then == Reaction::Then::keep) return true;
  if (reaction.then == Reaction::Then::reset) stream.reset_at_close();
  if (reaction.then == Reaction::Then::hang) {
    std::unique_lock lock(mutex_);
    stopped_.wait(lock, [this] { return stopping_; });
  }
  return false;
}

}  // namespace ingot::s3
